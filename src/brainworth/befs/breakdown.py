"""Where the paper's first-order laws break, and what holds instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainworth.befs import stage1, stage2, systems, trials
from brainworth.befs.model import Task


def analyse(
    small: Mapping[str, Any], settings: Mapping[str, Any], *, interval: float, seed: int
) -> dict[str, Any]:
    """Compare the laws of both stages with simulation, from few samples to many.

    Parameters
    ----------
    small : mapping
        Section ``befs.small``.
    settings : mapping
        Section ``befs.breakdown``.
    interval : float
        Nominal coverage of the bootstrap intervals.
    seed : int

    Returns
    -------
    dict
        ``stage1``: the missed part of the task over (misalignments, brain samples).
        ``stage2``: the excess test error over (brain samples, task samples) at the best penalty.
    """
    brain = systems.brain(small, seed)
    return {
        "interval": interval,
        "system": systems.described(brain),
        "n_replicates": settings["n_replicates"],
        "n_trials": settings["n_trials"],
        "stage1": _stage1(brain, settings, interval, seed),
        "stage2": _stage2(brain, settings, interval, seed),
    }


def _stage1(brain, settings: Mapping[str, Any], interval: float, seed: int) -> dict[str, Any]:
    n_brain = systems.samples(brain.d + 5, settings["most_brain"] * brain.d, settings["points"])
    task = Task(np.array(settings["misalignments"])[:, None], settings["task_snr"])
    drawn = [
        trials.subspaces(brain, n_brain, replicate, settings["n_trials"], seed).mean(0).missed(task)
        for replicate in range(settings["n_replicates"])
    ]
    laws = {
        "resummed": stage1.resummed,
        "first_order": stage1.first_order,
        "first_order_simplified": stage1.first_order_simplified,
    }
    simulated = trials.summary(np.stack(drawn), settings["n_bootstrap"], interval, seed, "stage1")
    found = {name: law(brain, n_brain).missed(task) for name, law in laws.items()}
    return {
        "axes": {"misalignment": settings["misalignments"], "n_brain": n_brain},
        "missed": simulated,
        **found,
        "largest_error": {
            name: float(np.abs(values / simulated["mean"] - 1).max())
            for name, values in found.items()
        },
        "right_to_5_percent_from": {
            name: _from_where_on(values / simulated["mean"] - 1, n_brain)
            for name, values in found.items()
        },
    }


def _stage2(brain, settings: Mapping[str, Any], interval: float, seed: int) -> dict[str, Any]:
    k, p = brain.k, brain.p
    n_brain = np.array(settings["brain_multiples"]) * brain.d
    n_task = systems.samples(brain.d + 5, settings["most_task"] * brain.d, settings["points"])
    task = Task(settings["misalignment"], settings["task_snr"])
    missed = stage1.resummed(brain, n_brain).missed(task)[:, None]
    best = stage2.optimal_kappa(missed, task.noise, p)
    kappa = np.unique(best)
    row = np.searchsorted(kappa, best[:, 0])
    drawn = []
    for replicate in range(settings["n_replicates"]):
        spectrum = trials.spectra(n_task, kappa, p, k, replicate, settings["n_trials"], seed)
        subspaces = trials.subspaces(brain, n_brain, replicate, settings["n_trials"], seed)
        risk = trials.risks(subspaces.mean(0).missed(task), task.noise, n_task, kappa, k, spectrum)
        drawn.append(risk[np.arange(n_brain.size), :, row])
    simple = stage1.first_order_simplified(brain, n_brain).missed(task)[:, None]
    return {
        "axes": {"n_brain": n_brain, "n_task": n_task},
        "misalignment": settings["misalignment"],
        "task_snr": settings["task_snr"],
        "excess": trials.summary(
            np.stack(drawn), settings["n_bootstrap"], interval, seed, "stage2"
        ),
        "exact": stage2.optimal_excess(missed, task.noise, n_task, p, k),
        "asymptotic": stage2.asymptotic_excess(simple, task.noise, n_task, p, k),
        "task_only": stage2.task_only_excess(task.noise, n_task, brain.d),
        "ridge": stage2.ridge_excess(task.noise, n_task, brain.d),
    }


def _from_where_on(errors: np.ndarray, n_brain: np.ndarray) -> list[float | None]:
    """Return per row the number of brain samples from which on the error stays below 5 %."""
    answers: list[float | None] = []
    for row in np.abs(errors) > 0.05:
        wrong = np.flatnonzero(row)
        first = 0 if wrong.size == 0 else int(wrong[-1]) + 1
        answers.append(float(n_brain[first]) if first < n_brain.size else None)
    return answers
