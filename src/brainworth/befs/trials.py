"""Replicates of simulated trials: averages over draws, the best penalty, bootstrap intervals.

A replicate has a stream of random numbers of its own for each stage. Its risk is the average over
all pairs of its stage-1 and stage-2 draws, which is the product of their averages, since the risk
is linear in what each stage contributes; all settings share the draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from brainworth.befs import sample_stage1, sample_stage2, stage2
from brainworth.befs.model import Brain
from brainworth.befs.overlap import Overlap
from brainworth.befs.stage2 import Spectrum
from brainworth.stats import multiplicities, stream


def subspaces(
    brain: Brain, n_brain: np.ndarray, replicate: int, n_trials: int, seed: int
) -> Overlap:
    """Draw the subspaces of one replicate; arrays of shape (n_trials, m).

    Brains of the same sizes get the same random numbers.
    """
    rng = stream(seed, "befs", "stage1", replicate)
    return sample_stage1.draw(brain, n_brain, n_trials, rng)


def spectra(
    n_task: np.ndarray, kappa: np.ndarray, p: int, k: int, replicate: int, n_trials: int, seed: int
) -> Spectrum:
    """Draw the spectra of one replicate and average them; arrays of shape (m, l)."""
    rng = stream(seed, "befs", "stage2", replicate)
    return sample_stage2.spectra(rng, n_trials, n_task, kappa, p, k).mean(0)


def risks(
    missed: np.ndarray, noise: np.ndarray, n_task: np.ndarray, kappa: np.ndarray, k: int, spectrum
) -> np.ndarray:
    """Return excess test errors over (settings, task samples, penalties).

    Parameters
    ----------
    missed, noise : arrays of shape (...)
        Settings.
    n_task : array of shape (m,)
    kappa : array of shape (l,)
    spectrum : Spectrum
        Of arrays of shape (m, l).

    Returns
    -------
    array of shape (..., m, l)
    """
    missed, noise = (np.asarray(each)[..., None, None] for each in (missed, noise))
    hidden = stage2.hidden_risk(kappa, missed, noise, spectrum)
    return stage2.excess(hidden, noise, n_task[:, None], k)


def lowest(risk: np.ndarray, kappa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest risk over a log-spaced grid of penalties, and where it is.

    Parameters
    ----------
    risk : array of shape (..., l)
    kappa : array of shape (l,)

    Returns
    -------
    minimum, place : arrays of shape (...)
        Of the parabola in log kappa through the lowest point and its neighbours.
    """
    best = np.clip(np.argmin(risk, axis=-1), 1, kappa.size - 2)[..., None]
    left, middle, right = (
        np.take_along_axis(risk, best + side, axis=-1)[..., 0] for side in (-1, 0, 1)
    )
    curvature, tilt = left - 2 * middle + right, (left - right) / 2
    offset = np.divide(tilt, curvature, out=np.zeros_like(tilt), where=curvature > 0)
    offset = np.clip(offset, -1, 1)
    step = np.log(kappa[1] / kappa[0])
    minimum = middle - tilt * offset + curvature * offset**2 / 2
    return minimum, kappa[best[..., 0]] * np.exp(step * offset)


def summary(
    values: np.ndarray, n_bootstrap: int, level: float, seed: int, *names
) -> dict[str, Any]:
    """Return the mean over replicates and its percentile bootstrap interval.

    Parameters
    ----------
    values : array of shape (r, ...)
        One estimate a replicate.
    n_bootstrap : int
    level : float
        Nominal coverage.
    seed : int
    *names
        What the values are; they name the stream of the bootstrap.

    Returns
    -------
    dict
        ``mean``, ``low``, ``high``: arrays of shape (...); ``n``, the replicates.
    """
    counts = multiplicities(stream(seed, "befs", "bootstrap", *names), n_bootstrap, len(values))
    flat = values.reshape(len(values), -1)
    tail = (1 - level) / 2
    low, high = np.empty((2, flat.shape[1]))
    # in blocks of settings, to keep the draws small
    for start in range(0, flat.shape[1], 500):
        part = slice(start, start + 500)
        draws = np.sort(counts @ flat[:, part] / len(values), axis=0)
        low[part], high[part] = _quantiles(draws, tail), _quantiles(draws, 1 - tail)
    shape = values.shape[1:]
    return {
        "mean": values.mean(axis=0),
        "low": low.reshape(shape),
        "high": high.reshape(shape),
        "n": len(values),
    }


def _quantiles(ordered: np.ndarray, share: float) -> np.ndarray:
    """Return a quantile of each column of sorted draws, by linear interpolation."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
