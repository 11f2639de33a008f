"""Cross-subject RSA: pdist, rsatoolbox's compare, noise_ceiling and noise covariance, loops.

Bootstrap samples are of the ranks of all stimuli, as in ours, so that results can be compared.
Permutations are compared by rsatoolbox, which ranks every relabelled RDM; since relabelling does
not change ranks, they can also be taken once, and the time of that is given beside it.
"""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

from brainworth import stats
from brainworth.erosion import measure, relabel, resample
from straightforward import intervals
from straightforward.clock import Clock
from straightforward.reading import mean_patterns, read

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rsatoolbox.data.noise import prec_from_residuals
    from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
    from rsatoolbox.rdm import RDMs, compare


def analyse(extracts: dict[str, Path], region: str, clock: Clock, counts: dict, seed: int) -> dict:
    """Return similarity, null, intervals, noise ceiling and correction of one region."""
    vectors = {"correlation": [], "mismatched": [], "crossnobis": []}
    repeats: list[list[np.ndarray]] = [[], []]
    for number, path in enumerate(extracts.values()):
        trials = measure._choose(path, seed, "shrinkage_diag")
        with clock.part("rdms"):
            data = read(path, region, trials.rows)
            here, control = trials.matched >= 0, trials.mismatched >= 0
            values, stimulus = data.values[here], trials.matched[here]
            vectors["correlation"].append(pdist(mean_patterns(values, stimulus), "correlation"))
            for part, first in zip(repeats, (0, 1), strict=True):
                once = data.repetition[here] == first
                part.append(pdist(mean_patterns(values[once], stimulus[once]), "correlation"))
            other = mean_patterns(data.values[control], trials.mismatched[control])
            vectors["mismatched"].append(pdist(other, "correlation"))
        if number < counts["crossnobis_subjects"]:
            with clock.part("crossnobis", counts["crossnobis_subjects"], len(extracts)):
                noisy = trials.noise >= 0
                distances = crossnobis(values, stimulus, data.values[noisy], trials.noise[noisy])
                vectors["crossnobis"].append(distances)
    vectors["crossnobis"] += vectors["correlation"][counts["crossnobis_subjects"] :]
    vectors = {name: np.stack(rows) for name, rows in vectors.items()}
    n = squareform(vectors["correlation"][0]).shape[0]
    pairs = np.triu_indices(len(extracts), 1)
    answer = {}
    for name, rows in vectors.items():
        with clock.part("similarity"):
            similarity = compare(RDMs(rows), RDMs(rows), "spearman")[pairs]
        labels = relabel.draw(seed, list(extracts), counts["permutations"], n)
        drawn = counts["permutations"], counts["all_permutations"]
        squares = np.stack([squareform(row) for row in rows])
        with clock.part("permutations", *drawn):
            null = permutation_null(squares, labels, pairs)
        ranked = np.stack([squareform(rankdata(row)) for row in rows])
        with clock.part("permutations", *drawn, variant=True):
            again = null_of_ranks(ranked, labels, pairs)
        np.testing.assert_allclose(again, null, atol=1e-8)
        answer[name] = {
            "estimate": similarity.mean(),
            "p": stats.permutation_p(similarity.mean(), null.mean(axis=1)),
            "null_mean": null.mean(),
        }
    answer["corrected"] = similarity_without_noise(
        extracts, vectors, repeats, clock, counts, seed, answer
    )
    return answer


def crossnobis(
    values: np.ndarray, stimulus: np.ndarray, noise: np.ndarray, noise_stimulus: np.ndarray
) -> np.ndarray:
    """Return distances per voxel, whitened by the residuals of other trials."""
    residuals = noise - mean_patterns(noise, noise_stimulus)[noise_stimulus]
    precision = prec_from_residuals(
        residuals, dof=len(noise) - noise_stimulus.max() - 1, method="shrinkage_diag"
    )
    means = mean_patterns(values, stimulus)
    products = means @ precision @ means.T
    lengths = np.empty(len(means))
    for i in range(len(means)):
        own = values[stimulus == i]
        gram = own @ precision @ own.T
        lengths[i] = gram[~np.eye(len(own), dtype=bool)].mean()
    square = lengths[:, None] + lengths - 2 * products
    return square[np.triu_indices(len(means), 1)] / values.shape[1]


