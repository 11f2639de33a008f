"""Two disjoint parts of every stimulus' repetitions, from different sessions where possible.

Trial noise is independent between the parts, so that products of one with the other hold signal
only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.erosion.responses import SharedResponses, mean_patterns


@dataclass(frozen=True)
class Parts:
    """Mean patterns of two disjoint sets of trials of each stimulus.

    Attributes
    ----------
    first, second : array of shape (I, V)
    n_first, n_second : array of shape (I,)
        Trials of each stimulus in a part.
    disjoint_sessions : float
        Share of stimuli whose parts have no session in common.
    """

    first: np.ndarray
    second: np.ndarray
    n_first: np.ndarray
    n_second: np.ndarray
    disjoint_sessions: float

    def mean(self) -> np.ndarray:
        """Return the mean over all trials, shape (I, V)."""
        share = (self.n_first / (self.n_first + self.n_second))[:, None]
        return share * self.first + (1 - share) * self.second


def split(item: SharedResponses) -> Parts:
    """Split the trials of each stimulus.

    The first part of a stimulus are its trials in the first session that it was shown in; if all
    its trials are in one session, its first presentation.

    Raises
    ------
    ValueError
        If a stimulus has fewer than two trials.
    """
    n = item.n_stimuli
    if item.counts().min() < 2:
        raise ValueError("two parts need at least two trials of every stimulus")
    first_session = np.full(n, np.iinfo(np.int64).max)
    last_session = np.zeros(n, dtype=np.int64)
    np.minimum.at(first_session, item.stimulus, item.session)
    np.maximum.at(last_session, item.stimulus, item.session)
    alone = first_session == last_session
    earliest = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(earliest, item.stimulus, item.repetition)
    in_first = np.where(
        alone[item.stimulus],
        item.repetition == earliest[item.stimulus],
        item.session == first_session[item.stimulus],
    )
    means, counts = [], []
    for chosen in (in_first, ~in_first):
        means.append(mean_patterns(item, chosen))
        counts.append(np.bincount(item.stimulus[chosen], minlength=n))
    return Parts(*means, *counts, float(np.mean(~alone)))
