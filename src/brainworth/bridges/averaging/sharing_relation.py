"""Whether those who share less lose more by averaging.

Costs of subjects are held to the fractions of their stimulus-driven variance that they share with
the others, measured by the erosion test `alignment` or planted. Subjects are the units: a null
relabels them, intervals resample them.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from brainworth.stats import multiplicities, percentile_interval, permutation_p, stream

FEWEST_SUBJECTS = 4
TOO_FEW = f"a relation over subjects needs at least {FEWEST_SUBJECTS} of them"


def relation(
    fraction: np.ndarray,
    cost: np.ndarray,
    *,
    n_permutations: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
) -> dict:
    """Relate costs to shared fractions over subjects, and over subjects and regions.

    Parameters
    ----------
    fraction, cost : arrays of shape (S, R)
        NaN where one is not known.
    n_permutations : int
        Relabellings of subjects; all S! where there are fewer.
    n_bootstrap : int
        Samples of subjects.

    Returns
    -------
    dict
        ``n_subjects``, ``subjects_used`` (indices), ``n_pairs``, ``n_labellings``, ``exhaustive``;
        ``subjects`` and ``pairs``: ``correlation`` and ``slope`` (of cost on fraction), each with
        ``estimate``, ``interval``, ``p`` (one-sided: less shared, greater cost) and
        ``n_undefined`` (relabellings without a statistic, which count as extreme in ``p``), of the
        means over regions, and of all pairs of subject and region. None with a ``reason`` where
        there are too few subjects, or a fraction or a cost does not vary.
    """
    known = np.isfinite(fraction) & np.isfinite(cost)
    used = np.flatnonzero(known.any(axis=1))
    answer = {
        "n_subjects": int(used.size),
        "subjects_used": used.tolist(),
        "n_pairs": int(known.sum()),
        "n_labellings": 0,
        "exhaustive": False,
        "subjects": None,
        "pairs": None,
        "reason": None,
    }
    if used.size < FEWEST_SUBJECTS:
        return answer | {"reason": TOO_FEW}
    x, y, there = fraction[used], cost[used], known[used]
    orders, exhaustive = labellings(used.size, n_permutations, seed)
    answer |= {"n_labellings": len(orders), "exhaustive": exhaustive}
    weights = multiplicities(
        stream(seed, "averaging", "relation", "bootstrap"), n_bootstrap, used.size
    )
    means = [np.where(there, each, 0).sum(axis=1) / there.sum(axis=1) for each in (x, y)]
    for name, (a, b, mask) in {
        "subjects": (means[0][:, None], means[1][:, None], np.ones((used.size, 1), dtype=bool)),
        "pairs": (x, y, there),
    }.items():
        found = _found(a, b, mask, orders, weights, interval)
        if found is None:
            return answer | {"reason": "the shared fraction or the cost is the same everywhere"}
        answer[name] = found
    return answer


def labellings(n: int, most: int, seed: int) -> tuple[np.ndarray, bool]:
    """Return relabellings (m, n) of n subjects: all but the identity, or so many at random."""
    if math.factorial(n) - 1 <= most:
        return np.array(list(itertools.permutations(range(n)))[1:]), True
    rng = stream(seed, "averaging", "relation", "labels")
    return rng.permuted(np.tile(np.arange(n), (most, 1)), axis=1), False


def _found(
    x: np.ndarray,
    y: np.ndarray,
    known: np.ndarray,
    orders: np.ndarray,
    weights: np.ndarray,
    interval: float,
) -> dict | None:
    sums = _sums(x, y, known)
    everyone = np.arange(len(x))
    observed = _statistics(sums[:, everyone, everyone].sum(axis=1)[:, None])
    if not all(np.isfinite(values[0]) for values in observed.values()):
        return None
    relabelled = _statistics(sums[:, orders, everyone].sum(axis=2))
    sampled = _statistics(sums[:, everyone, everyone] @ weights.T)
    answer = {}
    for name, (estimate,) in observed.items():
        null = relabelled[name]
        undefined = ~np.isfinite(null)
        draws = sampled[name][np.isfinite(sampled[name])]
        answer[name] = {
            "estimate": float(estimate),
            "interval": list(percentile_interval(draws, interval)),
            "n_resamples": int(draws.size),
            # a relabelling without a statistic counts as one that is as extreme
            "p": permutation_p(
                float(estimate), np.where(undefined, estimate, null), alternative="less"
            ),
            "n_undefined": int(undefined.sum()),
            "null_mean": float(null[~undefined].mean()) if not undefined.all() else None,
        }
    return answer


def _sums(x: np.ndarray, y: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return n, x, y, xx, yy, xy summed over regions, x of one subject and y of another, (6, S, S).

    A region counts where both subjects have it.
    """
    has = known.astype(float)
    x, y = np.where(known, x, 0), np.where(known, y, 0)
    return np.stack([has @ has.T, x @ has.T, has @ y.T, x**2 @ has.T, has @ (y**2).T, x @ y.T])


def _statistics(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return correlation and slope from sums (6, m), (m,) each; NaN without a spread."""
    n, sx, sy, sxx, syy, sxy = sums
    n = np.maximum(n, 1)
    of_x, of_y, cross = sxx - sx**2 / n, syy - sy**2 / n, sxy - sx * sy / n
    # a sample of one subject only has no spread, but for rounding
    moving = (of_x > 1e-12 * sxx) & (of_y > 1e-12 * syy)
    safe_x, safe_y = np.where(moving, of_x, 1), np.where(moving, of_y, 1)
    return {
        "correlation": np.where(moving, cross / np.sqrt(safe_x * safe_y), np.nan),
        "slope": np.where(moving, cross / safe_x, np.nan),
    }
