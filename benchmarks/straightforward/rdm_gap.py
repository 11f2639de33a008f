"""Gap of RDMs: pdist, ranks, correlations, and loops over relabellings, samples and labellings.

The null relabels ranks, taken once: relabelling does not change them.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata, zscore

from brainworth import stats
from brainworth.erosion import relabel, resample
from straightforward import intervals
from straightforward.clock import Clock
from straightforward.reading import matched_rows, mean_patterns, read


def analyse(extracts: dict[str, Path], region: str, clock: Clock, counts: dict, seed: int) -> dict:
    """Return both sides of the gap, their null, intervals and labellings of one region."""
    full, parts = [], []
    for path in extracts.values():
        with clock.part("rdms"):
            data = read(path, region, matched_rows(path))
            full.append(pdist(mean_patterns(data.values, data.stimulus), "correlation"))
            once = [data.repetition == number for number in (0, 1)]
            means = [mean_patterns(data.values[kept], data.stimulus[kept]) for kept in once]
            parts.append([pdist(mean, "correlation") for mean in means])
    s = len(full)
    with clock.part("ranks"):
        ranks = np.array([rankdata(row) for row in full])
        pooled = [rankdata(np.delete(ranks, i, axis=0).mean(axis=0)) for i in range(s)]
        of_parts = [rankdata(each[number]) for number in (0, 1) for each in parts]
        squares = np.array([squareform(row) for row in [*ranks, *pooled, *of_parts]])
    n = squares.shape[1]
    labels = relabel.draw(seed, list(extracts), counts["permutations"], n)
    upper = np.triu_indices(n, 1)
    with clock.part("permutations", counts["permutations"], counts["all_permutations"]):
        null = []
        for orders in labels.swapaxes(0, 1):
            rows = [
                square[order[upper[0]], order[upper[1]]]
                for square, order in zip(squares[:s], orders, strict=True)
            ]
            null.append(with_others(np.array(rows)))
    answer = {
        "p": stats.permutation_p(with_others(ranks), np.array(null)),
        "null_mean": np.mean(null),
    }
    everything = np.arange(n)
    whole = statistics(squares, s, everything)
    weights = resample.draw(seed, counts["bootstrap"], n).astype(int)
    with clock.part("bootstrap", counts["bootstrap"], counts["all_bootstrap"]):
        draws = [statistics(squares, s, np.repeat(everything, row)) for row in weights]
    with clock.part("jackknife", counts["jackknife"], n):
        left_out = [
            statistics(squares, s, np.delete(everything, i)) for i in range(counts["jackknife"])
        ]
    # Subjects whose reliability may be zero are left out.
    reliable = np.quantile([draw["within"] for draw in draws], 0.025, axis=0) > 0
    for one in (whole, *draws, *left_out):
        one["noise_free"] = noise_free(one.pop("corrected"), np.flatnonzero(reliable))
        del one["within"]
    answer["estimate"] = whole
    if counts["jackknife"] == n:
        answer["interval"] = {
            name: intervals.corrected(
                value,
                np.array([draw[name] for draw in draws if np.isfinite(draw[name])]),
                np.array([one[name] for one in left_out]),
            )
            for name, value in whole.items()
        }
    with clock.part("labellings"):
        kept = np.flatnonzero(reliable)
        s = kept.size
        first, second = (np.array(of_parts[at : at + len(full)])[kept] for at in (0, len(full)))
        similar = np.corrcoef(first, second)[:s, s:]
        product = np.outer(similar.sum(axis=1), similar.sum(axis=0)) / similar.sum()
        own = np.arange(s)
        advantage = [
            similar[own, list(order)].sum() / product[own, list(order)].sum()
            for order in itertools.permutations(range(s))
        ]
    answer["own_advantage"] = advantage[0]
    answer["own_advantage_null"] = np.mean(advantage)
    return answer


def with_others(rows: np.ndarray) -> float:
    """Return the mean correlation of each row with the mean of the others, all standardised."""
    standard = zscore(rows, axis=1)
    found = [
        np.corrcoef(row, np.delete(standard, i, axis=0).mean(axis=0))[0, 1]
        for i, row in enumerate(standard)
    ]
    return float(np.mean(found))


def statistics(squares: np.ndarray, s: int, chosen: np.ndarray) -> dict:
    """Return every estimate from chosen stimuli, pairs of copies of one left out."""
    apart = np.triu(chosen[:, None] != chosen, 1)
    similar = np.corrcoef(squares[:, chosen][:, :, chosen][:, apart])
    own = np.arange(s)
    population = similar[own, s + own]
    within = similar[2 * s + own, 3 * s + own]
    single = (similar[2 * s + own, s + own] + similar[3 * s + own, s + own]) / 2
    block = similar[2 * s :, 2 * s :]
    corrected = np.ones((s, s))
    for i, j in itertools.combinations(range(s), 2):
        between = block[np.ix_([i, s + i], [j, s + j])].mean()
        with np.errstate(invalid="ignore"):
            corrected[i, j] = corrected[j, i] = between / np.sqrt(within[i] * within[j])
    stepped = 2 * within / (1 + within)
    return {
        "population": population.mean(),
        "individual": stepped.mean(),
        "gap": (stepped - population).mean(),
        "same_target": (within - single).mean(),
        "within": within,
        "corrected": corrected,
    }


def noise_free(corrected: np.ndarray, kept: np.ndarray) -> float:
    """Return the mean correlation of a noise-free RDM with the mean of the others'."""
    corrected = corrected[np.ix_(kept, kept)]
    own = corrected.sum(axis=1) - 1
    others = [np.delete(np.delete(corrected, i, 0), i, 1).sum() for i in range(kept.size)]
    return float(np.mean(own / np.sqrt(others)))
