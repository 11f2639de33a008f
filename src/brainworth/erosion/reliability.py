"""Reliability of RDMs from repeated measurements, and similarity corrected for it.

With R disjoint parts of each subject's data, ``within`` is the mean similarity of a subject's own
parts and ``between`` that of single parts of two subjects. Both are attenuated by the noise of one
part, so ``between / sqrt(within_s within_t)`` estimates the similarity of the noise-free RDMs with
no step from parts to whole (no Spearman-Brown).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brainworth.erosion.resample import Resampled


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


def report(
    repeats: Resampled | None, subjects: Sequence[str], n_repeats: int, level: float
) -> tuple[dict[str, Any], list[float | None]]:
    """Report reliability, and the similarity corrected for it.

    Subjects whose reliability has an interval that reaches 0 are named, and their pairs left out.

    Parameters
    ----------
    repeats : Resampled or None
        Similarities in the order of `pairs`; None where there are no repeats.
    subjects : sequence of str
    n_repeats : int
    level : float
        Nominal coverage of intervals.

    Returns
    -------
    entries : dict
        ``reliability``, ``corrected``, and the reason (``..._reason``) where one of them is None.
    corrected : list of float or None
        Corrected similarity of each pair of subjects.
    """
    n = len(subjects)
    first, second = np.triu_indices(n, 1)
    names = ("reliability", "reliability_reason", "corrected", "corrected_reason")
    answer: dict[str, Any] = dict.fromkeys(names)
    if repeats is None:
        reason = "there are no RDMs from disjoint parts of a subject's data"
        return answer | {"reliability_reason": reason, "corrected_reason": reason}, [
            None for _ in first
        ]
    inside = repeats.apply(lambda v: within(v, n_repeats, n))
    own = [inside.apply(lambda v, s=s: v[..., s]) for s in range(n)]
    intervals = [one.percentile(level) for one in own]
    reliable = np.array([interval is not None and interval[0] > 0 for interval in intervals])
    answer["reliability"] = {
        "n_repeats": n_repeats,
        "per_subject": [
            {"subject": name, "estimate": float(one.estimate), "interval": interval}
            for name, one, interval in zip(subjects, own, intervals, strict=True)
        ],
        "mean": float(inside.estimate.mean()),
    }
    kept = reliable[first] & reliable[second]
    if not kept.any():
        answer["corrected_reason"] = (
            f"the reliability of {reliable.sum()} of {n} subjects has an interval above 0; "
            "a correction needs 2 such subjects"
        )
        return answer, [None for _ in first]
    chosen = repeats.apply(lambda v: corrected(v, n_repeats, n)[..., kept])
    mean = chosen.apply(lambda v: v.mean(axis=-1))
    answer["corrected"] = {
        "estimate": float(mean.estimate),
        "interval": mean.intervals(level),
        "n_pairs": int(kept.sum()),
        "unreliable_subjects": [
            name for name, good in zip(subjects, reliable, strict=True) if not good
        ],
        "n_undefined_draws": int(np.count_nonzero(~np.isfinite(mean.draws))),
    }
    values = iter(chosen.estimate.tolist())
    return answer, [next(values) if good else None for good in kept]
