"""Whether the variance over repetitions is a property of the stimulus: the same in other subjects.

Profiles are logarithms of each stimulus' variance, less the mean of the stimuli shown as often to
that subject: the logarithm of a sample variance is biased, the more the fewer the repetitions. Two
subjects share no noise, so their profiles agree only as far as the stimulus, or the time at which
it was shown (`schedule`), sets the variance.

The null exchanges stimuli, independently in each subject, between those shown as often.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainworth import stats


def log_profile(profile: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return logarithms of variances (..., I), centred among stimuli shown as often."""
    logs = np.log(profile)
    for number in np.unique(degrees):
        same = degrees == number
        logs[..., same] -= logs[..., same].mean(axis=-1, keepdims=True)
    return logs


def sampling_variance(null_profiles: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return what sampling adds to the variance of each stimulus' log profile, shape (I,).

    Parameters
    ----------
    null_profiles : array of shape (m, I)
        Centred log profiles of homoscedastic surrogates.
    """
    answer = np.empty(degrees.size)
    for number in np.unique(degrees):
        same = degrees == number
        answer[same] = np.mean(null_profiles[:, same] ** 2)
    return answer


def draw(
    seed: int, subjects: Sequence[str], degrees: Sequence[np.ndarray], n: int
) -> list[np.ndarray]:
    """Draw relabellings of the stimuli among those shown as often.

    Returns
    -------
    list over subjects of arrays of shape (n, I)
        A subject's relabellings do not depend on who else is there; use them in every region.
    """
    answer = []
    for subject, own in zip(subjects, degrees, strict=True):
        rng = stats.stream(seed, "variance", "relabelling", subject)
        places = np.tile(np.arange(own.size, dtype=np.int32), (n, 1))
        for number in np.unique(own):
            same = np.flatnonzero(own == number)
            places[:, same] = rng.permuted(places[:, same], axis=1)
        answer.append(places)
    return answer


def correlations(profiles: np.ndarray) -> np.ndarray:
    """Return the correlations of all subjects' profiles (S, I), shape (S, S)."""
    unit = _unit(profiles)
    return unit @ unit.T


def mean_over_pairs(matrix: np.ndarray) -> float:
    """Return the mean of a symmetric matrix (S, S) off its diagonal."""
    return float(matrix[np.triu_indices(len(matrix), 1)].mean())


def relabelled(profiles: np.ndarray, relabellings: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean correlation over pairs of subjects under each relabelling, shape (n,)."""
    unit = _unit(profiles)
    total = 0.0
    for own, places in zip(unit, relabellings, strict=True):
        total = total + own[places]
    n = len(unit)
    # |sum of unit vectors|^2 is n and twice the sum over pairs
    return (np.einsum("mi,mi->m", total, total) - n) / (n * (n - 1))


def resampled(profiles: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return covariances and variances of profiles in bootstrap samples of the stimuli.

    Parameters
    ----------
    profiles : array of shape (S, I)
    weights : array of shape (B, I)
        Multiplicities.

    Returns
    -------
    covariances : array of shape (B, S (S - 1) / 2)
        Pairs in the order of `numpy.triu_indices(S, 1)`.
    variances : array of shape (B, S)
    """
    share = weights / weights.sum(axis=1, keepdims=True)
    mean = share @ profiles.T
    first, second = np.triu_indices(len(profiles), 1)
    covariances = share @ (profiles[first] * profiles[second]).T
    covariances = covariances - mean[:, first] * mean[:, second]
    return covariances, share @ (profiles**2).T - mean**2


def correlation_draws(covariances: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Return the mean correlation over pairs of each sample of `resampled`, shape (B,)."""
    first, second = np.triu_indices(variances.shape[1], 1)
    return np.mean(covariances / np.sqrt(variances[:, first] * variances[:, second]), axis=1)


def _unit(profiles: np.ndarray) -> np.ndarray:
    centred = profiles - profiles.mean(axis=1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)
