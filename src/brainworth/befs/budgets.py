"""Splitting a budget between brain and task samples over a grid (figure 4 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainworth.befs import budget, stage2, systems, value
from brainworth.befs.model import Task


def analyse(fmri: Mapping[str, Any], settings: Mapping[str, Any], *, seed: int) -> dict[str, Any]:
    """Compute the best splits at fMRI scale, with the paper's rule for unlimited budgets.

    Parameters
    ----------
    fmri : mapping
        Section ``befs.fmri``.
    settings : mapping
        Section ``befs.budget``.
    seed : int

    Returns
    -------
    dict
        ``rules``: one a cost ratio. ``optimum``: arrays over (cost ratios, budgets); costs are in
        units of the cost of a task sample.
    """
    brain = systems.brain(fmri, seed)
    task = Task(settings["misalignment"], settings["task_snr"])
    ratios = settings["cost_ratios"]
    budgets = np.geomspace(*settings["budget_range"], settings["budget_points"])
    rules = [budget.rule_of_thumb(brain, task, ratio, 1.0) for ratio in ratios]
    splits = [
        [budget.optimum(brain, task, ratio, 1.0, each) for each in budgets] for ratio in ratios
    ]
    error = stage2.ridge_excess(task.noise, budgets, brain.d, task.signal)
    ridge = value.equivalent_samples(error, task.noise, brain.d)
    names = ("n_brain", "n_task", "extra_budget", "savings", "extra_budget_over_ridge")
    return {
        "system": systems.described(brain),
        "samples_per_hour": fmri["samples_per_hour"],
        "misalignment": settings["misalignment"],
        "task_snr": settings["task_snr"],
        "axes": {"cost_ratio": ratios, "budget": budgets},
        "rules": [
            {
                "difficulty": rule.difficulty,
                "favourability": rule.favourability,
                "n_brain": rule.n_brain,
                "extra_budget": rule.extra_budget,
                "net_extra_budget": rule.net_extra_budget,
                "feasible": rule.n_brain >= brain.d + 2,
            }
            for rule in rules
        ],
        "optimum": {
            name: np.array([[getattr(split, name) for split in row] for row in splits])
            for name in names
        },
        "ridge_extra_budget": ridge - budgets,
    }
