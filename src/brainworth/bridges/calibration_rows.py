"""What is told of a calibration: estimates, predictions and tests, each with its interval.

Errors of what comes from brain samples are from leaving out blocks of images (jackknife), those of
a task's coefficients follow from least squares; quantities above 0 have intervals on their
logarithm. Intervals use Student's t with one degree of freedom less than blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats as scipy_stats
from scipy.linalg import cholesky, solve_triangular

from brainworth.befs import stage1, stage2, value
from brainworth.bridges import brain_calibration, brain_model, calibration_planted
from brainworth.bridges.brain_calibration import Calibration
from brainworth.bridges.brain_model import Alignment, EffectiveBrain, TaskEstimate
from brainworth.bridges.brain_moments import Fit, Moments, total
from brainworth.bridges.brain_noise import Whitening
from brainworth.bridges.calibration_planted import PlantedVoxels
from brainworth.bridges.tasks import Tasks

HOLDS, FAILS, OPEN = "holds", "fails", "undecided"


def verdict(low: float, high: float, tolerance: float) -> str:
    """Say whether a ratio is 1: its interval lies within the tolerance, outside, or across."""
    lower, upper = 1 / (1 + tolerance), 1 + tolerance
    if lower <= low and high <= upper:
        return HOLDS
    return FAILS if high < lower or low > upper else OPEN


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
    factor = np.exp(reach * log_error)
    return {
        "estimate": float(estimate),
        "interval": [float(estimate / factor), float(estimate * factor)],
    }


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


def shares(
    whole: Calibration,
    parts: Sequence[Moments],
    study: Any,
    voxels: np.ndarray,
    r: np.ndarray,
    planted: PlantedVoxels | None,
) -> dict[str, Any]:
    """Divide the variance of a trial: linear in the inputs, other stimulus-driven, noise.

    Sums over voxels of z-scored variances. The noise is from repetitions; ``latent`` is the share
    of it that lies within the columns of B beyond what a channel has outside of them, for
    recordings as they are, if the noise outside has one variance (as the theory's measurement
    noise).
    """
    reach = quantile(study.settings["n_blocks"] - 1, study.interval)
    added = total(parts)
    linear, overall = _linear(added)
    without = np.array([_linear(added - part) for part in parts])
    noise = study.samples.trial_noise[:, voxels].sum(axis=1)
    weights = study.samples.n_repeated
    mean = float(np.average(noise, weights=weights))
    groups = range(len(noise))
    rest = np.array(
        [np.average(np.delete(noise, g), weights=np.delete(weights, g)) for g in groups]
    )
    linear_error = float(brain_calibration.jackknife(without[:, 0] / without[:, 1]))
    noise_error = float(brain_calibration.jackknife(rest)) / overall
    share, noise_share = linear / overall, mean / overall
    answer = {
        "linear": around(share, linear_error, reach),
        "noise": around(noise_share, noise_error, reach),
        "other": around(1 - share - noise_share, np.hypot(linear_error, noise_error), reach),
        "latent": None,
        "planted": None,
    }
    k = whole.brain.k
    if k:
        plain = Whitening(np.ones(len(voxels)), np.zeros((len(voxels), 0)), np.zeros(0))
        inside = float(np.trace(brain_model.noise_within(whole.raw, plain, study.x, r, k)))
        outside = (whole.raw.noise_total - inside) / max(len(voxels) - k, 1)
        answer["latent"] = (inside - k * outside) / whole.raw.noise_total
    if planted is not None:
        driven = study.inputs.covariance.T @ planted.weights.T
        answer["planted"] = {
            "linear": float(np.sum(driven**2)) / len(voxels),
            "noise": float(np.sum(planted.noise_sd**2)) / len(voxels),
        }
    return answer


def rank(whole: Calibration, study: Any, planted: PlantedVoxels | None) -> dict[str, Any]:
    """Tell how many latents there are, and what folds say about each number."""
    mean = whole.curves.mean(axis=0)
    error = whole.curves.std(axis=0, ddof=1) / np.sqrt(len(whole.curves))
    answer = {
        "rank": whole.rank,
        "n_latents": whole.brain.k,
        "n_noise_components": len(whole.whitening.gain),
        "curve": {"explained": mean, "error": error},
        "planted_rank": None,
        "planted_detectable": None,
    }
    if planted is not None:
        brain = calibration_planted.brain(planted, study.inputs, whole.whitening, 1)
        answer["planted_rank"] = brain.rank
        square = whole.hidden.square if whole.hidden else float(len(whole.whitening.scale))
        p = study.d - max(whole.brain.k, 1)
        answer["planted_detectable"] = min(
            brain.rank, brain_model.detectable(brain.strengths, whole.found.n, p, square)
        )
    return answer


def gamma(
    whole: Calibration,
    left_out: Sequence[tuple[Fit, EffectiveBrain]],
    study: Any,
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
    study: Any,
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
    true = None
    if planted is not None:
        true = calibration_planted.brain(planted, study.inputs, whole.whitening, whole.brain.k)
    rows = []
    for number, (name, task) in enumerate(zip(study.names, alignments, strict=True)):
        others = [each[number] for each in without]
        ignored = np.array([each.misalignment for each in others])
        error = np.hypot(float(brain_calibration.jackknife(ignored)), task.task_error)
        logs = np.log(
            [
                brain_calibration.missed(brain, other, study.n_brain)
                for (_, brain), other in zip(usable, others, strict=True)
            ]
        )
        log_error = brain_calibration.jackknife(logs)
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


def add_tests(
    rows: list[dict[str, Any]],
    measured: list[dict[str, Any]],
    whole: Calibration,
    left_out: Sequence[tuple[Fit, EffectiveBrain]],
    alignments: Sequence[Alignment],
    study: Any,
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
                "n_subsets": subsets,
                "n_latents": [each["k"] for each in measured],
                "missed": _ratio(
                    missed[place, column],
                    found_missed[place, column],
                    brain_part + known,
                    0.0,
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


def alone(pairs, names: Sequence[str], n_task: np.ndarray, halves, study: Any):
    """Hold students without brain data against what is predicted of them."""
    reach = quantile(study.settings["n_blocks"] - 1, study.interval)
    rows = []
    for student in ("task_only", "ridge"):
        predicted = np.mean([pair[0][student] for pair in pairs], axis=0)
        found = np.mean([pair[1][student] for pair in pairs], axis=0)
        spread = np.sqrt(np.sum([pair[2][student] ** 2 for pair in pairs], axis=0)) / 2
        for column, name in enumerate(names):
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
                for number, n in enumerate(n_task)
            ]
    return rows


def null(
    found: dict[str, Any], predicted: np.ndarray, measured: np.ndarray, error: np.ndarray, study
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
        "ranks": found["ranks"],
        "expected_missed": found["expected"],
        "missed_over_random": around(float(per_shuffle.mean()), spread, reach),
        "excess_over_random": around(float(excess.mean()), float(np.mean(error / predicted)), tail),
    }


def summary(
    subjects: Sequence[dict[str, Any]], tolerance: float, interval: float
) -> dict[str, Any]:
    """Summarise ratios of measured to predicted over subjects.

    A subject's ratio is the mean over its regions and tasks; the interval is Student's t over
    subjects, and needs two.
    """
    rows = []
    pooled: dict[tuple, dict[str, list[float]]] = {}

    def add(key: tuple, subject: str, ratio: float) -> None:
        pooled.setdefault(key, {}).setdefault(subject, []).append(ratio)

    for each in subjects:
        for row in each["alone"]:
            add((row["student"], None, row["n_task"]), each["subject"], row["ratio"])
        for roi in each["rois"]:
            for task in roi["tasks"]:
                for place, test in enumerate(task["tests"]):
                    add(("missed", place, None), each["subject"], test["missed"]["ratio"])
                    for student in test["students"]:
                        key = ("befs", place, student["n_task"])
                        add(key, each["subject"], student["ratio"])
                        add(("befs", None, None), each["subject"], student["ratio"])
    for (what, place, n_task), by_subject in pooled.items():
        means = np.array([np.mean(ratios) for ratios in by_subject.values()])
        row = {
            "what": what,
            "brain_size": place,
            "n_task": n_task,
            "n_subjects": len(means),
            "ratio": {"estimate": float(means.mean()), "interval": None},
            "verdict": None,
        }
        if len(means) > 1:
            error = float(means.std(ddof=1) / np.sqrt(len(means)))
            row["ratio"] = around(means.mean(), error, quantile(len(means) - 1, interval))
            row["verdict"] = verdict(*row["ratio"]["interval"], tolerance)
        rows.append(row)
    return {"ratios": rows}


def _linear(moments: Moments) -> tuple[float, float]:
    """Return the variance of all voxels that is linear in the inputs, and all of it."""
    n, d = moments.n - 1, len(moments.x)
    mean_x, mean_r = moments.x / moments.n, moments.r / moments.n
    products, square = moments.about(mean_x, mean_r)
    lower = cholesky(moments.xx - moments.n * np.outer(mean_x, mean_x), lower=True)
    fitted = float(np.sum(solve_triangular(lower, products, lower=True) ** 2))
    noise = (square - fitted) / (n - d)
    linear = (fitted - d * noise) / n
    return linear, linear + noise


def _signal_variance(task: TaskEstimate) -> float:
    """Return the variance of the estimate of a task's squared length."""
    return 4 * task.error * max(task.signal, 0.0) + 2 * len(task.beta) * task.error**2


def _log_mean(brain: EffectiveBrain, k: int) -> float:
    """Return the log of the mean effective noise of the first k latents, or of all there are."""
    noise = np.diag(brain.gamma)[:k]
    return float(np.log(noise.mean())) if noise.size else np.nan


def _planted_share(true, study: Any, number: int) -> float | None:
    if true is None or study.true_beta is None:
        return None
    beta = study.true_beta[:, number]
    return true.misalignment(beta) / float(beta @ beta)


def _task_log_error(brain: EffectiveBrain, task: Alignment, n_brain: np.ndarray) -> np.ndarray:
    overlap = brain_model.overlap(brain, n_brain - 1, task.direction)
    slope = overlap.misaligned - overlap.aligned
    return np.abs(slope) * task.task_error / overlap.missed(task.task())


def _prediction(
    brain: EffectiveBrain, task: Alignment, study: Any, place: int, reach: float, error: float
) -> dict[str, Any]:
    """Predict at one number of brain samples; intervals follow from that of what is missed."""
    n_brain = int(study.n_brain[place])
    missed = float(brain_calibration.missed(brain, task, n_brain))
    bounds = above_zero(missed, error, reach)
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
