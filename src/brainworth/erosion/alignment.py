"""Alignment of subjects by rotation, and the share of a subject's signal that others share.

As published (information erosion, README v2.1): orthogonal Procrustes on training stimuli, RDMs of
test stimuli, mean Spearman correlation over pairs.

Sound, on the held-out stimuli of each fold: RDMs before and after alignment (`alignment_rdms`);
the agreement of a subject's aligned patterns with the mean of the others, and identification of the
stimulus from it (`alignment_folds`); and the share of a subject's stimulus-driven variance that is
linearly predictable from the others (`shared_fraction`). One minus that share is what the loss of a
subject's own direction by averaging is worth.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from brainworth.erosion import alignment_rdms, shared_fraction
from brainworth.erosion import responses as shared
from brainworth.erosion.alignment_design import Design, design
from brainworth.erosion.alignment_folds import Aligned, align, allowed
from brainworth.erosion.familywise import add_familywise, against
from brainworth.erosion.parts import split
from brainworth.erosion.shared_fraction import Prediction
from brainworth.errors import BrainworthError
from brainworth.stats import multiplicities, percentile_interval, stream

FEWEST_SUBJECTS_TO_RESAMPLE = 4
#: Statistics with a null: relabelled held-out stimuli.
TESTED = ("pattern_correlation", "identification", "shared_fraction")
#: Of the null: each pair of folds is trained on and tested, in both orders.
WIDER = np.sqrt(2)
NO_SIGNAL = "the signal of no subject has an interval above 0, so there is nothing to divide by"


def analyse(
    extracts: dict[str, Path],
    regions: list[str],
    *,
    n_folds: int,
    dimensions: list[int],
    n_permutations: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
) -> dict:
    """Run the test on all regions.

    Parameters
    ----------
    extracts : dict from subject to path
        Files that `betas.extract` wrote.
    regions : list of str
    n_folds : int
        Of stimuli.
    dimensions : list of int
        Numbers of principal components to choose from.
    n_permutations, n_bootstrap : int
        Relabellings of held-out stimuli, and bootstrap samples of stimuli.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.

    Returns
    -------
    dict
        Ready for JSON.

    Raises
    ------
    BrainworthError
        With fewer than two subjects, or too few stimuli that every subject saw at least twice.
    """
    if len(extracts) < 2:
        raise BrainworthError("alignment needs at least two subjects; add some to subjects")
    stimuli = shared.repeated_stimuli(extracts, 2, "alignment")
    plan = design(
        list(extracts),
        stimuli.size,
        n_folds=n_folds,
        dimensions=dimensions,
        n_permutations=n_permutations,
        n_bootstrap=n_bootstrap,
        interval=interval,
        seed=seed,
    )
    rows, nulls, missing = [], [], []
    regions = shared.regions_for(extracts, regions, shared.PATTERNS)
    for region in tqdm(regions, desc="alignment", disable=None):
        read = [
            shared.read_region(path, region, shared.PATTERNS, stimuli) for path in extracts.values()
        ]
        found = [item for item in read if item is not None]
        if len(found) < 2:
            missing.append(region)
            continue
        row, null = analyse_region(found, plan)
        rows.append(row)
        nulls.append(null)
    add_familywise(rows, nulls, TESTED)
    return {
        "n_stimuli": int(stimuli.size),
        "n_folds": n_folds,
        "dimensions": dimensions,
        "n_permutations": n_permutations,
        "n_bootstrap": n_bootstrap,
        "interval": interval,
        "min_voxels": shared.MIN_VOXELS,
        "missing_regions": missing,
        "regions": rows,
    }


def analyse_region(
    found: list[shared.SharedResponses], plan: Design
) -> tuple[dict, dict[str, np.ndarray]]:
    """Analyse one region.

    Parameters
    ----------
    found : list of SharedResponses
        Two subjects or more, every stimulus at least twice in each.
    plan : Design

    Returns
    -------
    row : dict
    null : dict from str to array of shape (m,)
        Relabelled statistics, for family-wise p-values.
    """
    split_up = [split(item) for item in found]
    patterns = [parts.mean() for parts in split_up]
    grams = [shared_fraction.grams(parts) for parts in split_up]
    members = [shared_fraction.scaled(each) for each in grams]
    voxels = [item.n_voxels for item in found]
    aligned = [
        align(
            [each.mean for each in grams],
            voxels,
            np.flatnonzero(plan.fold == number),
            np.flatnonzero(plan.fold != number),
            plan.dimensions,
            stream(plan.seed, "alignment", "inner", number),
        )
        for number in range(plan.fold.max() + 1)
    ]
    predictions = [
        shared_fraction.predict(
            grams[s],
            split_up[s],
            [each for t, each in enumerate(members) if t != s],
            plan.fold,
            stream(plan.seed, "alignment", "halves"),
        )
        for s in range(len(found))
    ]
    by_stimulus = _agreement(aligned, plan)
    errors = np.empty((len(found), plan.fold.size))
    for fold in aligned:
        errors[:, fold.test] = fold.errors([each.mean for each in grams])
    subjects, draws = [], {}
    for s, item in enumerate(found):
        row, draws[s] = _subject(item, predictions[s], errors[s], plan)
        row["disjoint_sessions"] = split_up[s].disjoint_sessions
        row["pattern_correlation"] = float(by_stimulus["pattern_correlation"][s].mean())
        row["identification"] = float(by_stimulus["identification"][s].mean())
        subjects.append(row)
    reliable = [s for s, row in enumerate(subjects) if row["reason"] is None]
    statistics = _relabelled(found, aligned, predictions, reliable, plan)
    row = {
        "region": found[0].region,
        "n_subjects": len(found),
        "limited_by": _limit(found, plan),
        "components": [fold.dimension for fold in aligned],
        "published": {"estimate": alignment_rdms.published(aligned)},
        "rdm": alignment_rdms.similarities(aligned, patterns, plan.weights, plan.interval),
        **_summary(by_stimulus, aligned, plan),
        **_shares(subjects, draws, reliable, plan),
        "subjects": subjects,
    }
    for name, values in statistics.items():
        row[name] |= {"statistic": float(values[0])} | against(values[0], values[1:], plan.interval)
    return row, {name: values[1:] for name, values in statistics.items()}


def _agreement(aligned: list[Aligned], plan: Design) -> dict[str, np.ndarray]:
    """Return pattern correlation and whether it identifies, by subject and stimulus (S, I)."""
    shape = (len(aligned[0].own), plan.fold.size)
    values = {name: np.empty(shape) for name in ("pattern_correlation", "identification")}
    for fold in aligned:
        matrices = fold.agreement()
        values["pattern_correlation"][:, fold.test] = np.einsum("sii->si", matrices)
        own = np.arange(fold.test.size)
        values["identification"][:, fold.test] = matrices.argmax(axis=2) == own
    return values


def _relabelled(
    found: list[shared.SharedResponses],
    aligned: list[Aligned],
    predictions: list[Prediction],
    reliable: list[int],
    plan: Design,
) -> dict[str, np.ndarray]:
    """Return the statistic of each test for the true labels, then for each relabelling.

    All are sums over pairs of subjects, and a subject keeps the labels of one draw in all its
    pairs: each pair counts twice, and would vary too little if it were relabelled twice. Fits stay
    as they are; what two folds agree on by chance is found twice, once in either, so that the
    variance of the sum over folds is up to twice that of relabelled folds. The null is widened by
    the root of that.
    """
    n, n_stimuli = len(found), plan.fold.size
    names = TESTED if reliable else TESTED[:2]
    answer = dict.fromkeys(names, 0.0)
    for number, fold in enumerate(aligned):
        identity = np.arange(fold.test.size)
        labels = [np.vstack([identity, plan.labels[item.subject][number]]) for item in found]
        products, best = fold.with_members()
        for s in range(n):
            others = [t for t in range(n) if t != s]
            for place, t in enumerate(others):
                pair = labels[s], labels[t]
                for name, matrix in zip(names, (products[s, t], best[s, t]), strict=False):
                    share = n * (n - 1) * n_stimuli
                    answer[name] = answer[name] + matrix[pair].sum(axis=1) / share
                if s in reliable:
                    matrix = predictions[s].agreement[number][place].T
                    share = 2 * len(reliable) * predictions[s].signal.sum()
                    answer[TESTED[2]] = answer[TESTED[2]] + matrix[pair].sum(axis=1) / share
    for values in answer.values():
        centre = values[1:].mean()
        values[1:] = centre + WIDER * (values[1:] - centre)
    return answer


def _summary(
    by_stimulus: dict[str, np.ndarray], aligned: list[Aligned], plan: Design
) -> dict[str, dict]:
    """Average over subjects; the interval is over stimuli, alignments taken as given."""
    answer = {}
    for name, values in by_stimulus.items():
        mean = values.mean(axis=0)
        draws = plan.weights @ mean / plan.weights.sum(axis=1)
        answer[name] = {
            "estimate": float(mean.mean()),
            "interval": list(percentile_interval(draws, plan.interval)),
            "n": int(mean.size),
        }
    sizes = np.array([fold.test.size for fold in aligned])
    answer["identification"]["chance"] = float(sizes.size / sizes.sum())
    answer["identification"]["n_alternatives"] = [int(size) for size in np.unique(sizes)]
    return answer


def _subject(
    item: shared.SharedResponses, found: Prediction, errors: np.ndarray, plan: Design
) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the row of one subject, and bootstrap draws of its shares."""
    ceiling = found.ceiling(plan.weights)
    bounds = list(percentile_interval(ceiling, plan.interval))
    procrustes = 1 - errors.sum() / found.total.sum()
    procrustes_draws = 1 - (plan.weights @ errors) / (plan.weights @ found.total)
    row = {
        "subject": item.subject,
        "n_voxels": item.n_voxels,
        "ceiling": {"estimate": found.ceiling(), "interval": bounds},
        "r2": {
            "ridge": _with_interval(found.r2(), found.r2(plan.weights), plan),
            "procrustes": _with_interval(procrustes, procrustes_draws, plan),
        },
        "share": None,
        "reason": None,
    }
    if bounds[0] <= 0:
        row["reason"] = "the interval of this subject's signal reaches 0"
        return row, {}
    # Samples whose signal is not positive have no share; with an interval above 0 they are few.
    good = ceiling > 0
    draws = {
        "corrected": np.where(good, found.fraction(plan.weights), np.nan),
        "ridge": np.where(good, found.r2(plan.weights) / ceiling, np.nan),
        "procrustes": np.where(good, procrustes_draws / ceiling, np.nan),
    }
    estimates = {
        "corrected": found.fraction(),
        "ridge": found.r2() / found.ceiling(),
        "procrustes": procrustes / found.ceiling(),
    }
    row["share"] = {
        name: _with_interval(value, draws[name][good], plan) for name, value in estimates.items()
    }
    return row, draws


