"""The encoding gap on planted data."""

from __future__ import annotations

import functools

import numpy as np

from brainworth.erosion import encoding_gap
from brainworth.erosion.encoding_design import design
from brainworth.erosion.validity.measure import Cell, Replicate
from brainworth.erosion.validity.plant import BRAINS, Plant, brain, draw, test_seed

_FOLDS = 4
CELLS = {
    "nothing shared": Cell("null", "subjects encode different features", {"shared_fraction": 0.0}),
    "mismatched ids": Cell(
        "null", "a shared map, stimulus ids shuffled in each subject", {"mismatched": True}
    ),
    "half shared": Cell("effect", "half of the map shared", {"shared_fraction": 0.5}),
    "identical subjects": Cell("effect", "all subjects have the same map", {"identical": True}),
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
    """Run the test on one data set; the truth of the gap is that of noise-free mean responses."""
    found = draw(plant, number, seed, "encoding_gap", cell)
    plan = design(
        [item.subject for item in found],
        plant.n_stimuli,
        n_folds=_FOLDS,
        n_permutations=n_draws,
        n_bootstrap=n_bootstrap,
        interval=interval,
        seed=test_seed(seed, "encoding_gap", cell, number),
    )
    row, _ = encoding_gap.analyse_region(found, plan)
    gap = row["gap"]
    truth = _gap(plant, number % BRAINS, seed)
    return Replicate(
        p={"population": row["population"]["offset_slope"]["p"]},
        estimates={"gap": gap and (gap["estimate"], gap["interval"], truth)},
        published={
            "individual R2": row["published"]["individual"]["estimate"],
            "population R2": row["published"]["population"]["estimate"],
        },
    )


@functools.lru_cache(maxsize=64)
def _gap(plant: Plant, number: int, seed: int) -> float:
    """Return what the R2 of the mean of the others lacks to 1, over all subjects, without noise.

    Features are independent with unit variance: covariances are products of mean weights.
    """
    if plant.mismatched:
        return 1.0
    weights = brain(plant, number, seed).weights.mean(axis=1)
    others = (weights.sum(axis=0) - weights) / (plant.n_subjects - 1)
    explained = np.sum(weights * others, axis=1) ** 2 / np.sum(others**2, axis=1)
    return float(1 - explained.sum() / np.sum(weights**2))
