"""The theory held against simulation, at every setting of a grid (appendix B of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainworth.befs import stage1, stage2, systems, trials, value
from brainworth.befs.model import Task


def analyse(
    small: Mapping[str, Any], settings: Mapping[str, Any], *, interval: float, seed: int
) -> dict[str, Any]:
    """Simulate the value of brain data over a grid and compare it with the theory.

    Parameters
    ----------
    small : mapping
        Section ``befs.small``.
    settings : mapping
        Section ``befs.verification``.
    interval : float
        Nominal coverage of the bootstrap intervals.
    seed : int

    Returns
    -------
    dict
        Arrays of shape (stimulus shares, brain samples, misalignments, task SNRs, task samples).
    """
    shares = settings["stimulus_shares"]
    brains = [systems.brain(small, seed, stimulus_share=share) for share in shares]
    d, k, p = brains[0].d, brains[0].k, brains[0].p
    n_brain = systems.samples(d + 5, settings["most_brain"] * d, settings["brain_points"])
    n_task = systems.samples(d + 5, settings["most_task"] * d, settings["task_points"])
    task = Task(
        np.array(settings["misalignments"])[:, None], np.array(settings["task_snrs"])[None, :]
    )
    kappa = np.geomspace(*settings["kappa_range"], settings["kappa_points"])
    values, errors, places = [], [], []
    for replicate in range(settings["n_replicates"]):
        spectrum = trials.spectra(n_task, kappa, p, k, replicate, settings["n_trials"], seed)
        reached = []
        for brain in brains:
            drawn = trials.subspaces(brain, n_brain, replicate, settings["n_trials"], seed)
            missed = drawn.mean(0).reshaped(-1, 1, 1).missed(task)
            risk = trials.risks(missed, task.noise, n_task, kappa, k, spectrum)
            reached.append(trials.lowest(risk, kappa))
        excess, place = (np.stack(each) for each in zip(*reached, strict=True))
        noise = task.noise[..., None]
        values.append(value.equivalent_samples(excess, noise, d) - n_task)
        errors.append(excess)
        places.append(np.log(place))
    simulated = trials.summary(
        np.stack(values), settings["n_bootstrap"], interval, seed, "verification"
    )
    expected = [_expected(brain, task, n_brain, n_task) for brain in brains]
    theory = {name: np.stack([each[name] for each in expected]) for name in expected[0]}
    ratio = np.exp(np.mean(places, axis=0)) / theory["kappa"]
    error = simulated["mean"] / theory["value"] - 1
    inside = (simulated["low"] <= theory["value"]) & (theory["value"] <= simulated["high"])
    return {
        "interval": interval,
        "systems": [systems.described(brain) for brain in brains],
        "axes": {
            "stimulus_share": shares,
            "n_brain": n_brain,
            "misalignment": settings["misalignments"],
            "task_snr": settings["task_snrs"],
            "n_task": n_task,
        },
        "n_replicates": settings["n_replicates"],
        "n_trials": settings["n_trials"],
        "value": simulated,
        "theory": {name: theory[name] for name in ("value", "first_order_value", "ridge_value")},
        "summary": {
            "n_points": error.size,
            "value_error": _spread(np.abs(error)),
            "n_above_theory": int((simulated["mean"] > theory["value"]).sum()),
            "value_error_by_n_brain": np.median(np.abs(error), axis=(0, 2, 3, 4)),
            "share_inside_interval": float(inside.mean()),
            "share_inside_interval_by_n_brain": inside.mean(axis=(0, 2, 3, 4)),
            "interval_half_width": _spread(
                (simulated["high"] - simulated["low"]) / (2 * simulated["mean"])
            ),
            "kappa_ratio": _quantiles(ratio),
            "kappa_ratio_by_n_brain": np.median(ratio, axis=(0, 2, 3, 4)),
            "kappa_grid_step": float(kappa[1] / kappa[0]),
            "ridge_better": float((theory["ridge_value"] > theory["value"]).mean()),
        },
    }


def _expected(brain, task: Task, n_brain: np.ndarray, n_task: np.ndarray) -> dict[str, np.ndarray]:
    """Return the theory of one brain over (brain samples, misalignments, SNRs, task samples)."""
    lifted = Task(task.misalignment[..., None], task.snr[..., None])
    overlap = stage1.resummed(brain, n_brain).reshaped(-1, 1, 1, 1)
    worth = value.of_overlap(overlap, lifted, n_brain[:, None, None, None], n_task)
    simple = stage1.first_order_simplified(brain, n_brain).reshaped(-1, 1, 1, 1)
    published = value.asymptotic_value(simple.missed(lifted), lifted.noise, brain.p, brain.k)
    return {
        "value": worth.value,
        "kappa": stage2.optimal_kappa(overlap.missed(lifted), lifted.noise, brain.p)
        * np.ones_like(n_task),
        "first_order_value": np.broadcast_to(published, worth.value.shape),
        "ridge_value": worth.ridge_value,
    }


def _spread(errors: np.ndarray) -> dict[str, float]:
    return {
        "median": float(np.median(errors)),
        "q95": float(np.quantile(errors, 0.95)),
        "largest": float(errors.max()),
    }


def _quantiles(values: np.ndarray) -> dict[str, float]:
    levels = {"low": 0.025, "median": 0.5, "high": 0.975}
    return {name: float(np.quantile(values, level)) for name, level in levels.items()}
