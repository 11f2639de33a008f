"""The null: recordings dealt to images at random teach a random subspace, and no more.

A random subspace of k dimensions misses a share 1 - k/d of any task, and by folds of images no rank
explains anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brainworth.bridges.calibration import brain_calibration, brain_moments
from brainworth.bridges.calibration.brain_calibration import Calibration
from brainworth.bridges.calibration.task_alignment import TaskEstimate


def shuffled(
    calibration: Calibration,
    x: np.ndarray,
    r: np.ndarray,
    block: np.ndarray,
    tasks: Sequence[TaskEstimate],
    k: int,
    n_shuffles: int,
    rule: str,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Learn from recordings that belong to other images.

    Parameters
    ----------
    calibration : Calibration
        Of the samples as they are: what whitens recordings.
    x, r, block : arrays
        As in `brain_calibration.calibrate`.
    tasks : sequence of TaskEstimate
    k : int
        Latents to learn.
    n_shuffles : int
    rule : str
        By which a rank would be chosen.
    rng : numpy Generator

    Returns
    -------
    dict
        ``rank``: chosen by folds, of the first shuffle. ``missed``: share of the tasks' squared
        length that the learned subspaces leave out, (shuffles, tasks). ``expected``: 1 - k/d.
        ``bases``: the learned subspaces.
    """
    d = x.shape[1]
    rank, missed, bases = None, [], []
    white = calibration.whitening
    for _ in range(n_shuffles):
        turned = r[rng.permutation(len(r))]
        parts = [
            white.moments(part, turned[block == number])
            for number, part in enumerate(brain_calibration.raw_moments(x, turned, block))
        ]
        whole = brain_moments.total(parts)
        if rank is None:
            curves = np.stack(
                [brain_moments.explained(brain_moments.fit(whole - part), part) for part in parts]
            )
            rank = brain_moments.choose_rank(curves[:, : d // 2 + 1], rule)
        basis = brain_moments.fit(whole).subspace(k)
        bases.append(basis)
        missed.append(
            [
                (np.sum((basis[:, k:].T @ task.beta) ** 2) - (d - k) * task.error) / task.signal
                for task in tasks
            ]
        )
    return {
        "rank": rank,
        "missed": np.array(missed),
        "expected": 1 - k / d,
        "bases": bases,
    }
