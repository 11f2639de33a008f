"""The predictability of the variance on planted data."""

from __future__ import annotations

from brainworth.erosion import variance_predictability
from brainworth.erosion.validity.measure import Cell, Replicate
from brainworth.erosion.validity.plant import Plant, draw, schedule, test_seed
from brainworth.erosion.variance_predictors import ALONE, PATTERNS

_COMPONENTS = 5
_FOLDS = 4
_JUDGED = (*PATTERNS, ALONE)
CELLS = {
    "homoscedastic": Cell("null", "one noise variance for all stimuli", {}),
    "trials differ": Cell(
        "null",
        "a noise variance that differs between trials (SD of its log 0.5), not between stimuli",
        {"trial_log_sd": 0.5},
    ),
    "not shared": Cell(
        "null",
        "noise variances depend on the stimulus (SD of the log 0.6), differently in each subject",
        {"variance_log_sd": 0.6},
    ),
    "shared": Cell(
        "effect",
        "the same, half of the spread shared by subjects; patterns carry nothing",
        {"variance_log_sd": 0.6, "variance_shared_fraction": 0.5},
        null=tuple(name for name in _JUDGED if name != "others_variance"),
    ),
    "set by a feature": Cell(
        "effect",
        "the same spread, set by an image feature that all subjects encode",
        {"variance_log_sd": 0.6, "variance_shared_fraction": 1.0, "variance_from_feature": True},
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
    """Run the test on one data set; the truth is that of noise-free log variances."""
    names = ("variance_predictability", cell)
    row = variance_predictability.analyse_region(
        draw(plant, number, seed, *names),
        n_components=_COMPONENTS,
        n_folds=_FOLDS,
        n_surrogates=n_draws,
        n_bootstrap=n_bootstrap,
        interval=interval,
        seed=test_seed(seed, *names, number),
        schedules=[schedule(plant, number, seed, *names)] * plant.n_subjects,
    )
    estimates: dict[str, tuple[float, list[float], float] | None] = {}
    if plant.variance_log_sd:
        found, truth = row["shared_r2"], _shared_r2(plant)
        estimates["shared R2"] = found and (found["estimate"], found["interval"], truth)
    return Replicate(
        p={name: row["steps"][name]["increment"]["p"] for name in _JUDGED},
        estimates=estimates,
        published={"R2 from patterns": row["published"]["estimate"]},
    )


def _shared_r2(plant: Plant) -> float:
    """Return the squared correlation of a log variance with the mean of the others'."""
    share = plant.variance_shared_fraction
    return share**2 / (share + (1 - share) / (plant.n_subjects - 1)) if share else 0.0
