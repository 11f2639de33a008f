"""Students: a task learned from samples, with and without what a brain taught.

All have an intercept. Errors are of predictions on test images; `slope_excess` takes off what the
intercept adds, which theory does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from brainworth.bridges.calibration.brain_moments import Moments, of_samples


@dataclass(frozen=True)
class Lesson:
    """Task samples about their means.

    Attributes
    ----------
    n : int
    mean_x, mean_y : arrays of shape (d,) and (T,)
    xx, xy : arrays of shape (d, d) and (d, T)
    """

    n: int
    mean_x: np.ndarray
    mean_y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray


@dataclass(frozen=True)
class Student:
    """Predicts ``x @ slope + intercept``.

    Attributes
    ----------
    slope, intercept : arrays of shape (d, T) and (T,)
    """

    slope: np.ndarray
    intercept: np.ndarray


def lesson(x: np.ndarray, y: np.ndarray) -> Lesson:
    """Prepare task samples x (n, d), y (n, T)."""
    sums = of_samples(x, np.asarray(y, dtype=np.float64))
    return Lesson(
        sums.n,
        sums.x / sums.n,
        sums.r / sums.n,
        sums.xx - np.outer(sums.x, sums.x) / sums.n,
        sums.xr - np.outer(sums.x, sums.r) / sums.n,
    )


def task_only(given: Lesson) -> Student:
    """Learn by least squares; needs more samples than inputs."""
    return _student(given, cho_solve(cho_factor(given.xx), given.xy))


def ridge(given: Lesson, kappa: np.ndarray) -> Student:
    """Learn by ridge regression, with a penalty kappa, shape (T,), a task."""
    return penalised(given, np.eye(len(given.xx)), kappa)


def penalised(given: Lesson, outside: np.ndarray, kappa: np.ndarray) -> Student:
    """Learn with a penalty outside of a subspace (equation 7 of the paper).

    Parameters
    ----------
    given : Lesson
    outside : array of shape (d, d)
        Projector on what is penalised.
    kappa : array of shape (T,)
        Penalty N_t lambda of each task.
    """
    slope = np.empty_like(given.xy)
    for task, penalty in enumerate(kappa):
        slope[:, task] = cho_solve(cho_factor(given.xx + penalty * outside), given.xy[:, task])
    return _student(given, slope)


def outside_of(basis: np.ndarray, k: int) -> np.ndarray:
    """Return the projector on all but the first k of an orthonormal basis (d, d)."""
    rest = basis[:, k:]
    return rest @ rest.T


def test_sums(x: np.ndarray, target: np.ndarray) -> Moments:
    """Prepare test images: inputs (n, d) and targets (n, T)."""
    return of_samples(x, np.asarray(target, dtype=np.float64))


def errors(student: Student, test: Moments) -> np.ndarray:
    """Return the mean squared error on test images, shape (T,)."""
    b, c = student.slope, student.intercept
    square = np.einsum("dt,dt->t", b, test.xx @ b) - 2 * np.einsum("dt,dt->t", b, test.xr)
    square += test.rr + 2 * c * (test.x @ b) - 2 * c * test.r + test.n * c**2
    return square / test.n


def slope_excess(excess: np.ndarray, noise: np.ndarray, n: int) -> np.ndarray:
    """Return the part of an excess error that is not the intercept's.

    With Gaussian inputs the mean of the labels adds (noise + excess) / n, exactly.
    """
    return (excess - noise / n) / (1 + 1 / n)


def _student(given: Lesson, slope: np.ndarray) -> Student:
    return Student(slope, given.mean_y - given.mean_x @ slope)
