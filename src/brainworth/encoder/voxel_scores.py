"""Scores of each voxel, over test images, and of bootstrap samples of the images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.errors import BrainworthError

#: Rounding that the identity may be missed by, as a share of a voxel's variance.
SLACK = 1e-9
#: Of a bootstrap sample: a prediction that varies less than this share of the whole is constant.
_CONSTANT = 1e-12


@dataclass(frozen=True)
class VoxelScores:
    """Scores of V voxels over the same images.

    Attributes
    ----------
    mse : array of shape (V,)
        Mean squared error.
    variance : array of shape (V,)
        Of the observed responses about their mean over these images, with ddof 0.
    r : array of shape (V,)
        Pearson correlation; 0 where the prediction is the same for all images.
    constant : array of shape (V,), bool
        Where that is so.
    """

    mse: np.ndarray
    variance: np.ndarray
    r: np.ndarray
    constant: np.ndarray

    @property
    def r2(self) -> np.ndarray:
        """1 - mse / variance, negative where the mean of the test images predicts better."""
        return 1 - self.mse / self.variance

    @property
    def bound(self) -> np.ndarray:
        """The least error that a prediction with this correlation can have."""
        return self.variance * (1 - self.r**2)


def score(predicted: np.ndarray, observed: np.ndarray) -> VoxelScores:
    """Score each voxel.

    Parameters
    ----------
    predicted, observed : arrays of shape (N, V)

    Raises
    ------
    BrainworthError
        If an observed voxel has the same response to all images, or the identity is violated.
    """
    predicted, observed = np.asarray(predicted, float), np.asarray(observed, float)
    p, y = _centred(predicted), _centred(observed)
    constant = np.ptp(predicted, axis=0) == 0
    variance = np.mean(y**2, axis=0)
    flat = np.flatnonzero(np.ptp(observed, axis=0) == 0)
    if flat.size:
        raise BrainworthError(
            f"{flat.size} voxels (the first is number {flat[0]}) respond the same to all "
            f"{len(observed)} test images, so that nothing can be scored; leave them out of the "
            "extract"
        )
    norm = np.sqrt(np.mean(p**2, axis=0) * variance)
    r = np.where(constant, 0.0, np.mean(p * y, axis=0) / np.where(constant, 1.0, norm))
    found = VoxelScores(np.mean((predicted - observed) ** 2, axis=0), variance, r, constant)
    check_bound(found.mse, found.r, found.variance)
    return found


def check_bound(mse: np.ndarray, r: np.ndarray, variance: np.ndarray) -> None:
    """Refuse scores that no prediction can have: mse >= variance (1 - r^2) in each voxel.

    The right side is the error of the best a + b * prediction, of which the prediction itself
    (a = 0, b = 1) is one. It holds for any data, so that a failure means that `mse`, `r` and
    `variance` were measured on different targets, e.g. on two scales.

    Parameters
    ----------
    mse, r, variance : arrays of shape (V,)

    Raises
    ------
    BrainworthError
        If the identity does not hold in every voxel.
    """
    mse, r, variance = (np.asarray(values, dtype=float) for values in (mse, r, variance))
    bound = variance * (1 - r**2)
    # written so that NaN fails too
    bad = np.flatnonzero(~(mse >= bound - SLACK * (variance + mse)))
    if bad.size:
        v = bad[0]
        raise BrainworthError(
            f"in {bad.size} of {mse.size} voxels the mean squared error is below what the "
            f"correlation allows (voxel {v}: {mse.flat[v]:.4g} < {bound.flat[v]:.4g}); errors, "
            "correlations and variances must be of the same targets on the same scale"
        )


def resample(
    predicted: np.ndarray, observed: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score each voxel over bootstrap samples of the images.

    Parameters
    ----------
    predicted, observed : arrays of shape (N, V)
    weights : array of shape (B, N)
        How often each image is in each sample; rows sum to N.

    Returns
    -------
    mse, variance, r : arrays of shape (B, V)
        As in `VoxelScores`. A voxel in which a sample has no variance has r = 0.
    """
    predicted, observed = np.asarray(predicted, float), np.asarray(observed, float)
    p, y = _centred(predicted), _centred(observed)
    share = weights / weights.sum(axis=1, keepdims=True)
    p_mean, y_mean = share @ p, share @ y
    p_variance = share @ p**2 - p_mean**2
    variance = np.maximum(share @ y**2 - y_mean**2, 0)
    mse = share @ (predicted - observed) ** 2
    usable = (p_variance > _CONSTANT * np.mean(p**2, axis=0)) & (variance > 0)
    norm = np.sqrt(np.where(usable, p_variance * variance, 1.0))
    r = np.where(usable, (share @ (p * y) - p_mean * y_mean) / norm, 0.0)
    return mse, variance, r


def _centred(values: np.ndarray) -> np.ndarray:
    """Subtract the mean over rows; twice, since the first mean is rounded."""
    values = values - values.mean(axis=0)
    return values - values.mean(axis=0)
