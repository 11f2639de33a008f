"""Representational dissimilarity matrices (RDMs) from patterns.

RDMs are condensed vectors: the upper triangle without its diagonal, row by row, as in
`scipy.spatial.distance.squareform`.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import squareform

from brainworth.errors import BrainworthError


def correlation_rdm(patterns: np.ndarray) -> np.ndarray:
    """Return the correlation distances 1 - r between the patterns of all pairs of stimuli.

    Parameters
    ----------
    patterns : array of shape (I, V)
        Response of V >= 2 voxels to each of I >= 2 stimuli, in any unit.

    Returns
    -------
    array of shape (I (I - 1) / 2,), float64
        Distances between 0 and 2.

    Raises
    ------
    BrainworthError
        If a pattern is constant over voxels or holds NaN or infinity; the stimulus is named by
        its 0-based index.
    """
    patterns = np.asarray(patterns)
    if patterns.ndim != 2 or patterns.shape[0] < 2:
        raise BrainworthError(
            f"patterns have shape {patterns.shape}; an RDM needs stimuli x voxels "
            "with at least 2 stimuli"
        )
    if patterns.shape[1] < 2:
        raise BrainworthError(
            f"patterns have {patterns.shape[1]} voxels; correlation distance needs at least 2: "
            "leave this region out"
        )
    _require_finite(patterns)
    constant = np.flatnonzero(patterns.max(axis=1) == patterns.min(axis=1))
    if constant.size:
        raise BrainworthError(
            f"the pattern of stimulus {constant[0]} is constant over voxels"
            f"{_and_others(constant)}; its correlation distance is undefined: check the betas"
        )
    centred = patterns - patterns.mean(axis=1, keepdims=True, dtype=np.float64)
    centred /= np.sqrt(np.einsum("ij,ij->i", centred, centred))[:, None]
    distances = squareform(1 - centred @ centred.T, checks=False)
    # Rounding puts the distance of proportional patterns at -2e-16.
    return np.maximum(distances, 0, out=distances)


def crossnobis_rdm(folds: np.ndarray, precision: np.ndarray | None = None) -> np.ndarray:
    """Return cross-validated squared (Mahalanobis) distances between all pairs of stimuli.

    Noise that is independent between folds adds no bias: the expected distance between two
    stimuli with the same true pattern is 0, and estimates can be negative (Walther et al. 2016).

    Parameters
    ----------
    folds : array of shape (F, I, V)
        Measurements of I stimuli by V voxels in F >= 2 folds with no data in common.
    precision : array of shape (V, V), optional
        Symmetric noise precision; without it the distance is the squared Euclidean one.

    Returns
    -------
    array of shape (I (I - 1) / 2,), float64
        Squared distance per voxel, mean over ordered pairs of folds; the same number as
        rsatoolbox's ``calc_rdm_crossnobis``.

    Raises
    ------
    BrainworthError
        If there are fewer than 2 folds or stimuli, or a measurement is NaN or infinite.
    """
    folds = np.asarray(folds, dtype=np.float64)
    if folds.ndim != 3 or folds.shape[0] < 2 or folds.shape[1] < 2 or folds.shape[2] < 1:
        raise BrainworthError(
            f"folds have shape {folds.shape}; a cross-validated distance needs folds x stimuli x "
            "voxels with at least 2 folds, 2 stimuli and 1 voxel"
        )
    n_folds, n_stimuli, n_voxels = folds.shape
    for fold in folds:
        _require_finite(fold)
    if precision is not None and precision.shape != (n_voxels, n_voxels):
        raise BrainworthError(
            f"the noise precision has shape {precision.shape}, expected ({n_voxels}, {n_voxels})"
        )
    kernel = np.zeros((n_stimuli, n_stimuli))
    earlier = folds[0].copy()
    for fold in folds[1:]:
        kernel += (earlier if precision is None else earlier @ precision) @ fold.T
        earlier += fold
    kernel += kernel.T
    kernel /= n_folds * (n_folds - 1) * n_voxels
    diagonal = np.diag(kernel)
    return squareform(diagonal[:, None] + diagonal - 2 * kernel, checks=False)


def _require_finite(patterns: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(patterns).all(axis=1))
    if bad.size:
        raise BrainworthError(
            f"the pattern of stimulus {bad[0]} holds NaN or infinity{_and_others(bad)}; "
            "check the betas"
        )


def _and_others(indices: np.ndarray) -> str:
    return f" (and of {indices.size - 1} others)" if indices.size > 1 else ""
