"""From scores of all subjects and sizes to laws, gains and exchange rates, with intervals.

Intervals of means over subjects are of Student's t with the error of `scaling_law.over_subjects`.
What is no mean (ceilings, exchange rates) has a percentile interval over draws in which subjects
and test images are drawn anew together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brainworth.bridges.decoding import scaling_law as law
from brainworth.stats import multiplicities, percentile_interval


def joint_draws(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return means over subjects drawn anew, each with its own resample of test images.

    Parameters
    ----------
    values : array of shape (S, ..., 1 + B)
        The first of the last axis is of the data as they are.

    Returns
    -------
    array of shape (B, ...)
    """
    n, n_draws = len(values), values.shape[-1] - 1
    share = multiplicities(rng, n_draws, n) / n
    return np.einsum("bs,s...b->b...", share, values[..., 1:])


def mean_of(values: np.ndarray, interval: float) -> dict[str, Any]:
    """Describe a statistic of each subject, (S, 1 + B), by its mean over subjects."""
    found = law.over_subjects(values[:, 0], values[:, 1:])
    return {
        "estimate": found.estimate,
        "interval": list(found.interval(interval)),
        "p": found.p(),
        "n_subjects": len(values),
    }


def laws(
    sizes: Sequence[int], r: np.ndarray, interval: float, n_draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Fit both laws to the scores of all subjects, and test for a plateau.

    Parameters
    ----------
    r : array of shape (S, K, 1 + B)
        Scores; see `joint_draws`.

    Returns
    -------
    dict
        ``points`` (mean over subjects, one a size), ``slope``, ``last_doubling``, ``bend``,
        ``saturating`` (of the mean over subjects, at the largest `scaling_law.FEWEST_SIZES`
        sizes), ``comparison`` (at all sizes), ``subjects``: slope, bend and ceiling of each, with
        intervals over test images.
    """
    n = np.asarray(sizes, dtype=float)
    each = np.moveaxis(r, 1, 2)  # (S, 1 + B, K)
    statistics = {
        "slope": lambda rows: law.log_linear(n, rows).slope,
        "last_doubling": law.last_doubling,
        "bend": law.bend,
    }
    answer: dict[str, Any] = {
        "points": [
            {"n_trials": int(size)} | mean_of(r[:, place], interval)
            for place, size in enumerate(sizes)
        ]
    }
    for name, of in statistics.items():
        answer[name] = mean_of(np.stack([of(rows) for rows in each]), interval)
    mean = r[:, :, 0].mean(axis=0)
    answer["at_largest"] = float(law.log_linear(n, mean[None]).at_largest[0])
    draws = joint_draws(r, rng)
    answer["saturating"] = _saturating(n, mean, draws, interval)
    covariance = law.covariance_of_mean(r[:, :, 0], each[:, 1:])
    degrees = len(r) - 1 if len(r) > 1 else r.shape[2] - 2
    found = law.compare(n, mean, covariance, degrees, n_draws, rng)
    answer["comparison"] = vars(found) | {"n_draws": n_draws}
    answer["subjects"] = [
        {
            "slope": _alone(law.log_linear(n, rows).slope, interval),
            "at_largest": float(law.log_linear(n, rows[:1]).at_largest[0]),
            "bend": _alone(law.bend(rows), interval),
            "saturating": _saturating(n, rows[0], rows[1:], interval),
        }
        for rows in each
    ]
    return answer


def doublings(
    sizes: Sequence[int], by_subjects: dict[int, np.ndarray], interval: float
) -> dict[str, Any]:
    """Hold a second subject's trials against as many more of one's own.

    Parameters
    ----------
    by_subjects : dict from number of subjects to array of shape (S, K, 1 + B)
        Scores of the decoder that learns from so many; 1 and 2 are needed.

    Returns
    -------
    dict
        ``sizes``: at each size but the last what twice the trials and twice the subjects bring,
        and the difference; ``trials``, ``subjects``, ``difference``: means over these sizes.
    """
    one, two = by_subjects[1], by_subjects[2]
    trials, subjects = one[:, 1:] - one[:, :-1], two[:, :-1] - one[:, :-1]
    gains = {"trials": trials, "subjects": subjects, "difference": trials - subjects}
    return {
        "sizes": [
            {"n_trials": int(size)}
            | {name: mean_of(gain[:, place], interval) for name, gain in gains.items()}
            for place, size in enumerate(sizes[:-1])
        ]
    } | {name: mean_of(gain.mean(axis=1), interval) for name, gain in gains.items()}


def worth(
    sizes: Sequence[int],
    by_subjects: dict[int, np.ndarray],
    interval: float,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Return how many of one's own trials one trial of another subject is worth.

    A decoder of n trials of each of S subjects does as well as one of m trials of one's own, where
    the curve of one's own, straight between sizes over log n, comes to its score; the worth is
    (m - n) / ((S - 1) n). Beyond its ends the curve goes on as in its first and last doubling; an
    m more than twice beyond is not claimed, and the estimate is None.

    Returns
    -------
    list of dict
        ``n_trials``, ``n_subjects``, ``estimate``, ``interval``, ``beyond`` (below, above or None).
    """
    n = np.log2(np.asarray(sizes, dtype=float))
    many = sorted(set(by_subjects) - {1})
    draws = joint_draws(np.stack([by_subjects[count] for count in (1, *many)], axis=1), rng)
    means = np.stack([by_subjects[count][..., 0].mean(axis=0) for count in (1, *many)])
    answer = []
    for number, count in enumerate(many, start=1):
        for place, size in enumerate(sizes):

            def trials(curves: np.ndarray, number: int = number, place: int = place) -> np.ndarray:
                own, score = curves[:, 0], curves[:, number, place]
                return np.array([_reached(n, a, b) for a, b in zip(own, score, strict=True)])

            found, drawn = trials(means[None])[0], trials(draws)
            low, high = percentile_interval(
                (2.0 ** (np.clip(drawn, n[0] - 1, n[-1] + 1) - n[place]) - 1) / (count - 1),
                interval,
            )
            beyond = "below" if found < n[0] - 1 else "above" if found > n[-1] + 1 else None
            answer.append(
                {
                    "n_trials": int(size),
                    "n_subjects": count,
                    "estimate": None
                    if beyond
                    else float((2.0 ** (found - n[place]) - 1) / (count - 1)),
                    "interval": [low, high],
                    "beyond": beyond,
                }
            )
    return answer


def _reached(n: np.ndarray, curve: np.ndarray, score: float) -> float:
    """Return log2 of the trials at which a curve first comes to a score."""
    if score < curve[0]:
        return _beyond(n[0], curve[0], curve[1] - curve[0], score)
    above = np.flatnonzero(curve >= score)
    if not above.size:
        return _beyond(n[-1], curve[-1], curve[-1] - curve[-2], score)
    k = int(above[0])
    if k == 0:
        return float(n[0])
    return float(n[k - 1] + (score - curve[k - 1]) / (curve[k] - curve[k - 1]))


def _beyond(end: float, value: float, slope: float, score: float) -> float:
    if slope <= 0:
        return float(np.sign(score - value) * np.inf)
    return float(end + (score - value) / slope)


def _alone(values: np.ndarray, interval: float) -> dict[str, Any]:
    """Describe a statistic of one subject, (1 + B,), over resampled test images."""
    return {
        "estimate": float(values[0]),
        "interval": list(percentile_interval(values[1:], interval)),
    }


def _saturating(
    n: np.ndarray, scores: np.ndarray, draws: np.ndarray, interval: float
) -> dict[str, Any]:
    """Fit the saturating law to the largest sizes: it is one of many trials."""
    last = slice(-law.FEWEST_SIZES, None)
    found = law.saturating(n[last], scores[None, last])
    drawn = law.saturating(n[last], draws[:, last])
    return {
        "ceiling": {
            "estimate": float(found.ceiling[0]),
            "interval": list(percentile_interval(drawn.ceiling, interval)),
        },
        "half": {
            "estimate": float(found.half[0]),
            "interval": list(percentile_interval(drawn.half, interval)),
        },
    }
