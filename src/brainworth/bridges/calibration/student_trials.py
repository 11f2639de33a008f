"""Train students on what one half of the images teaches, as the other half predicts.

The brain is calibrated on the brain samples of one half of a subject's images, tasks on one half of
the task images; students learn from subsets of the other halves, and the other way round. Nothing
that a prediction is made from is thus learned from, or tested on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainworth.befs import stage2
from brainworth.bridges.calibration import brain_calibration, brain_moments, students
from brainworth.bridges.calibration.brain_calibration import Calibration
from brainworth.bridges.calibration.brain_moments import Moments
from brainworth.bridges.calibration.task_alignment import Alignment, TaskEstimate

STUDENTS = ("befs", "task_only", "ridge")


@dataclass(frozen=True)
class Lessons:
    """Task samples of one half: draws of ascending sizes, disjoint from draw to draw.

    Attributes
    ----------
    draws : list of list of students.Lesson
        By draw, then by number of samples.
    estimates : list of TaskEstimate
        Tasks estimated from all of the half.
    """

    draws: list[list[students.Lesson]]
    estimates: list[TaskEstimate]


@dataclass(frozen=True)
class Measured:
    """Excess errors of students that learned from one half.

    Attributes
    ----------
    befs : array of shape (B, N, T)
        By brain samples, task samples and task: mean over subsets and draws.
    befs_error : array of the same shape
        Standard error over draws of task samples.
    subsets : array of shape (B,), int
        Subsets of brain samples.
    missed : array of shape (B, T)
        What the learned subspaces leave out of the tasks: mean over subsets.
    alone, alone_error : dict from str to array of shape (N, T)
        The students without brain data.
    """

    befs: np.ndarray
    befs_error: np.ndarray
    subsets: np.ndarray
    missed: np.ndarray
    alone: dict[str, np.ndarray]
    alone_error: dict[str, np.ndarray]


def prepare(
    x: np.ndarray,
    y: np.ndarray,
    n_task: Sequence[int],
    n_draws: int,
    estimates: list[TaskEstimate],
    rng: np.random.Generator,
) -> Lessons:
    """Divide the task samples x (N, d), y (N, T) of a half into draws."""
    most = max(n_task)
    order = rng.permutation(len(x))
    draws = [order[start * most : (start + 1) * most] for start in range(n_draws)]
    return Lessons(
        [[students.lesson(x[rows[:n]], y[rows[:n]]) for n in n_task] for rows in draws], estimates
    )


def subspaces(
    calibration: Calibration,
    x: np.ndarray,
    r: np.ndarray,
    n_brain: Sequence[int],
    most: int,
    rng: np.random.Generator,
) -> list[list[np.ndarray]]:
    """Learn subspaces from disjoint subsets of brain samples.

    Parameters
    ----------
    calibration : Calibration
        Of other samples: what whitens recordings, and the number of latents.
    x, r : arrays of shape (N, d) and (N, V)
    n_brain : sequence of int
        At most N each.
    most : int
        Subsets of each size at most.

    Returns
    -------
    list of list of arrays of shape (d, d)
        By size, then subset: orthonormal bases, the learned subspace first.
    """
    order = rng.permutation(len(x))
    answer = []
    for n in n_brain:
        found = []
        for number in range(min(most, len(x) // n)):
            rows = np.sort(order[number * n : (number + 1) * n])
            raw = brain_moments.of_samples(x[rows], r[rows])
            white = calibration.whitening.moments(raw, r[rows])
            found.append(brain_moments.fit(white).subspace(calibration.brain.k))
        answer.append(found)
    return answer


def measure(
    learned: list[list[np.ndarray]],
    k: int,
    lessons: Lessons,
    kappa: np.ndarray,
    test: Moments,
    floor: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Train students in learned subspaces and return their excess errors.

    Parameters
    ----------
    learned : list of list of arrays
        Of `subspaces`.
    k : int
        Latents.
    lessons : Lessons
    kappa : array of shape (B, T)
        Penalty N_t lambda by brain samples and task.
    test : Moments
        Test images; see `students.test_sums`.
    floor : array of shape (T,)
        Error on them of a student that knows the task.

    Returns
    -------
    mean, error : arrays of shape (B, N, T)
    """
    noise = np.array([task.noise for task in lessons.estimates])
    mean, error = [], []
    for bases, penalty in zip(learned, kappa, strict=True):
        outside = [students.outside_of(basis, k) for basis in bases]
        found = np.stack(
            [
                [
                    np.mean(
                        [
                            _excess(students.penalised(given, each, penalty), test, floor)
                            for each in outside
                        ],
                        axis=0,
                    )
                    for given in draw
                ]
                for draw in lessons.draws
            ]
        )
        found = _without_intercept(found, noise, lessons)
        mean.append(found.mean(axis=0))
        error.append(found.std(axis=0, ddof=1) / np.sqrt(len(found)))
    return np.stack(mean), np.stack(error)


