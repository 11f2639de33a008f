"""Alignment: PCA, orthogonal_procrustes, spearmanr, and loops over samples and relabellings.

Correlation distances over components depend on the signs of the components, which no decomposition
sets: of those, only what is free of them is returned.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import orthogonal_procrustes, svd
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata, spearmanr

from brainworth import stats
from brainworth.erosion import alignment_design
from brainworth.stats import stream
from straightforward import sharing
from straightforward.clock import Clock
from straightforward.reading import matched_rows, read

N_FOLDS, INNER_FOLDS = 5, 3
DIMENSIONS = [5, 10, 20, 40, 80]
LEVEL = [0.025, 0.975]
# What does not depend on the signs of components.
RDMS = [("correlation", "raw")] + [("euclidean", v) for v in ("raw", "truncated", "aligned")]


@dataclass
class Fold:
    """The test stimuli of one fold in the common space; lists are over subjects."""

    test: np.ndarray
    scores: list[np.ndarray]
    grouped: list[np.ndarray]
    own: list[np.ndarray]
    members: list[dict[int, np.ndarray]]
    error: list[np.ndarray]
    most: list[np.ndarray]
    most_train: list[np.ndarray]

    def reference(self, s: int) -> np.ndarray:
        """Return the mean of the others in the space that a subject was rotated to."""
        return np.mean(list(self.members[s].values()), axis=0)


def analyse(extracts: dict[str, Path], region: str, clock: Clock, counts: dict, seed: int) -> dict:
    """Return RDMs before and after alignment, agreement of patterns, and the shared fraction."""
    with clock.part("patterns"):
        found = [read(path, region, matched_rows(path)) for path in extracts.values()]
        patterns = [sharing.patterns_of(data) for data in found]
    plan = alignment_design.design(
        list(extracts),
        len(patterns[0].mean),
        n_folds=N_FOLDS,
        dimensions=DIMENSIONS,
        n_permutations=counts["permutations"],
        n_bootstrap=counts["bootstrap"],
        interval=0.95,
        seed=seed,
    )
    means = [each.mean for each in patterns]
    folds = []
    for number in range(counts["folds"]):
        with clock.part("alignment", counts["folds"], N_FOLDS):
            test = np.flatnonzero(plan.fold == number)
            folds.append(align(means, test, stream(seed, "alignment", "inner", number)))
        with clock.part("published", counts["folds"], N_FOLDS):
            published(folds[-1])
    answer: dict = {"rdm": rdms(means, folds, plan.weights, clock, counts)}
    with clock.part("shared fraction"):
        members = [one.of_size_one() for one in patterns]
    share = counts["subjects"], len(found)
    shared = []
    for s in range(counts["subjects"]):
        rest = [member for t, member in enumerate(members) if t != s]
        rng = stream(seed, "alignment", "halves")
        shared.append(sharing.predict(patterns[s], rest, plan.fold, rng, clock, share))
    if len(shared) < len(found) or len(folds) < N_FOLDS:
        relabelled(folds, shared, list(extracts), plan, clock, counts)
        return answer
    draws = []
    with clock.part("shares"):
        for one in shared:
            ceiling, r2, fraction = one.shares(plan.weights).T
            draws.append([fraction, r2 / ceiling])
        whole = np.array([one.shares(np.ones((1, len(means[0]))))[0] for one in shared])
    answer["components"] = [fold.own[0].shape[1] for fold in folds]
    answer["shared_fraction"] = whole[:, 2].mean()
    answer["ridge_share"] = np.mean(whole[:, 1] / whole[:, 0])
    for name, values in zip(("shared_fraction", "ridge_share"), np.mean(draws, 0), strict=True):
        answer[f"{name}_interval"] = np.quantile(values, LEVEL)
    totals = [one.total.sum() for one in shared]
    errors = [sum(fold.error[s].sum() for fold in folds) for s in range(len(found))]
    answer["procrustes_share"] = np.mean((1 - np.divide(errors, totals)) / whole[:, 0])
    answer |= agreement(folds, len(means[0]), plan.weights)
    statistic, null = relabelled(folds, shared, list(extracts), plan, clock, counts)
    centre = null.mean(axis=1, keepdims=True)
    wider = centre + np.sqrt(2) * (null - centre)
    answer["null_mean"] = centre[:, 0]
    answer["p"] = [stats.permutation_p(*each) for each in zip(statistic, wider, strict=True)]
    return answer


def align(means: list[np.ndarray], test: np.ndarray, rng: np.random.Generator) -> Fold:
    """Fit components and rotations on training stimuli, apply them to the test stimuli."""
    train = np.setdiff1d(np.arange(len(means[0])), test)
    usable = [d for d in DIMENSIONS if d <= min(*(m.shape[1] for m in means), len(train) - 1)]
    most, most_train, axes = [], [], []
    for mean in means:
        centred = mean[train] - mean[train].mean(axis=0)
        right = svd(centred, full_matrices=False)[2][: usable[-1]].T
        axes.append(right)
        most_train.append(centred @ right)
        most.append((mean[test] - mean[train].mean(axis=0)) @ right)
    d = best_dimension(most_train, usable, rng)
    fitted, scores = [m[:, :d] for m in most_train], [m[:, :d] for m in most]
    group = generalized(fitted)
    everyone = range(len(means))
    own, members, error = [], [], []
    for s in everyone:
        others = [t for t in everyone if t != s]
        turns = generalized([fitted[t] for t in others], [group[t] for t in others])
        goal = np.mean([fitted[t] @ q for t, q in zip(others, turns, strict=True)], axis=0)
        turn = orthogonal_procrustes(fitted[s], goal)[0]
        own.append(scores[s] @ turn)
        members.append({t: scores[t] @ q for t, q in zip(others, turns, strict=True)})
        scale = np.sum((fitted[s] @ turn) * goal) / np.sum(goal**2)
        reference = np.mean(list(members[s].values()), axis=0)
        predicted = scale * reference @ turn.T @ axes[s][:, :d].T + means[s][train].mean(axis=0)
        error.append(np.sum((means[s][test] - predicted) ** 2, axis=1))
    grouped = [scores[s] @ group[s] for s in everyone]
    return Fold(test, scores, grouped, own, members, error, most, most_train)


def generalized(
    scores: list[np.ndarray], start: list[np.ndarray] | None = None, tolerance: float = 1e-5
) -> list[np.ndarray]:
    """Rotate each to the sum of the others in turn, until they fit no better."""
    everyone = range(len(scores))
    turns = start and list(start)
    turns = turns or [orthogonal_procrustes(x, scores[0])[0] for x in scores]
    rotated = [x @ q for x, q in zip(scores, turns, strict=True)]
    before = -np.inf
    for _ in range(100):
        fit = 0.0
        for s in everyone:
            target = sum(rotated[t] for t in everyone if t != s)
            turns[s] = orthogonal_procrustes(scores[s], target)[0]
            rotated[s] = scores[s] @ turns[s]
            fit += np.sum(rotated[s] * target)
        if fit - before <= tolerance * abs(fit):
            break
        before = fit
    return turns


def best_dimension(scores: list[np.ndarray], usable: list[int], rng: np.random.Generator) -> int:
    """Return the number of components whose alignment predicts left-out stimuli best."""
    n = len(scores[0])
    splits = np.array_split(rng.permutation(n), INNER_FOLDS)
    best, most = usable[0], -np.inf
    for d in usable:
        gain = np.mean([inner_r2(scores, held_out, d) for held_out in splits])
        if gain < most:
            break
        best, most = d, gain
    return best


def inner_r2(scores: list[np.ndarray], held_out: np.ndarray, d: int) -> float:
    """Return the R2 of left-out stimuli predicted from the mean of the others."""
    kept = np.setdiff1d(np.arange(len(scores[0])), held_out)
    inside = [x[kept] - x[kept].mean(axis=0) for x in scores]
    outside = [x[held_out] - x[kept].mean(axis=0) for x in scores]
    turns = generalized([x[:, :d] for x in inside], tolerance=1e-3)
    fitted = [x[:, :d] @ q for x, q in zip(inside, turns, strict=True)]
    applied = [x[:, :d] @ q for x, q in zip(outside, turns, strict=True)]
    values = []
    for s in range(len(scores)):
        goal = np.mean(fitted[:s] + fitted[s + 1 :], axis=0)
        predicted = np.mean(applied[:s] + applied[s + 1 :], axis=0)
        predicted = predicted * np.sum(fitted[s] * goal) / np.sum(goal**2)
        error = np.sum((applied[s] - predicted) ** 2) - np.sum(applied[s] ** 2)
        values.append(-error / np.sum(outside[s] ** 2))
    return np.mean(values)


def published(fold: Fold) -> float:
    """Return the mean Spearman correlation of RDMs with one subject rotated to the other."""
    found = []
    for s, t in itertools.combinations(range(len(fold.most)), 2):
        turn = orthogonal_procrustes(fold.most_train[t], fold.most_train[s])[0]
        rdm_s = pdist(fold.most[s], "correlation")
        rdm_t = pdist(fold.most[t] @ turn, "correlation")
        found.append(spearmanr(rdm_s, rdm_t).statistic)
    return np.mean(found)


def rdms(
    means: list[np.ndarray], folds: list[Fold], weights: np.ndarray, clock: Clock, counts: dict
) -> dict:
    """Compare RDMs of all voxels, of components, and of aligned components, with intervals."""
    estimates, draws = [], []
    for fold in folds:
        with clock.part("rdms", len(folds), N_FOLDS):
            shown = {
                "raw": [mean[fold.test] for mean in means],
                "truncated": fold.scores,
                "aligned": fold.grouped,
            }
            names = list(itertools.product(("correlation", "euclidean"), shown))
            ranks = [
                [rankdata(pdist(x, metric)) for x in shown[variant]] for metric, variant in names
            ]
            squares = np.array([squareform(row) for rows in ranks for row in rows])
        everything = np.arange(fold.test.size)
        estimates.append(similarity(squares, len(means), everything))
        done = counts["bootstrap"] * len(folds), counts["all_bootstrap"] * N_FOLDS
        with clock.part("rdms, bootstrap", *done):
            draws.append(
                [
                    similarity(squares, len(means), np.repeat(everything, row))
                    for row in weights[:, fold.test].astype(int)
                ]
            )
    with clock.part("rdms"):
        whole = [[pdist(mean, metric) for mean in means] for metric in ("correlation", "euclidean")]
        pairs = np.triu_indices(len(means), 1)
        everything = [spearmanr(np.transpose(rows)).statistic[pairs].mean() for rows in whole]
    estimate, values = np.mean(estimates, axis=0), np.mean(draws, axis=0)
    intervals = np.quantile(values[np.isfinite(values).all(axis=1)], LEVEL, axis=0).T
    found = {
        name: {"estimate": estimate[place], "interval": intervals[place]}
        for place, name in enumerate(names)
        if name in RDMS
    }
    for metric, value in zip(("correlation", "euclidean"), everything, strict=True):
        found[metric, "all_stimuli"] = {"estimate": value}
    return found


def similarity(squares: np.ndarray, s: int, chosen: np.ndarray) -> np.ndarray:
    """Return the mean correlation over pairs of subjects of each variant."""
    apart = np.triu(chosen[:, None] != chosen, 1)
    rows = squares[:, chosen][:, :, chosen][:, apart]
    pairs = np.triu_indices(s, 1)
    return np.array([np.corrcoef(part)[pairs].mean() for part in np.split(rows, len(rows) // s)])


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosine of each row of one with each of the other."""
    return unit(first) @ unit(second).T


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows of length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def agreement(folds: list[Fold], n_stimuli: int, weights: np.ndarray) -> dict:
    """Return pattern correlation and identification of held-out stimuli, averaged."""
    everyone = range(len(folds[0].own))
    correlation, hit = np.zeros((2, len(folds[0].own), n_stimuli))
    for fold in folds:
        for s in everyone:
            matrix = cosines(fold.own[s], fold.reference(s))
            correlation[s, fold.test] = np.diag(matrix)
            hit[s, fold.test] = matrix.argmax(axis=1) == np.arange(len(matrix))
    answer = {}
    for name, values in (("pattern_correlation", correlation), ("identification", hit)):
        mean = values.mean(axis=0)
        draws = [np.average(mean, weights=row) for row in weights]
        answer[name] = {"estimate": mean.mean(), "interval": np.quantile(draws, LEVEL)}
    return answer


