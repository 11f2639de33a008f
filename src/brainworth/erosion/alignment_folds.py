"""Hyperalignment in one fold: components and rotations from training stimuli, applied to the rest.

Every subject's patterns are reduced to the same number of principal components of its training
stimuli and rotated to the generalized Procrustes mean of the other subjects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from brainworth.erosion.dual_ridge import centred, from_training_mean, squared_deviations
from brainworth.erosion.procrustes import cross_products, generalized, rotation

INNER_FOLDS = 3
_NO_SIGNAL = 1e-10  # of the largest eigenvalue: below it a component is rounding


@dataclass(frozen=True)
class Aligned:
    """The test stimuli of one fold, in the common space of D components.

    Attributes
    ----------
    test, train : array of int
        Stimuli.
    most : array of shape (S, n, E)
        Scores of test stimuli on as many components as any candidate has; E >= D.
    most_train : array of shape (S, N, E)
        The same for training stimuli.
    group : array of shape (S, D, D)
        Rotations to the mean of all subjects.
    own : array of shape (S, n, D)
        Scores of each subject, rotated to the mean of the others.
    members : array of shape (S, S, n, D)
        ``members[s, t]``: scores of subject t in the space that s was rotated to; own for t = s.
    scale : array of shape (S,)
        What the reference is multiplied with to predict a subject; from training stimuli.
    """

    test: np.ndarray
    train: np.ndarray
    most: np.ndarray
    most_train: np.ndarray
    group: np.ndarray
    own: np.ndarray
    members: np.ndarray
    scale: np.ndarray

    @property
    def dimension(self) -> int:
        """Number of components D."""
        return self.own.shape[-1]

    @property
    def reference(self) -> np.ndarray:
        """Return the mean of the others that each subject was rotated to, shape (S, n, D)."""
        return (self.members.sum(axis=1) - self.own) / (len(self.own) - 1)

    def agreement(self) -> np.ndarray:
        """Return the cosines of own (rows) and reference (columns) patterns, shape (S, n, n)."""
        return _unit(self.own) @ _unit(self.reference).transpose(0, 2, 1)

    def with_members(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what each member adds to the agreement, and whom it is most like.

        Returns
        -------
        products : array of shape (S, S, n, n)
            Inner products of own unit patterns (rows) with those of each member (columns), scaled
            so that the mean over members is near the cosine with their mean.
        best : array of shape (S, S, n, n)
            1 where the member's pattern in the column is the nearest to the own one in the row.
        """
        own = _unit(self.own)[:, None]
        size = np.sqrt(np.mean(np.sum(self.reference**2, axis=-1), axis=-1))
        products = own @ self.members.swapaxes(2, 3) / size[:, None, None, None]
        nearest = (own @ _unit(self.members).swapaxes(2, 3)).argmax(axis=-1)
        return products, nearest[..., None] == np.arange(own.shape[2])

    def errors(self, grams: list[np.ndarray]) -> np.ndarray:
        """Return squared errors over voxels of predicting each subject, shape (S, n)."""
        answer = np.empty(self.own.shape[:2])
        for s, (gram, goal) in enumerate(zip(grams, self.reference, strict=True)):
            reference = self.scale[s] * goal
            deviation = squared_deviations(gram, self.test, self.train)
            overlap = np.sum(self.own[s] * reference, axis=1)
            answer[s] = deviation - 2 * overlap + np.sum(reference**2, axis=1)
        return answer