def _shares(
    subjects: list[dict],
    draws: dict[int, dict[str, np.ndarray]],
    reliable: list[int],
    plan: Design,
) -> dict:
    """Average the shares over the subjects that have signal."""
    names = ("shared_fraction", "ridge_share", "procrustes_share", "erosion")
    if not reliable:
        return dict.fromkeys(names) | {
            "share_reason": NO_SIGNAL,
            "unreliable_subjects": [row["subject"] for row in subjects],
        }
    answer = {}
    kept = [subjects[s] for s in reliable]
    for name, key in zip(names, ("corrected", "ridge", "procrustes"), strict=False):
        values = np.array([row["share"][key]["estimate"] for row in kept])
        mean = np.mean([draws[s][key] for s in reliable], axis=0)
        answer[name] = _with_interval(values.mean(), mean[np.isfinite(mean)], plan)
    values = np.array([row["share"]["corrected"]["estimate"] for row in kept])
    answer["shared_fraction"] |= {
        "bound": "lower",
        "n": len(reliable),
        **_over_subjects(values, plan),
    }
    low, high = answer["shared_fraction"]["interval"]
    answer["erosion"] = {
        "estimate": 1 - answer["shared_fraction"]["estimate"],
        "interval": [1 - high, 1 - low],
        "bound": "upper",
    }
    return answer | {
        "share_reason": None,
        "unreliable_subjects": [row["subject"] for row in subjects if row["reason"] is not None],
    }


