"""A grid of settings over the domain of the theory, and raw-data trials at each of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from brainworth.befs import model, reference, shift, stage1, stage2
from brainworth.befs.model import Brain, Task
from brainworth.stats import stream

SIZES = ((40, 4), (60, 6), (80, 8), (100, 10))
PER_LATENT = (2, 4)
BRAIN_MULTIPLES = (None, 1.5, 3, 10, 40)  # None: d + 5
TASK_MULTIPLES = (None, 1.5, 4, 10, 20)
MISALIGNMENTS = (0.05, 0.1, 0.3, 0.6, 0.9)
SNRS = (0.3, 1.0, 5.0)
#: Penalties, in multiples of the best one.
FACTORS = np.array([0.2, 1.0, 5.0])
STRENGTH = 5.0
TESTS = ("isotropic", "on", "off", "missed")


@dataclass(frozen=True)
class Setting:
    """One point of the grid."""

    brain: Brain
    n_brain: int
    n_task: int
    task: Task


@dataclass(frozen=True)
class Trials:
    """Raw-data trials at a setting.

    ``excess`` has shape (trials, tests, penalties); ``given`` is the exact theory given the learned
    subspace of each trial, in the same shape; ``missed`` has shape (trials,), ``outside`` and
    ``direction`` shape (trials, tests).
    """

    setting: Setting
    kappa: np.ndarray
    excess: np.ndarray
    given: np.ndarray
    missed: np.ndarray
    outside: np.ndarray
    direction: np.ndarray


def settings() -> list[Setting]:
    """Return 64 settings: sizes by channels by brain samples, the rest cycled through."""
    found = []
    corners = [*product(SIZES, PER_LATENT, BRAIN_MULTIPLES), *product(SIZES, (4,), BRAIN_MULTIPLES)]
    for number, ((d, k), per_latent, multiple) in enumerate([*corners, *corners[:4]]):
        n = per_latent * k
        matrix = model.pooling(n, k, min(4, k - 1), stream(n, "grid"))
        n_brain = d + 5 if multiple is None else int(multiple * d)
        times = TASK_MULTIPLES[(number * 3 + number // 5) % 5]
        n_task = d + 5 if times is None else int(times * d)
        task = Task(MISALIGNMENTS[(number * 2 + number // 7) % 5], SNRS[number % 3])
        found.append(Setting(model.calibrated(d, matrix), n_brain, n_task, task))
    return found


def run(n_trials: int) -> list[Trials]:
    """Fit raw data at every setting."""
    return [run_one(setting, n_trials, number) for number, setting in enumerate(settings())]


def run_one(setting: Setting, n_trials: int, number: int) -> Trials:
    """Fit raw data at one setting."""
    brain, task, n_task = setting.brain, setting.task, setting.n_task
    noise = float(task.noise)
    missed = float(stage1.resummed(brain, setting.n_brain).missed(task))
    kappa = FACTORS * stage2.optimal_kappa(missed, noise, brain.p)
    spectrum = stage2.spectrum(kappa, n_task, brain.p, brain.k)
    rng = stream(11, "raw grid", number)
    rows = []
    for _ in range(n_trials):
        basis = reference.learn_subspace(brain, setting.n_brain, rng)
        beta = reference.task_vector(brain, float(task.misalignment), rng)
        errors = reference.learn_task(basis, beta, noise, n_task, kappa, rng)
        covariances = reference.shifted_covariances(brain.k, beta, STRENGTH)
        inputs = [explicit(brain, basis, beta, covariances[name]) for name in TESTS]
        excess = [np.einsum("li,ij,lj->l", errors, covariances[name], errors) for name in TESTS]
        given = [shift.excess(each, kappa, noise, n_task, spectrum) for each in inputs]
        outside, direction = (
            [getattr(i, name) for i in inputs] for name in ("outside", "direction")
        )
        rows.append((excess, given, inputs[0].missed, outside, direction))
    return Trials(setting, kappa, *(np.array(each) for each in zip(*rows, strict=True)))


def explicit(brain: Brain, basis, beta, covariance) -> shift.TestInputs:
    """Return a test distribution as one learned subspace sees it."""
    left = beta - basis @ (basis.T @ beta)
    trace = np.trace(covariance)
    outside = trace - np.trace(basis.T @ covariance @ basis)
    missed = left @ left
    return shift.TestInputs(
        d=brain.d,
        k=brain.k,
        trace=trace,
        outside=outside,
        missed=missed,
        direction=left @ covariance @ left,
        missed_inside=missed * (trace - outside),
        missed_outside=missed * outside,
    )
