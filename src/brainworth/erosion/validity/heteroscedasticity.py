"""Heteroscedasticity on planted data, and what the published statistics read there."""

from __future__ import annotations

import numpy as np

from brainworth.erosion import heteroscedasticity, variance, variance_nulls
from brainworth.erosion import responses as shared
from brainworth.erosion.validity.measure import Cell, Replicate
from brainworth.erosion.validity.plant import Plant, draw, test_seed
from brainworth.stats import multiplicities, stream

#: Nulls that keep a part of the observed spread (`variance_nulls`).
EXCHANGE = tuple(
    f"{statistic}, {null}"
    for null in variance_nulls.NULLS[1:]
    for statistic in heteroscedasticity.STATISTICS
)
CELLS = {
    "homoscedastic": Cell("null", "one noise variance for all stimuli", {}, conservative=EXCHANGE),
    "homoscedastic, global noise": Cell(
        "null",
        "one noise variance for all stimuli, half of it common to all voxels",
        {"noise_global": 0.5},
        conservative=EXCHANGE,
    ),
    "trials differ": Cell(
        "violation",
        "a noise variance that differs between trials (SD of its log 0.5), not between stimuli",
        {"trial_log_sd": 0.5},
    ),
    "weak effect": Cell(
        "effect", "SD over stimuli of the log variance 0.2", {"variance_log_sd": 0.2}
    ),
    "effect": Cell("effect", "SD over stimuli of the log variance 0.4", {"variance_log_sd": 0.4}),
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
    """Run the test on one data set; the truth is the squared CV of the variance over stimuli."""
    found = draw(plant, number, seed, "heteroscedasticity", cell)
    own = test_seed(seed, "heteroscedasticity", cell, number)
    weights = multiplicities(stream(own, "variance", "bootstrap"), n_bootstrap, plant.n_stimuli)
    row = heteroscedasticity.analyse_region(
        found, weights, n_surrogates=n_draws, interval=interval, seed=own
    )
    mean = row["mean"]
    true = mean["true_cv2"]
    # the variance is log-normal over stimuli
    truth = float(np.expm1(plant.variance_log_sd**2))
    return Replicate(
        p={
            f"{statistic}, {null}": mean[statistic][null]["p"]
            for null in variance_nulls.NULLS
            for statistic in heteroscedasticity.STATISTICS
        },
        estimates={"squared CV": (true["estimate"], true["interval"], truth)},
        published={
            "Q75/Q25": mean["ratio"]["estimate"],
            "CV": mean["cv"]["estimate"],
            "called significant": row["called_significant_as_published"],
            "voxel split": float(np.mean([voxel_split(item, own) for item in found])),
        },
    )


def voxel_split(item: shared.SharedResponses, seed: int) -> float:
    """Return the published reliability: the variance profiles of two halves of voxels, r."""
    rng = stream(seed, "validity", "voxel split", item.subject)
    halves = np.array_split(rng.permutation(item.n_voxels), 2)
    first, second = (
        variance.variance_profile(
            variance.contrasts_of(item.values[:, half], item.stimulus, item.n_stimuli)
        )
        for half in halves
    )
    return float(np.corrcoef(first, second)[0, 1])
