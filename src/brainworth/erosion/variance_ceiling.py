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
