"""Cross-validated (Mahalanobis) distances between stimuli: crossnobis.

Walther et al. (2016, NeuroImage 137, 188-200). Every product of two different trials is used: for
a stimulus the pairs of its own repetitions, for two stimuli all pairs of their trials. Trials of
different presentations have independent noise, so that the expected distance of stimuli with the
same true pattern is 0, also where stimuli differ in their number of repetitions.

The noise covariance must come from other trials. One from the residuals of the same trials knows
their deviations: it shortens them more than others, and distances come out too large
(tests/erosion/test_crossnobis.py measures it).
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import squareform

from brainworth.erosion.noise import Noise, whitened_products
from brainworth.erosion.variance import contrasts_of
from brainworth.errors import BrainworthError


def crossnobis_rdm(
    values: np.ndarray, stimulus: np.ndarray, noise: Noise | None = None
) -> np.ndarray:
    """Return cross-validated squared distances between all pairs of stimuli.

    Parameters
    ----------
    values : array of shape (T, V)
        Single trials.
    stimulus : array of shape (T,)
        0-based index of the stimulus of each trial; each of 0..I-1 has at least 2 trials.
    noise : Noise, optional
        From trials that are not in `values`; without it the distance is the squared Euclidean one.

    Returns
    -------
    array of shape (I (I - 1) / 2,), float64
        Squared distance per voxel, upper triangle row by row; negative where noise makes it so.
        The same number as rsatoolbox's ``calc_rdm_unbalanced(method="crossnobis")`` with every
        trial its own fold.

    Raises
    ------
    BrainworthError
        If there are fewer than 2 stimuli, a stimulus has one trial, or a value is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    counts = np.bincount(stimulus)
    if values.ndim != 2 or values.shape[1] < 1 or counts.size < 2:
        raise BrainworthError(
            f"trials have shape {values.shape} and show {counts.size} stimuli; a cross-validated "
            "distance needs trials x voxels with at least 2 stimuli and 1 voxel"
        )
    if counts.min() < 2:
        raise BrainworthError(
            f"stimulus {counts.argmin()} has {counts.min()} trials; a cross-validated distance "
            "needs at least 2 of each"
        )
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise BrainworthError(
            f"a trial of stimulus {stimulus[bad[0]]} holds NaN or infinity; check the betas"
        )
    means = np.zeros((counts.size, values.shape[1]))
    np.add.at(means, stimulus, values)
    means /= counts[:, None]
    contrasts = contrasts_of(values, stimulus, counts.size)
    products, squares = whitened_products(means, contrasts.values, noise)
    # The mean product of two different trials is the squared mean less its noise.
    noise_of_mean = np.bincount(contrasts.stimulus, squares) / (counts * (counts - 1))
    length = np.diag(products) - noise_of_mean
    distances = length[:, None] + length - 2 * products
    distances[np.diag_indices(counts.size)] = 0
    return squareform(distances, checks=False) / values.shape[1]
