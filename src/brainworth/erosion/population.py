"""How well the other subjects predict a subject's RDM, from the similarities of pairs.

The mean of several standardised RDMs is a sum, so its correlation with another RDM follows from the
correlations of pairs: no mean has to be formed, neither for each relabelling of a null nor for
similarities that were corrected for noise.
"""

from __future__ import annotations

import numpy as np

from brainworth.erosion import compare


def with_others(pairs: np.ndarray) -> np.ndarray:
    """Return the correlation of each subject's RDM with the mean of the others' standardised RDMs.

    Parameters
    ----------
    pairs : array of shape (..., S (S - 1) / 2)
        Correlations of the pairs of subjects, in the order of `numpy.triu_indices(S, 1)`.

    Returns
    -------
    array of shape (..., S)
        NaN where the correlations leave the mean of the others no variance, which estimates that
        were corrected for noise can do.
    """
    square = _square(pairs)
    total = square.sum(axis=-1)
    # The variance of the sum of the others: everything, less the row and the column of the subject.
    others = total.sum(axis=-1, keepdims=True) - 2 * total + 1
    return (total - 1) / np.sqrt(np.where(others > 0, others, np.nan))


def spearman_brown(reliability: np.ndarray, n: int) -> np.ndarray:
    """Step the reliability of one part up to that of the mean of n parts.

    NaN at or below -1 / (n - 1), where the formula has its pole.
    """
    below = 1 + (n - 1) * reliability
    return n * reliability / np.where(below > 0, below, np.nan)


def two_sides(parts: np.ndarray) -> np.ndarray:
    """Compare odd with even parts of all subjects.

    Parameters
    ----------
    parts : array of shape (R, S, P)
        RDMs from `compare.standardise`, of R >= 2 disjoint parts of each subject's data.

    Returns
    -------
    array of shape (S, S)
        Correlation of a subject's odd parts (rows) with a subject's even parts (columns).
    """
    first, second = (compare.standardise(parts[start::2].mean(axis=0), "corr") for start in (0, 1))
    return first @ second.T


def own_advantage(similarity: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return how much better a subject's own data predict than one common RDM would explain.

    If all subjects have the same RDM but for noise, the similarity of odd and even parts is a
    product of what the noise left of either, whoever they belong to. The statistic is the sum of
    the similarities of each subject with itself over the sum that such a product, fitted to rows
    and columns, expects: 1 under a common RDM, also if some subjects are noisier than others.

    Parameters
    ----------
    similarity : array of shape (S, S)
        From `two_sides`.
    orders : array of shape (m, S)
        Labellings of the columns: column ``orders[j, i]`` is taken for subject i.

    Returns
    -------
    array of shape (m,)
        NaN where the expected sum is not positive.
    """
    product = np.outer(similarity.sum(axis=1), similarity.sum(axis=0)) / similarity.sum()
    rows = np.arange(len(similarity))
    expected = product[rows, orders].sum(axis=1)
    return similarity[rows, orders].sum(axis=1) / np.where(expected > 0, expected, np.nan)


def _square(pairs: np.ndarray) -> np.ndarray:
    n = round((1 + np.sqrt(1 + 8 * pairs.shape[-1])) / 2)
    first, second = np.triu_indices(n, 1)
    square = np.ones((*pairs.shape[:-1], n, n))
    square[..., first, second] = pairs
    square[..., second, first] = pairs
    return square
