"""Predict from one half and measure on the other, for one subject or region."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainworth.befs import stage2
from brainworth.bridges.calibration import (
    brain_calibration,
    calibration_rows,
    calibration_tests,
    shuffled_brain,
    student_trials,
)
from brainworth.bridges.calibration.brain_calibration import Calibration
from brainworth.bridges.calibration.brain_moments import Moments
from brainworth.bridges.calibration.calibration_study import Study
from brainworth.bridges.calibration.task_alignment import TaskEstimate, align


def alone(study: Study) -> list[dict[str, Any]]:
    """Hold the students without brain data against what is predicted of them."""
    pairs = []
    for side in (0, 1):
        known, taught = study.halves[1 - side].estimates, study.halves[side]
        kappa = student_trials.ridge_penalties(known, study.d)
        measured = student_trials.measure_alone(taught, kappa, study.test, study.floor)
        pairs.append((student_trials.predicted_alone(known, study.n_task, study.d), *measured))
    return calibration_tests.alone(pairs, study)


def test(study: Study, r: np.ndarray, parts: list[Moments]) -> list[dict[str, Any]]:
    """Predict from each half and measure on the other; empty where a half shows no latents."""
    rule, found = study.settings["rank_rule"], []
    sides: list[Calibration] = []
    middle = study.settings["n_blocks"] // 2
    for side in (0, 1):
        mine = study.half == side
        sides.append(
            brain_calibration.calibrate(
                study.x[mine],
                r[mine],
                study.block[mine] - side * middle,
                parts[side * middle : (side + 1) * middle],
                rule,
            )
        )
    # only sizes that a half has
    sizes = [n for n in study.n_brain if n <= min(np.bincount(study.half))]
    for side in (0, 1):
        calibration = sides[1 - side]
        if not calibration.brain.k or not sizes:
            return []
        taught, known = study.halves[side], study.halves[1 - side].estimates
        tasks = [align(calibration.found, calibration.brain, task) for task in known]
        missed, excess = student_trials.predicted(calibration, tasks, np.array(sizes), study.n_task)
        mine = study.half == side
        learned = student_trials.subspaces(
            calibration,
            study.x[mine],
            r[mine],
            sizes,
            study.settings["n_subsets"],
            study.stream("subsets", side),
        )
        k = calibration.brain.k
        kappa = student_trials.penalties(missed, tasks, study.d - k)
        mean, error = student_trials.measure(learned, k, taught, kappa, study.test, study.floor)
        tested = known_tasks(study, taught.estimates)
        left_out = student_trials.missed(learned, k, tested)
        found.append(
            {
                "k": k,
                "sizes": sizes,
                "subsets": [len(each) for each in learned],
                "predicted": excess,
                "predicted_missed": missed,
                "measured": mean,
                "error": error,
                "measured_missed": left_out,
                "missed_error": student_trials.missed_error(left_out, k, tested),
            }
        )
    return found


def null(study: Study, whole: Calibration, r: np.ndarray) -> dict[str, Any]:
    """Learn from shuffled recordings, and train students in what was learned."""
    found = shuffled_brain.shuffled(
        whole,
        study.x,
        r,
        study.block,
        known_tasks(study, study.estimates),
        whole.brain.k,
        study.settings["n_shuffles"],
        study.settings["rank_rule"],
        study.stream("shuffles"),
    )
    k, lessons = whole.brain.k, study.halves[0]
    signal = np.array([max(task.signal, 1e-9) for task in study.estimates])
    noise = np.array([task.noise for task in study.estimates])
    missed = (1 - k / study.d) * signal
    kappa = stage2.optimal_kappa(missed, noise, study.d - k)
    measured, error = student_trials.measure(
        [found["bases"]], k, lessons, kappa[None], study.test, study.floor
    )
    predicted = stage2.optimal_excess(missed, noise, study.n_task[:, None] - 1, study.d - k, k)
    return calibration_rows.null(found, predicted, measured[0], error[0], study)


def known_tasks(study: Study, estimates: list[TaskEstimate]) -> list[TaskEstimate]:
    """Return the tasks as planted, or as estimated from other samples than the predictions."""
    if study.true_beta is None:
        return estimates
    return [
        TaskEstimate(beta, each.noise, 0.0, each.n, each.degrees)
        for beta, each in zip(study.true_beta.T, estimates, strict=True)
    ]
