"""Stage 1 simulated at the size of fMRI, against the theory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from brainworth.befs import paper_scale, stage1, systems, trials, value
from brainworth.befs.model import Task
from brainworth.stats import stream


def analyse(
    fmri: Mapping[str, Any], settings: Mapping[str, Any], *, interval: float, seed: int
) -> dict[str, Any]:
    """Simulate how well brain samples show the subspace at full size, and what that is worth.

    Parameters
    ----------
    fmri : mapping
        Section ``befs.fmri``.
    settings : mapping
        Section ``befs.paper_scale``.
    interval : float
        Nominal coverage of the bootstrap intervals.
    seed : int

    Returns
    -------
    dict
        ``leak``: mean squared sine of the learned to the true subspace over hours, simulated and by
        the laws; ``value`` over (misalignments, hours) with the second stage exact.
    """
    brain = systems.brain(fmri, seed)
    hours = np.array(settings["hours"])
    n_brain = np.round(hours * fmri["samples_per_hour"])
    misalignments = np.array(settings["misalignments"])
    task = Task(misalignments[:, None], settings["task_snr"])
    leaks, values = [], []
    for replicate in tqdm(range(settings["n_replicates"]), desc="draws", disable=None):
        drawn = paper_scale.draw(brain, n_brain, stream(seed, "befs", "paper-scale", replicate))
        leaks.append(drawn.leak / brain.k)
        values.append(value.of_overlap(drawn, task, n_brain, settings["n_task"]).value)
    laws = {
        "resummed": stage1.resummed,
        "first_order": stage1.first_order,
        "first_order_simplified": stage1.first_order_simplified,
    }
    theory = value.worth(brain, task, n_brain, settings["n_task"])
    n_bootstrap = settings["n_bootstrap"]
    return {
        "interval": interval,
        "system": systems.described(brain),
        "samples_per_hour": fmri["samples_per_hour"],
        "n_replicates": settings["n_replicates"],
        "n_task": settings["n_task"],
        "task_snr": settings["task_snr"],
        "axes": {"hours": hours, "n_brain": n_brain, "misalignment": misalignments},
        "leak": {
            "simulated": trials.summary(
                np.stack(leaks), n_bootstrap, interval, seed, "paper-scale", "leak"
            ),
            **{name: law(brain, n_brain).leak / brain.k for name, law in laws.items()},
        },
        "value": {
            "simulated": trials.summary(
                np.stack(values), n_bootstrap, interval, seed, "paper-scale", "value"
            ),
            "theory": theory.value,
            "ridge": theory.ridge_value,
        },
    }
