"""Alignment by rotation, and the share of a subject's signal that others share, on planted data."""

from __future__ import annotations

import functools

import numpy as np

from brainworth.erosion import alignment
from brainworth.erosion.alignment_design import design
from brainworth.erosion.validity.measure import Cell, Replicate
from brainworth.erosion.validity.plant import BRAINS, FEATURES, Plant, brain, draw, test_seed

_FOLDS = 4
_DIMENSIONS = [5, 10, 20]
CELLS = {
    # The null is widened for what two folds agree on by chance.
    "nothing shared": Cell(
        "null",
        "subjects encode different features",
        {"shared_fraction": 0.0},
        conservative=alignment.TESTED,
    ),
    "mismatched ids": Cell(
        "null",
        "a shared map, stimulus ids shuffled in each subject",
        {"mismatched": True},
        conservative=alignment.TESTED,
    ),
    "small share": Cell("effect", "a tenth of the map shared", {"shared_fraction": 0.1}),
    "half shared": Cell("effect", "half of the map shared", {"shared_fraction": 0.5}),
}


def replicate(
    plant: Plant,
    cell: str,
    number: int,
    seed: int,
    *,
    n_draws: int,
    n_bootstrap: int,
    interval: float,
) -> Replicate:
    """Run the test on one data set.

    The shared fraction is a lower bound: beside its interval, only the lower end of it is held to
    the truth.
    """
    found = draw(plant, number, seed, "alignment", cell)
    plan = design(
        [item.subject for item in found],
        plant.n_stimuli,
        n_folds=_FOLDS,
        dimensions=_DIMENSIONS,
        n_permutations=n_draws,
        n_bootstrap=n_bootstrap,
        interval=interval,
        seed=test_seed(seed, "alignment", cell, number),
    )
    row, _ = alignment.analyse_region(found, plan)
    share = row["shared_fraction"]
    answer = Replicate(
        p={name: None if row[name] is None else row[name]["p"] for name in alignment.TESTED},
        published={"RDMs after alignment": row["published"]["estimate"]},
    )
    answer.estimates = {"shared fraction": None, "shared fraction, lower end": None}
    if share is not None:
        kept = [subject["reason"] is None for subject in row["subjects"]]
        truth = float(_shares(plant, number % BRAINS, seed)[kept].mean())
        bounds = share["interval"]
        answer.estimates["shared fraction"] = (share["estimate"], bounds, truth)
        one_sided = [bounds[0], np.inf]
        answer.estimates["shared fraction, lower end"] = (share["estimate"], one_sided, truth)
    return answer


@functools.lru_cache(maxsize=64)
def _shares(plant: Plant, number: int, seed: int) -> np.ndarray:
    """Return the share of each subject's signal that shared features make.

    The voxels of the others are more than the features, which can therefore be read from them.
    """
    if plant.mismatched:
        return np.zeros(plant.n_subjects)
    squares = brain(plant, number, seed).weights ** 2
    return squares[..., :FEATURES].sum(axis=(1, 2)) / squares.sum(axis=(1, 2))
