"""Savings and exchange rates at fMRI scale (figure 2 of the paper), beside a tuned ridge.

Each sweep varies one parameter of a base setting, for several numbers of hours of scanning; the
first one varies the hours themselves, for several misalignments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainworth.befs import stage1, stage2, systems, value
from brainworth.befs.model import Brain, Task
from brainworth.befs.value import Worth

#: Halvings of the interval of misalignments in which brain data and ridge break even.
HALVINGS = 40


def analyse(fmri: Mapping[str, Any], settings: Mapping[str, Any], *, seed: int) -> dict[str, Any]:
    """Compute the sweeps, a table, and where a tuned ridge is as good as brain data.

    Parameters
    ----------
    fmri : mapping
        Section ``befs.fmri``.
    settings : mapping
        Section ``befs.curves``.
    seed : int

    Returns
    -------
    dict
        ``sweeps``: by parameter, arrays over (lines, points). ``table``: rows of settings.
        ``break_even``: the misalignment at which a tuned ridge is as good, over (task SNRs, task
        samples, hours).
    """
    brain = systems.brain(fmri, seed)
    per_hour = fmri["samples_per_hour"]
    return {
        "system": systems.described(brain),
        "samples_per_hour": per_hour,
        "least_hours": (brain.d + 2) / per_hour,
        "base": settings["base"],
        "sweeps": _sweeps(brain, fmri, settings, seed),
        "table": _table(brain, settings, per_hour),
        "break_even": _break_even(brain, settings, per_hour),
    }


def _sweeps(brain: Brain, fmri, settings, seed: int) -> dict[str, Any]:
    base, per_hour = settings["base"], fmri["samples_per_hour"]
    hours, points = np.array(settings["hours"]), settings["points"]
    task, lines = Task(base["misalignment"], base["task_snr"]), hours[:, None] * per_hour
    first = (brain.d + 2) / per_hour
    scans = np.geomspace(first, settings["most_hours"], points)
    misalignments = np.array(settings["misalignments"])
    n_task = np.geomspace(*settings["task_range"], points)
    aligned = np.linspace(0, 1, points)
    snrs = np.geomspace(*settings["snr_range"], points)
    by_hours = value.worth(
        brain,
        Task(misalignments[:, None], base["task_snr"]),
        scans * per_hour,
        base["n_task"],
    )
    by_latents = [
        value.worth(
            systems.brain(fmri, seed, latents=latents), task, hours * per_hour, base["n_task"]
        )
        for latents in settings["latents"]
    ]
    sweeps = {
        "hours": _sweep(scans, by_hours, "misalignment", misalignments),
        "n_task": _sweep(n_task, value.worth(brain, task, lines, n_task), "hours", hours),
        "misalignment": _sweep(
            aligned,
            value.worth(brain, Task(aligned, base["task_snr"]), lines, base["n_task"]),
            "hours",
            hours,
        ),
        "task_snr": _sweep(
            snrs,
            value.worth(brain, Task(base["misalignment"], snrs), lines, base["n_task"]),
            "hours",
            hours,
        ),
    }
    stacked = {
        name: np.stack([getattr(each, name) for each in by_latents], axis=1)
        for name in Worth.__dataclass_fields__
    }
    sweeps["latents"] = _sweep(np.array(settings["latents"]), Worth(**stacked), "hours", hours)
    return sweeps


def _sweep(points: np.ndarray, worth: Worth, line: str, lines: np.ndarray) -> dict[str, Any]:
    names = ("value", "savings", "exchange_rate", "missed", "ridge_value", "ridge_savings")
    found = {name: getattr(worth, name) for name in names}
    return {"x": points, "line": line, "lines": lines, **found}


def _table(brain: Brain, settings, per_hour: float) -> list[dict[str, float]]:
    rows = []
    for setting in settings["table"]:
        task = Task(setting["misalignment"], setting["task_snr"])
        n_brain = setting["hours"] * per_hour
        for n_task in settings["table_n_task"]:
            worth = value.worth(brain, task, n_brain, n_task)
            rows.append(
                {
                    **setting,
                    "n_task": n_task,
                    **{name: float(item) for name, item in vars(worth).items()},
                }
            )
    return rows


def _break_even(brain: Brain, settings, per_hour: float) -> dict[str, Any]:
    """Find by bisection the misalignment up to which brain data beats a tuned ridge."""
    first = (brain.d + 2) / per_hour
    hours = np.geomspace(first, settings["most_hours"], settings["points"])
    snrs = np.array(settings["break_even_snrs"])[:, None, None]
    n_task = np.array(settings["break_even_n_task"])[:, None]
    overlap = stage1.resummed(brain, hours * per_hour)
    low = np.zeros((snrs.size, n_task.size, hours.size))
    high = np.ones_like(low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        better = _beats_ridge(overlap, Task(middle, snrs), n_task)
        low, high = np.where(better, middle, low), np.where(better, high, middle)
    never = ~_beats_ridge(overlap, Task(np.zeros_like(low), snrs), n_task)
    return {
        "axes": {
            "task_snr": settings["break_even_snrs"],
            "n_task": settings["break_even_n_task"],
            "hours": hours,
        },
        "misalignment": np.where(never, 0.0, low),
        "missed_limit": (1 - brain.k / brain.d) ** 2,
    }


def _beats_ridge(overlap, task: Task, n_task: np.ndarray) -> np.ndarray:
    reached = stage2.optimal_excess(overlap.missed(task), task.noise, n_task, overlap.p, overlap.k)
    return reached < stage2.ridge_excess(task.noise, n_task, overlap.d, task.signal)
