"""What subjects' brain samples are worth: the theory calibrated from betas, and tested.

For each subject and region, the linear-Gaussian brain of the theory is estimated from the first
trials of images (`brain_calibration`), and how each task lies to it; from these follow what the
learned subspace misses, and what brain samples are worth in task samples. Students are then trained
on other samples than the prediction is from (`student_trials`) and their errors held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from brainworth.bridges.calibration import (
    brain_calibration,
    brain_inputs,
    calibration_planted,
    calibration_rows,
    calibration_shares,
    calibration_summary,
    calibration_tests,
    calibration_trials,
    student_trials,
    students,
)
from brainworth.bridges.calibration.brain_inputs import ImageFeatures
from brainworth.bridges.calibration.brain_moments import Moments
from brainworth.bridges.calibration.brain_samples import BrainSamples
from brainworth.bridges.calibration.calibration_planted import PlantedVoxels
from brainworth.bridges.calibration.calibration_study import Study, divide
from brainworth.bridges.calibration.task_alignment import TaskEstimate, estimate_tasks
from brainworth.bridges.calibration.tasks import Tasks
from brainworth.errors import BrainworthError
from brainworth.folds import folds
from brainworth.stats import stream


def analyse(
    subjects: Iterable[BrainSamples],
    features: ImageFeatures,
    tasks_of: Callable[[str], Tasks],
    settings: Mapping[str, Any],
    *,
    interval: float,
    seed: int,
    planted_of: Callable[[BrainSamples], PlantedVoxels] | None = None,
    left_out: Sequence[str] = (),
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
    left_out : sequence of str
        Regions of the settings that the study does not have.

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
        "brain_fractions": settings["brain_fractions"],
        "rois_left_out": list(left_out),
        "n_subjects": len(found),
        "subjects": found,
        "summary": calibration_summary.summary(found, settings["tolerance"], interval),
    }


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
    all_estimates = estimate_tasks(pool_x, pool_y)
    learnable = np.array([calibration_rows.is_learnable(task) for task in all_estimates])
    if not learnable.any():
        raise BrainworthError(
            f"{samples.subject}: no task is linear in the inputs ({', '.join(tasks.names)}: the "
            f"squared length of the coefficients is not {calibration_rows.LEARNABLE} standard "
            "errors above 0); give other tasks (bridges.calibration.tasks), more labels, or other "
            "inputs (encoder.features)"
        )
    names = [name for name, kept in zip(tasks.names, learnable, strict=True) if kept]
    estimates = [task for task, kept in zip(all_estimates, learnable, strict=True) if kept]
    pool_y = pool_y[:, learnable]
    test_x = inputs.x[features.rows(division.test)]
    target = tasks.labels[tasks.rows(division.test)] if true_beta is None else test_x @ true_beta
    target = target[:, learnable]
    learned_beta = None if true_beta is None else true_beta[:, learnable]
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
    study = Study(
        samples=samples,
        inputs=inputs,
        x=inputs.x[features.rows(samples.nsd_id[division.brain])],
        rows=division.brain,
        block=block,
        n_brain=n_brain,
        n_task=n_task,
        names=names,
        estimates=estimates,
        halves=halves,
        test=test,
        floor=_floor(pool_x, pool_y, estimates, test, learned_beta),
        true_beta=learned_beta,
        settings=settings,
        interval=interval,
        seed=seed,
    )
    alone = calibration_trials.alone(study)
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
        "tasks": calibration_rows.tasks(tasks, all_estimates, true_beta, interval),
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


def _region(
    study: Study, region: str, voxels: np.ndarray, planted: PlantedVoxels | None
) -> dict[str, Any]:
    r = study.recordings(voxels)
    x, block, rule = study.x, study.block, study.settings["rank_rule"]
    parts = brain_calibration.raw_moments(x, r, block)
    whole = brain_calibration.calibrate(x, r, block, parts, rule)
    answer = {
        "roi": region,
        "n_voxels": len(voxels),
        "shares": calibration_shares.shares(whole, parts, study, voxels, r, planted),
        **calibration_shares.rank(whole, study, planted),
    }
    if not whole.brain.k:
        return answer | {"gamma": None, "tasks": [], "null": None}
    left_out = brain_calibration.leave_out(whole, x, r, block)
    rows, alignments = calibration_rows.predictions(whole, left_out, study, planted)
    measured = calibration_trials.test(study, r, parts)
    answer |= {
        "gamma": calibration_rows.gamma(whole, left_out, study, planted),
        "tasks": rows,
        "null": calibration_trials.null(study, whole, r),
    }
    calibration_tests.add_tests(rows, measured, whole, left_out, alignments, study)
    return answer
