"""The best retrieval there can be from simulated responses, given what is known of the candidates.

The truth of the simulation (`nsd.simulate.truth`) says how responses to an image come about:
linear in its features, with noise that voxels share in part. If a space says that the features of
candidate j are normal with mean m_j and covariance C, then the mean response of V voxels over n
trials is normal with mean W m_j and covariance W C W' + S / n, and candidates are ranked by its
density (with C = 0 and the features themselves, by the posterior of the image). No decoder that
sees the same voxels and the same space finds the right image more often. The variance of the noise
is taken to be that of the mean image, as a linear decoder must.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.bridges.feature_spaces.planted_spaces import Knowledge
from brainworth.errors import BrainworthError
from brainworth.nsd.simulate.truth import SubjectTruth
from brainworth.sections.data import Simulation


@dataclass(frozen=True)
class Generator:
    """How responses of V voxels come about, in units of a voxel's total SD.

    Attributes
    ----------
    weights : array of shape (V, F)
    common : array of shape (V, H)
        Loadings of the noise that voxels share in a trial, on independent numbers.
    own_variance : array of shape (V,)
        Of a voxel's own noise in a trial.
    """

    weights: np.ndarray
    common: np.ndarray
    own_variance: np.ndarray


def generator(truth: SubjectTruth, ijk: np.ndarray, simulation: Simulation) -> Generator:
    """Take the truth of some voxels.

    Parameters
    ----------
    ijk : array of shape (V, 3), int
        0-based x, y, z.

    Raises
    ------
    BrainworthError
        If a voxel is not among those that were simulated.
    """
    places = {tuple(place): row for row, place in enumerate(truth.ijk.tolist())}
    rows = np.array([places.get(tuple(place), -1) for place in ijk.tolist()])
    if np.any(rows < 0):
        raise BrainworthError(
            f"{np.sum(rows < 0)} voxels of the targets are not in the truth of the simulation; "
            "they are not of one run: run the study again"
        )
    weights = truth.weights[rows].astype(float)
    noise_sd = np.sqrt(np.maximum(1 - np.sum(weights**2, axis=1), 0))
    whole = np.sqrt(simulation.noise_global_fraction) * np.ones((len(rows), 1))
    spatial = np.sqrt(simulation.noise_spatial_fraction) * truth.noise_loadings[rows]
    own = 1 - simulation.noise_global_fraction - simulation.noise_spatial_fraction
    return Generator(weights, noise_sd[:, None] * np.hstack([whole, spatial]), own * noise_sd**2)


def log_densities(
    responses: np.ndarray, n_repeats: np.ndarray, candidates: Knowledge, how: Generator
) -> np.ndarray:
    """Return the log density of each response, were each candidate the image.

    Up to a constant a response, which does not matter for the order of candidates.

    Parameters
    ----------
    responses : array of shape (Q, V)
        Means over trials.
    n_repeats : array of shape (Q,), int
        How many trials each is the mean of.
    candidates : Knowledge
        Of n images.
    how : Generator

    Returns
    -------
    array of shape (Q, n)

    Raises
    ------
    BrainworthError
        If a voxel has no noise of its own.
    """
    if not np.all(how.own_variance > 0):
        raise BrainworthError(
            "the best retrieval needs voxels with noise of their own; lower "
            "simulation.noise_global_fraction or simulation.noise_spatial_fraction"
        )
    responses = np.asarray(responses, dtype=float)
    expected = candidates.mean @ how.weights.T
    values, vectors = np.linalg.eigh(candidates.covariance)
    unknown = how.weights @ (vectors * np.sqrt(np.maximum(values, 0)))
    answer = np.empty((len(responses), len(expected)))
    for n in np.unique(n_repeats):
        rows = np.flatnonzero(n_repeats == n)
        # Woodbury: (A + U U')^-1 = A^-1 - A^-1 U (I + U' A^-1 U)^-1 U' A^-1, with diagonal A
        inverse = n / how.own_variance
        low_rank = np.hstack([unknown, how.common / np.sqrt(n)])
        weighted = inverse[:, None] * low_rank
        inner = np.linalg.cholesky(np.eye(low_rank.shape[1]) + low_rank.T @ weighted)

        def whiten(x: np.ndarray, weighted=weighted, inner=inner) -> np.ndarray:
            return np.linalg.solve(inner, (x @ weighted).T).T

        left, right = whiten(responses[rows]), whiten(expected)
        cross = (responses[rows] * inverse) @ expected.T - left @ right.T
        own = np.sum(expected**2 * inverse, axis=1) - np.sum(right**2, axis=1)
        answer[rows] = cross - own / 2
    return answer
