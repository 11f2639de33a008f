"""What the tests of the variance over repetitions should find on simulated NSD."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainworth.erosion import responses as shared
from brainworth.erosion import schedule, variance
from brainworth.nsd import registry


def reliability(log_variance: np.ndarray, extracts: dict[str, Path], subjects: list[str]) -> dict:
    """Return what subjects share, and the squared CV of the stimuli with three repetitions.

    Parameters
    ----------
    log_variance : array of shape (8, n_73k)
        `ImageTruth.log_variance`.
    extracts : dict from subject to path
        Of all subjects of the study: they decide which stimuli are used.
    subjects : list of str
        Those that have the region.

    Returns
    -------
    dict
        shared_fraction (covariance between subjects of the log variance over its variance) and
        disjoint_cv2, each None where it does not exist.
    """
    stimuli = shared.repeated_stimuli(extracts, 2, "variance_reliability")
    known = _of(log_variance, stimuli, subjects)
    covariance = np.atleast_2d(np.cov(known, bias=True))
    pairs = covariance[np.triu_indices(len(known), 1)]
    total = np.diag(covariance).mean()
    cv2 = []
    for subject, row in zip(subjects, known, strict=True):
        three = np.bincount(schedule.read(extracts[subject], stimuli).stimulus) == 3
        if three.sum() >= shared.MIN_STIMULI:
            ones = np.ones((1, int(three.sum())))
            true = variance.true_cv2(np.exp(row[three]), ones[0], 0.0, ones)
            cv2.append(float(true[0]))
    return {
        "shared_fraction": float(pairs.mean() / total) if pairs.size and total > 0 else None,
        "disjoint_cv2": float(np.mean(cv2)) if cv2 else None,
    }


def predictability(
    log_variance: np.ndarray, extracts: dict[str, Path], subjects: list[str]
) -> dict:
    """Return the share of the log variance that predictors can know, without any noise.

    Nothing for patterns, since images have variances that do not depend on their features; for the
    variances of the other subjects, the squared correlation with their mean.

    Parameters
    ----------
    log_variance, extracts, subjects
        As for `reliability`.
    """
    stimuli = shared.repeated_stimuli(extracts, 2, "variance_predictability")
    known = _of(log_variance, stimuli, subjects)
    found = []
    for number, row in enumerate(known):
        rest = np.delete(known, number, axis=0)
        if len(rest) and np.ptp(row) > 0:
            found.append(float(np.corrcoef(row, rest.mean(axis=0))[0, 1] ** 2))
    return {"patterns": 0.0, "shared_r2": float(np.mean(found)) if found else None}


def _of(log_variance: np.ndarray, stimuli: np.ndarray, subjects: list[str]) -> np.ndarray:
    rows = [registry.SUBJECTS.index(subject) for subject in subjects]
    return log_variance[np.ix_(rows, stimuli)].astype(np.float64)


TESTS = {"variance_reliability": reliability, "variance_predictability": predictability}
