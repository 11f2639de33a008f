"""The noise of the channels, and recordings in which it is white.

Channels share noise: a number common to the whole brain, slow spatial patterns. A regression that
weighs channels alike takes strong shared noise for signal, so recordings are divided by their noise
(multivariate noise normalisation). Its covariance is that of the residuals of least squares, which
are independent of the fitted coefficients: a variance a channel, and those principal components of
the standardised residuals that stand out from what independent channels give by chance (Marchenko
& Pastur), with their eigenvalues freed of the bias that sampling gives them (Baik & Silverstein
2006).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import eigsh

from brainworth.bridges.calibration.brain_moments import Fit, Moments
from brainworth.errors import BrainworthError

#: Components at most, and samples that they are taken from, which bound the time.
MOST_FACTORS = 30
MOST_ROWS = 3000
#: Matrices up to this size are decomposed in full.
SMALL = 300
#: A component stands out if its eigenvalue is so much above the largest of chance.
MARGIN = 1.2
#: Rounds of taking what components share out of the variance of channels, and the largest change of
#: its logarithm that needs no further round.
ROUNDS = 4
SETTLED = 0.1
#: Samples at a time, which bounds the memory.
_BLOCK = 2048


@dataclass(frozen=True)
class Whitening:
    """Divides recordings by their noise: ``r / scale``, then `gain` along each of the `axes`.

    Attributes
    ----------
    scale : array of shape (V,)
        SD of the independent noise of each channel.
    axes : array of shape (V, q)
        Orthonormal.
    gain : array of shape (q,)
    """

    scale: np.ndarray
    axes: np.ndarray
    gain: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Whiten values whose last axis is V."""
        scaled = values / self.scale.astype(values.dtype)
        axes = self.axes.astype(values.dtype)
        return scaled + (scaled @ axes * (self.gain - 1).astype(values.dtype)) @ axes.T

    def pull(self, directions: np.ndarray) -> np.ndarray:
        """Return directions (V, k) of white recordings as directions of recordings as they are."""
        turned = directions + self.axes @ ((self.gain - 1)[:, None] * (self.axes.T @ directions))
        return turned / self.scale[:, None]

    def moments(self, raw: Moments, values: np.ndarray) -> Moments:
        """Return the moments of white recordings, from those as they are and the samples.

        Parameters
        ----------
        raw : Moments
        values : array of shape (N, V)
            The samples that `raw` sums over.
        """
        along = values @ (self.axes / self.scale[:, None]).astype(values.dtype)
        square = np.sum(raw.rr / self.scale**2)
        square += np.sum((self.gain**2 - 1) * np.einsum("ij,ij->j", along, along, dtype=np.float64))
        return replace(raw, r=self.apply(raw.r), xr=self.apply(raw.xr), rr=np.array([square]))


def residuals(found: Fit, x: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Return what least squares leaves of samples x (N, d) and r (N, V)."""
    centred, coefficients = (x - found.mean_x).astype(r.dtype), found.coefficients().astype(r.dtype)
    left = r - found.mean_r.astype(r.dtype)
    for rows in _blocks(len(r)):
        left[rows] -= centred[rows] @ coefficients
    return left


def whiten(left: np.ndarray, degrees: int) -> Whitening:
    """Find what makes noise white.

    Parameters
    ----------
    left : array of shape (N, V)
        Residuals.
    degrees : int
        Their degrees of freedom.

    Raises
    ------
    BrainworthError
        If a channel has no noise.
    """
    n_channels = left.shape[1]
    variance = np.einsum("ij,ij->j", left, left, dtype=np.float64) / degrees
    still = np.flatnonzero(variance <= 0)
    if still.size:
        raise BrainworthError(
            f"voxel {still[0]} of the region is a linear function of the inputs in every brain "
            "sample, without any noise; check the betas"
        )
    some = left[:MOST_ROWS]
    freedom = degrees * len(some) / len(left)
    unique, weighed = variance, some
    for round_ in range(ROUNDS):
        scale = np.sqrt(unique)
        values, axes, bulk = _factors(weighed, scale, freedom)
        # what components leave of the variance of each channel, not of the standardised ones
        shared = (axes**2 * np.maximum(values - bulk, 0)).sum(axis=1)
        last, unique = unique, variance - np.minimum(shared * unique, 0.95 * variance)
        if round_ and np.max(np.abs(np.log(unique / (last * bulk)))) < SETTLED:
            break
        # trials with more noise than others would count as components of their own
        lengths = _lengths(left, np.sqrt(unique), axes)
        weighed = some * np.sqrt(lengths.mean() / lengths[: len(some)])[:, None]
    ratio = n_channels / freedom
    apart = values / bulk
    true = (apart + 1 - ratio + np.sqrt(np.maximum((apart + 1 - ratio) ** 2 - 4 * apart, 0))) / 2
    # variance along an estimated component: part of it is that of the component
    excess = np.maximum(true - 1, np.sqrt(ratio))
    known = (1 - ratio / excess**2) / (1 + ratio / excess)
    along = np.maximum(true, 1.0) * known + 1 - known
    return Whitening(scale * np.sqrt(bulk), axes, along**-0.5)


def _lengths(left: np.ndarray, scale: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return the squared length of each row of standardised residuals outside of axes (V, q)."""
    scale, axes = scale.astype(left.dtype), axes.astype(left.dtype)
    answer = np.empty(len(left), dtype=left.dtype)
    for rows in _blocks(len(left)):
        along = left[rows] / scale
        along -= (along @ axes) @ axes.T
        answer[rows] = np.einsum("ij,ij->i", along, along)
    return answer


def _blocks(n: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]


def _factors(
    left: np.ndarray, scale: np.ndarray, freedom: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return eigenvalues and axes that stand out, and the mean of the other eigenvalues."""
    n_channels = left.shape[1]
    rows = left / scale.astype(left.dtype)
    smaller = rows.T @ rows if n_channels <= len(rows) else rows @ rows.T
    size = len(smaller)
    most = min(MOST_FACTORS, size)
    values, vectors = _leading(smaller.astype(np.float64) / freedom, most)
    total = float(np.einsum("ij,ij->", rows, rows, dtype=np.float64)) / freedom
    edge = MARGIN * (1 + np.sqrt(n_channels / freedom)) ** 2
    bulk, q = total / n_channels, 0
    while q < most and q < n_channels - 1 and values[q] > edge * bulk:
        q += 1
        bulk = (total - values[:q].sum()) / (n_channels - q)
    vectors = np.asarray(vectors[:, :q], dtype=np.float64)
    if n_channels > len(rows):
        vectors = rows.T @ vectors
        vectors /= np.linalg.norm(vectors, axis=0)
    return values[:q], np.asarray(vectors, dtype=np.float64), bulk


def _leading(matrix: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest eigenvalues, descending, and their eigenvectors.

    Of a large matrix only these are computed (Lanczos, from a fixed start: the same every time).
    """
    if len(matrix) > SMALL:
        values, vectors = eigsh(matrix, k=most, v0=np.ones(len(matrix)), tol=1e-10)
        order = np.argsort(values)[::-1]
        return values[order], vectors[:, order]
    size = len(matrix)
    values, vectors = eigh(matrix, subset_by_index=(size - most, size - 1))
    return values[::-1], vectors[:, ::-1]
