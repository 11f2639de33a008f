"""Stage 2: the task learned with a penalty outside the learned subspace, exactly.

The estimator minimises |y - X b|^2 / N_t + lambda |Q b|^2 (equation 7 of the paper). Splitting the
inputs into the learned subspace and its complement, the complement is a plain ridge regression in
p = d - k dimensions with N_t - k samples, and the unpenalised rest is least squares on what is left
(derived here). Everything is written in kappa = N_t lambda, since the best kappa does not depend on
N_t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from brainworth.befs import domain


def optimal_kappa(missed: ArrayLike, noise: ArrayLike, p: int) -> np.ndarray:
    """Return the best penalty kappa = N_t lambda = noise p / missed, exact at every N_t.

    Parameters
    ----------
    missed : array_like
        Squared length of the part of the task outside the learned subspace; 0 gives infinity.
    noise : array_like
        Variance of the label noise.
    p : int
        Penalised dimensions.
    """
    missed, noise = np.broadcast_arrays(domain.non_negative("missed", missed), noise)
    with np.errstate(divide="ignore"):
        return noise * p / missed


def optimal_lambda(missed: ArrayLike, noise: ArrayLike, p: int, n_task: ArrayLike) -> np.ndarray:
    """Return the best penalty of the objective averaged over samples, kappa / N_t (theorem 3)."""
    return optimal_kappa(missed, noise, p) / domain.positive("n_task", n_task)


def spectrum(kappa: ArrayLike, n_task: ArrayLike, p: int, k: int) -> Spectrum:
    """Return the expected resolvent traces of a Wishart matrix to second order.

    Parameters
    ----------
    kappa : array_like
        Penalty, 0 or above; infinity is the hard constraint.
    n_task : array_like
        Task samples; broadcast against `kappa`.
    p, k : int
        Penalised and unpenalised dimensions: W has p dimensions and n_task - k samples.

    Returns
    -------
    Spectrum

    Raises
    ------
    BrainworthError
        If a penalty is negative, too few samples are left, or kappa is 0 where least squares has no
        finite error.

    Notes
    -----
    Haff's identity p = (kappa + nu) t + kappa E[tr^2] + kappa t2, nu = n_task - k - p - 1, closed
    by dropping the variance of the trace: first as a quadratic equation for t without t2, then with
    t2 from the derivative of that (derived here; error of t 1e-4, of t2 1e-3 where
    n_task > p + k).
    """
    kappa = domain.non_negative("kappa", kappa, infinite=True)
    samples = domain.task_samples(n_task, k)
    kappa, samples = np.broadcast_arrays(kappa, samples)
    if ((kappa == 0) & (samples <= k + p + 1)).any():
        domain.task_samples(samples[kappa == 0], k + p, "without a penalty all inputs")
    infinite = np.isinf(kappa)
    kappa = np.where(infinite, 1.0, kappa)
    nu = samples - k - p - 1
    first = _positive_root(kappa, kappa + nu, p)
    width = 2 * kappa * first + kappa + nu
    slope = -(first**2 + first) / width
    bend = -2 * slope * (1 + 2 * first + kappa * slope) / width
    t = _positive_root(kappa, kappa + nu, p + kappa * slope)
    t2 = (t**2 + t - slope - kappa * bend) / (2 * kappa * t + kappa + nu)
    t, t2 = np.where(infinite, 0, t), np.where(infinite, 0, t2)
    return Spectrum(p, t, t2, t**2)


def hidden_risk(
    kappa: ArrayLike, missed: ArrayLike, noise: ArrayLike, spectrum: Spectrum
) -> np.ndarray:
    """Return the expected squared error of the coefficients outside the learned subspace.

    Parameters
    ----------
    kappa : array_like
        The penalty that `spectrum` belongs to.
    missed : array_like
        Squared length of the part of the task outside the learned subspace, or its mean: the error
        is linear in it.
    noise : array_like
        Variance of the label noise.
    spectrum : Spectrum
    """
    return missed * spectrum.shrinkage(kappa) + noise * spectrum.spread(kappa)


def excess(hidden: ArrayLike, noise: ArrayLike, n_task: ArrayLike, k: int) -> np.ndarray:
    """Return the excess test error on isotropic inputs, given the error outside the subspace.

    What the penalised part leaves unexplained is noise to the k unpenalised coefficients (derived
    here), so N_t > k + 1 suffices, also below d.
    """
    samples = domain.task_samples(n_task, k)
    return hidden + k / (samples - k - 1) * (noise + hidden)


def optimal_excess(
    missed: ArrayLike, noise: ArrayLike, n_task: ArrayLike, p: int, k: int
) -> np.ndarray:
    """Return the excess test error at the best penalty, where the hidden risk is noise t(kappa)."""
    kappa = optimal_kappa(missed, noise, p)
    trace = spectrum(kappa, n_task, p, k).t
    # with no penalised error left (kappa infinite) the trace is 0 and so is the hidden risk
    return excess(noise * trace, noise, n_task, k)


def asymptotic_excess(
    missed: ArrayLike, noise: ArrayLike, n_task: ArrayLike, p: int, k: int
) -> np.ndarray:
    """Return the paper's law for many task samples (theorem 3); negative where they are few."""
    d = p + k
    samples = domain.task_samples(n_task, d, "all inputs")
    return noise * d / (samples - d - 1) - noise**2 * p**2 / (samples**2 * missed)


