"""Stage 1: how well N_b brain samples show the subspace that the brain sees.

The subspace is learned by reduced-rank regression of the recordings on the inputs (lemma 6 of the
paper). `first_order` is the paper's law, `first_order_simplified` the same with its denominator
simplified to N_b, and `resummed` a deterministic equivalent that holds for every N_b >= d + 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from brainworth.befs import domain
from brainworth.befs.model import Brain, Task
from brainworth.befs.overlap import Overlap
from brainworth.errors import BrainworthError

#: Halvings of the interval (0, 1) that holds the root; 60 reach the precision of a double.
HALVINGS = 60


def difficulty(brain: Brain, task: Task, direction: np.ndarray | None = None) -> np.ndarray:
    """Return rho, the difficulty of learning the task's features from the brain.

    rho = a' Gamma a - tr(Gamma) m0 / p, so that to first order the missed part of the task is
    m0 + p rho / N_b (theorem 4 and appendix C.2 of the paper; the normalisation is the one under
    which the exchange rate reads (noise / rho) (1 - k/d)). Negative for a task so misaligned that
    more brain data hurts.

    Parameters
    ----------
    brain : Brain
    task : Task
    direction : array of shape (k,), optional
        Direction of the aligned part of the task among the latents; averaged over if not given.
    """
    along = _quadratic(brain.gamma, _direction(direction, brain.k))
    return task.aligned * along - np.trace(brain.gamma) * task.misalignment / brain.p


def first_order(brain: Brain, n_brain: ArrayLike, direction: np.ndarray | None = None) -> Overlap:
    """Return the overlap to first order in 1 / (N_b - d - 1) (lemmas 12 to 19 of the paper).

    Its missed part exceeds the whole task, or is negative, where N_b is not several times d.
    """
    samples = domain.brain_samples(n_brain, brain.d)
    return _first_order(brain, 1 / (samples - brain.d - 1), direction)


def first_order_simplified(
    brain: Brain, n_brain: ArrayLike, direction: np.ndarray | None = None
) -> Overlap:
    """Return the overlap to first order in 1 / N_b, the form in which the paper states its laws."""
    return _first_order(brain, 1 / domain.brain_samples(n_brain, brain.d), direction)


def resummed(brain: Brain, n_brain: ArrayLike, direction: np.ndarray | None = None) -> Overlap:
    """Return the overlap by the deterministic equivalent of the learned projector (derived here).

    Parameters
    ----------
    brain : Brain
    n_brain : array_like of shape (...)
        Brain samples, d + 2 or more; infinity is the perfectly learned subspace.
    direction : array of shape (k,), optional
        Direction of the aligned part of the task among the latents; averaged over if not given.

    Returns
    -------
    Overlap
        Of arrays of shape (...).

    Raises
    ------
    BrainworthError
        If `n_brain` is below d + 2 or `direction` has no direction.

    Notes
    -----
    With g_i the eigenvalues of the effective noise and nu = N_b - d - 1 + (y - 1) p, y solves
    1 - 1/y = sum_i g_i / (nu + p y g_i). The eigenvalues of the complement on the latents are then
    q_i = p g_i / (nu + p y g_i), and outside of them 1/y. Within 2 % of simulation from N_b = d + 5
    on, at the signal-to-noise ratios of fMRI.
    """
    samples = domain.brain_samples(n_brain, brain.d)
    unit = _direction(direction, brain.k)
    shape = samples.shape
    samples = samples.ravel()
    finite = np.isfinite(samples)
    # any number does in place of infinity: all that it leads to is replaced by the limit below
    samples = np.where(finite, samples, 1e18)
    g, weights = _effective_noise(brain, samples, unit)
    p = brain.p
    excess = samples - brain.d - 1
    y = 1 / (1 - _root(g, excess, p))
    nu = (excess + (y - 1) * p)[:, None]
    scale = np.where(finite[:, None], p / (nu + p * y[:, None] * g), 0.0)
    q = g * scale
    leak = q.sum(axis=1)
    squares, ratios = (q**2).sum(axis=1), (q * scale).sum(axis=1)
    base = leak * (nu[:, 0] / p**2 - (y - 1) / p)
    slope = (leak - squares - base * ratios) / (p / y**2 + squares + ratios)
    change = slope + base
    per_direction = q**2 * (1 + slope[:, None]) + q * scale * change[:, None]
    return Overlap(
        brain.d,
        brain.k,
        aligned=(weights * q).sum(axis=1).reshape(shape),
        misaligned=(1 / y).reshape(shape),
        leak=leak.reshape(shape),
        on_aligned=(weights * per_direction).sum(axis=1).reshape(shape),
        on_misaligned=(slope / y**2).reshape(shape),
        misaligned_square=(1 / y**2).reshape(shape),
    )


def _first_order(brain: Brain, step: np.ndarray, direction: np.ndarray | None) -> Overlap:
    total = np.trace(brain.gamma)
    misaligned = 1 - total * step
    return Overlap(
        brain.d,
        brain.k,
        aligned=brain.p * step * _quadratic(brain.gamma, _direction(direction, brain.k)),
        misaligned=misaligned,
        leak=brain.p * total * step,
        on_aligned=np.zeros_like(step),
        on_misaligned=total * step,
        misaligned_square=1 - 2 * total * step,
    )


def _effective_noise(
    brain: Brain, samples: np.ndarray, unit: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues of the effective noise and the weight of the task on each.

    The selection of k directions of the recordings adds noise of the order 1 / N_b, which matters
    where the recordings are poor; its series is closed by the first factor of a spiked model.

    Returns
    -------
    values, weights : arrays of shape (len(samples), k)
        Weights sum to 1.
    """
    k, d = brain.k, brain.d
    if brain.isotropic:
        # all matrices share the eigenvectors of B' B
        b, basis = brain.strengths, brain.axes
        gamma = brain.latent_noise + brain.measurement_noise / b
        selection = (brain.n - k) * (brain.measurement_noise / b) ** 2
        grown = gamma + selection / (samples[:, None] - k - 1)
        values = grown * (1 + d * selection / samples[:, None] ** 2)
        shares = np.full(k, 1 / k) if unit is None else (basis.T @ unit) ** 2
        return values, np.broadcast_to(shares, values.shape)
    values, weights = np.empty((2, len(samples), k))
    for row, size in enumerate(samples):
        grown = brain.gamma + brain.selection / (size - k - 1)
        grown = grown + d / size * (brain.cross + brain.cross.T)
        growth, axes = np.linalg.eigh(np.eye(k) + d / size**2 * brain.selection)
        root = (axes * np.sqrt(growth)) @ axes.T
        values[row], basis = np.linalg.eigh(root @ grown @ root)
        weights[row] = 1 / k if unit is None else (basis.T @ unit) ** 2
    return values, weights


def _root(g: np.ndarray, excess: np.ndarray, p: int) -> np.ndarray:
    """Solve for 1 - 1/y by bisection, one root a row of `g`, shape (m, k)."""
    low, high = np.zeros(len(g)), np.ones(len(g))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        y = 1 / (1 - middle)
        nu = (excess + (y - 1) * p)[:, None]
        above = (g / (nu + p * y[:, None] * g)).sum(axis=1) > middle
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def _direction(direction: np.ndarray | None, k: int) -> np.ndarray | None:
    if direction is None:
        return None
    vector = domain.real("direction", direction)
    length = np.linalg.norm(vector)
    if vector.shape != (k,) or length == 0:
        raise BrainworthError(
            f"direction must be {k} numbers, not all 0: the aligned part of the task over latents"
        )
    return vector / length


def _quadratic(matrix: np.ndarray, unit: np.ndarray | None) -> float:
    """Return u' M u, averaged over all directions if there is none."""
    if unit is None:
        return float(np.trace(matrix) / len(matrix))
    return float(unit @ matrix @ unit)
