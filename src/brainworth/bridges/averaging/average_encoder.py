"""Linear encoders of one subject, of all subjects, and of their average.

individual
    Fitted to the subject's own training images.
pooled_heads
    A subspace of the features that all subjects share, and a read-out of it for each subject: the
    linear counterpart of one backbone with a head a subject.
average
    One encoder with one output for all subjects, fitted to the training images of all at once. To
    minimise the squared error over subjects is to estimate the mean response of the population.
average_of_others
    The same of all subjects but the one that it is held to.

Each is fitted to all images there are (`ALL`), and, so that more data do not hide what averaging
costs, to as many images in total as the subject with the fewest has (`MATCHED`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from brainworth.bridges.averaging import moments
from brainworth.bridges.averaging.common_space import Space
from brainworth.bridges.averaging.moments import Linear, Moments
from brainworth.stats import stream

INDIVIDUAL, POOLED = "individual", "pooled_heads"
AVERAGE, OTHERS = "average", "average_of_others"
ENCODERS = (INDIVIDUAL, POOLED, AVERAGE, OTHERS)
MATCHED, ALL = "matched", "all"
#: Groups of training images; what the cost is without each says how far they decide it.
GROUPS = 6
#: Encoders of halves are fitted with a penalty that is so many times smaller than the one that
#: predicts best: columns of a region are shrunk by different factors, which would remain in what is
#: explained, and the noise that this lets in does not.
LIGHTER = 100.0
#: Dimensions of the shared subspace to choose from, on validation images.
RANKS = (2, 4, 8, 16, 32, 64, 128)
_NO_VARIANCE = 1e-10  # of the largest eigenvalue: below it a direction is rounding


@dataclass(frozen=True)
class Inputs:
    """What encoders predict from.

    Attributes
    ----------
    name : str
    train, validation : lists of S arrays of shape (n_s, P)
    test : array of shape (I, P)
    """

    name: str
    train: list[np.ndarray]
    validation: list[np.ndarray]
    test: np.ndarray


#: By encoder, what either half predicts: one array (S, I_space, R, K) a space.
Pair = dict[str, tuple[list[np.ndarray], list[np.ndarray]]]


@dataclass(frozen=True)
class Halves:
    """Encoders that are fitted to disjoint halves of all training images.

    Attributes
    ----------
    groups : two lists of `GROUPS` lists of S Moments
        Each half of each subject's images, in groups.
    test : array of shape (I, P)
    spaces : sequence of Space
    present : array of shape (S, C), bool
    """

    groups: list[list[list[Moments]]]
    test: np.ndarray
    spaces: Sequence[Space]
    present: np.ndarray

    def members(self) -> list[list[Moments]]:
        """Return the sums of either half, by subject."""
        return [[_total(each) for each in zip(*half, strict=True)] for half in self.groups]

    def whole(self) -> Pair:
        """Predict from the whole of each half."""
        return self._predict(self.members())

    def without_groups(self) -> Iterator[Pair]:
        """Predict from what is left of each half without one group of every subject."""
        members = self.members()
        for number in range(GROUPS):
            yield self._predict(
                [
                    [all_ - own for all_, own in zip(each, half[number], strict=True)]
                    for each, half in zip(members, self.groups, strict=True)
                ]
            )

    def _predict(self, members: list[list[Moments]]) -> Pair:
        return {
            encoder: tuple(
                _apply(_fit(encoder, each, self.present, LIGHTER), self.test, self.spaces)
                for each in members
            )
            for encoder in (INDIVIDUAL, AVERAGE, OTHERS)
        }


@dataclass(frozen=True)
class Predictions:
    """Predictions of test images, by space.

    Attributes
    ----------
    whole : dict from (size, encoder) to list of arrays of shape (S, I_space, R, K)
        One array a space.
    halves : Halves or None
        Encoders fitted to disjoint halves of all training images.
    n_images : dict from (size, encoder) to array of shape (S,)
        Training images.
    ranks : dict from size to list of int
        Dimensions of the shared subspace, one a space.
    """

    whole: dict[tuple[str, str], list[np.ndarray]]
    halves: Halves | None
    n_images: dict[tuple[str, str], np.ndarray]
    ranks: dict[str, list[int]]


def predict(inputs: Inputs, spaces: Sequence[Space], seed: int) -> Predictions:
    """Fit all encoders and predict the test images of all spaces.

    Parameters
    ----------
    inputs : Inputs
    spaces : sequence of Space
    seed : int
        Root seed of the study: which images are drawn.
    """
    n_subjects = len(inputs.train)
    flat = [np.concatenate([each.train[s].reshape(len(inputs.train[s]), -1) for each in spaces], 1)
            for s in range(n_subjects)]  # fmt: skip
    present = np.concatenate(
        [np.repeat(each.present, each.test.shape[-1], axis=1) for each in spaces], axis=1
    )

    def sums(rows: Sequence[np.ndarray]) -> list[Moments]:
        return [moments.of(inputs.train[s][rows[s]], flat[s][rows[s]]) for s in range(n_subjects)]

    orders = [
        stream(seed, "averaging", "images", s).permutation(len(inputs.train[s]))
        for s in range(n_subjects)
    ]
    fewest = min(map(len, orders))
    parts = [np.array_split(order, 2 * GROUPS) for order in orders]
    halves = Halves(
        [
            [sums([each[2 * group + number] for each in parts]) for group in range(GROUPS)]
            for number in range(2)
        ],
        inputs.test,
        spaces,
        present,
    )
    everything = [_total(each) for each in zip(*halves.members(), strict=True)]
    own = sums([order[:fewest] for order in orders])
    of_all = sums([order[: fewest // n_subjects] for order in orders])
    of_others = sums([order[: fewest // max(1, n_subjects - 1)] for order in orders])
    given = {
        MATCHED: {INDIVIDUAL: own, POOLED: of_all, AVERAGE: of_all, OTHERS: of_others},
        ALL: dict.fromkeys(ENCODERS, everything),
    }
    whole, n_images, ranks = {}, {}, {}
    for size, members in given.items():
        for encoder in (INDIVIDUAL, AVERAGE, OTHERS):
            fitted = _fit(encoder, members[encoder], present)
            whole[size, encoder] = _apply(fitted, inputs.test, spaces)
        whole[size, POOLED], ranks[size] = _pooled_heads(inputs, spaces, members[POOLED])
        for encoder in ENCODERS:
            n_images[size, encoder] = _count(encoder, members[encoder])
    return Predictions(whole, halves, n_images, ranks)


def _total(several: Sequence[Moments]) -> Moments:
    answer = several[0]
    for each in several[1:]:
        answer = answer + each
    return answer


def _fit(
    encoder: str, members: list[Moments], present: np.ndarray, lighter: float = 1.0
) -> list[Linear]:
    """Return the map of each subject."""
    n_subjects = len(members)
    if encoder == INDIVIDUAL:
        return [
            moments.fit_pooled([each], present[s : s + 1], lighter=lighter)
            for s, each in enumerate(members)
        ]
    if encoder == AVERAGE:
        return [moments.fit_pooled(members, present, lighter=lighter)] * n_subjects
    others = [[t for t in range(n_subjects) if t != s] for s in range(n_subjects)]
    return [
        moments.fit_pooled([members[t] for t in rest], present[rest], lighter=lighter)
        for rest in others
    ]


def _count(encoder: str, members: list[Moments]) -> np.ndarray:
    n = np.array([each.n for each in members])
    if encoder == INDIVIDUAL:
        return n
    return np.full(len(n), n.sum()) - (n if encoder == OTHERS else 0)


def _apply(fitted: list[Linear], test: np.ndarray, spaces: Sequence[Space]) -> list[np.ndarray]:
    """Predict the test images of each space, (S, I_space, R, K) a space."""
    # one map for all subjects is applied once
    known = {id(each): each.predict(test) for each in fitted}
    answer, start = [], 0
    for space in spaces:
        shape = space.test.shape[2:]
        stop = start + int(np.prod(shape))
        answer.append(
            np.stack(
                [known[id(each)][space.images, start:stop].reshape(-1, *shape) for each in fitted]
            )
        )
        start = stop
    return answer


def _pooled_heads(
    inputs: Inputs, spaces: Sequence[Space], members: list[Moments]
) -> tuple[list[np.ndarray], list[int]]:
    """Predict through a subspace of features that is fitted to all subjects, space by space."""
    answer, ranks, start = [], [], 0
    for space in spaces:
        shape = space.test.shape[2:]
        stop = start + int(np.prod(shape))
        own = [each.columns(np.arange(start, stop)) for each in members]
        has = np.repeat(space.present, shape[1], axis=1)
        basis = shared_subspace(own, has)
        best: tuple[float, int, list[Linear]] | None = None
        for rank in [rank for rank in RANKS if rank < basis.shape[1]] + [basis.shape[1]]:
            part = basis[:, :rank]
            fitted = [
                moments.fit_pooled([each.within(part)], has[s : s + 1])
                for s, each in enumerate(own)
            ]
            error = sum(
                _relative_error(each.predict(x @ part), y.reshape(len(y), -1), has[s])
                for s, (each, x, y) in enumerate(
                    zip(fitted, inputs.validation, space.validation, strict=True)
                )
            )
            if best is None or error < best[0]:
                best = (error, rank, fitted)
        _, rank, fitted = best  # type: ignore[misc]
        x = inputs.test[space.images] @ basis[:, :rank]
        answer.append(np.stack([each.predict(x).reshape(-1, *shape) for each in fitted]))
        ranks.append(rank)
        start = stop
    return answer, ranks


def shared_subspace(members: list[Moments], present: np.ndarray) -> np.ndarray:
    """Return directions of features (P, Q), those that predict most in all subjects first.

    The maps of all subjects, fitted one by one, side by side, decomposed in the metric of the
    features' covariance over all images. Features times the answer are uncorrelated there.

    Parameters
    ----------
    members : list of S Moments
    present : array of shape (S, C), bool
    """
    total = sum((moments.covariance(each) for each in members), np.zeros_like(members[0].xx))
    values, vectors = np.linalg.eigh(total / sum(each.n for each in members))
    kept = values > _NO_VARIANCE * values[-1]
    root, vectors = np.sqrt(values[kept]), vectors[:, kept]
    maps = []
    for s, each in enumerate(members):
        weights = moments.fit_pooled([each], present[s : s + 1]).weights[:, present[s]]
        chosen = each.columns(np.flatnonzero(present[s]))
        spread = np.sqrt(np.maximum(chosen.yy / chosen.n - (chosen.y / chosen.n) ** 2, 1e-300))
        maps.append((root[:, None] * (vectors.T @ weights)) / spread)
    left = np.linalg.svd(np.hstack(maps), full_matrices=False)[0]
    return (vectors / root) @ left


def _relative_error(predicted: np.ndarray, observed: np.ndarray, has: np.ndarray) -> float:
    """Return the mean over columns of the squared error over the variance."""
    error = np.mean((predicted - observed)[:, has] ** 2, axis=0)
    variance = np.maximum(observed[:, has].var(axis=0), 1e-300)
    return float(np.mean(error / variance))
