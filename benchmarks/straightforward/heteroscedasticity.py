"""Heteroscedasticity: variances, ortho_group rotations, permuted residuals, a loop over surrogates.

Surrogates are drawn by scipy's own `ortho_group`, so that nulls agree in distribution only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import ortho_group

from brainworth.stats import multiplicities, stream
from straightforward.clock import Clock
from straightforward.reading import Trials, matched_rows, mean_patterns, read

BLOCK = 64


def analyse(extracts: dict[str, Path], region: str, clock: Clock, counts: dict, seed: int) -> dict:
    """Return statistics and nulls of one region, averaged over subjects."""
    rows = []
    for path in list(extracts.values())[: counts["subjects"]]:
        with clock.part("read", counts["subjects"], len(extracts)):
            data = read(path, region, matched_rows(path))
        rows.append(subject(data, clock, counts, len(extracts), seed))
    return {
        name: {
            "cv": np.mean([row[name][0] for row in rows]),
            "ratio": np.mean([row[name][1] for row in rows]),
        }
        for name in ("observed", "rotation", "exchange", "exchange_within_session")
    } | {
        "true_cv2": np.mean([row["true_cv2"] for row in rows]),
        "subjects": [
            {"true_cv2": row["true_cv2"], "interval": row["cv2_interval"]} for row in rows
        ],
    }


def spread(profile: np.ndarray) -> tuple[float, float]:
    """Return CV and Q75/Q25."""
    low, high = np.percentile(profile, [25, 75])
    return profile.std() / profile.mean(), high / low


def subject(data: Trials, clock: Clock, counts: dict, n_subjects: int, seed: int) -> dict:
    """Analyse one subject."""
    groups = [np.flatnonzero(data.stimulus == i) for i in range(data.stimulus.max() + 1)]
    done, of = counts["surrogates"] * counts["subjects"], counts["all_surrogates"] * n_subjects
    rng = np.random.default_rng(seed)

    def profile_of(values: np.ndarray) -> np.ndarray:
        return np.array([values[group].var(axis=0, ddof=1).mean() for group in groups])

    with clock.part("statistics", counts["subjects"], n_subjects):
        profile = profile_of(data.values)
        contrasts, owner = helmert(data.values, groups)
        answer = {"observed": spread(profile)}
        estimate, error = true_cv2(profile, contrasts, owner, groups)
        answer["true_cv2"] = estimate(np.arange(len(groups)))
    drawn = counts["bootstrap"] * counts["subjects"], counts["all_bootstrap"] * n_subjects
    with clock.part("bootstrap", *drawn):
        weights = multiplicities(
            stream(seed, "variance", "bootstrap"), counts["bootstrap"], len(groups)
        )
        samples = [np.repeat(np.arange(len(groups)), row) for row in weights.astype(int)]
        draws, errors = np.array([(estimate(each), error(each)) for each in samples]).T
        everything = np.arange(len(groups))
        low, high = np.quantile((draws - answer["true_cv2"]) / errors, [0.025, 0.975])
        answer["cv2_interval"] = answer["true_cv2"] - np.array([high, low]) * error(everything)
    with clock.part("rotation", done, of):
        null = []
        for _ in range(counts["surrogates"]):
            order = rng.permutation(len(contrasts))
            squares = np.empty(len(contrasts))
            for block in np.array_split(order, -(-len(order) // BLOCK)):
                rotation = ortho_group.rvs(len(block), random_state=rng)
                squares[block] = np.mean((rotation @ contrasts[block]) ** 2, axis=1)
            sums = np.bincount(owner, squares)
            null.append(spread(sums / np.bincount(owner)))
        answer["rotation"] = np.mean(null, axis=0)
    residuals = data.values - mean_patterns(data.values, data.stimulus)[data.stimulus]
    n = np.bincount(data.stimulus)[data.stimulus]
    residuals *= np.sqrt(n / (n - 1))[:, None]
    for name, within in (("exchange", False), ("exchange_within_session", True)):
        with clock.part(name, done, of):
            null = []
            for _ in range(counts["surrogates"]):
                order = np.arange(len(residuals))
                for session in np.unique(data.session) if within else [None]:
                    here = np.flatnonzero(data.session == session) if within else order.copy()
                    order[here] = rng.permutation(here)
                null.append(spread(profile_of(residuals[order])))
            answer[name] = np.mean(null, axis=0)
    return answer


def helmert(values: np.ndarray, groups: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return orthonormal contrasts between the trials of each stimulus, and their stimulus."""
    rows, owner = [], []
    for i, group in enumerate(groups):
        for k in range(1, len(group)):
            earlier = values[group[:k]].mean(axis=0)
            rows.append(np.sqrt(k / (k + 1)) * (values[group[k]] - earlier))
            owner.append(i)
    return np.array(rows), np.array(owner)


def true_cv2(
    profile: np.ndarray, contrasts: np.ndarray, owner: np.ndarray, groups: list[np.ndarray]
) -> tuple[Callable[[np.ndarray], float], Callable[[np.ndarray], float]]:
    """Return what estimates the squared CV of the true variance of chosen stimuli, and its error.

    The error is that of the infinitesimal jackknife: 1 + the squared CV is a ratio of means.
    """
    gram = contrasts @ contrasts.T
    other = owner[:, None] != owner
    lengths = np.outer(np.diag(gram), np.diag(gram))
    concentration = np.sum(gram[other] ** 2) / np.sum(lengths[other])
    degrees = np.array([len(group) - 1 for group in groups])

    def estimate(chosen: np.ndarray) -> float:
        fourth = np.mean(profile[chosen] ** 2 / (1 + 2 * concentration / degrees[chosen]))
        apart = chosen[:, None] != chosen
        return fourth / np.mean(np.outer(profile[chosen], profile[chosen])[apart]) - 1

    def error(chosen: np.ndarray) -> float:
        fourth = profile[chosen] ** 2 / (1 + 2 * concentration / degrees[chosen])
        change = fourth / fourth.mean() - 2 * profile[chosen] / profile[chosen].mean() + 1
        return (1 + estimate(chosen)) * np.sqrt(np.sum(change**2)) / len(chosen)

    return estimate, error
