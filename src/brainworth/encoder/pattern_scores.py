"""Scores of each image's pattern over voxels."""

from __future__ import annotations

import numpy as np


def similarity(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Correlate every predicted pattern with every observed one.

    Parameters
    ----------
    predicted, observed : arrays of shape (N, V)

    Returns
    -------
    array of shape (N, N)
        Predicted pattern i with observed pattern j, over voxels; 0 where a pattern is the same in
        all voxels.
    """
    return _standardised(predicted) @ _standardised(observed).T


def wins(similarities: np.ndarray) -> np.ndarray:
    """Say which pairs of images a prediction tells apart.

    Parameters
    ----------
    similarities : array of shape (N, N)
        As `similarity` returns.

    Returns
    -------
    array of shape (N, N)
        1 where predicted pattern i is more similar to observed pattern i than to j, 1/2 for ties,
        else 0; 0 on the diagonal.
    """
    own = np.diag(similarities)[:, None]
    answer = (own > similarities) + 0.5 * (own == similarities)
    np.fill_diagonal(answer, 0)
    return answer


def identification(won: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return two-way identification over bootstrap samples of images.

    Parameters
    ----------
    won : array of shape (N, N)
        As `wins` returns.
    weights : array of shape (B, N)
        How often each image is in each sample.

    Returns
    -------
    array of shape (B,)
        Share of pairs of different images that are told apart; chance is 1/2. Copies of an image
        are not compared with each other.
    """
    pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    # A sample of one image only has no pairs: chance.
    told_apart = np.sum((weights @ won) * weights, axis=1)
    return np.where(pairs > 0, told_apart / np.where(pairs > 0, pairs, 1), 0.5)


def _standardised(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    centred = values - values.mean(axis=1, keepdims=True)
    centred[np.ptp(values, axis=1) == 0] = 0
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(length > 0, length, 1)
