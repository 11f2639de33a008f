"""What R2 is left for a prediction of the variance: targets and predictors have sampling noise."""

from __future__ import annotations

import numpy as np


def true_share(profiles: np.ndarray, sampling: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the share of the variance of profiles that is not sampling, shape (B, S).

    Parameters
    ----------
    profiles, sampling : arrays of shape (S, I)
        Log variances, and what sampling adds to the variance of each.
    weights : array of shape (B, I)
        Samples of stimuli, as multiplicities.
    """
    share = weights / weights.sum(axis=1, keepdims=True)
    return 1 - (share @ sampling.T) / (share @ (profiles**2).T - (share @ profiles.T) ** 2)


def largest(logs: np.ndarray, sampling: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the largest R2 that the mean of the others allows, in each sample of stimuli.

    Zero where a subject, or the mean of its others, does not vary by more than sampling.
    """
    n = len(logs) - 1
    others = (logs.sum(axis=0) - logs) / n
    noise = (sampling.sum(axis=0) - sampling) / n**2
    reliability = true_share(others, noise, weights)
    ceiling = true_share(logs, sampling, weights)
    usable = (ceiling.mean(axis=1) > 0) & (reliability.min(axis=1) > 0)
    return np.where(usable, np.mean(ceiling * reliability, axis=1), 0.0)


def shared_r2(logs: np.ndarray, sampling: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return what the noise-free mean of the others explains of a noise-free profile.

    The correlation of a profile with the mean of the others', averaged over subjects, over the
    square root of `largest`; then squared, with its sign. A held-out R2 of the same two would pay
    for its fit, and its bootstrap samples would not know that.

    Parameters
    ----------
    logs, sampling : arrays of shape (S, I)
        Log variances, and what sampling adds to the variance of each.
    weights : array of shape (B, I)
        Samples of stimuli, as multiplicities.

    Returns
    -------
    array of shape (B,)
        NaN where `largest` is not above 0.
    """
    others = (logs.sum(axis=0) - logs) / (len(logs) - 1)
    share = weights / weights.sum(axis=1, keepdims=True)
    mean, mean_others = share @ logs.T, share @ others.T
    covariance = share @ (logs * others).T - mean * mean_others
    size = (share @ (logs**2).T - mean**2) * (share @ (others**2).T - mean_others**2)
    most = largest(logs, sampling, weights)
    most[most <= 0] = np.nan
    correlation = np.mean(covariance / np.sqrt(size), axis=1) / np.sqrt(most)
    return correlation * np.abs(correlation)