def align(
    grams: list[np.ndarray],
    ranks: list[int],
    test: np.ndarray,
    train: np.ndarray,
    candidates: list[int],
    rng: np.random.Generator,
) -> Aligned:
    """Align all subjects on training stimuli.

    Parameters
    ----------
    grams : list of arrays of shape (I, I)
        Inner products of each subject's mean patterns; two subjects at least.
    ranks : list of int
        Voxels of each subject.
    test, train : array of int
        Stimuli.
    candidates : list of int
        Numbers of components to choose from, by predicting left-out training stimuli.
    rng : numpy.random.Generator
        Splits the training stimuli for that choice.
    """
    usable = allowed(candidates, ranks, len(train))
    most_train, most = _components(grams, test, train, usable[-1])
    usable = [d for d in usable if d <= most.shape[-1]] or [most.shape[-1]]
    d = usable[0] if len(usable) == 1 else _choose(most_train, usable, rng)
    scores, held_out = most_train[..., :d], most[..., :d]
    cross = cross_products(scores)
    group = generalized(cross)
    own, scale = np.empty_like(held_out), []
    members = np.empty((len(grams), *held_out.shape))
    for s in range(len(grams)):
        others = [t for t in range(len(grams)) if t != s]
        q = generalized(cross[np.ix_(others, others)], start=group[others])
        goal = np.mean(scores[others] @ q, axis=0)
        turn = rotation(scores[s].T @ goal)
        scale.append(np.sum((scores[s] @ turn) * goal) / np.sum(goal**2))
        own[s] = held_out[s] @ turn
        members[s, others] = held_out[others] @ q
        members[s, s] = own[s]
    return Aligned(test, train, most, most_train, group, own, members, np.array(scale))


def allowed(candidates: list[int], ranks: list[int], n_train: int) -> list[int]:
    """Return the candidates that every subject has voxels for, or else the most there can be."""
    most = min(*ranks, n_train - 1)
    return [d for d in sorted(candidates) if d <= most] or [most]


def _components(
    grams: list[np.ndarray], test: np.ndarray, train: np.ndarray, d: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of training and test stimuli on at most d components that all subjects have."""
    n = len(train)
    fitted, applied = [], []
    for gram in grams:
        values, vectors = eigh(centred(gram, train, train), subset_by_index=[n - d, n - 1])
        values, vectors = values[::-1], vectors[:, ::-1]
        kept = values > _NO_SIGNAL * values[0]
        values, vectors = values[kept], vectors[:, kept]
        fitted.append(vectors * np.sqrt(values))
        applied.append(from_training_mean(gram, gram, test, train) @ (vectors / np.sqrt(values)))
    d = min(each.shape[1] for each in fitted)
    return np.stack([each[:, :d] for each in fitted]), np.stack([each[:, :d] for each in applied])


def _choose(scores: np.ndarray, candidates: list[int], rng: np.random.Generator) -> int:
    """Return the number of components that predicts left-out training stimuli best.

    Candidates are tried from the smallest until one predicts worse than the one before.
    """
    n = scores.shape[1]
    splits = []
    for held_out in np.array_split(rng.permutation(n), INNER_FOLDS):
        kept = np.setdiff1d(np.arange(n), held_out)
        mean = scores[:, kept].mean(axis=1, keepdims=True)
        inside, outside = scores[:, kept] - mean, scores[:, held_out] - mean
        splits.append((inside, outside, cross_products(inside)))
    best, most = candidates[0], -np.inf
    for d in candidates:
        gain = np.mean([_gain(*each, d) for each in splits])
        if gain < most:
            break
        best, most = d, gain
    return best


def _gain(inside: np.ndarray, outside: np.ndarray, cross: np.ndarray, d: int) -> float:
    """Return the R2 of left-out scores predicted by the mean of the others in d components."""
    q = generalized(cross[..., :d, :d], tolerance=1e-3)
    fitted, applied = inside[..., :d] @ q, outside[..., :d] @ q
    goal, reference = _mean_of_others(fitted), _mean_of_others(applied)
    c = np.sum(fitted * goal, axis=(1, 2)) / np.sum(goal**2, axis=(1, 2))
    overlap, size = np.sum(applied * reference, axis=(1, 2)), np.sum(reference**2, axis=(1, 2))
    return float(np.mean((2 * c * overlap - c**2 * size) / np.sum(outside**2, axis=(1, 2))))


def _mean_of_others(values: np.ndarray) -> np.ndarray:
    return (values.sum(axis=0) - values) / (len(values) - 1)


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)
