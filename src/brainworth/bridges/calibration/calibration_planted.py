"""What the calibration of simulated data should find, from the truth it was simulated from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.bridges.calibration.brain_inputs import Inputs
from brainworth.bridges.calibration.brain_noise import Whitening
from brainworth.errors import BrainworthError
from brainworth.nsd.simulate import truth
from brainworth.nsd.simulate.truth import SubjectTruth
from brainworth.sections.data import Simulation


@dataclass(frozen=True)
class PlantedVoxels:
    """The truth about some voxels of one subject, in units of their total SD.

    Attributes
    ----------
    weights : array of shape (V, F)
        On all features of the images.
    noise_sd : array of shape (V,)
        Of a trial.
    loadings : array of shape (V, c)
        Of components of variance 1 that voxels share, in units of `noise_sd`.
    own : float
        Share of the noise variance that is each voxel's own.
    """

    weights: np.ndarray
    noise_sd: np.ndarray
    loadings: np.ndarray
    own: float

    def of(self, voxels: np.ndarray) -> PlantedVoxels:
        """Return the truth about some of them."""
        return PlantedVoxels(
            self.weights[voxels], self.noise_sd[voxels], self.loadings[voxels], self.own
        )


@dataclass(frozen=True)
class PlantedBrain:
    """The truth about white recordings with k latents.

    Attributes
    ----------
    rank : int
        Of the map from inputs to recordings.
    strengths : array of shape (min(d, V),)
        All squared singular values of it.
    axes : array of shape (d, k)
        Orthonormal: the subspace that k latents see.
    gamma : array of shape (k, k)
        Effective noise.
    """

    rank: int
    strengths: np.ndarray
    axes: np.ndarray
    gamma: np.ndarray

    def misalignment(self, beta: np.ndarray) -> float:
        """Return the squared length of a task outside of the subspace."""
        return float(beta @ beta - np.sum((self.axes.T @ beta) ** 2))


def voxels_of(
    found: SubjectTruth, subject: str, simulation: Simulation, ijk: np.ndarray, n_features: int
) -> PlantedVoxels:
    """Take the truth about the voxels at ijk (V, 3), 0-based.

    Raises
    ------
    BrainworthError
        If a voxel is not in the truth.
    """
    places = {tuple(place): row for row, place in enumerate(found.ijk.tolist())}
    try:
        rows = np.array([places[tuple(place)] for place in ijk.tolist()])
    except KeyError as error:
        raise BrainworthError(
            f"voxel {error} of {subject} is not in the truth of the simulation, which is of "
            "another run; delete the study's data folder and run again"
        ) from None
    weights = np.zeros((len(rows), n_features))
    weights[:, truth.own_features(subject, simulation)] = found.weights[rows]
    spatial, common = simulation.noise_spatial_fraction, simulation.noise_global_fraction
    loadings = np.sqrt(spatial) * found.noise_loadings[rows]
    return PlantedVoxels(
        weights,
        np.sqrt(1 - np.sum(weights**2, axis=1)),
        np.column_stack([loadings, np.full(len(rows), np.sqrt(common))]),
        1 - spatial - common,
    )


def brain(planted: PlantedVoxels, inputs: Inputs, whitening: Whitening, k: int) -> PlantedBrain:
    """Return what is planted for k latents of white recordings.

    What the features drive and the inputs do not tell is noise, as it is to the estimates.
    """
    driven = whitening.apply(inputs.covariance.T @ planted.weights.T)
    left, values, right = np.linalg.svd(driven, full_matrices=False)
    rank = int(np.count_nonzero(values > 1e-5 * values[0]))
    k = min(k, rank)
    along = whitening.pull(right[:k].T)
    parts = [
        np.sqrt(planted.own) * planted.noise_sd[:, None] * along,
        planted.loadings.T @ (planted.noise_sd[:, None] * along),
    ]
    noise = sum(part.T @ part for part in parts)
    features = planted.weights.T @ along
    noise += features.T @ features - (inputs.covariance.T @ features).T @ (
        inputs.covariance.T @ features
    )
    return PlantedBrain(
        rank=rank,
        strengths=values**2,
        axes=left[:, :k],
        gamma=noise / np.outer(values[:k], values[:k]),
    )


def task_coefficients(inputs: Inputs, coefficients: np.ndarray) -> np.ndarray:
    """Return the coefficients on inputs, (d, T), of tasks on features, (F, T)."""
    return inputs.covariance.T @ coefficients
