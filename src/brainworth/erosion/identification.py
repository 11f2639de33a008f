"""Identification of subjects from a similarity matrix: accuracy, identifiability, their nulls.

Rows are subjects measured once, columns the same subjects measured again. A subject is identified
if its own column is the strictly most similar one.
"""

from __future__ import annotations

import itertools
import math

import numpy as np


def hits(similarity: np.ndarray) -> np.ndarray:
    """Say which rows identify their own column.

    Parameters
    ----------
    similarity : array of shape (..., S, S)

    Returns
    -------
    array of shape (..., S), bool
        A tie with another subject is a miss.
    """
    own = np.einsum("...ii->...i", similarity)
    others = similarity.copy()
    diagonal = np.arange(similarity.shape[-1])
    others[..., diagonal, diagonal] = -np.inf
    return own > others.max(axis=-1)


def identifiability(similarity: np.ndarray) -> np.ndarray:
    """Return the mean similarity to oneself minus the mean similarity to others, shape (...,)."""
    n = similarity.shape[-1]
    own = np.einsum("...ii->...", similarity)
    return own / n - (similarity.sum(axis=(-2, -1)) - own) / (n * (n - 1))


def labellings(n: int, n_draws: int, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """Return ways to label the columns: all n! if there are at most `n_draws`, else random ones.

    Returns
    -------
    orders : array of shape (m, n)
        Where all are listed, the true labelling is the first.
    exhaustive : bool
    """
    if math.factorial(n) <= n_draws:
        return np.array(list(itertools.permutations(range(n)))), True
    return rng.permuted(np.tile(np.arange(n), (n_draws, 1)), axis=1), False


def relabelled(similarity: np.ndarray, orders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracy and identifiability under each labelling of the columns.

    Parameters
    ----------
    similarity : array of shape (S, S)
    orders : array of shape (m, S)
        Column ``orders[j, i]`` is taken for subject i.

    Returns
    -------
    accuracy, identifiability : arrays of shape (m,)
    """
    n = len(similarity)
    rows = np.arange(n)
    top = similarity.max(axis=1)
    unique = (similarity == top[:, None]).sum(axis=1) == 1
    best = np.where(unique, similarity.argmax(axis=1), -1)
    accuracy = (orders == best).mean(axis=1)
    own = similarity[rows, orders].sum(axis=1)
    return accuracy, own / n - (similarity.sum() - own) / (n * (n - 1))


def label_p(observed: float, null: np.ndarray, *, exhaustive: bool) -> float:
    """Return the share of labellings at least as extreme.

    If all labellings are listed the true one is among them and the p-value is exact; otherwise
    (b + 1) / (m + 1).
    """
    extreme = np.count_nonzero(null >= observed - 1e-12 * max(1.0, abs(observed)))
    if exhaustive:
        return float(extreme / null.size)
    return float((extreme + 1) / (null.size + 1))
