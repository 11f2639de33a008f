"""What is told of a calibration: estimates, predictions and tests, each with its interval.

Errors of what comes from brain samples are from leaving out blocks of images (jackknife), those of
a task's coefficients follow from least squares; quantities above 0 have intervals on their
logarithm. Intervals use Student's t with one degree of freedom less than blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats as scipy_stats

from brainworth.befs import stage1, stage2, value
from brainworth.befs.overlap import Overlap
from brainworth.bridges.calibration import brain_calibration, brain_model, calibration_planted
from brainworth.bridges.calibration.brain_calibration import Calibration
from brainworth.bridges.calibration.brain_model import EffectiveBrain
from brainworth.bridges.calibration.brain_moments import Fit
from brainworth.bridges.calibration.calibration_planted import PlantedVoxels
from brainworth.bridges.calibration.calibration_study import Study
from brainworth.bridges.calibration.task_alignment import Alignment, TaskEstimate
from brainworth.bridges.calibration.tasks import Tasks

#: Standard errors by which the squared length of a task's coefficients must exceed 0.
LEARNABLE = 4
#: Largest distance of an end of an interval on the logarithm: more says nothing, and overflows.
LONGEST = 50.0


def quantile(degrees: int, interval: float) -> float:
    """Return how many standard errors an interval reaches to each side."""
    return float(scipy_stats.t.ppf((1 + interval) / 2, degrees))


def around(estimate: float, error: float, reach: float) -> dict[str, Any]:
    """Return an estimate and its interval."""
    return {
        "estimate": float(estimate),
        "interval": [float(estimate - reach * error), float(estimate + reach * error)],
    }


def above_zero(estimate: float, log_error: float, reach: float) -> dict[str, Any]:
    """Return an estimate above 0 and its interval, symmetric on the logarithm."""
    factor = np.exp(min(reach * log_error, LONGEST))
    return {
        "estimate": float(estimate),
        "interval": [float(estimate / factor), float(estimate * factor)],
    }


def is_learnable(task: TaskEstimate) -> bool:
    """Say whether a task is linear in the inputs to a part that can be told from nothing."""
    return task.signal > LEARNABLE * float(np.sqrt(_signal_variance(task)))


def tasks(
    given: Tasks, estimates: Sequence[TaskEstimate], true_beta: np.ndarray | None, interval: float
) -> list[dict[str, Any]]:
    """Describe tasks: squared length of their coefficients, label noise, signal over noise."""
    rows = []
    for column, (name, task) in enumerate(zip(given.names, estimates, strict=True)):
        reach = quantile(task.degrees, interval)
        error = np.sqrt(_signal_variance(task))
        row = {
            "task": name,
            "n": task.n,
            "learnable": is_learnable(task),
            "signal": around(task.signal, error, reach),
            "noise": above_zero(task.noise, np.sqrt(2 / task.degrees), reach),
            "snr": around(
                task.signal / task.noise,
                np.hypot(error, task.signal * np.sqrt(2 / task.degrees)) / task.noise,
                reach,
            ),
            "planted": None,
        }
        if true_beta is not None:
            signal = float(np.sum(true_beta[:, column] ** 2))
            unseen = float(np.sum(given.coefficients[:, column] ** 2)) - signal
            noise = 1 / given.snr + max(unseen, 0.0)
            row["planted"] = {"signal": signal, "noise": noise, "snr": signal / noise}
        rows.append(row)
    return rows


def gamma(
    whole: Calibration,
    left_out: Sequence[tuple[Fit, EffectiveBrain]],
    study: Study,
    planted: PlantedVoxels | None,
) -> dict[str, Any]:
    """Tell the effective noise of a latent: the mean over latents, in units of its signal."""
    reach = quantile(len(left_out) - 1, study.interval)
    k = whole.brain.k
    estimate = np.trace(whole.brain.gamma) / k
    without = np.array([_log_mean(brain, k) for _, brain in left_out])
    answer = above_zero(estimate, float(brain_calibration.jackknife(without)), reach)
    answer["planted"] = None
    if planted is not None:
        true = calibration_planted.brain(planted, study.inputs, whole.whitening, k)
        answer["planted"] = float(np.trace(true.gamma) / len(true.gamma))
    return answer


def predictions(
    whole: Calibration,
    left_out: Sequence[tuple[Fit, EffectiveBrain]],
    study: Study,
    planted: PlantedVoxels | None,
) -> tuple[list[dict[str, Any]], list[Alignment]]:
    """Predict what the brain samples are worth to each task.

    Returns
    -------
    rows : list of dict
        One a task; ``log_error`` (by brain samples) is the standard error of the logarithm of what
        is missed that brain samples leave, ``task_log_error`` that of the coefficients.
    alignments : list of Alignment
    """
    reach = quantile(len(left_out) - 1, study.interval)
    alignments = brain_calibration.align_all(whole.found, whole.brain, study.estimates)
    usable = [(found, brain) for found, brain in left_out if brain.k]
    without = [
        brain_calibration.align_all(found, brain, study.estimates) for found, brain in usable
    ]
    # by how much each leaves out more or less of what the brain sees, on average over directions
    lost = [brain_model.overlap(brain, study.n_brain - 1, None) for _, brain in usable]
    true = None
    if planted is not None:
        true = calibration_planted.brain(planted, study.inputs, whole.whitening, whole.brain.k)
    rows = []
    for number, (name, task) in enumerate(zip(study.names, alignments, strict=True)):
        others = [each[number] for each in without]
        ignored = np.array([each.misalignment for each in others])
        error = np.hypot(float(brain_calibration.jackknife(ignored)), task.task_error)
        log_error = _log_errors(whole.brain, task, others, lost, study.n_brain)
        task_log_error = _task_log_error(whole.brain, task, study.n_brain)
        difficulty = float(stage1.difficulty(whole.brain, task.task(), task.direction))
        difficulties = np.array(
            [
                float(stage1.difficulty(brain, other.task(), other.direction))
                for (_, brain), other in zip(usable, others, strict=True)
            ]
        )
        rows.append(
            {
                "task": name,
                "misalignment": around(task.misalignment / task.signal, error / task.signal, reach)
                | {"planted": _planted_share(true, study, number)},
                "difficulty": around(
                    difficulty, float(brain_calibration.jackknife(difficulties)), reach
                ),
                "log_error": log_error,
                "task_log_error": task_log_error,
                "predictions": [
                    _prediction(whole.brain, task, study, place, reach, error)
                    for place, error in enumerate(np.hypot(log_error, task_log_error))
                ],
                "tests": [],
            }
        )
    return rows, alignments


def null(
    found: dict[str, Any],
    predicted: np.ndarray,
    measured: np.ndarray,
    error: np.ndarray,
    study: Study,
) -> dict[str, Any]:
    """Tell what shuffled recordings teach, as a share of what a random subspace would."""
    ratios = found["missed"] / found["expected"]
    per_shuffle = ratios.mean(axis=1)
    reach = quantile(len(per_shuffle) - 1, study.interval)
    spread = float(per_shuffle.std(ddof=1) / np.sqrt(len(per_shuffle)))
    tail = quantile(len(study.halves[0].draws) - 1, study.interval)
    excess = measured / predicted
    return {
        "n_shuffles": len(per_shuffle),
        "rank": found["rank"],
        "expected_missed": found["expected"],
        "missed_over_random": around(float(per_shuffle.mean()), spread, reach),
        "excess_over_random": around(float(excess.mean()), float(np.mean(error / predicted)), tail),
    }


def _signal_variance(task: TaskEstimate) -> float:
    """Return the variance of the estimate of a task's squared length."""
    return 4 * task.error * max(task.signal, 0.0) + 2 * len(task.beta) * task.error**2


