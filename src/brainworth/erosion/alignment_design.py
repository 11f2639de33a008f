"""What the test of alignment draws at random, once for all regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainworth.errors import BrainworthError
from brainworth.folds import folds
from brainworth.stats import multiplicities, stream

#: Fewer stimuli in a fold leave no RDM to resample, and too few training stimuli for two fits.
FEWEST_IN_FOLD = 5


@dataclass(frozen=True)
class Design:
    """What all regions have in common: folds, bootstrap samples, relabellings.

    Attributes
    ----------
    fold : array of shape (I,)
    weights : array of shape (B, I)
        Multiplicities.
    labels : dict from str to list of arrays of shape (m, n)
        For each subject and fold, the stimulus of the fold that each is taken for.
    dimensions : list of int
        Candidates.
    interval : float
    seed : int
    """

    fold: np.ndarray
    weights: np.ndarray
    labels: dict[str, list[np.ndarray]]
    dimensions: list[int]
    interval: float
    seed: int


def design(
    subjects: Sequence[str],
    n_stimuli: int,
    *,
    n_folds: int,
    dimensions: list[int],
    n_permutations: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
) -> Design:
    """Draw everything that is random.

    Raises
    ------
    BrainworthError
        If a fold has fewer than 5 stimuli.
    """
    if n_stimuli < FEWEST_IN_FOLD * n_folds:
        raise BrainworthError(
            f"alignment with {n_folds} folds needs at least {FEWEST_IN_FOLD * n_folds} stimuli "
            f"that every subject saw twice, there are {n_stimuli}; lower erosion.alignment.n_folds "
            "or use more sessions (data.sessions)"
        )
    fold = folds(n_stimuli, n_folds, stream(seed, "alignment", "folds"))
    labels = {}
    for subject in subjects:
        rng = stream(seed, "alignment", "relabel", subject)
        labels[subject] = [
            rng.permuted(np.tile(np.arange(n), (n_permutations, 1)), axis=1)
            for n in np.bincount(fold)
        ]
    weights = multiplicities(stream(seed, "alignment", "bootstrap"), n_bootstrap, n_stimuli)
    return Design(fold, weights, labels, dimensions, interval, seed)
