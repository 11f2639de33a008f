"""When each stimulus was shown: sessions, place in session and run, time between presentations.

In NSD the order of trials is the same for every subject, so whatever depends on the time of a trial
(drift, fatigue, practice, the session's noise) is the same in all subjects, for the same stimuli.
A variance that subjects share is a property of the stimulus only beyond this schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from brainworth.nsd import registry

#: A session is 12 runs of 63 (odd) and 62 (even) trials (NSD's manual, "Behavioral data").
RUN_LENGTHS = (63, 62) * 6
#: Covariates take at most this share of the stimuli.
_MOST_COVARIATES = 1 / 3


@dataclass(frozen=True)
class Schedule:
    """The trials of one subject that show the stimuli of a test, in the order of its responses.

    Attributes
    ----------
    stimulus : array of shape (T,)
        0..I-1.
    session : array of shape (T,)
        From 1.
    trial : array of shape (T,)
        0-based, within the session.
    """

    stimulus: np.ndarray
    session: np.ndarray
    trial: np.ndarray


def read(path: Path, stimuli: np.ndarray) -> Schedule:
    """Read the schedule of some stimuli (ascending 0-based 73K ids) from an extract."""
    with h5py.File(path, "r") as file:
        nsd_id = file["trials/nsd_id"][:]
        used = file["trials/matched"][:] & np.isin(nsd_id, stimuli)
        return Schedule(
            np.searchsorted(stimuli, nsd_id[used]),
            file["trials/session"][:][used],
            file["trials/trial"][:][used],
        )


def session_covariates(found: Schedule) -> np.ndarray:
    """Return how often each stimulus was shown in each session but the first, shape (I, P)."""
    sessions = np.unique(found.session)
    counts = np.zeros((found.stimulus.max() + 1, sessions.size))
    np.add.at(counts, (found.stimulus, np.searchsorted(sessions, found.session)), 1)
    return counts[:, 1:]


def position_covariates(found: Schedule) -> np.ndarray:
    """Return where in session and run each stimulus was shown, and how far apart, shape (I, 5).

    Mean place in the session and its square, mean place in the run and its square (all 0 to 1),
    and the logarithm of the number of trials between first and last presentation.
    """
    n = int(found.stimulus.max()) + 1
    starts = np.concatenate([[0], np.cumsum(RUN_LENGTHS)[:-1]])
    run = np.searchsorted(starts, found.trial, side="right") - 1
    in_session = found.trial / registry.TRIALS_PER_SESSION
    in_run = (found.trial - starts[run]) / np.asarray(RUN_LENGTHS)[run]
    counts = np.bincount(found.stimulus, minlength=n)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(found.stimulus, values, minlength=n) / counts

    time = found.session * registry.TRIALS_PER_SESSION + found.trial
    first, last = np.full(n, np.iinfo(np.int64).max), np.zeros(n, dtype=np.int64)
    np.minimum.at(first, found.stimulus, time)
    np.maximum.at(last, found.stimulus, time)
    return np.column_stack(
        [
            mean(in_session),
            mean(in_session**2),
            mean(in_run),
            mean(in_run**2),
            np.log1p(last - first),
        ]
    )


def covariates(found: Schedule) -> np.ndarray:
    """Return all covariates of the schedule, shape (I, P)."""
    return np.hstack([session_covariates(found), position_covariates(found)])


def residuals(values: np.ndarray, known: np.ndarray) -> np.ndarray | None:
    """Return values (..., I) without what `known` covariates (I, P) and a constant explain.

    None if the covariates are too many for the stimuli.
    """
    centred = known - known.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    basis = left[:, size > 1e-8 * size.max(initial=0)] if size.size else left
    if basis.shape[1] > _MOST_COVARIATES * len(known):
        return None
    values = values - values.mean(axis=-1, keepdims=True)
    return values - (values @ basis) @ basis.T
