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


def euclidean_rdm(patterns: np.ndarray) -> np.ndarray:
    """Return the Euclidean distances between the patterns of all pairs of stimuli, condensed.

    From inner products about the mean pattern: much faster than differences over many voxels, and
    as exact unless two patterns agree to about 1e-8 of their spread.

    Parameters
    ----------
    patterns : array of shape (I, V)
        Finite.
    """
    centred = patterns - patterns.mean(axis=0)
    gram = centred @ centred.T
    size = np.diag(gram)
    squares = squareform(size[:, None] + size - 2 * gram, checks=False)
    return np.sqrt(np.maximum(squares, 0, out=squares))


def _require_finite(patterns: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(patterns).all(axis=1))
    if bad.size:
        raise BrainworthError(
            f"the pattern of stimulus {bad[0]} holds NaN or infinity{_and_others(bad)}; "
            "check the betas"
        )


def _and_others(indices: np.ndarray) -> str:
    return f" (and of {indices.size - 1} others)" if indices.size > 1 else ""
