"""Reduced-rank regression of recordings on inputs, from sums over samples.

The sums of disjoint blocks of samples add up, so that folds, halves and samples without one block
cost no second pass over the recordings, of which there may be 10,000 x 15,724.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from brainworth.errors import BrainworthError

#: Inputs vary in a direction if by more than this share of their largest variance.
_RANK = 1e-9


@dataclass(frozen=True)
class Moments:
    """Sums over N samples of d inputs and V channels.

    Attributes
    ----------
    n : int
    x, r : arrays of shape (d,) and (V,)
        Sums.
    xx, xr : arrays of shape (d, d) and (d, V)
        Sums of products.
    rr : array
        Sums of squares of the channels, shape (V,), or their total, shape (1,).
    """

    n: int
    x: np.ndarray
    r: np.ndarray
    xx: np.ndarray
    xr: np.ndarray
    rr: np.ndarray

    def __add__(self, other: Moments) -> Moments:
        """Return the sums over the samples of both."""
        return Moments(*(getattr(self, name) + getattr(other, name) for name in _NAMES))

    def __sub__(self, other: Moments) -> Moments:
        """Return the sums over the samples that are not in the other, which is a part."""
        return Moments(*(getattr(self, name) - getattr(other, name) for name in _NAMES))

    def about(self, mean_x: np.ndarray, mean_r: np.ndarray) -> tuple[np.ndarray, float]:
        """Return products of inputs and channels, and the total square of channels, about means."""
        products = self.xr - np.outer(self.x, mean_r) - np.outer(mean_x, self.r)
        products += self.n * np.outer(mean_x, mean_r)
        square = self.rr.sum() - 2 * self.r @ mean_r + self.n * mean_r @ mean_r
        return products, float(square)


_NAMES = tuple(Moments.__dataclass_fields__)


@dataclass(frozen=True)
class Fit:
    """Least squares of all channels on the inputs, sorted by what it explains.

    Attributes
    ----------
    n : int
        Samples less the one that the means take.
    mean_x, mean_r : arrays of shape (d,) and (V,)
    rotation : array of shape (d, d)
        Orthonormal columns w: the left singular vectors of the fitted values, in inputs that are
        white over the samples.
    basis : array of shape (d, d)
        The same directions as coefficients of the inputs as they are.
    strength : array of shape (d,)
        Sum of squares of the fitted values along each, descending.
    responses : array of shape (min(d, V), V)
        Orthogonal rows; the coefficients of all channels are ``basis @ responses``.
    square : float
        Total sum of squares of the channels about their means.
    """

    n: int
    mean_x: np.ndarray
    mean_r: np.ndarray
    rotation: np.ndarray
    basis: np.ndarray
    strength: np.ndarray
    responses: np.ndarray
    square: float

    @property
    def degrees(self) -> int:
        """Degrees of freedom of the residuals."""
        return self.n - len(self.basis)

    @property
    def noise_total(self) -> float:
        """Unbiased sum over channels of the residual variance."""
        return max(self.square - float(self.strength.sum()), 0.0) / self.degrees

    def coefficients(self) -> np.ndarray:
        """Return the coefficients of least squares, shape (d, V)."""
        return self.basis[:, : len(self.responses)] @ self.responses

    def channels(self, k: int) -> np.ndarray:
        """Return the leading k right singular vectors of the fitted values, shape (V, k)."""
        return self.responses[:k].T / np.sqrt(self.strength[:k])

    def subspace(self, k: int) -> np.ndarray:
        """Return an orthonormal basis of the inputs, the learned subspace in its first k columns.

        It is the column space of the regression of rank k with the least squared error (lemma 6 of
        the paper).
        """
        return np.linalg.qr(self.basis[:, :k], mode="complete")[0]


def of_samples(x: np.ndarray, r: np.ndarray) -> Moments:
    """Sum over samples x (N, d) and r (N, V)."""
    x, r = np.asarray(x, dtype=np.float64), np.asarray(r)
    return Moments(
        len(x),
        x.sum(axis=0),
        r.sum(axis=0, dtype=np.float64),
        x.T @ x,
        (x.astype(r.dtype).T @ r).astype(np.float64),
        np.einsum("ij,ij->j", r, r, dtype=np.float64),
    )


def total(parts: Iterable[Moments]) -> Moments:
    """Add up blocks."""
    first, *rest = parts
    for each in rest:
        first = first + each
    return first


def fit(moments: Moments) -> Fit:
    """Regress all channels on the inputs.

    Raises
    ------
    BrainworthError
        If there are fewer than d + 3 samples, or inputs are linearly dependent.
    """
    d = len(moments.x)
    if moments.n < d + 3:
        raise BrainworthError(
            f"{moments.n} brain samples are too few for {d} inputs, the regression takes at least "
            f"{d + 3}; lower bridges.calibration.dimensions, or use more sessions (data.sessions)"
        )
    mean_x, mean_r = moments.x / moments.n, moments.r / moments.n
    products, square = moments.about(mean_x, mean_r)
    spread = moments.xx - moments.n * np.outer(mean_x, mean_x)
    try:
        lower = cholesky(spread, lower=True)
        pivots = np.diag(lower) ** 2
        dependent = pivots.min() < _RANK * pivots.max()
    except np.linalg.LinAlgError:
        dependent = True
    if dependent:
        raise BrainworthError(
            f"the {d} inputs are linearly dependent over {moments.n} brain samples; lower "
            "bridges.calibration.dimensions"
        )
    rotated = solve_triangular(lower, products, lower=True)
    strength, rotation = np.linalg.eigh(rotated @ rotated.T)
    strength, rotation = np.maximum(strength[::-1], 0), rotation[:, ::-1]
    kept = min(d, products.shape[1])
    return Fit(
        n=moments.n - 1,
        mean_x=mean_x,
        mean_r=mean_r,
        rotation=rotation,
        basis=solve_triangular(lower, rotation, trans="T", lower=True),
        strength=strength,
        responses=rotation[:, :kept].T @ rotated,
        square=square,
    )


def explained(found: Fit, held_out: Moments) -> np.ndarray:
    """Return the share of held-out variance that ranks 0, 1, 2, ... explain.

    Returns
    -------
    array of shape (min(d, V) + 1,)
        The channels' variance is about the training means; rank 0 explains nothing.
    """
    products, square = held_out.about(found.mean_x, found.mean_r)
    spread = held_out.xx - np.outer(held_out.x, found.mean_x) - np.outer(found.mean_x, held_out.x)
    spread += held_out.n * np.outer(found.mean_x, found.mean_x)
    kept = len(found.responses)
    basis = found.basis[:, :kept]
    hits = np.einsum("di,di->i", basis, products @ found.responses.T)
    # rows of `responses` are orthogonal, so that ranks add up
    lengths = np.einsum("di,di->i", basis, spread @ basis)
    gains = 2 * hits - found.strength[:kept] * lengths
    return np.concatenate([[0.0], np.cumsum(gains)]) / square


def choose_rank(curves: np.ndarray, rule: str) -> int:
    """Choose the rank by what folds of images explain.

    Parameters
    ----------
    curves : array of shape (folds, ranks)
        Of `explained`.
    rule : {"best", "one_se"}
        The rank that explains most on average, or the lowest that is no more than one standard
        error (of the difference, over folds) below it.
    """
    mean = curves.mean(axis=0)
    best = int(np.argmax(mean))
    if rule == "best":
        return best
    lost = curves[:, best, None] - curves
    error = lost.std(axis=0, ddof=1) / np.sqrt(len(curves))
    return int(np.argmax(lost.mean(axis=0) <= error))
