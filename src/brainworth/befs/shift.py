"""Test inputs that differ from the training inputs: exact risk and asymptotic value.

Training inputs are isotropic and the penalty is the one that is best for isotropic tests, as the
test distribution is not known then. A test distribution enters through a few traces, `TestInputs`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from brainworth.befs import domain, stage2
from brainworth.befs.model import Brain, Task
from brainworth.befs.overlap import Overlap
from brainworth.errors import BrainworthError


def blocks(overlap: Overlap, task: Task, on: ArrayLike, off: ArrayLike) -> TestInputs:
    """Return test inputs with variance `on` where the brain sees and `off` where it does not.

    ``blocks(overlap, task, 1, 1)`` is the isotropic test, ``(1, 0)`` lies on the subspace that the
    brain sees and ``(0, 1)`` off it (section 4 and theorems 6 to 8 of the paper).
    """
    on, off = domain.non_negative("on", on), domain.non_negative("off", off)
    d, k, p = overlap.d, overlap.k, overlap.p
    missed = overlap.missed(task)
    seen = task.aligned * overlap.on_aligned + task.misalignment * overlap.on_misaligned
    inside = on * (k - overlap.leak) + off * overlap.leak
    outside = on * overlap.leak + off * (p - overlap.leak)
    return TestInputs(
        d=d,
        k=k,
        trace=on * k + off * p,
        outside=outside,
        missed=missed,
        direction=on * seen + off * (missed - seen),
        missed_inside=missed * inside,
        missed_outside=missed * outside,
    )


def missed_direction(overlap: Overlap, task: Task, strength: ArrayLike) -> TestInputs:
    """Return isotropic test inputs with extra variance where the brain misses the task.

    The covariance is I + strength b b', b the unit vector along the part of the task that the brain
    ignores: the adversarial case of theorem 5.
    """
    strength = domain.non_negative("strength", strength)
    d, k, p = overlap.d, overlap.k, overlap.p
    missed = overlap.missed(task)
    crossing = task.aligned * (overlap.aligned - overlap.on_aligned) / p
    own = task.misalignment * overlap.misaligned_square
    # E of missed * (b' Q b), which differs from the product of the means draw by draw
    joint = task.aligned * overlap.aligned * overlap.misaligned + own
    return TestInputs(
        d=d,
        k=k,
        trace=d + strength,
        outside=p + strength * overlap.misaligned,
        missed=missed,
        direction=missed + strength * (own + crossing),
        missed_inside=missed * k + strength * (missed - joint),
        missed_outside=missed * p + strength * joint,
    )


def without_brain(d: int, task: Task, trace: ArrayLike, on_task: ArrayLike) -> TestInputs:
    """Return test inputs as a ridge regression on the task alone sees them: all is penalised.

    Parameters
    ----------
    d : int
    task : Task
    trace : array_like
        Trace of the test covariance S.
    on_task : array_like
        beta' S beta.
    """
    trace = np.asarray(trace, dtype=float)
    return TestInputs(
        d=d,
        k=0,
        trace=trace,
        outside=trace,
        missed=np.asarray(task.signal),
        direction=np.asarray(on_task),
        missed_inside=np.zeros(()),
        missed_outside=task.signal * trace,
    )


def general(
    brain: Brain,
    seen: np.ndarray,
    ignored: np.ndarray,
    covariance: np.ndarray,
    n_brain: float,
) -> TestInputs:
    """Return any test inputs, to first order in 1 / (N_b - d - 1) (derived here).

    Parameters
    ----------
    brain : Brain
    seen : array of shape (k,)
        Task coefficients on the inputs that the brain sees.
    ignored : array of shape (p,)
        Task coefficients on those it ignores.
    covariance : array of shape (d, d)
        Of the test inputs, those that the brain sees first.
    n_brain : float

    Raises
    ------
    BrainworthError
        If shapes do not fit or `covariance` is none.
    """
    samples = domain.brain_samples(n_brain, brain.d)
    covariance = domain.real("covariance", covariance)
    seen, ignored = domain.real("seen", seen), domain.real("ignored", ignored)
    d, k, p = brain.d, brain.k, brain.p
    if covariance.shape != (d, d) or seen.shape != (k,) or ignored.shape != (p,):
        raise BrainworthError(
            f"expected {k} seen and {p} ignored coefficients and a covariance of shape ({d}, {d}), "
            f"not {seen.shape}, {ignored.shape} and {covariance.shape}"
        )
    if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance)[0] < -1e-9:
        raise BrainworthError("covariance is not symmetric with eigenvalues of 0 and above")
    aa, ab, bb = covariance[:k, :k], covariance[:k, k:], covariance[k:, k:]
    gamma, total = brain.gamma, np.trace(brain.gamma)
    step = 1 / (samples - d - 1)
    mass = ignored @ bb @ ignored
    inside = np.trace(aa) + step * (total * np.trace(bb) - p * np.trace(gamma @ aa))
    outside = np.trace(covariance) - inside
    missed = ignored @ ignored + step * (p * seen @ gamma @ seen - total * ignored @ ignored)
    change = (
        ignored @ ignored * np.trace(gamma @ aa)
        - 2 * total * mass
        + np.trace(bb) * seen @ gamma @ seen
        + 2 * (p + 1) * seen @ gamma @ ab @ ignored
    )
    return TestInputs(
        d=d,
        k=k,
        trace=np.trace(covariance),
        outside=outside,
        missed=missed,
        direction=mass + step * change,
        missed_inside=missed * inside,
        missed_outside=missed * outside,
    )


def excess(
    inputs: TestInputs,
    kappa: ArrayLike,
    noise: ArrayLike,
    n_task: ArrayLike,
    spectrum: stage2.Spectrum,
) -> np.ndarray:
    """Return the excess test error, exact given the moments and the spectrum (derived here).

    Parameters
    ----------
    inputs : TestInputs
    kappa : array_like
        Penalty that `spectrum` belongs to; `stage2.optimal_kappa` for the isotropic schedule.
    noise, n_task : array_like
    spectrum : Spectrum

    Notes
    -----
    The error outside the subspace is isotropic around the missed direction; its second moment is
    the Haar average of (W + kappa)^-1 b b' (W + kappa)^-1.
    """
    k, p = inputs.k, inputs.d - inputs.k
    samples = domain.task_samples(n_task, k)
    spread, shrinkage = noise * spectrum.spread(kappa), spectrum.shrinkage(kappa)
    # kappa^2 E tr^2, p^2 for the hard constraint
    square = np.where(np.isinf(kappa), p**2, _finite(kappa) ** 2 * spectrum.square)
    turned = (p * p * shrinkage - square) / (p * (p - 1) * (p + 2))
    kept = ((p + 1) * square - 2 * p * shrinkage) / (p * (p - 1) * (p + 2))
    inside = inputs.trace - inputs.outside
    floor = (noise + spread) * inside + shrinkage * inputs.missed_inside
    return (
        floor / (samples - k - 1)
        + spread / p * inputs.outside
        + turned * inputs.missed_outside
        + (kept + turned) * inputs.direction
    )


def schedule_excess(inputs: TestInputs, noise: ArrayLike, n_task: ArrayLike) -> np.ndarray:
    """Return the excess test error at the penalty that is best for isotropic tests."""
    p = inputs.d - inputs.k
    kappa = stage2.optimal_kappa(inputs.missed, noise, p)
    return excess(inputs, kappa, noise, n_task, stage2.spectrum(kappa, n_task, p, inputs.k))


def hard_excess(inputs: TestInputs, noise: ArrayLike, n_task: ArrayLike) -> np.ndarray:
    """Return the excess test error of least squares within the learned subspace."""
    samples = domain.task_samples(n_task, inputs.k)
    inside = inputs.trace - inputs.outside
    return (noise * inside + inputs.missed_inside) / (samples - inputs.k - 1) + inputs.direction


def asymptotic_value(inputs: TestInputs, noise: ArrayLike) -> np.ndarray:
    """Return the value for unlimited task samples under the isotropic schedule (theorem 5).

    Positive if the test mass on the missed direction is below twice the average mass in the
    complement of the learned subspace.
    """
    p = inputs.d - inputs.k
    relative = 2 * inputs.outside / p - inputs.direction / inputs.missed
    return noise * p**2 / (inputs.missed * inputs.trace) * relative


def tuned_value(inputs: TestInputs, noise: ArrayLike) -> np.ndarray:
    """Return the value for unlimited task samples if the penalty is tuned to the test inputs.

    Never negative.
    """
    return noise * inputs.outside**2 / (inputs.trace * inputs.direction)


def _finite(kappa: ArrayLike) -> np.ndarray:
    return np.where(np.isinf(kappa), 1.0, kappa)


@dataclass(frozen=True)
class TestInputs:
    """A test distribution, as a learned subspace sees it; arrays over the grid.

    Parameters
    ----------
    d, k : int
    trace : array
        Trace of the test covariance S.
    outside : array
        tr(Q S), the mass outside the learned subspace.
    missed : array
        beta' Q beta.
    direction : array
        beta' Q S Q beta, the mass on the missed part of the task.
    missed_inside, missed_outside : array
        Expectations of beta' Q beta times the mass inside and outside.
    """

    __test__ = False  # the name does not make it a test

    d: int
    k: int
    trace: np.ndarray
    outside: np.ndarray
    missed: np.ndarray
    direction: np.ndarray
    missed_inside: np.ndarray
    missed_outside: np.ndarray

    def mean(self, axis: int) -> TestInputs:
        """Return the average over an axis of the grid, e.g. of draws."""
        names = [item.name for item in fields(self)][2:]
        arrays = np.broadcast_arrays(*(getattr(self, name) for name in names))
        return TestInputs(self.d, self.k, *(array.mean(axis) for array in arrays))
