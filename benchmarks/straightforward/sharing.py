"""Voxels predicted from other subjects' voxels: scikit-learn's Ridge, SVD for the penalty.

The estimates of `brainworth.erosion.shared_fraction`, computed voxel by voxel: regressions fitted
to halves of the training stimuli, products of their predictions on the other stimuli, and how those
change if a stimulus gets more weight (by the leave-one-out residual of that stimulus).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import svd
from sklearn.linear_model import Ridge

from brainworth.erosion.shared_fraction import LIGHTER, MOST
from brainworth.ridge import ALPHAS
from straightforward.clock import Clock
from straightforward.parts import split
from straightforward.reading import Trials, mean_patterns


@dataclass
class Patterns:
    """Patterns of one subject, (I, V): of all trials, and of two disjoint parts of them."""

    mean: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def of_size_one(self) -> Patterns:
        """Return the patterns in units in which those of all trials have a total variance of 1."""
        size = np.linalg.norm(self.mean - self.mean.mean(axis=0))
        return Patterns(self.mean / size, self.first / size, self.second / size)


@dataclass
class Half:
    """A regression fitted to half of the training stimuli, and its predictions of test stimuli."""

    train: np.ndarray
    alpha: float
    predicted: dict[str, np.ndarray]
    by_member: list[np.ndarray]
    influence: dict[str, np.ndarray]
    left_out: np.ndarray


@dataclass
class Fold:
    """Held-out sums of one fold, each (n,) over test stimuli or (I,) over all."""

    test: np.ndarray
    agreement: np.ndarray
    product: np.ndarray
    slope_agreement: np.ndarray
    slope_product: np.ndarray
    signal: np.ndarray
    error: np.ndarray
    total: np.ndarray


@dataclass
class Shared:
    """What `predict` finds for one subject; arrays over stimuli."""

    explained: np.ndarray
    influence: np.ndarray
    signal: np.ndarray
    error: np.ndarray
    total: np.ndarray
    agreement: list[np.ndarray]

    def shares(self, weights: np.ndarray) -> np.ndarray:
        """Return ceiling, R2, and shared fraction for each row of multiplicities, (B, 3)."""
        found = []
        for row in weights:
            signal, total = np.sum(row * self.signal), np.sum(row * self.total)
            explained = self.explained.sum() + np.sum((row - 1) * self.influence)
            found.append([signal / total, 1 - np.sum(row * self.error) / total, explained / signal])
        return np.array(found)


def patterns_of(data: Trials) -> Patterns:
    """Average trials by stimulus."""
    first, _ = split(data)
    parts = (
        mean_patterns(data.values[chosen], data.stimulus[chosen]) for chosen in (first, ~first)
    )
    return Patterns(mean_patterns(data.values, data.stimulus), *parts)


def predict(
    target: Patterns,
    members: list[Patterns],
    fold: np.ndarray,
    rng: np.random.Generator,
    clock: Clock,
    share: tuple[int, int],
) -> Shared:
    """Predict one subject from the other subjects, fold by fold.

    Parameters
    ----------
    share : (int, int)
        Subjects that are predicted, and of how many.
    """
    with clock.part("shared fraction", *share):
        others = Patterns(
            *(np.hstack([getattr(m, name) for m in members]) for name in vars(target))
        )
        widths = np.cumsum([m.mean.shape[1] for m in members])[:-1]
        found = [
            _fold(target, others, widths, np.flatnonzero(fold == number), rng)
            for number in range(fold.max() + 1)
        ]
        n = len(fold)
        explained, influence, signal, error, total = (np.zeros(n) for _ in range(5))
        agreement = []
        for number, own in enumerate(found):
            rest = [each for k, each in enumerate(found) if k != number]
            a = sum(np.trace(each.agreement, axis1=1, axis2=2).sum() for each in rest)
            p = sum(each.product.sum() for each in rest)
            c = np.clip(a / (2 * p), 1, MOST) if p > 0 else 1.0
            diagonal = np.einsum("tii->i", own.agreement)
            explained[own.test] = c * diagonal - c**2 * own.product
            influence += c * own.slope_agreement - c**2 * own.slope_product
            signal[own.test], error[own.test] = own.signal, own.error
            total[own.test] = own.total
            agreement.append(c * own.agreement)
    return Shared(explained, influence + explained, signal, error, total, agreement)


def _fold(target: Patterns, others: Patterns, widths: np.ndarray, test: np.ndarray, rng) -> Fold:
    n_stimuli = len(target.mean)
    train = np.setdiff1d(np.arange(n_stimuli), test)
    halves = [
        _half(target.mean, others, widths, half, test)
        for half in np.array_split(rng.permutation(train), 2)
    ]
    correction = test.size / (test.size - 1)
    y = target.mean[test] - target.mean[test].mean(axis=0)
    agreement = np.array(
        [sum(half.by_member[t] @ y.T for half in halves) for t in range(len(halves[0].by_member))]
    )
    one, two = (half.predicted for half in halves)
    product = np.sum(one["first"] * two["second"] + one["second"] * two["first"], axis=1) / 2
    slope_agreement, slope_product = np.zeros(n_stimuli), np.zeros(n_stimuli)
    for half, other in (halves, halves[::-1]):
        moved = half.left_out @ y.T
        slope_agreement[half.train] = np.sum(half.influence["mean"].T * moved, axis=1)
        for name, partner in (("first", "second"), ("second", "first")):
            moved = half.left_out @ other.predicted[partner].T
            slope_product[half.train] += np.sum(half.influence[name].T * moved, axis=1) / 2
    plain = Ridge(alpha=LIGHTER * np.sqrt(halves[0].alpha * halves[1].alpha))
    plain.fit(others.mean[train], target.mean[train])
    error = np.sum((target.mean[test] - plain.predict(others.mean[test])) ** 2, axis=1)
    total = np.sum((target.mean[test] - target.mean[train].mean(axis=0)) ** 2, axis=1)
    first, second = (part[test] - part[test].mean(axis=0) for part in (target.first, target.second))
    return Fold(
        test,
        correction * agreement,
        correction * product,
        correction * slope_agreement,
        correction * slope_product,
        correction * np.sum(first * second, axis=1),
        error,
        total,
    )


def _half(
    targets: np.ndarray, others: Patterns, widths: np.ndarray, train: np.ndarray, test: np.ndarray
) -> Half:
    """Fit with the penalty of generalised cross-validation, made lighter, and predict."""
    x, y = others.mean[train], targets[train]
    centre = x.mean(axis=0)
    left, size, right = svd(x - centre, full_matrices=False)
    rotated = left.T @ (y - y.mean(axis=0))
    penalties = ALPHAS * np.sum(size**2) / len(train)
    scores = []
    for penalty in penalties:
        shrink = size**2 / (size**2 + penalty)
        residuals = y - y.mean(axis=0) - left @ (shrink[:, None] * rotated)
        scores.append(np.sum(residuals**2) / (len(train) - 1 - shrink.sum()) ** 2)
    alpha = penalties[np.argmin(scores)] / LIGHTER
    model = Ridge(alpha=alpha).fit(x, y)
    leverage = left**2 @ (size**2 / (size**2 + alpha)) + 1 / len(train)
    left_out = (y - model.predict(x)) / (1 - leverage)[:, None]
    predicted, influence = {}, {}
    for name in ("mean", "first", "second"):
        values = getattr(others, name)[test]
        predicted[name] = _centred(model.predict(values))
        influence[name] = _centred(
            (values - centre) @ right.T @ ((size / (size**2 + alpha))[:, None] * left.T)
        )
    by_member = [
        _centred(part @ coefficients)
        for part, coefficients in zip(
            np.split(others.mean[test], widths, axis=1),
            np.split(model.coef_.T, widths),
            strict=True,
        )
    ]
    return Half(train, alpha, predicted, by_member, influence, left_out)


def _centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=0)
