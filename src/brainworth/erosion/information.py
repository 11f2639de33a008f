"""Conditional mutual information I(X; Y | Z), estimated in two ways.

`gaussian` is unbiased for jointly Gaussian variables and blind to anything else; `nearest` makes
no assumption on the distribution and is biased towards zero with few samples. Both may come out
negative. Everything is in nats.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma

_ROUNDING = 1e-9  # of the largest singular value: below it a direction is determined


def gaussian(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> float:
    """Estimate I(X; Y | Z) of Gaussian variables from covariances.

    Parameters
    ----------
    x, y, z : arrays of shape (N, dx), (N, dy), (N, dz)
        dz may be 0. Directions of x that z determines add no information and are taken out.

    Returns
    -------
    float
        Nats. The expectation of the log determinant of a Wishart matrix (Misra, Singh & Demchuk
        2005, Journal of Multivariate Analysis 92, 324-342) is corrected for.
    """
    x, y, z = (values - values.mean(axis=0) for values in (x, y, z))
    if z.shape[1]:
        x = x - z @ np.linalg.lstsq(z, x, rcond=None)[0]
    left, size, _ = np.linalg.svd(x, full_matrices=False)
    left = left[:, size > _ROUNDING * np.sqrt(len(x))]
    if not left.shape[1]:
        return 0.0
    degrees = len(x) - 1

    def excess(*parts: np.ndarray) -> float:
        """Return the log determinant of the scatter less what it is expected to be for unit S."""
        joint = np.hstack(parts)
        if not joint.shape[1]:
            return 0.0
        log_determinant = np.linalg.slogdet(joint.T @ joint)[1]
        return log_determinant - digamma((degrees - np.arange(joint.shape[1])) / 2).sum()

    return float(excess(left, z) + excess(y, z) - excess(z) - excess(left, y, z)) / 2


def nearest(x: np.ndarray, y: np.ndarray, z: np.ndarray, k: int) -> float:
    """Estimate I(X; Y | Z) from distances to the k-th nearest neighbour.

    Parameters
    ----------
    x, y, z : arrays of shape (N, dx), (N, dy), (N, dz)
        dz may be 0, which gives the mutual information of Kraskov et al. (2004, estimator 1).
        Columns are scaled to unit SD.
    k : int
        Neighbours; more of them lower the variance and raise the bias.

    Returns
    -------
    float
        Nats (Frenzel & Pompe 2007, Physical Review Letters 99, 204101).
    """
    x, y, z = (values / values.std(axis=0) for values in (x, y, z))
    joint = np.hstack([x, y, z])
    distance = cKDTree(joint).query(joint, k + 1, p=np.inf)[0][:, -1]
    # a neighbour counts if it is strictly nearer; each point counts itself
    radius = np.nextafter(distance, 0)

    def log_count(*parts: np.ndarray) -> np.ndarray | float:
        space = np.hstack(parts)
        if not space.shape[1]:
            return float(digamma(len(x)))
        return digamma(cKDTree(space).query_ball_point(space, radius, np.inf, return_length=True))

    terms = log_count(z) - log_count(x, z) - log_count(y, z)
    return float(digamma(k) + np.mean(terms))


def noisy(values: np.ndarray, weights: np.ndarray, noise_sd: float) -> float:
    """Return I(U; h(U) + e) for Gaussian noise e, by integration.

    Parameters
    ----------
    values : array of shape (n,)
        h at the nodes of a quadrature over U.
    weights : array of shape (n,)
        Probability of each node; they sum to 1. Nodes must lie closer than `noise_sd` in h where
        the density matters.
    noise_sd : float
        SD of e.
    """
    reach = 8 * noise_sd
    grid = np.arange(values.min() - reach, values.max() + reach, noise_sd / 8)
    density = np.zeros(grid.size)
    for value, weight in zip(values, weights, strict=True):
        near = slice(*np.searchsorted(grid, (value - reach, value + reach)))
        density[near] += weight * np.exp(-0.5 * ((grid[near] - value) / noise_sd) ** 2)
    density /= noise_sd * np.sqrt(2 * np.pi)
    positive = density[density > 0]
    entropy = -np.sum(positive * np.log(positive)) * noise_sd / 8
    return float(entropy - 0.5 * np.log(2 * np.pi * np.e * noise_sd**2))
