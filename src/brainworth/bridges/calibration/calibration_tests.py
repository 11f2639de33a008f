"""How students fared beside what was predicted of them, each ratio with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brainworth.befs import stage2, value
from brainworth.bridges.calibration import brain_calibration
from brainworth.bridges.calibration.brain_calibration import Calibration
from brainworth.bridges.calibration.brain_model import EffectiveBrain
from brainworth.bridges.calibration.brain_moments import Fit
from brainworth.bridges.calibration.calibration_rows import around, quantile
from brainworth.bridges.calibration.calibration_study import Study
from brainworth.bridges.calibration.task_alignment import Alignment

HOLDS, FAILS, OPEN = "holds", "fails", "undecided"


def verdict(low: float, high: float, tolerance: float) -> str:
    """Say whether a ratio is 1: its interval lies within the tolerance, outside, or across."""
    lower, upper = 1 / (1 + tolerance), 1 + tolerance
    if lower <= low and high <= upper:
        return HOLDS
    return FAILS if high < lower or low > upper else OPEN


def add_tests(
    rows: list[dict[str, Any]],
    measured: list[dict[str, Any]],
    whole: Calibration,
    left_out: Sequence[tuple[Fit, EffectiveBrain]],
    alignments: Sequence[Alignment],
    study: Study,
) -> None:
    """Add to each task how students fared beside what was predicted of them.

    The ratio of measured to predicted is of means over the two halves. Its error has the spread
    over draws of task samples, the theory's own spread over brain data sets, and the errors of the
    prediction.
    """
    if not measured:
        return
    reach = quantile(len(left_out) - 1, study.interval)
    tolerance = study.settings["tolerance"]
    predicted = np.mean([each["predicted"] for each in measured], axis=0)
    found = np.mean([each["measured"] for each in measured], axis=0)
    missed = np.mean([each["predicted_missed"] for each in measured], axis=0)
    found_missed = np.mean([each["measured_missed"] for each in measured], axis=0)
    missed_spread = np.sqrt(np.sum([each["missed_error"] ** 2 for each in measured], axis=0)) / 2
    spread = np.sqrt(np.sum([each["error"] ** 2 for each in measured], axis=0)) / 2
    k = round(np.mean([each["k"] for each in measured]))
    for place, n_brain in enumerate(measured[0]["sizes"]):
        at = int(np.flatnonzero(study.n_brain == n_brain)[0])
        subsets = sum(each["subsets"][place] for each in measured)
        for column, (row, task) in enumerate(zip(rows, alignments, strict=True)):
            drawn = float(brain_calibration.draw_variance(whole.brain, task, n_brain))
            brain_part = drawn / missed[place, column] ** 2 / subsets
            # two halves of the images, whose estimates the means are of: as good as all of them
            known = row["log_error"][at] ** 2 + row["task_log_error"][at] ** 2
            entry = {
                "n_brain": int(n_brain),
                "size": at,
                "n_subsets": subsets,
                "n_latents": [each["k"] for each in measured],
                "missed": _ratio(
                    missed[place, column],
                    found_missed[place, column],
                    brain_part + known,
                    missed_spread[place, column],
                    reach,
                    tolerance,
                ),
                "students": [],
            }
            for number, n_task in enumerate(study.n_task):
                steep = _steepness(task, missed[place, column], n_task, study.d, k)
                noise_part = 2 / study.estimates[column].degrees
                variance = steep**2 * (brain_part + known) + (1 - steep) ** 2 * noise_part
                entry["students"].append(
                    {"n_task": int(n_task)}
                    | _ratio(
                        predicted[place, number, column],
                        found[place, number, column],
                        variance,
                        spread[place, number, column],
                        reach,
                        tolerance,
                    )
                    | _values(
                        predicted[place, number, column],
                        found[place, number, column],
                        task.noise,
                        int(n_brain),
                        int(n_task),
                        study.d,
                    )
                )
            row["tests"].append(entry)


def alone(pairs: Sequence[tuple], study: Study) -> list[dict[str, Any]]:
    """Hold students without brain data against what is predicted of them."""
    reach = quantile(study.settings["n_blocks"] - 1, study.interval)
    rows = []
    for student in ("task_only", "ridge"):
        predicted = np.mean([pair[0][student] for pair in pairs], axis=0)
        found = np.mean([pair[1][student] for pair in pairs], axis=0)
        spread = np.sqrt(np.sum([pair[2][student] ** 2 for pair in pairs], axis=0)) / 2
        for column, name in enumerate(study.names):
            known = 2 / study.estimates[column].degrees
            rows += [
                {"student": student, "task": name, "n_task": int(n)}
                | _ratio(
                    predicted[number, column],
                    found[number, column],
                    known,
                    spread[number, column],
                    reach,
                    study.settings["tolerance"],
                )
                for number, n in enumerate(study.n_task)
            ]
    return rows


def _steepness(task: Alignment, missed: float, n_task: int, d: int, k: int) -> float:
    """Return the derivative of the log of the excess error by that of what is missed."""
    noise, step = task.noise, 0.01
    ends = [
        float(stage2.optimal_excess(missed * np.exp(side), noise, n_task - 1, d - k, k))
        for side in (-step, step)
    ]
    return float(np.log(ends[1] / ends[0]) / (2 * step))


def _ratio(
    predicted: float,
    measured: float,
    variance: float,
    spread: float,
    reach: float,
    tolerance: float,
) -> dict[str, Any]:
    """Return measured over predicted: `variance` is relative, `spread` an absolute error."""
    ratio = float(measured / predicted)
    error = float(np.sqrt(variance * max(ratio, 0.0) ** 2 + (spread / predicted) ** 2))
    found = around(ratio, error, reach)
    return {
        "predicted": float(predicted),
        "measured": float(measured),
        "ratio": ratio,
        "interval": found["interval"],
        "verdict": verdict(*found["interval"], tolerance),
    }


def _values(
    predicted: float, measured: float, noise: float, n_brain: int, n_task: int, d: int
) -> dict[str, float | None]:
    """Return value and exchange rate, as predicted and measured; None if no error was left."""
    answer: dict[str, float | None] = {}
    for name, excess in (("predicted", predicted), ("measured", measured)):
        worth = None
        if excess > 0:
            worth = float(value.equivalent_samples(excess, noise, d)) - (n_task - 1)
        answer[f"value_{name}"] = worth
        answer[f"exchange_rate_{name}"] = None if worth is None else worth / n_brain
        answer[f"savings_{name}"] = None if worth is None else worth / (worth + n_task)
    return answer