def task_only_excess(
    noise: ArrayLike, n_task: ArrayLike, d: int, trace: ArrayLike | None = None
) -> np.ndarray:
    """Return the excess test error of least squares on the task alone.

    Parameters
    ----------
    noise, n_task : array_like
    d : int
    trace : array_like, optional
        Trace of the covariance of the test inputs; d if not given (isotropic).
    """
    samples = domain.task_samples(n_task, d, "all inputs")
    return noise * (d if trace is None else trace) / (samples - d - 1)


def ridge_excess(
    noise: ArrayLike, n_task: ArrayLike, d: int, signal: ArrayLike = 1.0
) -> np.ndarray:
    """Return the excess test error of the best ridge regression on the task alone.

    It is the same estimator with no subspace (k = 0) that misses the whole task.
    """
    return optimal_excess(signal, noise, n_task, d, 0)


def hard_excess(missed: ArrayLike, noise: ArrayLike, n_task: ArrayLike, k: int) -> np.ndarray:
    """Return the excess test error of least squares within the learned subspace (lemma 27)."""
    return excess(domain.non_negative("missed", missed), noise, n_task, k)


def _positive_root(square: np.ndarray, linear: np.ndarray, constant: ArrayLike) -> np.ndarray:
    """Solve square t^2 + linear t = constant for t > 0 without cancellation."""
    root = np.sqrt(linear**2 + 4 * square * constant)
    stable = linear + root
    safe = np.where(linear > 0, stable, 1.0)
    other = np.where(square > 0, square, 1.0)
    return np.where(linear > 0, 2 * constant / safe, (root - linear) / (2 * other))


@dataclass(frozen=True)
class Spectrum:
    """Traces of the resolvent of a p-dimensional Wishart matrix W, expected or of one draw.

    Parameters
    ----------
    p : int
    t, t2 : arrays
        tr (W + kappa)^-1 and tr (W + kappa)^-2; both 0 at infinite kappa.
    square : array
        Square of the first trace; its expectation is taken as the square of the expected trace,
        which differs by a term of the order 1.
    """

    p: int
    t: np.ndarray
    t2: np.ndarray
    square: np.ndarray

    def mean(self, axis: int) -> Spectrum:
        """Return the average over an axis, e.g. of draws."""
        return Spectrum(self.p, self.t.mean(axis), self.t2.mean(axis), self.square.mean(axis))

    def transposed(self) -> Spectrum:
        """Return the same with the axes of the arrays reversed."""
        return Spectrum(self.p, self.t.T, self.t2.T, self.square.T)

    def shrinkage(self, kappa: ArrayLike) -> np.ndarray:
        """Return kappa^2 t2 / p: the share of the missed part that stays missed, 1 at infinity."""
        finite = np.isfinite(kappa)
        scaled = np.square(np.where(finite, kappa, 1.0)) * self.t2 / self.p
        return np.where(finite, scaled, 1.0)

    def spread(self, kappa: ArrayLike) -> np.ndarray:
        """Return t - kappa t2: label noise in the penalised coefficients, 0 at infinity."""
        finite = np.isfinite(kappa)
        return np.where(finite, self.t - np.where(finite, kappa, 1.0) * self.t2, 0.0)