def _log_mean(brain: EffectiveBrain, k: int) -> float:
    """Return the log of the mean effective noise of the first k latents, or of all there are."""
    noise = np.diag(brain.gamma)[:k]
    return float(np.log(noise.mean())) if noise.size else np.nan


def _planted_share(true, study: Study, number: int) -> float | None:
    if true is None or study.true_beta is None:
        return None
    beta = study.true_beta[:, number]
    return true.misalignment(beta) / float(beta @ beta)


def _log_errors(
    brain: EffectiveBrain,
    task: Alignment,
    others: Sequence[Alignment],
    lost: Sequence[Overlap],
    n_brain: np.ndarray,
) -> np.ndarray:
    """Return standard errors of the logarithm of what is missed, by number of brain samples."""
    mine = brain_model.overlap(brain, n_brain - 1, task.direction)
    mean = brain_model.overlap(brain, n_brain - 1, None)
    logs = []
    for other, overlap in zip(others, lost, strict=True):
        aligned = np.minimum(mine.aligned * overlap.aligned / mean.aligned, 1.0)
        logs.append(np.log(brain_calibration.missed_of(replace(overlap, aligned=aligned), other)))
    return brain_calibration.jackknife(np.array(logs))


def _task_log_error(brain: EffectiveBrain, task: Alignment, n_brain: np.ndarray) -> np.ndarray:
    overlap = brain_model.overlap(brain, n_brain - 1, task.direction)
    slope = overlap.misaligned - overlap.aligned
    return np.abs(slope) * task.task_error / brain_calibration.missed_of(overlap, task)


def _prediction(
    brain: EffectiveBrain, task: Alignment, study: Study, place: int, reach: float, error: float
) -> dict[str, Any]:
    """Predict at one number of brain samples; intervals follow from that of what is missed."""
    n_brain = int(study.n_brain[place])
    missed = float(brain_calibration.missed(brain, task, n_brain))
    ends = brain_calibration.bounds_of_missed(brain, task, n_brain)
    bounds = above_zero(missed, error, reach)
    bounds["interval"] = [float(np.clip(each, *ends)) for each in bounds["interval"]]
    values = [missed, *bounds["interval"]]
    given, d, k = task.task(), brain.d, brain.k
    free = study.n_task[:, None] - 1
    excess = stage2.optimal_excess(np.array(values), given.noise, free, brain.p, k)
    worth = value.equivalent_samples(excess, given.noise, d) - free
    ridge = value.equivalent_samples(
        stage2.ridge_excess(given.noise, free, d, given.signal), given.noise, d
    )
    asymptotic = value.asymptotic_value(np.array(values), given.noise, brain.p, k)
    return {
        "n_brain": n_brain,
        "missed": bounds,
        "asymptotic_value": _three(asymptotic),
        "by_task_samples": [
            {
                "n_task": int(n),
                "excess": _three(excess[row]),
                "value": _three(worth[row]),
                "exchange_rate": _three(worth[row] / n_brain),
                "savings": _three(worth[row] / (worth[row] + n)),
                "ridge_value": float(ridge[row, 0] - n + 1),
            }
            for row, n in enumerate(study.n_task)
        ],
    }


def _three(values: np.ndarray) -> dict[str, Any]:
    """Return an estimate, and the ends of its interval in order."""
    return {
        "estimate": float(values[0]),
        "interval": [float(min(values[1:])), float(max(values[1:]))],
    }
