"""What the test of the encoding gap draws at random, once for all regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.errors import BrainworthError
from brainworth.folds import folds
from brainworth.stats import multiplicities, stream


@dataclass(frozen=True)
class Design:
    """What all regions have in common.

    Attributes
    ----------
    fold : array of shape (I,)
    weights : array of shape (B, I)
        Bootstrap samples of stimuli, as multiplicities.
    labels : dict from str to array of shape (m, I)
        Relabellings of the stimuli of each subject.
    interval : float
    seed : int
    """

    fold: np.ndarray
    weights: np.ndarray
    labels: dict[str, np.ndarray]
    interval: float
    seed: int


def design(
    subjects: list[str],
    n_stimuli: int,
    *,
    n_folds: int,
    n_permutations: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
) -> Design:
    """Draw everything that is random.

    Raises
    ------
    BrainworthError
        If a fold has fewer than 2 stimuli.
    """
    if n_stimuli < 2 * n_folds:
        raise BrainworthError(
            f"the encoding gap with {n_folds} folds needs at least {2 * n_folds} stimuli that "
            f"every subject saw twice, there are {n_stimuli}; lower erosion.encoding_gap.n_folds "
            "or use more sessions (data.sessions)"
        )
    identity = np.arange(n_stimuli, dtype=np.uint32)
    labels = {
        subject: stream(seed, "encoding", "relabel", subject).permuted(
            np.tile(identity, (n_permutations, 1)), axis=1
        )
        for subject in subjects
    }
    return Design(
        folds(n_stimuli, n_folds, stream(seed, "encoding", "folds")),
        multiplicities(stream(seed, "encoding", "bootstrap"), n_bootstrap, n_stimuli),
        labels,
        interval,
        seed,
    )