def measure_alone(
    lessons: Lessons, kappa: np.ndarray, test: Moments, floor: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Train the students without brain data; kappa, shape (T,), is the ridge's penalty."""
    noise = np.array([task.noise for task in lessons.estimates])
    mean, error = {}, {}
    for name in STUDENTS[1:]:
        found = np.stack(
            [
                [
                    _excess(
                        students.task_only(given)
                        if name == "task_only"
                        else students.ridge(given, kappa),
                        test,
                        floor,
                    )
                    for given in draw
                ]
                for draw in lessons.draws
            ]
        )
        found = _without_intercept(found, noise, lessons)
        mean[name] = found.mean(axis=0)
        error[name] = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    return mean, error


def missed(learned: list[list[np.ndarray]], k: int, tasks: Sequence[TaskEstimate]) -> np.ndarray:
    """Return what learned subspaces leave out of tasks, shape (B, T), without a bias.

    Parameters
    ----------
    tasks : sequence of TaskEstimate
        Not from what the subspaces or predictions are from; known ones have `error` 0.
    """
    return np.array(
        [
            [
                np.mean([np.sum((basis[:, k:].T @ task.beta) ** 2) for basis in bases])
                - (len(task.beta) - k) * task.error
                for task in tasks
            ]
            for bases in learned
        ]
    )


def missed_error(found: np.ndarray, k: int, tasks: Sequence[TaskEstimate]) -> np.ndarray:
    """Return the standard error of `missed`, (B, T), that comes from the tasks' coefficients."""
    error = np.array([task.error for task in tasks])
    p = np.array([len(task.beta) - k for task in tasks])
    return np.sqrt(4 * error * np.maximum(found, 0) + 2 * p * error**2)


def penalties(predicted: np.ndarray, tasks: Sequence[Alignment], p: int) -> np.ndarray:
    """Return the best penalties (B, T) at the predicted missed parts (B, T)."""
    noise = np.array([task.noise for task in tasks])
    return stage2.optimal_kappa(np.maximum(predicted, 1e-9), noise, p)


def ridge_penalties(tasks: Sequence[TaskEstimate], d: int) -> np.ndarray:
    """Return the best penalties of a ridge regression, shape (T,)."""
    return np.array([task.noise * d / max(task.signal, 1e-9) for task in tasks])


def predicted_alone(
    tasks: Sequence[TaskEstimate], n_task: np.ndarray, d: int
) -> dict[str, np.ndarray]:
    """Return the predicted excess errors (N, T) of the students without brain data."""
    free = np.asarray(n_task)[:, None] - 1
    noise = np.array([task.noise for task in tasks])
    signal = np.array([max(task.signal, 1e-9) for task in tasks])
    return {
        "task_only": stage2.task_only_excess(noise, free, d),
        "ridge": stage2.ridge_excess(noise, free, d, signal),
    }


def predicted(
    calibration: Calibration, tasks: Sequence[Alignment], n_brain: np.ndarray, n_task: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted missed parts (B, T) and excess errors (B, N, T)."""
    brain, free = calibration.brain, np.asarray(n_task)[None, :, None] - 1
    missed = np.stack([brain_calibration.missed(brain, task, n_brain) for task in tasks], axis=-1)
    noise = np.array([task.noise for task in tasks])
    return missed, stage2.optimal_excess(missed[:, None], noise, free, brain.p, brain.k)


def _excess(student: students.Student, test: Moments, floor: np.ndarray) -> np.ndarray:
    return students.errors(student, test) - floor


def _without_intercept(found: np.ndarray, noise: np.ndarray, lessons: Lessons) -> np.ndarray:
    sizes = np.array([given.n for given in lessons.draws[0]])[None, :, None]
    return students.slope_excess(found, noise, sizes)
