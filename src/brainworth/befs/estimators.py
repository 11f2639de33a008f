"""The students side by side, and how they behave with the penalty (figure 5 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainworth.befs import stage1, stage2, systems, trials
from brainworth.befs.model import Task


def analyse(
    small: Mapping[str, Any], settings: Mapping[str, Any], *, interval: float, seed: int
) -> dict[str, Any]:
    """Compare students over task samples and penalties, in theory and simulation.

    Parameters
    ----------
    small : mapping
        Section ``befs.small``.
    settings : mapping
        Section ``befs.estimators``.
    interval : float
        Nominal coverage of the bootstrap intervals.
    seed : int

    Returns
    -------
    dict
        ``by_task``: excess test error by estimator over task samples. ``by_penalty``: excess over
        (task samples, penalties), with the best penalty in theory and in simulation.
    """
    brain = systems.brain(small, seed)
    n_brain = np.array([settings["brain_multiple"] * brain.d])
    task = Task(settings["misalignment"], settings["task_snr"])
    drawn = [
        trials.subspaces(brain, n_brain, replicate, settings["n_trials"], seed).mean(0).missed(task)
        for replicate in range(settings["n_replicates"])
    ]
    missed = np.stack(drawn)[:, 0]
    expected = float(stage1.resummed(brain, n_brain).missed(task)[0])
    return {
        "interval": interval,
        "system": systems.described(brain),
        "n_brain": n_brain[0],
        "misalignment": settings["misalignment"],
        "task_snr": settings["task_snr"],
        "n_replicates": settings["n_replicates"],
        "n_trials": settings["n_trials"],
        "by_task": _by_task(brain, task, missed, expected, settings, interval, seed),
        "by_penalty": _by_penalty(brain, task, missed, expected, settings, interval, seed),
    }


def _by_task(brain, task: Task, missed, expected: float, settings, interval, seed):
    d, k, p, noise = brain.d, brain.k, brain.p, task.noise
    n_task = systems.samples(d + 5, settings["most_task"] * d, settings["task_points"])
    best = float(stage2.optimal_kappa(expected, noise, p))
    lambdas = settings["fixed_lambdas"]
    # a column of penalties a student: the best one, then each fixed lambda times N_t
    kappa = np.column_stack([np.full(n_task.size, best), *(each * n_task for each in lambdas)])
    names = ["best", *(f"lambda_{each:g}" for each in lambdas)]
    rows = np.arange(n_task.size)
    simulated: dict[str, list[np.ndarray]] = {name: [] for name in [*names, "hard", "ridge"]}
    for replicate in range(settings["n_replicates"]):
        grid = np.unique(kappa)
        spectrum = trials.spectra(n_task, grid, p, k, replicate, settings["n_trials"], seed)
        risk = trials.risks(missed[replicate], noise, n_task, grid, k, spectrum)
        for column, name in enumerate(names):
            simulated[name].append(risk[rows, np.searchsorted(grid, kappa[:, column])])
        simulated["hard"].append(stage2.hard_excess(missed[replicate], noise, n_task, k))
        ridge = np.array([float(stage2.optimal_kappa(task.signal, noise, d))])
        alone = trials.spectra(n_task, ridge, d, 0, replicate, settings["n_trials"], seed)
        simulated["ridge"].append(trials.risks(task.signal, noise, n_task, ridge, 0, alone)[:, 0])
    theory = {
        name: stage2.excess(
            stage2.hidden_risk(column, expected, noise, stage2.spectrum(column, n_task, p, k)),
            noise,
            n_task,
            k,
        )
        for name, column in zip(names, kappa.T, strict=True)
    }
    theory["hard"] = stage2.hard_excess(expected, noise, n_task, k)
    theory["ridge"] = stage2.ridge_excess(noise, n_task, d, task.signal)
    theory["task_only"] = stage2.task_only_excess(noise, n_task, d)
    return {
        "axes": {"n_task": n_task, "lambda": lambdas},
        "theory": theory,
        "simulated": {
            name: trials.summary(
                np.stack(values), settings["n_bootstrap"], interval, seed, "estimators", name
            )
            for name, values in simulated.items()
        },
    }


def _by_penalty(brain, task: Task, missed, expected: float, settings, interval, seed):
    d, k, p, noise = brain.d, brain.k, brain.p, task.noise
    n_task = np.array(settings["task_multiples"]) * d
    kappa = np.geomspace(*settings["kappa_range"], settings["kappa_points"])
    risk = np.stack(
        [
            trials.risks(
                missed[replicate],
                noise,
                n_task,
                kappa,
                k,
                trials.spectra(n_task, kappa, p, k, replicate, settings["n_trials"], seed),
            )
            for replicate in range(settings["n_replicates"])
        ]
    )
    places = trials.lowest(risk, kappa)[1]
    hidden = stage2.hidden_risk(
        kappa, expected, noise, stage2.spectrum(kappa, n_task[:, None], p, k)
    )
    return {
        "axes": {"n_task": n_task, "kappa": kappa},
        "theory": stage2.excess(hidden, noise, n_task[:, None], k),
        "simulated": trials.summary(
            risk, settings["n_bootstrap"], interval, seed, "estimators", "penalty"
        ),
        "best_kappa": float(stage2.optimal_kappa(expected, noise, p)),
        "best_kappa_simulated": trials.summary(
            places, settings["n_bootstrap"], interval, seed, "estimators", "best"
        ),
    }
