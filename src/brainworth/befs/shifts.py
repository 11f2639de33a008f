"""Brain data under test inputs that differ from the training inputs (figure 3 of the paper)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from brainworth.befs import shift, stage1, stage2, systems, trials, value
from brainworth.befs.model import Brain, Task
from brainworth.befs.overlap import Overlap

#: Name of a test to the variance where the brain sees and where it does not.
SUBSPACES = {"isotropic": (1.0, 1.0), "on": (1.0, 0.0), "off": (0.0, 1.0)}
Test = Callable[[Overlap], shift.TestInputs]


def analyse(
    fmri: Mapping[str, Any],
    small: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    interval: float,
    seed: int,
) -> dict[str, Any]:
    """Compute and simulate the value of brain data under shifted tests.

    Parameters
    ----------
    fmri, small : mapping
        Sections ``befs.fmri`` and ``befs.small``.
    settings : mapping
        Section ``befs.shift``.
    interval : float
        Nominal coverage of the bootstrap intervals.
    seed : int

    Returns
    -------
    dict
        ``small``: simulation and theory; ``fmri``: theory. In each, ``subspaces`` over (brain
        samples, task samples), ``mixture`` over (share off the subspace, task samples) and
        ``adversarial`` over (strength, task samples).
    """
    task = Task(settings["misalignment"], settings["task_snr"])
    system = systems.brain(small, seed)
    n_brain = np.array(settings["brain_multiples"]) * system.d
    n_task = systems.samples(
        2 * system.d, settings["most_task"] * system.d, settings["task_points"]
    )
    large = systems.brain(fmri, seed)
    hours = np.array(settings["hours"])
    many = systems.samples(2 * large.d, settings["most_task"] * large.d, settings["curve_points"])
    return {
        "interval": interval,
        "misalignment": settings["misalignment"],
        "task_snr": settings["task_snr"],
        "n_replicates": settings["n_replicates"],
        "n_trials": settings["n_trials"],
        "small": {"system": systems.described(system)}
        | _study(system, task, n_brain, n_task, settings, interval, seed, simulate=True),
        "fmri": {"system": systems.described(large), "hours": hours}
        | _study(
            large,
            task,
            hours * fmri["samples_per_hour"],
            many,
            settings,
            interval,
            seed,
            simulate=False,
        ),
    }


def _study(
    brain: Brain, task: Task, n_brain, n_task, settings, interval, seed, *, simulate: bool
) -> dict[str, Any]:
    shares = np.linspace(0, 1, settings["mixture_points"])
    strengths = np.geomspace(*settings["strength_range"], settings["mixture_points"])
    tests = _tests(brain, task, shares, strengths)
    overlap = stage1.resummed(brain, n_brain).reshaped(-1, 1)
    kappa = stage2.optimal_kappa(overlap.missed(task), task.noise, brain.p)
    expected = stage2.spectrum(kappa, n_task, brain.p, brain.k)
    found: dict[str, dict[str, Any]] = {}
    for name, test in tests.items():
        inputs = test(overlap)
        found[name] = {
            "theory": _value(inputs, kappa, task, n_task, expected),
            "unlimited": shift.asymptotic_value(inputs, task.noise)[..., 0],
        }
    if simulate:
        drawn = _simulate(brain, task, n_brain, n_task, kappa, tests, settings, seed)
        for name, values in drawn.items():
            found[name]["simulated"] = trials.summary(
                values, settings["n_bootstrap"], interval, seed, "shift", name
            )
    for name, (trace, on_task) in _ridge_tests(brain, task, shares, strengths).items():
        inputs = shift.without_brain(brain.d, task, trace, on_task)
        kappa = stage2.optimal_kappa(task.signal, task.noise, brain.d)
        alone = stage2.spectrum(kappa, n_task, brain.d, 0)
        found[name]["ridge"] = _value(inputs, kappa, task, n_task, alone)
    return {
        "axes": {
            "subspaces": list(SUBSPACES),
            "mixture": shares,
            "adversarial": strengths,
            "n_brain": n_brain,
            "n_task": n_task,
        },
        **found,
    }


def _tests(brain: Brain, task: Task, shares: np.ndarray, strengths: np.ndarray) -> dict[str, Test]:
    """Return the families of tests, each along a leading axis; mixtures have total variance d."""
    variances = _variances(brain, shares)
    tests: dict[str, Test] = {
        name: lambda overlap, both=both: shift.blocks(overlap, task, *map(_leading, both))
        for name, both in variances.items()
    }
    tests["adversarial"] = lambda overlap: shift.missed_direction(
        overlap, task, _leading(strengths)
    )
    return tests


def _ridge_tests(brain: Brain, task: Task, shares, strengths) -> dict[str, tuple]:
    """Return trace and mass on the task of the same tests, with an axis of task samples."""
    tests = {
        name: (on * brain.k + off * brain.p, on * task.aligned + off * task.misalignment)
        for name, (on, off) in _variances(brain, shares).items()
    }
    tests["adversarial"] = (brain.d + strengths, task.signal + strengths * task.misalignment)
    return {name: tuple(each[:, None] for each in both) for name, both in tests.items()}


def _variances(brain: Brain, shares: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the variances where the brain sees and where it does not, by family of tests."""
    on, off = (np.array(each) for each in zip(*SUBSPACES.values(), strict=True))
    d = brain.d
    return {
        "subspaces": (on, off),
        "mixture": ((1 - shares) * d / brain.k, shares * d / brain.p),
    }


def _simulate(
    brain, task, n_brain, n_task, kappa, tests: dict[str, Test], settings, seed
) -> dict[str, np.ndarray]:
    """Return the value in each replicate, by family of tests."""
    values: dict[str, list[np.ndarray]] = {name: [] for name in tests}
    n_trials = settings["n_trials"]
    for replicate in range(settings["n_replicates"]):
        drawn = trials.subspaces(brain, n_brain, replicate, n_trials, seed)
        drawn = drawn.reshaped(n_trials, 1, -1, 1)
        spectrum = trials.spectra(
            n_task, kappa[:, 0], brain.p, brain.k, replicate, n_trials, seed
        ).transposed()
        for name, test in tests.items():
            values[name].append(_value(test(drawn).mean(0), kappa, task, n_task, spectrum))
    return {name: np.stack(each) for name, each in values.items()}


def _value(inputs: shift.TestInputs, kappa, task: Task, n_task, spectrum) -> np.ndarray:
    """Return values over (tests, brain samples, task samples)."""
    excess = shift.excess(inputs, kappa, task.noise, n_task, spectrum)
    return value.equivalent_samples(excess, task.noise, inputs.d, inputs.trace) - n_task


def _leading(values: np.ndarray) -> np.ndarray:
    """Put a grid of tests before the axes of brain samples and task samples."""
    return values[:, None, None]