def relabelled(
    folds: list[Fold], shared: list, names: list[str], plan, clock: Clock, counts: dict
) -> tuple[np.ndarray, np.ndarray]:
    """Return sums over pairs of subjects (3,), and with relabelled stimuli (3, permutations)."""
    s_all = range(len(names))
    n_stimuli, n = plan.fold.size, len(names)
    with clock.part("permutations", len(folds), N_FOLDS):
        tables = []
        for number, fold in enumerate(folds):
            for s in s_all:
                size = np.sqrt(np.mean(np.sum(fold.reference(s) ** 2, axis=1)))
                for place, (t, member) in enumerate(fold.members[s].items()):
                    product = unit(fold.own[s]) @ member.T / size
                    nearest = cosines(fold.own[s], member).argmax(axis=1)
                    best = nearest[:, None] == np.arange(fold.test.size)
                    sums = [product / (n * (n - 1) * n_stimuli), best / (n * (n - 1) * n_stimuli)]
                    if s < len(shared):
                        part = shared[s].agreement[number][place].T
                        sums.append(part / (2 * len(shared) * shared[s].signal.sum()))
                    tables.append((number, s, t, sums))
    statistic, null = np.zeros(3), np.zeros((3, counts["permutations"]))
    for _, _, _, sums in tables:
        statistic[: len(sums)] += [np.trace(table) for table in sums]
    done = counts["permutations"] * len(folds), counts["all_permutations"] * N_FOLDS
    with clock.part("permutations", *done):
        for draw in range(counts["permutations"]):
            for number, s, t, sums in tables:
                rows, columns = (plan.labels[names[k]][number][draw] for k in (s, t))
                for place, table in enumerate(sums):
                    null[place, draw] += table[rows, columns].sum()
    return statistic, null
