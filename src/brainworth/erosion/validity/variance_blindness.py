"""The variance head on planted data."""

from __future__ import annotations

import numpy as np

from brainworth.erosion import predicted_variance
from brainworth.erosion.validity.measure import Cell, Replicate
from brainworth.erosion.validity.plant import Plant, draw, test_seed
from brainworth.folds import folds
from brainworth.stats import multiplicities, stream

_COMPONENTS = 3
_FOLDS = 4
_PRIOR_SD = 0.5
_TARGET = "components"
ROTATION = tuple(f"{name}, rotation" for name in predicted_variance.PREDICTORS)
CELLS = {
    "homoscedastic": Cell("null", "one noise variance for all stimuli", {}),
    "not shared": Cell(
        "null",
        "noise variances depend on the stimulus (SD of the log 0.6), differently in each subject",
        {"variance_log_sd": 0.6},
        violated=ROTATION,
    ),
    "shared": Cell(
        "effect",
        "the same, half of the spread shared by subjects; patterns carry nothing",
        {"variance_log_sd": 0.6, "variance_shared_fraction": 0.5},
        violated=("patterns, rotation",),
        null=("patterns, relabelled",),
    ),
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
    """Run the heads on one data set."""
    own = test_seed(seed, "variance_blindness", cell, number)
    prepared = [
        predicted_variance.prepare([item], _COMPONENTS, n_draws, own)[0]
        for item in draw(plant, number, seed, "variance_blindness", cell)
    ]
    degrees = np.array([item.degrees for item in prepared])
    row, _ = predicted_variance.analyse_region(
        prepared,
        folds(plant.n_stimuli, _FOLDS, stream(own, "folds")),
        multiplicities(stream(own, "bootstrap"), n_bootstrap, plant.n_stimuli),
        predicted_variance.relabellings(degrees, n_draws, stream(own, "orders")),
        n_components=_COMPONENTS,
        prior_sd=_PRIOR_SD,
        interval=interval,
    )
    found = row["mean"][_TARGET]
    return Replicate(
        p={
            f"{predictor}, {null}": found[predictor]["gain"][null]["p"]
            for null in predicted_variance.NULLS
            for predictor in predicted_variance.PREDICTORS
        }
    )
