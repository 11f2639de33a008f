"""How well features can be decoded at best, from the truth of simulated NSD.

A trial's response is r = W phi + N^(1/2) e with phi independent standard normal and N the mean
covariance of the noise: a diagonal, spatial components, and one number common to all voxels. With
U = [W, components, common] and D the diagonal, the best linear decoder has error variance
diag((I + U' D^-1 U)^-1), which is the conditional variance of a linear-Gaussian model (e.g. Bishop
2006, Pattern Recognition and Machine Learning, section 2.3.3), written so that nothing of the size
voxels x voxels is made. Noise whose variance depends on the image leaves the best *linear* decoder
as it is: only the mean covariance enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainworth.errors import BrainworthError
from brainworth.nsd.simulate.truth import SubjectTruth
from brainworth.sections.data import Simulation


@dataclass(frozen=True)
class Best:
    """The decoder that training without end leads to.

    Attributes
    ----------
    signal : array of shape (F, K)
        Of each decoded feature, what a unit of each of the K features that the subject encodes
        adds to it; the first F of these are the decoded ones.
    noise : array of shape (F, F)
        Covariance that the noise of one trial gives to what is decoded.
    ceiling : array of shape (F,)
        Correlation of the best linear decoder with the truth, in a single trial.
    """

    signal: np.ndarray
    noise: np.ndarray
    ceiling: np.ndarray

    def correlation(self, noise_share: float = 1.0) -> np.ndarray:
        """Return the correlation (F,) in a mean of trials.

        Parameters
        ----------
        noise_share : float
            Mean over test images of 1 / number of trials.
        """
        return averaged([self], [noise_share], len(self.signal))


def best_decoder(
    weights: np.ndarray,
    loadings: np.ndarray,
    simulation: Simulation,
    n_decoded: int,
    noise_share: float = 1.0,
) -> Best:
    """Return the best linear decoder of single trials, or of means of trials.

    Parameters
    ----------
    weights : array of shape (V, K)
        w of the voxels, on all features that the subject encodes.
    loadings : array of shape (V, C)
        Spatial components of the noise, rows of unit length.
    simulation : Simulation
        Shares of the noise variance.
    n_decoded : int
        The first so many features are decoded.
    noise_share : float
        Variance of the noise relative to that of a single trial.

    Raises
    ------
    BrainworthError
        If no voxel has noise of its own: the best decoder would be perfect in some direction.
    """
    weights = np.asarray(weights, dtype=np.float64)
    own = 1 - simulation.noise_global_fraction - simulation.noise_spatial_fraction
    if own <= 0:
        raise BrainworthError(
            "simulation.noise_global_fraction + noise_spatial_fraction leave voxels no noise of "
            "their own, so that the ceiling of decoding is not defined; lower one of them"
        )
    scale = np.sqrt(1 - np.sum(weights**2, axis=1))[:, None]
    common = np.sqrt(noise_share) * np.hstack(
        [
            np.sqrt(simulation.noise_spatial_fraction) * scale * loadings,
            np.sqrt(simulation.noise_global_fraction) * scale,
        ]
    )
    latent = np.hstack([weights, common])
    precision = latent.T @ (latent / (noise_share * own * scale**2))
    # decoded = A (I + A)^-1 of the latents, A = U' D^-1 U, rows of the decoded features
    gain = np.linalg.solve(np.eye(len(precision)) + precision, precision)[:n_decoded]
    explained = gain[np.arange(n_decoded), np.arange(n_decoded)]
    n_features = weights.shape[1]
    signal = gain[:, :n_features]
    # covariance of what is decoded is the decoded part of the gain; the rest of it is noise
    total = gain[:, :n_decoded]
    return Best(signal, (total + total.T) / 2 - signal @ signal.T, np.sqrt(explained))


def averaged(each: Sequence[Best], noise_shares: Sequence[float], n_shared: int) -> np.ndarray:
    """Return the correlation (F,) of decoded features averaged over subjects with the truth.

    Parameters
    ----------
    each : sequence of Best
        Of subjects who saw the same images; their noise is independent.
    noise_shares : sequence of float
        Of each subject, the mean over test images of 1 / number of trials.
    n_shared : int
        The first so many features are encoded by all subjects, the others by one subject only.
    """
    n = len(each)
    n_decoded = len(each[0].signal)
    shared = sum(best.signal[:, :n_shared] for best in each) / n
    own = sum(np.sum(best.signal[:, n_shared:] ** 2, axis=1) for best in each) / n**2
    noise = sum(
        share * np.diagonal(best.noise) for best, share in zip(each, noise_shares, strict=True)
    )
    noise = noise / n**2
    hit = shared[np.arange(n_decoded), np.arange(n_decoded)]
    return hit / np.sqrt(np.sum(shared**2, axis=1) + own + noise)


def of_voxels(
    truth: SubjectTruth, ijk: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (V, K) and noise components (V, C) of voxels of an extract.

    Parameters
    ----------
    ijk : array of shape (V, 3), int
        0-based x, y, z.
    shape : tuple
        (x, y, z) of the volume.

    Raises
    ------
    BrainworthError
        If the truth lacks one of the voxels.
    """
    place = np.ravel_multi_index(truth.ijk.T, shape)
    order = np.argsort(place)
    wanted = np.ravel_multi_index(np.asarray(ijk).T, shape)
    rows = order[np.minimum(np.searchsorted(place[order], wanted), len(place) - 1)]
    if not np.array_equal(place[rows], wanted):
        raise BrainworthError(
            "the truth of the simulation lacks voxels of an extract; they are not of one "
            "simulation: delete the study's data and run again"
        )
    return truth.weights[rows], truth.noise_loadings[rows]
