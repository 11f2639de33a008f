"""What subjects' brain samples are worth: the theory calibrated from betas, and tested.

For each subject and region, the linear-Gaussian brain of the theory is estimated from the first
trials of images (`brain_calibration`), and how each task lies to it; from these follow what the
learned subspace misses, and what brain samples are worth in task samples. Students are then trained
on other samples than the prediction is from (`student_trials`) and their errors held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainworth.befs import stage2
from brainworth.bridges import (
    brain_calibration,
    brain_inputs,
    calibration_planted,
    calibration_rows,
    shuffled_brain,
    student_trials,
    students,
)
from brainworth.bridges.brain_calibration import Calibration
from brainworth.bridges.brain_inputs import ImageFeatures, Inputs
from brainworth.bridges.brain_model import TaskEstimate, align, estimate_tasks
from brainworth.bridges.brain_moments import Moments
from brainworth.bridges.brain_samples import BrainSamples
from brainworth.bridges.calibration_planted import PlantedVoxels
from brainworth.bridges.student_trials import Lessons
from brainworth.bridges.tasks import Tasks
from brainworth.errors import BrainworthError
from brainworth.folds import folds
from brainworth.stats import stream

#: Test images at least.
LEAST_TEST = 50


@dataclass(frozen=True)
class Division:
    """Which images are for what; 0-based 73K ids.

    Attributes
    ----------
    brain : array of int
        Rows of the brain samples.
    pool, test : arrays of int
        Images of the tasks, to learn from and to test on: none of a brain sample.
    n_undescribed : int
        Brain samples whose images have no features.
    """

    brain: np.ndarray
    pool: np.ndarray
    test: np.ndarray
    n_undescribed: int


@dataclass(frozen=True)
class _Study:
    """What is the same for all regions of a subject."""

    samples: BrainSamples
    inputs: Inputs
    x: np.ndarray
    rows: np.ndarray
    block: np.ndarray
    n_brain: np.ndarray
    n_task: np.ndarray
    names: list[str]
    estimates: list[TaskEstimate]
    halves: list[Lessons]
    test: Moments
    floor: np.ndarray
    true_beta: np.ndarray | None
    settings: Mapping[str, Any]
    interval: float
    seed: int

    @property
    def d(self) -> int:
        return self.x.shape[1]

    @property
    def half(self) -> np.ndarray:
        """Half of the images that each brain sample belongs to: the first blocks, the last."""
        return (self.block >= self.settings["n_blocks"] // 2).astype(int)

    def stream(self, *names: str | int) -> np.random.Generator:
        return stream(self.seed, "bridges", "calibration", self.samples.subject, *names)


def analyse(
    subjects: Iterable[BrainSamples],
    features: ImageFeatures,
    tasks_of: Callable[[str], Tasks],
    settings: Mapping[str, Any],
    *,
    interval: float,
    seed: int,
    planted_of: Callable[[BrainSamples], PlantedVoxels] | None = None,
) -> dict[str, Any]:
    """Calibrate, predict and test, subject by subject.

    Parameters
    ----------
    subjects : iterable of BrainSamples
        Read one at a time.
    features : ImageFeatures
    tasks_of : callable
        From a subject's name to the tasks.
    settings : mapping
        Section ``bridges.calibration``.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.
    planted_of : callable, optional
        The truth about a subject's voxels; for simulated data with inputs ``truth``.

    Returns
    -------
    dict
        ``subjects``: what was found, by subject, region and task. ``summary``: predictions against
        measurements over subjects.

    Raises
    ------
    BrainworthError
        If there are too few samples or labels, or a file is damaged.
    """
    found = [
        _subject(
            samples,
            features,
            tasks_of(samples.subject),
            settings,
            interval,
            seed,
            planted_of and planted_of(samples),
        )
        for samples in subjects
    ]
    return {
        "interval": interval,
        "inputs": settings["inputs"],
        "features": features.origin,
        "rank_rule": settings["rank_rule"],
        "tolerance": settings["tolerance"],
        "n_blocks": settings["n_blocks"],
        "n_subjects": len(found),
        "subjects": found,
        "summary": calibration_rows.summary(found, settings["tolerance"], interval),
    }


def divide(
    samples: BrainSamples,
    features: ImageFeatures,
    tasks: Tasks,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> Division:
    """Decide which images are for what.

    Test images are the shared ones that have labels, and others that the subject did not see until
    there are enough; the tasks are learned from images that the subject did not see.

    Raises
    ------
    BrainworthError
        If too few images have labels.
    """
    labelled = tasks.nsd_id[features.has(tasks.nsd_id)]
    shared = samples.shared[np.isin(samples.shared, labelled)]
    seen = np.concatenate([samples.nsd_id, samples.shared])
    others = rng.permutation(labelled[~np.isin(labelled, seen)])
    needed = 2 * settings["n_draws"] * max(_task_sizes(settings, features))
    extra = int(np.clip(settings["test_images"] - len(shared), 0, max(0, len(others) - needed)))
    pool = others[extra:][: settings["task_images"]]
    test = np.concatenate([shared, others[:extra]])
    if len(pool) < needed or len(test) < LEAST_TEST:
        raise BrainworthError(
            f"{samples.subject}: {len(pool)} images with features and labels, which the subject did "
            f"not see, are left to learn tasks from, and {len(test)} to test on; {needed} and "
            f"{LEAST_TEST} are needed: label more images, add subjects to bridges.subjects (features "
            "are of images that they saw), or lower bridges.calibration.dimensions, n_draws or "
            "task_multiples"
        )
    described = features.has(samples.nsd_id)
    return Division(
        np.flatnonzero(described), np.sort(pool), np.sort(test), int(np.sum(~described))
    )


def _task_sizes(settings: Mapping[str, Any], features: ImageFeatures) -> list[int]:
    d = min(settings["dimensions"], features.values.shape[1])
    return [round(multiple * d) for multiple in settings["task_multiples"]]


def _subject(
    samples: BrainSamples,
    features: ImageFeatures,
    tasks: Tasks,
    settings: Mapping[str, Any],
    interval: float,
    seed: int,
    planted: PlantedVoxels | None,
) -> dict[str, Any]:
    def named(*names: str | int) -> np.random.Generator:
        return stream(seed, "bridges", "calibration", samples.subject, *names)

    division = divide(samples, features, tasks, settings, named("images"))
    fitted = ~np.isin(features.nsd_id, division.test)
    inputs = brain_inputs.whiten(features, fitted, settings["dimensions"])
    d = inputs.x.shape[1]
    n = len(division.brain)
    block = folds(n, settings["n_blocks"], named("blocks"))
    half = int(np.bincount(block >= settings["n_blocks"] // 2).min())
    # shares of up to a half are of two equal halves, so that each has as many subsets
    n_brain = np.array(
        [
            int(2 * share * half) if share <= 0.5 else int(share * n)
            for share in settings["brain_fractions"]
        ]
    )
    if min(n_brain) < d + 3:
        raise BrainworthError(
            f"{samples.subject}: the least of bridges.calibration.brain_fractions makes "
            f"{min(n_brain)} brain samples of {n}, and {d} inputs take {d + 3} at least; raise it, "
            "or lower bridges.calibration.dimensions"
        )
    n_task = np.array([round(multiple * d) for multiple in settings["task_multiples"]])
    coefficients = tasks.coefficients if planted is not None else None
    true_beta = None
    if coefficients is not None:
        true_beta = calibration_planted.task_coefficients(inputs, coefficients)
    pool_x = inputs.x[features.rows(division.pool)]
    pool_y = tasks.labels[tasks.rows(division.pool)]
    estimates = estimate_tasks(pool_x, pool_y)
    test_x = inputs.x[features.rows(division.test)]
    target = tasks.labels[tasks.rows(division.test)] if true_beta is None else test_x @ true_beta
    test = students.test_sums(test_x, target)
    half = named("pool").permutation(len(pool_x)) % 2
    halves = [
        student_trials.prepare(
            pool_x[half == side],
            pool_y[half == side],
            n_task,
            settings["n_draws"],
            estimate_tasks(pool_x[half == side], pool_y[half == side]),
            named("draws", side),
        )
        for side in (0, 1)
    ]
    study = _Study(
        samples=samples,
        inputs=inputs,
        x=inputs.x[features.rows(samples.nsd_id[division.brain])],
        rows=division.brain,
        block=block,
        n_brain=n_brain,
        n_task=n_task,
        names=tasks.names,
        estimates=estimates,
        halves=halves,
        test=test,
        floor=_floor(pool_x, pool_y, estimates, test, true_beta),
        true_beta=true_beta,
        settings=settings,
        interval=interval,
        seed=seed,
    )
    alone = _alone(study)
    return {
        "subject": samples.subject,
        "n_images": n,
        "n_undescribed": division.n_undescribed,
        "n_repeated_trials": int(samples.n_repeated.sum()),
        "n_task_images": len(division.pool),
        "n_test_images": len(division.test),
        "n_inputs": d,
        "features_kept": inputs.share,
        "kurtosis": {
            "mean": float(inputs.kurtosis.mean()),
            "lowest": float(inputs.kurtosis.min()),
            "highest": float(inputs.kurtosis.max()),
            "n_images": inputs.n_fitted,
        },
        "tasks": calibration_rows.tasks(tasks, estimates, true_beta, interval),
        "alone": alone,
        "rois": [
            _region(study, region, voxels, planted and planted.of(voxels))
            for region, voxels in samples.regions.items()
        ],
    }


def _floor(
    x: np.ndarray,
    y: np.ndarray,
    estimates: list[TaskEstimate],
    test: Moments,
    true_beta: np.ndarray | None,
) -> np.ndarray:
    """Return the error on test images of a student that knows the task, shape (T,).

    For labels with noise: the error of least squares on all task samples, less what is expected of
    that to be its own.
    """
    if true_beta is not None:
        return np.zeros(true_beta.shape[1])
    best = students.task_only(students.lesson(x, y))
    noise = np.array([task.noise for task in estimates])
    own = np.array([len(task.beta) * task.error for task in estimates])
    return students.errors(best, test) - own - (noise + own) / len(x)


def _alone(study: _Study) -> list[dict[str, Any]]:
    """Hold the students without brain data against what is predicted of them."""
    pairs = []
    for side in (0, 1):
        known, taught = study.halves[1 - side].estimates, study.halves[side]
        kappa = student_trials.ridge_penalties(known, study.d)
        measured = student_trials.measure_alone(taught, kappa, study.test, study.floor)
        pairs.append((student_trials.predicted_alone(known, study.n_task, study.d), *measured))
    return calibration_rows.alone(pairs, study.names, study.n_task, study.halves, study)


def _region(
    study: _Study, region: str, voxels: np.ndarray, planted: PlantedVoxels | None
) -> dict[str, Any]:
    r = study.samples.values[np.ix_(study.rows, voxels)]
    x, block, rule = study.x, study.block, study.settings["rank_rule"]
    parts = brain_calibration.raw_moments(x, r, block)
    whole = brain_calibration.calibrate(x, r, block, parts, rule)
    answer = {
        "roi": region,
        "n_voxels": len(voxels),
        "shares": calibration_rows.shares(whole, parts, study, voxels, r, planted),
        **calibration_rows.rank(whole, study, planted),
    }
    if not whole.brain.k:
        return answer | {"gamma": None, "tasks": [], "null": None}
    left_out = brain_calibration.leave_out(whole, x, r, block)
    rows, alignments = calibration_rows.predictions(whole, left_out, study, planted)
    measured = _test(study, r, parts)
    answer |= {
        "gamma": calibration_rows.gamma(whole, left_out, study, planted),
        "tasks": rows,
        "null": _null(study, whole, r),
    }
    calibration_rows.add_tests(rows, measured, whole, left_out, alignments, study)
    return answer


def _test(study: _Study, r: np.ndarray, parts: list[Moments]) -> list[dict[str, Any]]:
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
        found.append(
            {
                "k": k,
                "sizes": sizes,
                "subsets": [len(each) for each in learned],
                "predicted": excess,
                "predicted_missed": missed,
                "measured": mean,
                "error": error,
                "measured_missed": student_trials.missed(
                    learned, k, _known_tasks(study, taught.estimates)
                ),
            }
        )
    return found


def _known_tasks(study: _Study, estimates: list[TaskEstimate]) -> list[TaskEstimate]:
    """Return the tasks as planted, or as estimated from other samples than the predictions."""
    if study.true_beta is None:
        return estimates
    return [
        TaskEstimate(beta, each.noise, 0.0, each.n, each.degrees)
        for beta, each in zip(study.true_beta.T, estimates, strict=True)
    ]


def _null(study: _Study, whole: Calibration, r: np.ndarray) -> dict[str, Any]:
    found = shuffled_brain.shuffled(
        whole,
        study.x,
        r,
        study.block,
        _known_tasks(study, study.estimates),
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
