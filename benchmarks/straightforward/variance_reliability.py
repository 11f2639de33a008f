"""Reliability of the variance: corrcoef, ortho_group rotations, loops over draws.

Surrogates are drawn by scipy's own `ortho_group`, so that nulls agree in distribution only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LinearRegression

from brainworth.erosion import responses, schedule, shared_variance
from brainworth.stats import multiplicities, permutation_p, stream
from straightforward.clock import Clock
from straightforward.contrasts import (
    by_stimulus,
    contrasts_of,
    log_profile,
    odd_ones_out,
    pair_of_three,
    sampling_variance,
    surrogates,
)
from straightforward.reading import matched_rows, read

N_SPLITS = 10
LEVEL = [0.025, 0.975]


@dataclass
class Subject:
    """Profiles of one subject.

    Attributes
    ----------
    halves : list of (array, array)
        Variance profiles of halves of the voxels.
    pairs : list of (array, array)
        Squares of two orthogonal contrasts of each stimulus with three trials.
    null : array of shape (m, 2)
        Both statistics of surrogates.
    """

    name: str
    degrees: np.ndarray
    halves: list[tuple[np.ndarray, np.ndarray]]
    pairs: list[tuple[np.ndarray, np.ndarray]]
    logs: np.ndarray
    adjusted: np.ndarray
    sampling: np.ndarray
    null: np.ndarray


def analyse(extracts: dict[str, Path], region: str, clock: Clock, counts: dict, seed: int) -> dict:
    """Return estimates within and across subjects, their nulls and intervals, of one region."""
    found = [
        subject(path, region, clock, counts, len(extracts), seed)
        for path in list(extracts.values())[: counts["subjects"]]
    ]
    n = found[0].logs.size
    weights = multiplicities(
        stream(seed, "variance reliability", "bootstrap"), counts["bootstrap"], n
    )
    everything = np.arange(n)
    answer: dict = {}
    names = ("voxel_split", "disjoint", "disjoint_cv2")
    answer |= dict(zip(names, within_subjects(found, everything), strict=True))
    answer["null"] = np.mean([one.null for one in found], axis=0)
    share = counts["subjects"], len(extracts)
    drawn = counts["bootstrap"] * share[0], counts["all_bootstrap"] * share[1]
    with clock.part("bootstrap within", *drawn):
        draws, errors = [], []
        for row in weights.astype(int):
            draws.append(within_subjects(found, np.repeat(everything, row)))
            errors.append(cv2_error(found, row))
        for name, bounds in zip(names, np.quantile(draws, LEVEL, axis=0).T, strict=True):
            answer[f"{name}_interval"] = bounds
        # of the squared CV each draw counts in units of its own standard error
        distance = (np.array(draws)[:, 2] - answer["disjoint_cv2"]) / errors
        low, high = np.quantile(distance, LEVEL)
        own = cv2_error(found, np.ones(n))
        answer["disjoint_cv2_interval"] = answer["disjoint_cv2"] - np.array([high, low]) * own
    pairs = np.triu_indices(len(found), 1)
    relabellings = shared_variance.draw(
        seed, [one.name for one in found], [one.degrees for one in found], counts["permutations"]
    )
    for name in ("logs", "adjusted"):
        profiles = np.array([getattr(one, name) for one in found])
        estimate = np.corrcoef(profiles)[pairs].mean()
        with clock.part("relabelled", counts["permutations"], counts["all_permutations"]):
            null = []
            for places in zip(*relabellings, strict=True):
                rows = [own[place] for own, place in zip(profiles, places, strict=True)]
                null.append(np.corrcoef(rows)[pairs].mean())
        with clock.part("bootstrap across", counts["bootstrap"], counts["all_bootstrap"]):
            draws = []
            for row in weights.astype(int):
                draws.append(np.corrcoef(np.repeat(profiles, row, axis=1))[pairs].mean())
        answer[name] = {
            "estimate": estimate,
            "p": permutation_p(estimate, np.array(null)),
            "null_mean": np.mean(null),
            "interval": np.quantile(draws, LEVEL),
        }
    with clock.part("bootstrap across", counts["bootstrap"], counts["all_bootstrap"]):
        draws = [true_variance(found, np.repeat(everything, row)) for row in weights.astype(int)]
    answer["profile_reliability"], answer["shared_fraction"] = true_variance(found, everything)
    draws = [draw for draw in draws if np.isfinite(draw).all()]
    for name, bounds in zip(
        ("profile_reliability", "shared_fraction"), np.quantile(draws, LEVEL, axis=0).T, strict=True
    ):
        answer[f"{name}_interval"] = bounds
    return answer


def subject(
    path: Path, region: str, clock: Clock, counts: dict, n_subjects: int, seed: int
) -> Subject:
    """Measure one subject and its surrogates."""
    share = counts["subjects"], n_subjects
    with clock.part("read", *share):
        data = read(path, region, matched_rows(path))
    with clock.part("statistics", *share):
        n = data.values.shape[1]
        rng = stream(seed, "variance", "halves", data.subject, region)
        chosen = [rng.permutation(n)[: n // 2] for _ in range(N_SPLITS)]
        contrasts, owner = contrasts_of(data.values, data.stimulus)
        degrees = np.bincount(owner)
        whole = by_stimulus(contrasts**2, owner)
        logs = log_profile(whole.mean(axis=1), degrees)
        known = schedule.covariates(
            schedule.read(path, responses.matched_stimuli({data.subject: path}))
        )
        adjusted = logs - LinearRegression().fit(known, logs).predict(known)
    drawn = counts["surrogates"] * share[0], counts["all_surrogates"] * share[1]
    with clock.part("surrogates", *drawn):
        null, null_logs, everything = [], [], np.arange(degrees.size)
        rng = np.random.default_rng(seed)
        for values in surrogates(contrasts, owner, counts["surrogates"], rng):
            profile = by_stimulus(values**2, owner)
            of_halves = halves_of(profile, chosen)
            pooled = contrasts_agree(pairs_of(values, owner), degrees, everything)
            null.append([halves_agree(of_halves, everything), pooled[0]])
            null_logs.append(log_profile(profile.mean(axis=1), degrees))
    return Subject(
        data.subject,
        degrees,
        halves_of(whole, chosen),
        pairs_of(contrasts, owner),
        logs,
        adjusted,
        sampling_variance(np.array(null_logs), degrees),
        np.array(null),
    )


def within_subjects(found: list[Subject], chosen: np.ndarray) -> np.ndarray:
    """Return the agreement of halves, of contrasts, and the squared CV, averaged over subjects."""
    return np.mean(
        [
            [
                halves_agree(one.halves, chosen),
                *contrasts_agree(one.pairs, one.degrees, chosen),
            ]
            for one in found
        ],
        axis=0,
    )


def halves_of(profile: np.ndarray, chosen: list[np.ndarray]) -> list[tuple]:
    """Average the variances of voxels (I, V) over both halves of each split."""
    return [
        (profile[:, half].mean(axis=1), np.delete(profile, half, axis=1).mean(axis=1))
        for half in chosen
    ]


def pairs_of(contrasts: np.ndarray, owner: np.ndarray) -> list[tuple]:
    """Return the mean squares over voxels of both contrasts, for each trial as the odd one out."""
    pair = odd_ones_out(*pair_of_three(contrasts, owner))
    return [((a**2).mean(axis=1), (b**2).mean(axis=1)) for a, b in pair]


def halves_agree(halves: list[tuple], chosen: np.ndarray) -> float:
    """Return the mean correlation of halves of the voxels."""
    return np.mean([np.corrcoef(a[chosen], b[chosen])[0, 1] for a, b in halves])


def contrasts_agree(
    pairs: list[tuple], degrees: np.ndarray, chosen: np.ndarray
) -> tuple[float, float]:
    """Return the correlation of orthogonal contrasts and the squared CV it implies, pooled.

    The squared mean is that over pairs of different stimuli.
    """
    places = np.searchsorted(np.flatnonzero(degrees == 2), chosen[degrees[chosen] == 2])
    different = places[:, None] != places
    covariance = variance = fourth = squared_mean = 0.0
    for a, b in pairs:
        c = np.cov(a[places], b[places], bias=True)
        covariance += c[0, 1]
        variance += (c[0, 0] + c[1, 1]) / 2
        fourth += np.mean(a[places] * b[places])
        squared_mean += np.outer(a[places], b[places])[different].mean()
    return covariance / variance, fourth / squared_mean - 1


def cv2_error(found: list[Subject], weights: np.ndarray) -> float:
    """Return the infinitesimal jackknife's error of the squared CV, averaged over subjects."""
    slopes = np.zeros((len(found), weights.size))
    for row, one in zip(slopes, found, strict=True):
        three = np.flatnonzero(one.degrees == 2)
        w = weights[three]
        n, n_pairs = w.sum(), w.sum() ** 2 - np.sum(w**2)
        fourth = squared_mean = slope_fourth = slope_mean = 0.0
        for a, b in one.pairs:
            product = np.sum(w * a * b) / n
            apart = (np.sum(w * a) * np.sum(w * b) - np.sum(w**2 * a * b)) / n_pairs
            fourth, squared_mean = fourth + product, squared_mean + apart
            slope_fourth = slope_fourth + (a * b - product) / n
            change = np.sum(w * a) * b + np.sum(w * b) * a - 2 * w * a * b
            slope_mean = slope_mean + (change - 2 * apart * (n - w)) / n_pairs
        row[three] = (slope_fourth - fourth / squared_mean * slope_mean) / squared_mean
    return np.sqrt(np.sum(weights * slopes.mean(axis=0) ** 2))


def true_variance(found: list[Subject], chosen: np.ndarray) -> tuple[float, float]:
    """Return the share of profiles that is not sampling, and how much of it subjects share."""
    covariances = np.cov([one.logs[chosen] for one in found], bias=True)
    total = np.diag(covariances).mean()
    sampled = np.mean([one.sampling[chosen].mean() for one in found])
    common = covariances[np.triu_indices(len(found), 1)].mean()
    return 1 - sampled / total, common / (total - sampled) if total > sampled else np.nan
