"""How to split a budget between brain samples and task samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from brainworth.befs import domain, stage1, stage2, value
from brainworth.befs.model import Brain, Task
from brainworth.errors import BrainworthError

#: Points of the grid over brain samples, and how often it is narrowed around the best one.
POINTS, NARROWINGS = 80, 4


def rule_of_thumb(
    brain: Brain,
    task: Task,
    cost_brain: float,
    cost_task: float,
    direction: np.ndarray | None = None,
) -> Rule:
    """Return the paper's allocation for unlimited budgets (theorems 9 and 10).

    Parameters
    ----------
    brain : Brain
    task : Task
        Single numbers, no grid.
    cost_brain, cost_task : float
        Cost of one sample, in the same currency.
    direction : array of shape (k,), optional
        Direction of the aligned part of the task among the latents; averaged over if not given.

    Raises
    ------
    BrainworthError
        If a cost is not above 0.
    """
    domain.positive("cost_brain", cost_brain)
    domain.positive("cost_task", cost_task)
    rho = float(stage1.difficulty(brain, task, direction))
    noise, missed = float(task.noise), float(task.misalignment)
    limit = float(value.asymptotic_value(missed, noise, brain.p, brain.k))
    if rho <= 0:
        return Rule(rho, None, 0.0, 0.0, 0.0, limit)
    favourability = cost_task / cost_brain * brain.p / brain.d * noise / rho
    if favourability <= 1:
        return Rule(rho, favourability, 0.0, 0.0, 0.0, limit)
    if missed == 0:
        # no interior optimum: brain samples are worth the same however many there are
        return Rule(rho, favourability, math.inf, math.inf, math.inf, limit)
    best = brain.p * rho / missed * (math.sqrt(favourability) - 1)
    extra = cost_task * limit * (1 - 1 / math.sqrt(favourability)) ** 2
    return Rule(rho, favourability, best, extra, extra - cost_brain * (brain.d + 1), limit)


def optimum(
    brain: Brain,
    task: Task,
    cost_brain: float,
    cost_task: float,
    budget: float,
    direction: np.ndarray | None = None,
) -> Allocation:
    """Return the best split of a finite budget by the exact second stage and the resummed first.

    Parameters
    ----------
    brain, task, cost_brain, cost_task, direction
        As for `rule_of_thumb`.
    budget : float
        What there is to spend, in the currency of the costs.

    Raises
    ------
    BrainworthError
        If a cost or the budget is not above 0, or the budget does not pay for enough task samples
        to fit the task alone (d + 2), to which all is compared.
    """
    domain.positive("cost_brain", cost_brain)
    domain.positive("cost_task", cost_task)
    domain.positive("budget", budget)
    only_task = budget / cost_task
    if only_task < brain.d + 2:
        raise BrainworthError(
            f"a budget of {budget:g} pays for {only_task:.0f} task samples at {cost_task:g} each; "
            f"fitting the task alone, to which brain data is compared, takes {brain.d + 2}: "
            "raise the budget or lower d"
        )
    noise = float(task.noise)
    alone = float(stage2.task_only_excess(noise, only_task, brain.d))
    ridge = float(stage2.ridge_excess(noise, only_task, brain.d, task.signal))
    n_brain, reached = 0.0, alone
    first, last = brain.d + 2, (budget - cost_task * (brain.k + 2)) / cost_brain
    if last > first:
        found, error = _search(brain, task, cost_brain, cost_task, budget, (first, last), direction)
        if error < alone:
            n_brain, reached = found, error
    n_task = (budget - cost_brain * n_brain) / cost_task
    equivalent = float(value.equivalent_samples(reached, noise, brain.d))
    over_ridge = value.equivalent_ridge_samples(reached, noise, brain.d, task.signal) - only_task
    extra = cost_task * (equivalent - only_task)
    return Allocation(
        n_brain=n_brain,
        n_task=n_task,
        excess=reached,
        task_only_excess=alone,
        ridge_excess=ridge,
        extra_budget=extra,
        savings=extra / (budget + extra),
        extra_budget_over_ridge=cost_task * float(over_ridge),
    )


def _search(brain, task, cost_brain, cost_task, budget, bounds, direction) -> tuple[float, float]:
    """Return the best number of brain samples within bounds, and its excess test error."""
    low, high = bounds
    for _ in range(NARROWINGS):
        samples = np.unique(np.round(np.geomspace(low, high, POINTS)))
        samples = samples[(samples >= bounds[0]) & (samples <= bounds[1])]
        missed = stage1.resummed(brain, samples, direction).missed(task)
        n_task = (budget - cost_brain * samples) / cost_task
        errors = stage2.optimal_excess(missed, task.noise, n_task, brain.p, brain.k)
        best = int(np.argmin(errors))
        low, high = samples[max(best - 1, 0)], samples[min(best + 1, len(samples) - 1)]
    return float(samples[best]), float(errors[best])


@dataclass(frozen=True)
class Rule:
    """The paper's allocation for unlimited budgets.

    Attributes
    ----------
    difficulty : float
        rho; 0 or below means that more brain data does not help.
    favourability : float or None
        Costs, saved dimensions and relative difficulty in one number; None if rho <= 0.
    n_brain : float
        Brain samples to collect, 0 if unfavourable, infinite without misalignment.
    extra_budget : float
        What that is worth in money, before the first d + 1 brain samples are paid.
    net_extra_budget : float
        After they are: the encoding model needs them before it is worth anything (derived here).
        Collect brain data only if it is above 0.
    limit : float
        Value of unlimited brain data, in task samples; infinite without misalignment.
    """

    difficulty: float
    favourability: float | None
    n_brain: float
    extra_budget: float
    net_extra_budget: float
    limit: float


@dataclass(frozen=True)
class Allocation:
    """The best split of a finite budget.

    Attributes
    ----------
    n_brain, n_task : float
        What to collect; no brain samples if they do not pay.
    excess, task_only_excess, ridge_excess : float
        Expected test error above the label noise: of this split, and of least squares and the best
        ridge regression with all money spent on task samples.
    extra_budget : float
        What least squares would need on top for the same error.
    savings : float
        That over the whole budget least squares would need.
    extra_budget_over_ridge : float
        What the ridge regression would need on top; negative if it does better than this split.
    """

    n_brain: float
    n_task: float
    excess: float
    task_only_excess: float
    ridge_excess: float
    extra_budget: float
    savings: float
    extra_budget_over_ridge: float
