"""Small data sets with a known truth, in memory: the model of simulated NSD at toy size.

As in `nsd.simulate.truth`, in units of a voxel's total SD,

    b = w . phi[stimulus] + sqrt(1 - |w|^2) sigma[subject, stimulus] e

where w mixes a map that subjects share with one of their own, phi are image features, and the noise
e has a global, a spatial and an independent part. A *brain* is a draw of the maps of all subjects;
stimuli and noise are drawn anew for every data set, since intervals over stimuli speak of given
subjects and of stimuli in general. There are no session effects: the session-wise z-score undoes
them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from brainworth.erosion.responses import SharedResponses
from brainworth.erosion.schedule import Schedule
from brainworth.nsd import registry
from brainworth.stats import stream

FEATURES = 8  # shared, and of each subject's own
_SPATIAL = 4
_MEAN_SHARE = 0.25  # of a voxel's tuning that is the mean of its region
_METRIC_LOG_SD = 0.4
_NCSNR_LOG_SD = 0.4
#: Brains a cell is averaged over: replicate r uses brain r modulo this.
BRAINS = 8
#: Stimuli that stand for all stimuli when the truth of a brain is computed.
MANY_STIMULI = 1000


@dataclass(frozen=True)
class Plant:
    """Sizes and knobs of a data set.

    Attributes
    ----------
    shared_fraction : float
        Share of stimulus-driven variance that comes from the shared map.
    ncsnr : float
        Median over voxels of signal SD over noise SD.
    noise_global, noise_spatial : float
        Shares of the noise variance common to all voxels, and in a few spatial components.
    variance_log_sd : float
        SD over stimuli of the log variance of the noise; 0 for homoscedastic noise.
    variance_shared_fraction : float
        Share of that spread that is the same in all subjects.
    variance_from_feature : bool
        The shared part of that spread is an image feature that all subjects encode.
    trial_log_sd : float
        SD over *trials* of the log variance of the noise, whatever the stimulus.
    drift : float
        How much the log variance of the noise grows from the first to the last trial of a session.
    mismatched : bool
        Every subject's stimulus ids are shuffled.
    identical : bool
        All subjects have the map of the first.
    """

    n_subjects: int
    n_stimuli: int
    n_voxels: int
    n_repetitions: int = 3
    shared_fraction: float = 0.5
    ncsnr: float = 0.6
    noise_global: float = 0.05
    noise_spatial: float = 0.25
    variance_log_sd: float = 0.0
    variance_shared_fraction: float = 0.0
    variance_from_feature: bool = False
    trial_log_sd: float = 0.0
    drift: float = 0.0
    mismatched: bool = False
    identical: bool = False


@dataclass(frozen=True)
class Brain:
    """Maps of all subjects.

    Attributes
    ----------
    weights : array of shape (S, V, shared + S * own)
    loadings : array of shape (S, V, components)
        Spatial noise; rows have unit length.
    """

    weights: np.ndarray
    loadings: np.ndarray


@functools.lru_cache(maxsize=64)
def brain(plant: Plant, number: int, seed: int) -> Brain:
    """Draw the maps of all subjects."""
    rng = stream(seed, "validity", "brain", number)
    n_features = FEATURES * (1 + plant.n_subjects)
    weights = np.zeros((plant.n_subjects, plant.n_voxels, n_features))
    metric, mean = _region(rng)
    for subject, own in enumerate(weights):
        shared = _tuning(rng, metric, mean, plant.n_voxels)
        single = _tuning(rng, *_region(rng), plant.n_voxels)
        own[:, :FEATURES] = np.sqrt(plant.shared_fraction) * shared
        first = FEATURES * (1 + subject)
        own[:, first : first + FEATURES] = np.sqrt(1 - plant.shared_fraction) * single
        ncsnr = np.exp(rng.normal(np.log(plant.ncsnr), _NCSNR_LOG_SD, plant.n_voxels))
        own *= (ncsnr / np.sqrt(1 + ncsnr**2) / np.linalg.norm(own, axis=1))[:, None]
    if plant.identical:
        weights[:] = weights[0]
    loadings = rng.standard_normal((plant.n_subjects, plant.n_voxels, _SPATIAL))
    loadings /= np.linalg.norm(loadings, axis=2, keepdims=True)
    return Brain(weights, loadings)


def draw(plant: Plant, number: int, seed: int, *names: str | int) -> list[SharedResponses]:
    """Draw one data set: new stimuli and new noise for a brain.

    Parameters
    ----------
    number : int
        The replicate.
    *names : str or int
        Name of the random stream, in addition to the replicate.

    Returns
    -------
    list of SharedResponses
        One a subject; repetition r lies in session r + 1.
    """
    maps = brain(plant, number % BRAINS, seed)
    rng = stream(seed, "validity", "data", *names, number)
    features = rng.standard_normal((plant.n_stimuli, maps.weights.shape[2]))
    common = rng.standard_normal(plant.n_stimuli)
    if plant.variance_from_feature:
        common = features[:, 0]
    stimulus = np.tile(np.arange(plant.n_stimuli), plant.n_repetitions)
    repetition = np.repeat(np.arange(plant.n_repetitions), plant.n_stimuli)
    place = schedule(plant, number, seed, *names).trial / registry.TRIALS_PER_SESSION
    found = []
    for subject, (weights, loadings) in enumerate(zip(maps.weights, maps.loadings, strict=True)):
        share = plant.variance_shared_fraction
        spread = np.sqrt(share) * common
        spread += np.sqrt(1 - share) * rng.standard_normal(plant.n_stimuli)
        log_variance = plant.variance_log_sd * spread[stimulus]
        log_variance += plant.trial_log_sd * rng.standard_normal(stimulus.size)
        log_variance += plant.drift * (place - 0.5)
        noise = _noise(plant, loadings, stimulus.size, rng) * np.exp(log_variance / 2)[:, None]
        noise *= np.sqrt(1 - np.sum(weights**2, axis=1))
        # a wrong id mapping: the responses belong to other stimuli than the ids say
        shown = rng.permutation(plant.n_stimuli) if plant.mismatched else slice(None)
        values = (features @ weights.T)[shown][stimulus] + noise
        found.append(
            SharedResponses(
                subject=f"subj{subject + 1:02d}",
                region="planted",
                values=values,
                stimulus=stimulus,
                repetition=repetition,
                session=repetition + 1,
                n_stimuli=plant.n_stimuli,
            )
        )
    return found


def schedule(plant: Plant, number: int, seed: int, *names: str | int) -> Schedule:
    """Draw when the trials of `draw` were shown: at random in a session, alike for all subjects."""
    rng = stream(seed, "validity", "schedule", *names, number)
    places = np.arange(plant.n_stimuli) * registry.TRIALS_PER_SESSION // plant.n_stimuli
    stimulus = np.tile(np.arange(plant.n_stimuli), plant.n_repetitions)
    session = np.repeat(np.arange(plant.n_repetitions), plant.n_stimuli) + 1
    trial = np.concatenate([rng.permutation(places) for _ in range(plant.n_repetitions)])
    return Schedule(stimulus, session, trial)


@functools.lru_cache(maxsize=64)
def clean_patterns(plant: Plant, number: int, seed: int) -> list[np.ndarray]:
    """Return the noise-free patterns of a brain for many stimuli, (MANY_STIMULI, V) a subject."""
    maps = brain(plant, number % BRAINS, seed)
    rng = stream(seed, "validity", "truth", number % BRAINS)
    features = rng.standard_normal((MANY_STIMULI, maps.weights.shape[2]))
    return [features @ weights.T for weights in maps.weights]


def test_seed(seed: int, *names: str | int) -> int:
    """Return a root seed for the test itself, another one for each data set."""
    return int(stream(seed, "validity", "test", *names).integers(2**31))


def _region(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw metric and mean tuning of a region."""
    metric = np.exp(rng.normal(0, _METRIC_LOG_SD, FEATURES))
    metric /= np.linalg.norm(metric)
    mean = metric * rng.standard_normal(FEATURES)
    return metric, mean / np.linalg.norm(mean)


def _tuning(
    rng: np.random.Generator, metric: np.ndarray, mean: np.ndarray, n_voxels: int
) -> np.ndarray:
    deviation = metric * rng.standard_normal((n_voxels, FEATURES))
    return np.sqrt(_MEAN_SHARE) * mean + np.sqrt(1 - _MEAN_SHARE) * deviation


def _noise(
    plant: Plant, loadings: np.ndarray, n_trials: int, rng: np.random.Generator
) -> np.ndarray:
    own = 1 - plant.noise_global - plant.noise_spatial
    noise = np.sqrt(own) * rng.standard_normal((n_trials, plant.n_voxels))
    noise += np.sqrt(plant.noise_spatial) * rng.standard_normal((n_trials, _SPATIAL)) @ loadings.T
    noise += np.sqrt(plant.noise_global) * rng.standard_normal((n_trials, 1))
    return noise
