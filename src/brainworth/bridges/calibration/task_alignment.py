"""Tasks on the inputs, and how they lie to what a brain sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.befs.model import Task
from brainworth.bridges.calibration import brain_model
from brainworth.bridges.calibration.brain_model import EffectiveBrain
from brainworth.bridges.calibration.brain_moments import Fit, of_samples

#: Least change of what is missed with the misalignment: below, samples tell nothing about it.
LEAST_SLOPE = 0.05


@dataclass(frozen=True)
class TaskEstimate:
    """Coefficients of a task on the inputs, by least squares.

    Attributes
    ----------
    beta : array of shape (d,)
    noise : float
        Variance of the labels that is not linear in the inputs.
    error : float
        Variance of a coefficient.
    n : int
        Images they are from.
    degrees : int
        Degrees of freedom of `noise`.
    """

    beta: np.ndarray
    noise: float
    error: float
    n: int
    degrees: int

    @property
    def signal(self) -> float:
        """Squared length of the coefficients, without what their noise adds."""
        return float(self.beta @ self.beta) - len(self.beta) * self.error


def estimate_tasks(x: np.ndarray, y: np.ndarray) -> list[TaskEstimate]:
    """Estimate the coefficients of tasks y (N, T) on inputs x (N, d)."""
    sums = of_samples(x, np.asarray(y, dtype=np.float64))
    n, d = sums.n, len(sums.x)
    spread = sums.xx - np.outer(sums.x, sums.x) / n
    products = sums.xr - np.outer(sums.x, sums.r) / n
    inverse = np.linalg.inv(spread)
    beta = inverse @ products
    left = sums.rr - sums.r**2 / n - np.einsum("dt,dt->t", beta, products)
    degrees = n - 1 - d
    noise = left / degrees
    error = np.trace(inverse) / d
    return [
        TaskEstimate(beta[:, t], float(noise[t]), float(noise[t] * error), n, degrees)
        for t in range(beta.shape[1])
    ]


@dataclass(frozen=True)
class Alignment:
    """How a task lies to what a brain sees.

    Attributes
    ----------
    signal : float
        Squared length of the task's coefficients.
    misalignment : float
        Squared length of their part that the brain ignores: an estimate, that may be negative or
        exceed the signal.
    noise : float
        Variance of the label noise.
    direction : array of shape (k,) or None
        Of the part that the brain sees, among the latents; None if none was found.
    missed : float
        Squared length of the part outside the learned subspace, of the samples at hand.
    slope : float
        How `missed` changes with the misalignment.
    task_error : float
        SD of `misalignment` that comes from the coefficients.
    """

    signal: float
    misalignment: float
    noise: float
    direction: np.ndarray | None
    missed: float
    slope: float
    task_error: float

    def task(self) -> Task:
        """Return the task of the theory; misalignment is kept from 0 to the signal."""
        signal = max(self.signal, 1e-12)
        return Task(float(np.clip(self.misalignment, 0, signal)), signal / self.noise, signal)


def align(found: Fit, brain: EffectiveBrain, task: TaskEstimate) -> Alignment:
    """Estimate how much of a task the brain ignores.

    The part that the subspace of `found` misses is measured; that of a perfectly learned one
    follows from the law that the two are related by.
    """
    k, p, beta = brain.k, brain.p, task.beta
    learned = found.subspace(k)[:, :k]
    missed = float(beta @ beta) - float(np.sum((learned.T @ beta) ** 2)) - p * task.error
    direction = _direction(found, brain, task, missed)
    law = brain_model.overlap(brain, found.n, direction)
    aligned, ignored = float(law.aligned), float(law.misaligned)
    slope = max(ignored - aligned, LEAST_SLOPE)
    error = 4 * task.error * max(missed, 0.0) + 2 * p * task.error**2
    return Alignment(
        signal=task.signal,
        misalignment=(missed - task.signal * aligned) / slope,
        noise=task.noise,
        direction=direction,
        missed=missed,
        slope=slope,
        task_error=float(np.sqrt(error)) / slope,
    )


def _direction(
    found: Fit, brain: EffectiveBrain, task: TaskEstimate, missed: float
) -> np.ndarray | None:
    along = found.rotation[:, : brain.k].T @ task.beta
    noise = task.error + (1 - brain.seen) * max(missed, 0.0) / brain.p
    squares = np.maximum(along**2 - noise, 0) / brain.seen
    return np.sign(along) * np.sqrt(squares) if squares.any() else None