def _over_subjects(values: np.ndarray, plan: Design) -> dict:
    """Resample subjects; each is still predicted from the same others."""
    if len(values) < FEWEST_SUBJECTS_TO_RESAMPLE:
        reason = (
            f"resampling subjects needs at least {FEWEST_SUBJECTS_TO_RESAMPLE} of them with "
            f"signal, there are {len(values)}"
        )
        return {"interval_subjects": None, "interval_subjects_reason": reason}
    rng = stream(plan.seed, "alignment", "subjects", len(values))
    draws = multiplicities(rng, len(plan.weights), len(values)) @ values / len(values)
    return {
        "interval_subjects": list(percentile_interval(draws, plan.interval)),
        "interval_subjects_reason": None,
    }


def _limit(found: list[shared.SharedResponses], plan: Design) -> dict | None:
    """Name the subject whose few voxels rule out candidates, if there is one."""
    smallest = min(found, key=lambda item: item.n_voxels)
    n_train = int(np.count_nonzero(plan.fold != 0))
    voxels = [item.n_voxels for item in found]
    if allowed(plan.dimensions, voxels, n_train) == allowed(plan.dimensions, [n_train], n_train):
        return None
    return {"subject": smallest.subject, "n_voxels": smallest.n_voxels}


def _with_interval(estimate: float, draws: np.ndarray, plan: Design) -> dict:
    return {
        "estimate": float(estimate),
        "interval": list(percentile_interval(draws, plan.interval)),
    }
