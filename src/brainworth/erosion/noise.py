"""The noise covariance of voxels over trials, and patterns whitened by it.

Residuals (trial minus the mean of its stimulus) give a sample covariance, which is shrunk towards
its diagonal by the amount of Schafer & Strimmer (2005, Statistical Applications in Genetics and
Molecular Biology 4, 32), as rsatoolbox's ``shrinkage_diag`` does. With more voxels than degrees of
freedom the inverse is never formed: by Woodbury's identity, inner products of whitened patterns
need matrices of trials only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from brainworth.erosion.variance import contrasts_of
from brainworth.errors import BrainworthError


@dataclass(frozen=True)
class Noise:
    """A noise covariance ``diag(scale) ((1 - shrinkage) C'C / degrees + shrinkage 1) diag(scale)``.

    Attributes
    ----------
    scale : array of shape (V,)
        Noise SD of each voxel.
    contrasts : array of shape (D, V)
        Orthonormal within-stimulus contrasts over `scale`.
    shrinkage : float
        0 keeps the sample covariance, 1 its diagonal only.
    """

    scale: np.ndarray
    contrasts: np.ndarray
    shrinkage: float

    @property
    def degrees(self) -> int:
        """Degrees of freedom D: trials minus stimuli."""
        return len(self.contrasts)


def estimate(values: np.ndarray, stimulus: np.ndarray) -> Noise:
    """Estimate the noise covariance from repeated trials.

    Parameters
    ----------
    values : array of shape (T, V)
        Responses; stimuli with one trial add nothing.
    stimulus : array of shape (T,)
        0-based index of the stimulus of each trial, without gaps.

    Raises
    ------
    BrainworthError
        If there are fewer than 2 degrees of freedom, or a voxel never varies.
    """
    counts = np.bincount(stimulus)
    repeated = counts[stimulus] > 1
    values, stimulus = values[repeated], np.unique(stimulus[repeated], return_inverse=True)[1]
    n_trials, n_stimuli = len(values), int(np.count_nonzero(counts > 1))
    degrees = n_trials - n_stimuli
    if degrees < 2:
        raise BrainworthError(
            f"the noise covariance has {degrees} degrees of freedom (repeated trials minus their "
            "stimuli) and needs at least 2; use more sessions, or set erosion.rsa.noise to none"
        )
    contrasts = contrasts_of(values, stimulus, n_stimuli).values
    scale = np.sqrt(np.einsum("ij,ij->j", contrasts, contrasts) / degrees)
    still = np.flatnonzero(scale == 0)
    if still.size:
        raise BrainworthError(
            f"voxel {still[0]} of the region responds the same in every repetition; check the betas"
        )
    contrasts /= scale
    residuals = _residuals(values, stimulus, n_stimuli) / scale
    return Noise(scale, contrasts, _shrinkage(contrasts, residuals))


def whitened_products(
    patterns: np.ndarray, others: np.ndarray, noise: Noise | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return inner products of whitened patterns, and squared lengths of further ones.

    Parameters
    ----------
    patterns : array of shape (I, V)
    others : array of shape (K, V)
    noise : Noise or None
        None takes the identity for the covariance.

    Returns
    -------
    products : array of shape (I, I)
        ``patterns @ inverse(covariance) @ patterns.T``.
    squares : array of shape (K,)
        The diagonal of the same for `others`.
    """
    if noise is None:
        return patterns @ patterns.T, np.einsum("ij,ij->i", others, others)
    n = len(patterns)
    rows = np.concatenate([patterns, others]) / noise.scale
    products = rows[:n] @ rows[:n].T
    squares = np.einsum("ij,ij->i", rows[n:], rows[n:])
    keep = 1 - noise.shrinkage
    if keep == 0:
        return products, squares
    degrees, n_voxels = noise.contrasts.shape
    if n_voxels <= degrees:
        covariance = keep / degrees * (noise.contrasts.T @ noise.contrasts)
        covariance[np.diag_indices(n_voxels)] += noise.shrinkage
        white = solve_triangular(cholesky(covariance, lower=True), rows.T, lower=True)
        return white[:, :n].T @ white[:, :n], np.einsum("ij,ij->j", white[:, n:], white[:, n:])
    if noise.shrinkage == 0:
        raise BrainworthError(
            f"the noise covariance of {n_voxels} voxels from {degrees} degrees of freedom is not "
            "shrunk and has no inverse; set erosion.rsa.noise to none"
        )
    gram = noise.contrasts @ noise.contrasts.T
    gram[np.diag_indices(degrees)] += noise.shrinkage * degrees / keep
    seen = solve_triangular(cholesky(gram, lower=True), noise.contrasts @ rows.T, lower=True)
    products -= seen[:, :n].T @ seen[:, :n]
    squares -= np.einsum("ij,ij->j", seen[:, n:], seen[:, n:])
    return products / noise.shrinkage, squares / noise.shrinkage


def _residuals(values: np.ndarray, stimulus: np.ndarray, n_stimuli: int) -> np.ndarray:
    mean = np.zeros((n_stimuli, values.shape[1]))
    np.add.at(mean, stimulus, values)
    mean /= np.bincount(stimulus)[:, None]
    return values - mean[stimulus]


def _shrinkage(contrasts: np.ndarray, residuals: np.ndarray) -> float:
    """Return the share of the diagonal, from sums over pairs of different voxels.

    Parameters
    ----------
    contrasts : array of shape (D, V)
        With unit variance.
    residuals : array of shape (T, V)
        In the same unit.

    Notes
    -----
    No voxels x voxels matrix is needed: sums over all pairs of squared covariances are those of the
    contrasts' Gram matrix, and sums of squared products are squares of sums.
    """
    degrees, n_voxels = contrasts.shape
    n = len(residuals)
    smaller = contrasts if n_voxels > degrees else contrasts.T
    covariances = np.sum((smaller @ smaller.T) ** 2) - n_voxels * float(degrees) ** 2
    squares = residuals**2
    products = np.sum(squares.sum(axis=1) ** 2) - np.sum(squares**2)
    covariances /= (n - 1) ** 2
    if covariances <= 0:
        return 1.0
    variances = n / degrees**2 * (products / (n - 1) - covariances)
    return float(np.clip(variances / covariances, 0, 1))
