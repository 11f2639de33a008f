"""Ridge regression from sums over images, which add up over subjects.

An encoder of all subjects but one differs from that of all by one subject's images. With sums of
products kept a subject, each such encoder costs one eigendecomposition and no pass over images.
The penalty of each column minimises generalised cross-validation (Golub, Heath & Wahba 1979,
Technometrics 21, 215-223), which needs these sums only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainworth.ridge import ALPHAS

#: A fit may not use up more than this share of the images.
MOST_FREEDOM = 0.9
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Moments:
    """Sums over N images of features (N, P) and responses (N, C)."""

    n: int
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray

    def __add__(self, other: Moments) -> Moments:
        """Return the sums over the images of both."""
        return Moments(*(getattr(self, f) + getattr(other, f) for f in vars(self)))

    def __sub__(self, other: Moments) -> Moments:
        """Return the sums over the images of this one that are not of the other, part of it."""
        return Moments(*(getattr(self, f) - getattr(other, f) for f in vars(self)))

    def columns(self, chosen: np.ndarray) -> Moments:
        """Return the sums of some responses."""
        return Moments(self.n, self.x, self.y[chosen], self.xx, self.xy[:, chosen], self.yy[chosen])

    def within(self, basis: np.ndarray) -> Moments:
        """Return the sums of features times a basis (P, Q)."""
        return Moments(
            self.n,
            self.x @ basis,
            self.y,
            basis.T @ self.xx @ basis,
            basis.T @ self.xy,
            self.yy,
        )


@dataclass(frozen=True)
class Linear:
    """A fitted map: weights (P, C) and intercept (C,)."""

    weights: np.ndarray
    intercept: np.ndarray

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict responses (N, C) from features (N, P)."""
        return x @ self.weights + self.intercept


def of(x: np.ndarray, y: np.ndarray) -> Moments:
    """Return the sums over images of features (N, P) and responses (N, C)."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return Moments(len(x), x.sum(axis=0), y.sum(axis=0), x.T @ x, x.T @ y, np.sum(y**2, axis=0))


def covariance(found: Moments) -> np.ndarray:
    """Return the sums of products of features about their means, (P, P)."""
    return found.xx - np.outer(found.x, found.x) / found.n


def fit(found: Moments, alphas: np.ndarray = ALPHAS, lighter: float = 1.0) -> Linear:
    """Fit a ridge regression to each column.

    Parameters
    ----------
    found : Moments
        Of at least three images.
    alphas : array
        Candidate penalties, relative to the mean squared length of centred features. Those that
        leave fewer than a tenth of the images free are not taken, but for the largest.
    lighter : float
        The best penalty is divided by this: more noise, and less shrinkage.

    Raises
    ------
    ValueError
        If there are fewer than three images, or all have the same features.
    """
    if found.n < 3:
        raise ValueError(f"a regression needs at least 3 images, there are {found.n}")
    n, x_mean, y_mean = found.n, found.x / found.n, found.y / found.n
    values, vectors = np.linalg.eigh(covariance(found))
    scale = values.sum() / n
    if not scale > 0:
        raise ValueError("all images have the same features: there is nothing to predict from")
    values = np.maximum(values, 0)
    rotated = vectors.T @ (found.xy - np.outer(found.x, y_mean))
    total = np.maximum(found.yy - n * y_mean**2, 0)
    penalties = np.sort(scale * np.asarray(alphas))
    freedom = 1 + np.sum(values / (values + penalties[:, None]), axis=1)
    penalties = penalties[freedom <= max(MOST_FREEDOM * n, freedom[-1])]
    criterion = np.stack([_criterion(values, rotated, total, penalty, n) for penalty in penalties])
    penalty = penalties[np.argmin(criterion, axis=0)] / lighter
    weights = vectors @ (rotated / (values[:, None] + penalty))
    return Linear(weights, y_mean - x_mean @ weights)


def fit_pooled(
    members: Sequence[Moments],
    present: np.ndarray,
    alphas: np.ndarray = ALPHAS,
    lighter: float = 1.0,
) -> Linear:
    """Fit one map to several subjects, each column to the subjects that have it.

    Parameters
    ----------
    members : sequence of S Moments
    present : array of shape (S, C), bool
        Columns that a subject has. One that nobody has is predicted as 0.
    alphas, lighter
        As in `fit`.
    """
    n_features, n_columns = members[0].xy.shape
    weights, intercept = np.zeros((n_features, n_columns)), np.zeros(n_columns)
    patterns, group = np.unique(present, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        chosen = np.flatnonzero(group.ravel() == number)
        there = [each.columns(chosen) for each, has in zip(members, pattern, strict=True) if has]
        if there:
            total = there[0]
            for each in there[1:]:
                total = total + each
            found = fit(total, alphas, lighter)
            weights[:, chosen], intercept[chosen] = found.weights, found.intercept
    return Linear(weights, intercept)


def _criterion(
    values: np.ndarray, rotated: np.ndarray, total: np.ndarray, penalty: float, n: int
) -> np.ndarray:
    """Return the generalised cross-validation error of each column, (C,)."""
    shrink = 1 / (values + penalty)
    explained = (2 * shrink - values * shrink**2) @ rotated**2
    error = np.maximum(total - explained, _ROUNDING * total)
    free = 1 - (1 + np.sum(values * shrink)) / n
    return error / n / max(free, _ROUNDING) ** 2
