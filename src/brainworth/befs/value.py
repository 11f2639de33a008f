"""What brain data is worth, in task samples.

A student with brain data is worth as many task samples as least squares (or a tuned ridge
regression) needs for the same test error. All functions broadcast over grids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from brainworth.befs import domain, stage1, stage2
from brainworth.befs.model import Brain, Task
from brainworth.befs.overlap import Overlap

#: Halvings of the interval that holds the ridge's equivalent samples; 60 reach double precision.
HALVINGS = 60


def equivalent_samples(
    excess: ArrayLike, noise: ArrayLike, d: int, trace: ArrayLike | None = None
) -> np.ndarray:
    """Return how many task samples least squares needs to reach an excess test error.

    Parameters
    ----------
    excess : array_like
        Excess test error, above 0.
    noise : array_like
        Variance of the label noise.
    d : int
        Inputs.
    trace : array_like, optional
        Trace of the covariance of the test inputs; d if not given (isotropic).
    """
    excess = domain.positive("excess", excess)
    return d + 1 + noise * (d if trace is None else trace) / excess


def equivalent_ridge_samples(
    excess: ArrayLike, noise: ArrayLike, d: int, signal: float = 1.0
) -> np.ndarray:
    """Return how many task samples the best ridge regression needs to reach an excess test error.

    At least 2, the fewest for which its error is computed; never more than least squares needs.
    """
    upper = equivalent_samples(excess, noise, d)
    excess, noise, high = np.broadcast_arrays(excess, noise, upper)
    low = np.full(high.shape, 2.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        worse = stage2.ridge_excess(noise, middle, d, signal) > excess
        low, high = np.where(worse, middle, low), np.where(worse, high, middle)
    return (low + high) / 2


def asymptotic_value(missed: ArrayLike, noise: ArrayLike, p: int, k: int) -> np.ndarray:
    """Return the value for unlimited task samples, noise p^2 / (d missed) (theorem 4).

    Infinite if nothing of the task is missed.
    """
    missed = domain.non_negative("missed", missed)
    with np.errstate(divide="ignore"):
        return noise * p**2 / ((p + k) * missed)


def asymptotic_ridge_value(noise: ArrayLike, d: int, signal: ArrayLike = 1.0) -> np.ndarray:
    """Return what a tuned ridge penalty alone is worth for unlimited task samples (derived here).

    Brain data is worth more than that only while it misses less than (1 - k/d)^2 of the task.
    """
    return noise * d / signal


def worth(
    brain: Brain,
    task: Task,
    n_brain: ArrayLike,
    n_task: ArrayLike,
    direction: np.ndarray | None = None,
) -> Worth:
    """Return what brain samples are worth beside task samples, by the resummed and exact theory.

    Parameters
    ----------
    brain : Brain
    task : Task
    n_brain : array_like
        Brain samples, d + 2 or more; infinity is a perfectly known subspace.
    n_task : array_like
        Task samples, k + 2 or more.
    direction : array of shape (k,), optional
        Direction of the aligned part of the task among the latents; averaged over if not given.

    Returns
    -------
    Worth
        Arrays in the broadcast shape of `n_brain`, `n_task` and the task's numbers.

    Raises
    ------
    BrainworthError
        If an argument is outside its domain.
    """
    overlap = stage1.resummed(brain, n_brain, direction)
    return of_overlap(overlap, task, n_brain, n_task)


def of_overlap(overlap: Overlap, task: Task, n_brain: ArrayLike, n_task: ArrayLike) -> Worth:
    """Return what a learned subspace is worth; see `worth`."""
    d, k, p = overlap.d, overlap.k, overlap.p
    n_task = domain.task_samples(n_task, k)
    missed = overlap.missed(task)
    reached = stage2.optimal_excess(missed, task.noise, n_task, p, k)
    equivalent = equivalent_samples(reached, task.noise, d)
    ridge = stage2.ridge_excess(task.noise, n_task, d, task.signal)
    ridge_samples = equivalent_samples(ridge, task.noise, d)
    value = equivalent - n_task
    with np.errstate(invalid="ignore"):
        rate = np.where(np.isinf(n_brain), 0.0, value / n_brain)
    over_ridge = equivalent_ridge_samples(reached, task.noise, d, task.signal) - n_task
    shape = value.shape
    return Worth(
        missed=np.broadcast_to(missed, shape),
        kappa=np.broadcast_to(stage2.optimal_kappa(missed, task.noise, p), shape),
        excess=reached,
        value=value,
        exchange_rate=rate,
        savings=value / equivalent,
        asymptotic_value=np.broadcast_to(asymptotic_value(missed, task.noise, p, k), shape),
        ridge_excess=np.broadcast_to(ridge, shape),
        ridge_value=np.broadcast_to(ridge_samples - n_task, shape),
        ridge_savings=np.broadcast_to(1 - n_task / ridge_samples, shape),
        value_over_ridge=over_ridge,
        savings_over_ridge=over_ridge / np.maximum(n_task, n_task + over_ridge),
    )


@dataclass(frozen=True)
class Worth:
    """What brain data is worth, over a grid of settings.

    Attributes
    ----------
    missed : array
        Expected squared length of the part of the task outside the learned subspace.
    kappa : array
        Best penalty N_t lambda.
    excess : array
        Expected test error above the label noise, at the best penalty.
    value : array
        Task samples that least squares would need on top for the same error.
    exchange_rate : array
        Value per brain sample.
    savings : array
        Value over all samples least squares would need: the share of task data saved.
    asymptotic_value : array
        The value for unlimited task samples.
    ridge_excess, ridge_value, ridge_savings : array
        The same error, value and savings for a tuned ridge regression without brain data.
    value_over_ridge, savings_over_ridge : array
        Value and savings against that ridge regression instead of least squares; negative where
        the ridge is better, and then the share of the task samples that it can do without.
    """

    missed: np.ndarray
    kappa: np.ndarray
    excess: np.ndarray
    value: np.ndarray
    exchange_rate: np.ndarray
    savings: np.ndarray
    asymptotic_value: np.ndarray
    ridge_excess: np.ndarray
    ridge_value: np.ndarray
    ridge_savings: np.ndarray
    value_over_ridge: np.ndarray
    savings_over_ridge: np.ndarray
