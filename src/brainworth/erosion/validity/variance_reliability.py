"""The stability of the variance on planted data."""

from __future__ import annotations

import numpy as np

from brainworth.erosion import variance_reliability
from brainworth.erosion.validity.measure import Cell, Replicate
from brainworth.erosion.validity.plant import Plant, draw, schedule, test_seed

_SPLITS = 4
_WITHIN = ("voxel_split", "disjoint")
_ACROSS = ("across_subjects", "across_subjects_adjusted")
CELLS = {
    "homoscedastic": Cell("null", "one noise variance for all stimuli", {}),
    "trials differ": Cell(
        "null",
        "a noise variance that differs between trials (SD of its log 0.5), not between stimuli",
        {"trial_log_sd": 0.5},
        violated=_WITHIN,
    ),
    "drift": Cell(
        "null",
        "a noise variance that triples over a session, with the same schedule in all subjects",
        {"drift": float(np.log(3))},
        violated=(*_WITHIN, "across_subjects"),
    ),
    "not shared": Cell(
        "effect",
        "noise variances depend on the stimulus (SD of the log 0.6), differently in each subject",
        {"variance_log_sd": 0.6},
        null=_ACROSS,
    ),
    "shared": Cell(
        "effect",
        "the same, half of the spread shared by subjects",
        {"variance_log_sd": 0.6, "variance_shared_fraction": 0.5},
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
    """Run the test on one data set.

    True are the share of the log variance that is common to subjects, and the squared CV of the
    variance, which is log-normal over stimuli.
    """
    names = ("variance_reliability", cell)
    row = variance_reliability.analyse_region(
        draw(plant, number, seed, *names),
        n_splits=_SPLITS,
        n_surrogates=n_draws,
        n_permutations=n_draws,
        n_bootstrap=n_bootstrap,
        interval=interval,
        seed=test_seed(seed, *names, number),
        schedules=[schedule(plant, number, seed, *names)] * plant.n_subjects,
    )
    estimates = {}
    # what differs between trials, or over a session, differs between finite stimuli by chance
    if not plant.trial_log_sd and not plant.drift:
        truth = float(np.expm1(plant.variance_log_sd**2))
        estimates["squared CV"] = _held_to(row["disjoint_cv2"], truth)
    if plant.variance_log_sd:
        truth = plant.variance_shared_fraction
        estimates["shared fraction"] = _held_to(row["shared_fraction"], truth)
    return Replicate(
        p={name: None if row[name] is None else row[name]["p"] for name in (*_WITHIN, *_ACROSS)},
        estimates=estimates,
        published={"voxel split": row["published"]["estimate"]},
    )


def _held_to(found: dict | None, truth: float) -> tuple[float, list[float], float] | None:
    return found and (found["estimate"], found["interval"], truth)
