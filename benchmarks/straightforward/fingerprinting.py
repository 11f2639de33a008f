"""Fingerprinting: pdist, rankdata, corrcoef, and loops over labellings and bootstrap samples."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

from brainworth.erosion import fingerprinting
from brainworth.stats import stream
from straightforward.clock import Clock
from straightforward.reading import Trials, matched_rows, mean_patterns, read


def analyse(extracts: dict[str, Path], region: str, clock: Clock, counts: dict, seed: int) -> dict:
    """Return accuracy, identifiability, null and curve of one region."""
    with clock.part("patterns"):
        found = [read(path, region, matched_rows(path)) for path in extracts.values()]
        used = in_both_halves(found)
        halves = [[half_patterns(item, used, half) for item in found] for half in (1, 0)]
    answer = {}
    with clock.part("rdms"):
        rdms = [np.stack([rankdata(pdist(p, "correlation")) for p in half]) for half in halves]
    profiles = [np.stack([p.mean(axis=1) for p in half]) for half in halves]
    for name, sides in (("rdm", rdms), ("profile", profiles)):
        answer[name] = feature(name, sides, region, len(used), clock, counts, seed)
    return answer


def in_both_halves(found: list[Trials]) -> np.ndarray:
    """Return the stimuli that everybody saw in odd and in even sessions."""
    sets = [set(item.stimulus[item.session % 2 == half]) for item in found for half in (0, 1)]
    return np.array(sorted(set.intersection(*sets)))


def half_patterns(item: Trials, used: np.ndarray, half: int) -> np.ndarray:
    """Average each stimulus over the odd (1) or even (0) sessions."""
    trials = (item.session % 2 == half) & np.isin(item.stimulus, used)
    stimulus = np.unique(item.stimulus[trials], return_inverse=True)[1]
    return mean_patterns(item.values[trials], stimulus)


def cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlate the rows of one side with those of the other."""
    return np.corrcoef(first, second)[: len(first), len(first) :]


def accuracy(similarity: np.ndarray) -> float:
    """Return the share of rows whose own column is the largest."""
    return float(np.mean(similarity.argmax(axis=1) == np.arange(len(similarity))))


def identifiability(similarity: np.ndarray) -> float:
    """Return similarity to oneself minus similarity to others."""
    off = ~np.eye(len(similarity), dtype=bool)
    return float(np.diag(similarity).mean() - similarity[off].mean())


def feature(
    name: str, sides: list, region: str, n: int, clock: Clock, counts: dict, seed: int
) -> dict:
    """Analyse one feature, measured twice."""
    similarity = cross(*sides)
    observed = identifiability(similarity)
    s = len(similarity)
    with clock.part(f"{name} labellings", counts["labellings"], counts["all_labellings"]):
        null = [
            identifiability(similarity[:, order])
            for order in itertools.islice(itertools.permutations(range(s)), counts["labellings"])
        ]
    squares = [[squareform(row) for row in side] for side in sides] if name == "rdm" else None

    def of(chosen: np.ndarray, side: int) -> np.ndarray:
        if squares is None:
            return sides[side][:, chosen]
        apart = np.triu(chosen[:, None] != chosen, 1)
        return np.stack([one[np.ix_(chosen, chosen)][apart] for one in squares[side]])

    weights = fingerprinting.resample_weights(seed, counts["bootstrap"], n).astype(int)
    with clock.part(f"{name} bootstrap", counts["bootstrap"], counts["all_bootstrap"]):
        draws = []
        for row in weights:
            chosen = np.repeat(np.arange(n), row)
            draws.append(identifiability(cross(of(chosen, 0), of(chosen, 1))))
    rng = stream(seed, "fingerprinting", "subsets", region, name)
    curve = []
    for size in [5 * 2**k for k in range(20) if 5 * 2**k < n]:
        with clock.part(f"{name} curve", counts["subsamples"], counts["all_subsamples"]):
            scores = []
            for _ in range(counts["subsamples"]):
                chosen = np.sort(rng.choice(n, size, replace=False))
                scores.append(accuracy(cross(of(chosen, 0), of(chosen, 1))))
        curve.append(np.mean(scores))
    return {
        "accuracy": accuracy(similarity),
        "identifiability": observed,
        "p": float(np.mean(np.array(null) >= observed - 1e-12)),
        "interval": np.quantile(draws, [0.025, 0.975]),
        "curve": curve,
    }