def permutation_null(squares: np.ndarray, labels: np.ndarray, pairs: tuple) -> np.ndarray:
    """Relabel the stimuli of every subject and compare all pairs again."""
    null = []
    for own in labels.swapaxes(0, 1):
        relabelled = [
            squareform(square[np.ix_(order, order)], checks=False)
            for square, order in zip(squares, own, strict=True)
        ]
        rdms = RDMs(np.stack(relabelled))
        null.append(compare(rdms, rdms, "spearman")[pairs])
    return np.array(null)


def null_of_ranks(squares: np.ndarray, labels: np.ndarray, pairs: tuple) -> np.ndarray:
    """Return the same null from squares of ranks."""
    upper = np.triu_indices(len(squares[0]), 1)
    null = []
    for own in labels.swapaxes(0, 1):
        relabelled = [
            square[order[upper[0]], order[upper[1]]]
            for square, order in zip(squares, own, strict=True)
        ]
        null.append(np.corrcoef(relabelled)[pairs])
    return np.array(null)


def similarity_without_noise(
    extracts: dict,
    vectors: dict,
    repeats: list,
    clock: Clock,
    counts: dict,
    seed: int,
    answer: dict,
) -> dict:
    """Resample stimuli for all intervals, with a jackknife for BCa; correct for reliability."""
    s = len(extracts)
    with clock.part("noise_ceiling"):
        rows, groups = [], {}
        for name in ("correlation", "crossnobis"):
            ranks = np.stack([rankdata(row) for row in vectors[name]])
            pooled = [np.delete(ranks, i, axis=0).mean(axis=0) for i in range(s)]
            groups[name] = len(rows)
            rows += [*ranks, *(rankdata(row) for row in pooled), rankdata(ranks.mean(axis=0))]
            answer[name]["ceiling"] = boot_noise_ceiling(RDMs(vectors[name]), "spearman")
        parts = len(rows)
        rows += [rankdata(row) for part in repeats for row in part]
        squares = np.stack([squareform(row) for row in rows])
    n = squares.shape[1]
    first, second = np.triu_indices(s, 1)

    def statistics(chosen: np.ndarray) -> dict:
        apart = np.triu(chosen[:, None] != chosen, 1)
        similar = np.corrcoef(squares[:, chosen][:, :, chosen][:, apart])
        found = {}
        for name, start in groups.items():
            block = similar[start : start + 2 * s + 1, start : start + 2 * s + 1]
            own = np.arange(s)
            found[name] = block[first, second].mean()
            found[f"{name} lower"] = block[own, s + own].mean()
            found[f"{name} upper"] = block[own, 2 * s].mean()
        block = similar[parts:, parts:]
        within = np.array([block[i, s + i] for i in range(s)])
        between = [
            block[np.ix_([i, s + i], [j, s + j])].mean()
            for i, j in itertools.combinations(range(s), 2)
        ]
        found["within"] = within
        with np.errstate(invalid="ignore"):
            found["corrected"] = between / np.sqrt(within[first] * within[second])
        return found

    weights = resample.draw(seed, counts["bootstrap"], n).astype(int)
    draws, left_out = [], []
    with clock.part("bootstrap", counts["bootstrap"], counts["all_bootstrap"]):
        draws = [statistics(np.repeat(np.arange(n), row)) for row in weights]
    with clock.part("jackknife", counts["jackknife"], n):
        for i in range(counts["jackknife"]):
            left_out.append(statistics(np.delete(np.arange(n), i)))
    whole = statistics(np.arange(n))
    for name in groups:
        of_name = np.array([draw[name] for draw in draws])
        answer[name]["percentile"] = np.quantile(of_name, [0.025, 0.975])
        if counts["jackknife"] == n:
            jackknife = np.array([one[name] for one in left_out])
            answer[name]["bca"] = stats.bca_interval(whole[name], of_name, jackknife, 0.95)
            answer[name]["corrected"] = intervals.corrected(whole[name], of_name, jackknife)
        for bound in ("lower", "upper"):
            of_bound = np.array([draw[f"{name} {bound}"] for draw in draws])
            answer[name][f"ceiling_{bound}"] = np.quantile(of_bound, [0.025, 0.975])
    # Subjects whose reliability may be zero are left out.
    within = np.array([draw["within"] for draw in draws])
    reliable = np.quantile(within, 0.025, axis=0) > 0
    kept = reliable[first] & reliable[second]
    of_corrected = np.array([draw["corrected"][kept].mean() for draw in draws if kept.any()])
    return {
        "estimate": whole["corrected"][kept].mean(),
        "percentile": np.quantile(of_corrected[np.isfinite(of_corrected)], [0.025, 0.975]),
    }
