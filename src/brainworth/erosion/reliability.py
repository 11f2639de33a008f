"""Reliability of RDMs from repeated measurements, and similarity corrected for it.

With R disjoint parts of each subject's data, ``within`` is the mean similarity of a subject's own
parts and ``between`` that of single parts of two subjects. Both are attenuated by the noise of one
part, so ``between / sqrt(within_s within_t)`` estimates the similarity of the noise-free RDMs with
no step from parts to whole (no Spearman-Brown).
"""

from __future__ import annotations

import numpy as np


def pairs(n_repeats: int, n_subjects: int) -> np.ndarray:
    """Return which rows to compare, of RDMs of shape (R, S, P) stacked to (R S, P).

    Returns
    -------
    integer array of shape (S R (R - 1) / 2 + S (S - 1) / 2 R R, 2)
        The pairs of parts of each subject, then all pairs of parts of each pair of subjects.
    """
    rows = np.arange(n_repeats * n_subjects).reshape(n_repeats, n_subjects).T
    q, r = np.triu_indices(n_repeats, 1)
    same = np.stack([rows[:, q], rows[:, r]], axis=-1)
    s, t = np.triu_indices(n_subjects, 1)
    other = np.stack(np.broadcast_arrays(rows[s][:, :, None], rows[t][:, None, :]), axis=-1)
    return np.concatenate([same.reshape(-1, 2), other.reshape(-1, 2)])


def within(similarities: np.ndarray, n_repeats: int, n_subjects: int) -> np.ndarray:
    """Average similarities in the order of `pairs`, shape (..., n), within subjects.

    Returns
    -------
    array of shape (..., S)
    """
    same = similarities[..., : n_subjects * n_repeats * (n_repeats - 1) // 2]
    return same.reshape(*same.shape[:-1], n_subjects, -1).mean(axis=-1)


def between(similarities: np.ndarray, n_repeats: int, n_subjects: int) -> np.ndarray:
    """Average similarities in the order of `pairs`, shape (..., n), between subjects.

    Returns
    -------
    array of shape (..., S (S - 1) / 2)
        In the order of `numpy.triu_indices(S, 1)`.
    """
    other = similarities[..., n_subjects * n_repeats * (n_repeats - 1) // 2 :]
    return other.reshape(*other.shape[:-1], -1, n_repeats**2).mean(axis=-1)


def corrected(similarities: np.ndarray, n_repeats: int, n_subjects: int) -> np.ndarray:
    """Return between / sqrt(within_s within_t) of similarities in the order of `pairs`.

    Returns
    -------
    array of shape (..., S (S - 1) / 2)
        NaN where a subject's reliability is not positive.
    """
    reliability = within(similarities, n_repeats, n_subjects)
    root = np.sqrt(np.where(reliability > 0, reliability, np.nan))
    s, t = np.triu_indices(n_subjects, 1)
    return between(similarities, n_repeats, n_subjects) / (root[..., s] * root[..., t])
