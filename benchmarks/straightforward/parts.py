"""Two disjoint parts of the repetitions of every stimulus, by session."""

from __future__ import annotations

import numpy as np

from straightforward.reading import Trials


def split(data: Trials) -> tuple[np.ndarray, np.ndarray]:
    """Say for every trial whether it is in the first part, and count trials, shape (2, I).

    The first part of a stimulus are its trials in the first session that it was shown in, or its
    first presentation where that is all its trials.
    """
    first = np.zeros(len(data.stimulus), dtype=bool)
    for i in range(data.stimulus.max() + 1):
        own = np.flatnonzero(data.stimulus == i)
        sessions = data.session[own]
        if np.unique(sessions).size > 1:
            first[own[sessions == sessions.min()]] = True
        else:
            first[own[data.repetition[own].argmin()]] = True
    return first, np.array([np.bincount(data.stimulus[chosen]) for chosen in (first, ~first)])
