"""Draws of stage 2, exact in law, in O(p) per draw and penalty and without a matrix.

A normal matrix of N_t - k rows and p columns is turned into bidiagonal form with independent chi
variates (Golub and Kahan's reduction, which keeps the first column's direction: the missed part of
the task is put there). The resolvent of its Gram matrix then follows from a recurrence of positive
terms, so nothing cancels.
"""

from __future__ import annotations

import numpy as np

from brainworth.befs import domain
from brainworth.befs.sample_stage1 import growing_chi_squares
from brainworth.befs.stage2 import Spectrum


def bidiagonals(
    rng: np.random.Generator, n_draws: int, n_task: np.ndarray, p: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the squared entries of the bidiagonal form, from common random numbers over N_t.

    Parameters
    ----------
    n_task : array of shape (m,)
        Task samples, ascending whole numbers of k + 2 or more.

    Returns
    -------
    diagonal : array of shape (n_draws, m, p)
    above : array of shape (n_draws, m, p - 1)
        Rows beyond N_t - k are 0.
    """
    rows = domain.task_samples(n_task, k).astype(int) - k
    diagonal = growing_chi_squares(rng, n_draws, rows[:, None] - np.arange(p))
    above = rng.chisquare(np.arange(p - 1, 0, -1), (n_draws, 1, p - 1))
    return diagonal, np.where(np.arange(1, p) <= rows[:, None], above, 0.0)


def spectra(
    rng: np.random.Generator,
    n_draws: int,
    n_task: np.ndarray,
    kappa: np.ndarray,
    p: int,
    k: int,
) -> Spectrum:
    """Draw the resolvent traces of W on a grid of penalties.

    Parameters
    ----------
    n_task : array of shape (m,)
        Task samples, ascending.
    kappa : array of shape (l,)
        Penalties above 0.

    Returns
    -------
    Spectrum
        Of arrays of shape (n_draws, m, l). Label noise, the direction of the missed part and the
        unpenalised block are integrated out by its users.
    """
    kappa = domain.positive("kappa", kappa)
    diagonal, above = (part[..., None] for part in bidiagonals(rng, n_draws, n_task, p, k))
    # pivots d of the factored W + kappa, their derivatives in kappa, and s = d - diagonal
    shift = np.broadcast_to(kappa, (*diagonal.shape[:2], kappa.size))
    first, second = np.ones_like(shift), np.zeros_like(shift)
    t, t2 = np.zeros_like(shift), np.zeros_like(shift)
    for place in range(p):
        square = diagonal[:, :, place]
        inverse = 1 / (square + shift)
        relative = first * inverse
        t += relative
        t2 += relative * relative - second * inverse
        if place < p - 1:
            ratio = above[:, :, place] * inverse
            weight = ratio * square * inverse
            shift = kappa + shift * ratio
            second = weight * (second - 2 * first * relative)
            first = 1 + weight * first
    return Spectrum(p, t, t2, t**2)


def hidden_errors(
    rng: np.random.Generator,
    n_draws: int,
    n_task: int,
    kappa: np.ndarray,
    missed: np.ndarray,
    noise: float,
    p: int,
    k: int,
) -> np.ndarray:
    """Draw squared errors of the penalised coefficients with the same law as from raw data.

    Parameters
    ----------
    n_task : int
    kappa : array of shape (l,)
    missed : array of shape (n_draws,)
        Squared length of the part of the task outside the learned subspace in each draw.
    noise : float
        Variance of the label noise, which is drawn here and not averaged over.

    Returns
    -------
    array of shape (n_draws, l)
    """
    kappa = domain.positive("kappa", kappa)
    squares = bidiagonals(rng, n_draws, np.array([n_task]), p, k)
    x, y = (np.sqrt(part[:, 0, :, None]) for part in squares)
    labels = np.sqrt(noise) * rng.standard_normal((n_draws, p, 1))
    right = x * labels
    right[:, 1:] += y * labels[:, :-1]
    right = np.repeat(right, kappa.size, axis=2)
    right[:, 0] -= kappa * np.sqrt(missed)[:, None]
    # solve (W + kappa) error = right with W tridiagonal
    pivots = np.empty_like(right)
    shift = np.broadcast_to(kappa, (n_draws, kappa.size))
    for place in range(p):
        pivots[:, place] = x[:, place] ** 2 + shift
        if place < p - 1:
            shift = kappa + shift * y[:, place] ** 2 / pivots[:, place]
            right[:, place + 1] -= x[:, place] * y[:, place] / pivots[:, place] * right[:, place]
    error = right[:, p - 1] / pivots[:, p - 1]
    total = error**2
    for place in range(p - 2, -1, -1):
        error = (right[:, place] - x[:, place] * y[:, place] * error) / pivots[:, place]
        total += error**2
    return total


def errors(
    rng: np.random.Generator,
    n_draws: int,
    n_task: int,
    kappa: np.ndarray,
    missed: np.ndarray,
    noise: float,
    p: int,
    k: int,
) -> np.ndarray:
    """Draw excess test errors on isotropic inputs with the same law as from raw data.

    Parameters
    ----------
    n_task, kappa, missed, noise
        As for `hidden_errors`.

    Returns
    -------
    array of shape (n_draws, l)
        The law holds at each penalty; penalties share their random numbers.
    """
    hidden = hidden_errors(rng, n_draws, n_task, kappa, missed, noise, p, k)
    ratio = rng.chisquare(k, n_draws) / rng.chisquare(n_task - k + 1, n_draws)
    return hidden + (noise + hidden) * ratio[:, None]
