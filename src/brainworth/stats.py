"""Random streams, p-values and intervals.

Every unit of work draws from a stream named after it (`stream`), so that results depend neither
on the number of cores nor on the order of the work.
"""

from __future__ import annotations

import hashlib

import numpy as np
from scipy import special
from scipy import stats as scipy_stats


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the random generator of a named unit of work.

    Parameters
    ----------
    seed : int
        Root seed of the study.
    *names : str or int
        What the stream is for, e.g. ``("rsa", "permutation", "subj01")``.
    """
    name = "\x1f".join(str(part) for part in names)
    words = np.frombuffer(hashlib.sha256(name.encode()).digest(), dtype=np.uint32)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words.tolist()])))


def permutation_p(observed: float, null: np.ndarray, *, alternative: str = "greater") -> float:
    """Return the permutation p-value (b + 1) / (m + 1).

    Parameters
    ----------
    observed : float
        The statistic on the data as they are.
    null : array of shape (m,)
        The same statistic, by the same code, on permuted data.
    alternative : {"greater", "less", "two-sided"}
        Two-sided doubles the smaller tail and stops at 1.

    Notes
    -----
    The p-value is never 0 (Phipson & Smyth 2010). Values that differ from the observed one by
    rounding only (1e-12 of the larger) count as ties.

    Raises
    ------
    ValueError
        If a statistic is NaN or infinite: it would compare as smaller than none, and be
        significant.
    """
    null = np.asarray(null, dtype=float)
    if not (np.isfinite(observed) and np.isfinite(null).all()):
        raise ValueError("a p-value needs finite statistics; the observed or a permuted one is not")
    slack = 1e-12 * max(abs(observed), float(np.abs(null).max(initial=0.0)))
    greater = float((np.count_nonzero(null >= observed - slack) + 1) / (null.size + 1))
    less = float((np.count_nonzero(null <= observed + slack) + 1) / (null.size + 1))
    if alternative == "greater":
        return greater
    if alternative == "less":
        return less
    if alternative == "two-sided":
        return min(1.0, 2 * min(greater, less))
    raise ValueError(f"alternative must be greater, less or two-sided, not {alternative!r}")


def max_statistic_p(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Return family-wise p-values from the largest statistic of each permutation.

    Parameters
    ----------
    observed : array of shape (k,)
        One statistic a member of the family.
    null : array of shape (m, k)
        Permutation j of all members drawn together (Westfall & Young 1993).

    Returns
    -------
    array of shape (k,)
    """
    largest = np.max(null, axis=1)
    return np.array([permutation_p(value, largest) for value in observed])


def percentile_interval(draws: np.ndarray, level: float) -> tuple[float, float]:
    """Return the central percentile interval of bootstrap draws of shape (m,)."""
    tail = (1 - level) / 2
    low, high = np.quantile(draws, (tail, 1 - tail))
    return float(low), float(high)


def bca_interval(
    estimate: float, draws: np.ndarray, jackknife: np.ndarray, level: float
) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval (Efron 1987).

    Parameters
    ----------
    estimate : float
        The statistic on the data as they are.
    draws : array of shape (m,)
        Bootstrap draws of it.
    jackknife : array of shape (n,)
        The statistic with each unit left out.
    level : float
        Nominal coverage.

    Notes
    -----
    The share of draws below the estimate is kept off 0 and 1 by half a draw, so that the interval
    stays finite when the estimate lies outside all draws.
    """
    m = draws.size
    below = np.count_nonzero(draws < estimate) + 0.5 * np.count_nonzero(draws == estimate)
    bias = special.ndtri(np.clip(below / m, 0.5 / m, 1 - 0.5 / m))
    distance = jackknife.mean() - jackknife
    spread = np.sum(distance**2) ** 1.5
    acceleration = np.sum(distance**3) / (6 * spread) if spread > 0 else 0.0
    z = bias + special.ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(draws, special.ndtr(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def studentized_interval(
    estimate: float, error: float, draws: np.ndarray, errors: np.ndarray, level: float
) -> tuple[float, float]:
    """Return the bootstrap-t interval (Efron 1982; DiCiccio & Efron 1996, Stat. Sci. 11, 189-228).

    Where an estimate and its standard error grow together, as those of a variance do, percentiles
    of draws end too early on the side of large values.

    Parameters
    ----------
    estimate, error : float
        The statistic on the data as they are, and its standard error.
    draws, errors : array of shape (m,)
        The same of bootstrap samples; samples without a spread are left out. A factor that all
        errors have in common does not matter.
    level : float
        Nominal coverage.

    Raises
    ------
    ValueError
        If no sample has a spread.
    """
    spread = errors > 0
    if not spread.any():
        raise ValueError("no bootstrap sample has a standard error above 0")
    distance = (draws[spread] - estimate) / errors[spread]
    low, high = percentile_interval(distance, level)
    return float(estimate - high * error), float(estimate - low * error)


def binomial_interval(successes: int, n: int, level: float) -> tuple[float, float]:
    """Return the exact (Clopper-Pearson) interval of a proportion."""
    answer = scipy_stats.binomtest(successes, n).proportion_ci(level, method="exact")
    return float(answer.low), float(answer.high)


def multiplicities(rng: np.random.Generator, n_draws: int, n: int) -> np.ndarray:
    """Draw bootstrap samples of n units as counts.

    Returns
    -------
    array of shape (n_draws, n), float64
        How often each unit is in each sample; rows sum to n.
    """
    chosen = rng.integers(0, n, size=(n_draws, n))
    rows = np.arange(n_draws)[:, None] * n
    counts = np.bincount((chosen + rows).ravel(), minlength=n_draws * n)
    return counts.reshape(n_draws, n).astype(float)
