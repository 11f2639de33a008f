"""How much of a voxel's response a model of the image can explain."""

from __future__ import annotations

import numpy as np

from brainworth.errors import BrainworthError


def repeats(n_repeats: np.ndarray) -> float:
    """Return the number of repetitions behind a mean response: the harmonic mean over images.

    The variance of the noise of a mean over n trials is 1/n of a trial's, so that over images it
    is the mean of 1/n that counts.

    Raises
    ------
    BrainworthError
        If an image was not repeated at least once.
    """
    n_repeats = np.asarray(n_repeats, dtype=float)
    if n_repeats.size == 0 or not np.all(n_repeats >= 1):
        raise BrainworthError(
            "a test image without a single trial cannot be scored; take test images that the "
            "subject saw"
        )
    return float(1 / np.mean(1 / n_repeats))


def noise_ceiling(ncsnr: np.ndarray, n_repeats: np.ndarray) -> np.ndarray:
    """Return the share of the variance of mean responses that the image determines.

    Parameters
    ----------
    ncsnr : array of shape (V,)
        Signal SD over noise SD of single trials.
    n_repeats : array of shape (N,), int
        Trials behind each mean response.

    Returns
    -------
    array of shape (V,)
        ncsnr^2 / (ncsnr^2 + 1/n), in 0..1 (Allen et al. 2022, Nature Neuroscience 25, 116-126).

    Raises
    ------
    BrainworthError
        If a ncsnr is negative or not finite.
    """
    ncsnr = np.asarray(ncsnr, dtype=float)
    if not (np.isfinite(ncsnr).all() and np.all(ncsnr >= 0)):
        raise BrainworthError(
            "a noise ceiling needs the ncsnr of every voxel, >= 0; one is negative or missing: "
            "leave such voxels out of the extract"
        )
    return ncsnr**2 / (ncsnr**2 + 1 / repeats(n_repeats))


def share(r: np.ndarray, ceiling: np.ndarray) -> np.ndarray:
    """Return r^2 / ceiling with the sign of r, where the ceiling is above 0.

    It is r^2 that is divided by the share of variance, not (r / ceiling)^2. With its sign, what
    chance predicts averages to about 0 over voxels, and not to the variance of r.

    Parameters
    ----------
    r : array of shape (..., V)
    ceiling : array of shape (V,)
        In (0, 1].
    """
    return r * np.abs(r) / ceiling
