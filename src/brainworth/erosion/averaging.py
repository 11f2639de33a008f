"""What the average over subjects converges to, and how well it predicts one more subject.

Subjects are f_i = f_shared + delta_i, both nonlinear functions of the stimulus: weights on features
tanh(W s + b) of a Gaussian stimulus s, the weights of delta_i drawn anew for every subject. Three
populations: independent subjects with Gaussian weights; a cohort, whose deltas have a part in
common; and heavy tails, weights with a symmetric stable law, whose mean exists and whose variance
does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.stats import multiplicities, percentile_interval, stream

POPULATIONS = ("independent", "cohort", "heavy-tailed")
_INPUTS = 8
_HIDDEN = 32
_CHANNELS = 20


@dataclass(frozen=True)
class Averages:
    """Mean squares over stimuli and channels, one row a replicate, one column a number of subjects.

    Attributes
    ----------
    n : array of shape (N,)
        Subjects that are averaged.
    error : array of shape (R, N)
        Of the average from f_shared.
    """

    n: np.ndarray
    error: np.ndarray


def features(n_stimuli: int, seed: int) -> np.ndarray:
    """Draw the nonlinear features of simulated stimuli, centred, of mean square 1 / hidden units.

    Returns
    -------
    array of shape (n_stimuli, hidden units)
    """
    rng = stream(seed, "direction erosion", "stimuli")
    stimuli = rng.standard_normal((n_stimuli, _INPUTS))
    hidden = np.tanh(stimuli @ rng.standard_normal((_INPUTS, _HIDDEN)) + rng.normal(size=_HIDDEN))
    hidden -= hidden.mean(axis=0)
    return hidden / np.sqrt(np.sum(hidden**2) / n_stimuli)


def stable(rng: np.random.Generator, alpha: float, shape: tuple[int, ...]) -> np.ndarray:
    """Draw from the symmetric stable law of index alpha (Chambers, Mallows & Stuck 1976).

    For alpha = 2 this is a Gaussian of variance 2. The mean of n draws is distributed as n to the
    power 1/alpha - 1 times one draw.
    """
    angle = rng.uniform(-np.pi / 2, np.pi / 2, shape)
    wait = rng.exponential(size=shape)
    first = np.sin(alpha * angle) / np.cos(angle) ** (1 / alpha)
    return first * (np.cos((1 - alpha) * angle) / wait) ** ((1 - alpha) / alpha)


def averages(
    population: str,
    hidden: np.ndarray,
    sizes: np.ndarray,
    n_replicates: int,
    *,
    cohort_share: float,
    tail_index: float,
    seed: int,
) -> Averages:
    """Average ever more subjects, n_replicates times.

    Parameters
    ----------
    population : {"independent", "cohort", "heavy-tailed"}
    hidden : array of shape (I, H)
        From `features`.
    sizes : array of int
        Numbers of subjects, ascending; those of one replicate are nested.
    cohort_share : float
        Share of the variance of delta that the subjects of a cohort have in common.
    tail_index : float
        Index of the stable law, between 1 and 2.
    """
    gram = hidden.T @ hidden / len(hidden)
    error = np.empty((n_replicates, sizes.size))
    for number, row in enumerate(error):
        rng = stream(seed, "direction erosion", population, number)
        shape = (sizes[-1], _CHANNELS, hidden.shape[1])
        if population == "heavy-tailed":
            weights = stable(rng, tail_index, shape) / np.sqrt(2)
        else:
            weights = rng.standard_normal(shape)
        if population == "cohort":
            weights *= np.sqrt(1 - cohort_share)
            weights += np.sqrt(cohort_share) * rng.standard_normal(shape[1:])
        means = np.cumsum(weights, axis=0)[sizes - 1] / sizes[:, None, None]
        row[:] = np.einsum("nvh,hk,nvk->n", means, gram, means) / _CHANNELS
    return Averages(sizes, error)


def convergence(found: Averages, n_bootstrap: int, level: float, rng: np.random.Generator) -> dict:
    """Fit the rate: the slope of log error on log n, over replicates.

    Returns
    -------
    dict
        ``rms``: median over replicates of the root mean square error, one number a size (a mean
        does not exist for heavy tails); ``slope``: estimate and bootstrap interval.
    """
    root = np.sqrt(found.error)
    weights = multiplicities(rng, n_bootstrap, len(root)).astype(int)
    draws = np.array([_slope(found.n, np.repeat(root, counts, axis=0)) for counts in weights])
    return {
        "n": found.n.tolist(),
        "rms": np.median(root, axis=0),
        "slope": {
            "estimate": _slope(found.n, root),
            "interval": list(percentile_interval(draws, level)),
            "n": len(root),
        },
    }


def _slope(n: np.ndarray, root: np.ndarray) -> float:
    return float(np.polyfit(np.log(n), np.log(np.median(root, axis=0)), 1)[0])


def prediction(
    hidden: np.ndarray,
    sizes: np.ndarray,
    shared_fraction: float,
    n_replicates: int,
    n_bootstrap: int,
    level: float,
    seed: int,
) -> dict:
    """Predict one subject from the average of n others, without noise.

    Parameters
    ----------
    shared_fraction : float
        m, the share of a subject's variance over stimuli that f_shared has.

    Returns
    -------
    dict
        R2 as it comes (``raw``) and with the best common slope (``scaled``), each with its
        bootstrap interval over replicates and its expectation: 1 - (1 - m)(1 + 1/n), and
        m^2 / (m + (1 - m)/n).
    """
    m = shared_fraction
    gram = hidden.T @ hidden / len(hidden)
    sums = np.empty((n_replicates, sizes.size, 3))
    for number, row in enumerate(sums):
        rng = stream(seed, "direction erosion", "prediction", m, number)
        shape = (1 + sizes[-1], _CHANNELS, hidden.shape[1])
        shared = np.sqrt(m) * rng.standard_normal(shape[1:])
        own = np.sqrt(1 - m) * rng.standard_normal(shape)
        target = shared + own[0]
        means = shared + np.cumsum(own[1:], axis=0)[sizes - 1] / sizes[:, None, None]
        row[:, 0] = np.einsum("vh,hk,vk->", target, gram, target)
        row[:, 1] = np.einsum("nvh,hk,vk->n", means, gram, target)
        row[:, 2] = np.einsum("nvh,hk,nvk->n", means, gram, means)
    rng = stream(seed, "direction erosion", "prediction bootstrap")
    weights = multiplicities(rng, n_bootstrap, n_replicates)
    estimate = _explained(sums.sum(axis=0))
    draws = _explained(np.einsum("br,rnk->bnk", weights, sums))
    expected = {
        "raw": 1 - (1 - m) * (1 + 1 / sizes),
        "scaled": m**2 / (m + (1 - m) / sizes),
    }
    return {
        "shared_fraction": m,
        "n": sizes.tolist(),
        "limit": {"raw": m, "scaled": m},
        **{
            name: {
                "r2": estimate[name],
                "interval": [list(percentile_interval(column, level)) for column in draws[name].T],
                "expected": expected[name],
            }
            for name in expected
        },
    }


def _explained(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Turn sums of target^2, target x mean and mean^2 into R2, shape (..., N)."""
    target, product, mean = np.moveaxis(sums, -1, 0)
    return {
        "raw": 1 - (target - 2 * product + mean) / target,
        "scaled": product**2 / (target * mean),
    }
