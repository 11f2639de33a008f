"""Splitting a budget: reference values, the paper's rule, and what is refused."""

import math

import numpy as np
import pytest

from brainworth.befs import budget, stage1, stage2
from brainworth.befs.model import Task
from brainworth.errors import BrainworthError


@pytest.mark.parametrize(
    ("misalignment", "ratio", "spend", "rule", "best"),
    [
        (0.1, 1, 2e3, (1354, 6679), (541, 3768)),
        (0.1, 1, 2e4, (1354, 6679), (1306, 6359)),
        (0.1, 1, 2e6, (1354, 6679), (1400, 6707)),
        (0.3, 0.1, 2e5, (1391, 2949), (1400, 2948)),
    ],
)
def test_reference_values(brain, misalignment, ratio, spend, rule, best):
    """d = 60, k = 6, n = 24, label noise 20; another pooling matrix, so 2 %."""
    task = Task(misalignment, 0.05)
    found = budget.rule_of_thumb(brain, task, ratio, 1.0, np.ones(6))
    assert found.n_brain == pytest.approx(rule[0], rel=0.02)
    assert found.net_extra_budget == pytest.approx(rule[1], rel=0.02)
    split = budget.optimum(brain, task, ratio, 1.0, spend, np.ones(6))
    assert split.n_brain == pytest.approx(best[0], rel=0.02)
    assert split.extra_budget == pytest.approx(best[1], rel=0.02)


def test_favourable_but_infeasible(brain):
    task = Task(0.1, 0.05)
    rule = budget.rule_of_thumb(brain, task, 30.0, 1.0, np.ones(6))
    assert rule.favourability == pytest.approx(1.19, rel=0.02)
    assert 0 < rule.n_brain < brain.d
    assert rule.extra_budget > 0 > rule.net_extra_budget
    assert budget.optimum(brain, task, 30.0, 1.0, 1e5, np.ones(6)).n_brain == 0


def test_the_rule_is_the_optimum_of_the_law_it_comes_from(brain):
    """Maximise N_t + V(N_b) with the 1/N law by brute force."""
    task, ratio = Task(0.1, 0.1), 0.5
    rule = budget.rule_of_thumb(brain, task, ratio, 1.0)
    n_brain = np.arange(1, 20_000)
    rho = float(stage1.difficulty(brain, task))
    worth = 10 * brain.p**2 / (brain.d * (0.1 + brain.p * rho / n_brain))
    gain = worth - ratio * n_brain
    assert abs(n_brain[np.argmax(gain)] - rule.n_brain) <= 1
    assert rule.extra_budget == pytest.approx(gain.max(), rel=1e-6)


def test_unfavourable_misaligned_and_perfectly_aligned(brain):
    unfavourable = budget.rule_of_thumb(brain, Task(0.1, 10.0), 100.0, 1.0)
    assert unfavourable.favourability < 1
    assert unfavourable.n_brain == unfavourable.extra_budget == 0
    misaligned = budget.rule_of_thumb(brain, Task(0.99, 1.0), 1.0, 1.0)
    assert misaligned.difficulty < 0
    assert misaligned.favourability is None
    assert misaligned.n_brain == 0
    aligned = budget.rule_of_thumb(brain, Task(0.0, 0.1), 0.1, 1.0)
    assert aligned.n_brain == aligned.extra_budget == math.inf


@pytest.mark.parametrize("spend", [500, 5000, 1e5])
@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0])
def test_no_split_on_a_dense_grid_is_better(brain, spend, ratio):
    task = Task(0.2, 0.3)
    found = budget.optimum(brain, task, ratio, 1.0, spend)
    n_brain = np.arange(brain.d + 2, (spend - brain.k - 2) / ratio)[:200_000]
    alone = float(stage2.task_only_excess(task.noise, spend, brain.d))
    if n_brain.size:
        missed = stage1.resummed(brain, n_brain).missed(task)
        errors = stage2.optimal_excess(missed, task.noise, spend - ratio * n_brain, 54, 6)
        alone = min(alone, errors.min())
    assert found.excess == pytest.approx(alone, rel=1e-6)
    assert found.n_task == pytest.approx(spend - ratio * found.n_brain)
    assert found.extra_budget >= 0
    assert found.extra_budget_over_ridge < found.extra_budget or found.n_brain == 0


def test_a_budget_for_nothing(brain):
    with pytest.raises(BrainworthError, match="pays for 50 task samples at 1 each"):
        budget.optimum(brain, Task(0.1, 1.0), 1.0, 1.0, 50.0)
    for costs in ((0, 1), (1, 0), (-1, 1), (math.nan, 1)):
        with pytest.raises(BrainworthError, match="cost_"):
            budget.optimum(brain, Task(0.1, 1.0), *costs, 1000.0)
        with pytest.raises(BrainworthError, match="cost_"):
            budget.rule_of_thumb(brain, Task(0.1, 1.0), *costs)
