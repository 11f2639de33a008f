"""Cross-subject representational similarity analysis (RSA) of all regions, with its nulls."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import squareform
from tqdm import tqdm

from brainworth import stats
from brainworth.erosion import compare, rdms, relabel, reliability, resample
from brainworth.erosion.resample import Resampled

PURPOSE = "cross-subject RSA"
FEWEST_SUBJECTS_TO_RESAMPLE = 4
SATURATED_COSINE = 0.9
COSINE_WARNING = (
    "The uncentred cosine of these RDMs is near 1 whatever their geometry (at least {:.3f} for "
    "unrelated ones): dissimilarities with a large mean, such as correlation distances, saturate "
    "it; read corr or spearman instead."
)


def analyse(
    content: rdms.RdmFile,
    *,
    comparison: str,
    n_permutations: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
    n_threads: int = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Compare the RDMs of all pairs of subjects in every region.

    Parameters
    ----------
    content : RdmFile
        RDMs by region; regions may differ in their subjects.
    comparison : {"spearman", "corr", "rho-a", "cosine"}
        rsatoolbox's names.
    n_permutations : int
        Relabellings of the stimuli, independent between subjects and the same in every region.
    n_bootstrap : int
        Samples of stimuli (the same in every region) and of subjects.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.
    n_threads : int
        Does not change the result.
    progress : bool
        Show a bar, if standard error is a terminal.

    Returns
    -------
    dict
        JSON-ready; a missing number is None and has its reason beside it.

    Raises
    ------
    BrainworthError
        If there are fewer than 5 stimuli, a region has fewer than 2 subjects, or an RDM is
        constant or holds NaN.
    """
    rdms.require_stimuli(content, PURPOSE)
    weights = resample.draw(seed, n_bootstrap, content.n_stimuli)
    settings = _Settings(comparison, interval, seed, n_threads, weights)
    drawn: dict[str, np.ndarray] = {}
    regions, saturated, measure = [], [], None
    families: dict[str, list] = {}
    for region in tqdm(content.regions, desc="RSA", unit="region", disable=not progress or None):
        measure = measure or region.measure
        rdms.require_usable(region, measure, PURPOSE)
        for name in region.subjects:
            if name not in drawn:
                drawn[name] = relabel.draw(seed, [name], n_permutations, content.n_stimuli)[0]
        permutations = np.stack([drawn[name] for name in region.subjects])
        result, nulls = _region(region, permutations, settings)
        regions.append(result)
        saturated += _saturated_cosines(region)
        for name, null in nulls.items():
            families.setdefault(name, []).append((len(regions) - 1, null))
    _add_familywise(regions, families)
    return {
        "comparison": comparison,
        "measure": measure,
        "n_stimuli": content.n_stimuli,
        "n_permutations": n_permutations,
        "n_bootstrap": n_bootstrap,
        "interval": interval,
        "cosine_warning": COSINE_WARNING.format(min(saturated)) if saturated else None,
        "missing_regions": list(content.missing),
        "regions": regions,
    }


@dataclass(frozen=True)
class _Settings:
    comparison: str
    interval: float
    seed: int
    n_threads: int
    weights: np.ndarray


@dataclass(frozen=True)
class _Null:
    """A mean similarity and its permutation null, for the family of regions.

    Estimates are in double precision; p-values hold rounded values of one kernel to each other.
    """

    observed: float
    draws: np.ndarray


def _region(
    region: rdms.RdmSet, permutations: np.ndarray, settings: _Settings
) -> tuple[dict[str, Any], dict[str, _Null]]:
    """Analyse one region; also return the null of every measure."""
    rows = {
        measure: _standardise(region, vectors, measure, settings.comparison)
        for measure, vectors in region.full.items()
    }
    observed, null = relabel.similarities(rows[region.measure], permutations, settings.n_threads)
    nulls = {region.measure: _Null(float(observed.mean()), null.mean(axis=1))}
    resampled, repeats = _resample(region, rows, settings)
    corrected, corrected_pairs = reliability.report(
        repeats, region.subjects, 0 if repeats is None else len(region.repeats), settings.interval
    )
    others = {}
    for measure in list(region.full)[1:]:
        nulls[measure] = _Null(
            *relabel.mean_similarity(rows[measure], permutations, settings.n_threads)
        )
        others[measure] = _entries(region, resampled[measure], nulls[measure], settings)
    across = resampled[region.measure].across
    names = region.subjects
    result = {
        "label": region.label,
        "subjects": list(names),
        "n_subjects": len(names),
        "n_pairs": observed.size,
        "n_voxels": None if region.n_voxels is None else list(region.n_voxels),
        **_entries(region, resampled[region.measure], nulls[region.measure], settings),
        "pairs": [
            {
                "subjects": [names[s], names[t]],
                "similarity": float(across.estimate[i]),
                "p": stats.permutation_p(observed[i], null[:, i]),
                "interval": across.apply(lambda v, i=i: v[..., i]).percentile(settings.interval),
                "corrected": corrected_pairs[i],
            }
            for i, (s, t) in enumerate(zip(*np.triu_indices(len(names), 1), strict=True))
        ],
        **corrected,
        "other_measures": others,
        "noise_shrinkage": None if region.shrinkage is None else list(region.shrinkage),
        "by_measure": _by_measure(region),
        **_mismatched(region, permutations, settings),
    }
    return result, nulls


@dataclass(frozen=True)
class _OfMeasure:
    """Resampled similarities of one measure.

    Attributes
    ----------
    across : Resampled
        Pairs of subjects.
    lower, upper : Resampled
        Each subject with the pooled RDM of the others, and of all.
    """

    across: Resampled
    lower: Resampled
    upper: Resampled


def _entries(
    region: rdms.RdmSet, found: _OfMeasure, null: _Null, settings: _Settings
) -> dict[str, Any]:
    """Report the similarity and the noise ceiling of one measure."""
    mean = found.across.apply(_mean)
    return {
        "similarity": {
            "estimate": float(mean.estimate),
            "interval_stimuli": mean.intervals(settings.interval),
            **_interval_subjects(found.across.estimate, region, settings),
            "p": stats.permutation_p(null.observed, null.draws),
            "p_familywise": None,
            "null_mean": float(null.draws.mean()),
            "null_interval": list(stats.percentile_interval(null.draws, settings.interval)),
        },
        "noise_ceiling": {
            name: {
                "estimate": float(bound.estimate),
                "interval": bound.percentile(settings.interval),
            }
            for name, bound in (
                ("lower", found.lower.apply(_mean)),
                ("upper", found.upper.apply(_mean)),
            )
        },
    }


def _add_familywise(regions: list[dict[str, Any]], families: dict[str, list]) -> None:
    """Hold every region to the largest similarity over regions, measure by measure."""
    for number, (measure, members) in enumerate(families.items()):
        observed = np.array([null.observed for _, null in members])
        draws = np.stack([null.draws for _, null in members], axis=1)
        for (place, _), p in zip(members, stats.max_statistic_p(observed, draws), strict=True):
            entry = regions[place] if number == 0 else regions[place]["other_measures"][measure]
            entry["similarity"]["p_familywise"] = float(p)


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=-1)


def _standardise(
    region: rdms.RdmSet, vectors: np.ndarray, what: str, comparison: str
) -> np.ndarray:
    names = [f"{region.label}, {subject}: the {what} RDM" for subject in region.subjects]
    repeats = vectors.size // vectors.shape[-1] // len(names)
    return compare.standardise(vectors, comparison, names * repeats)


def _resample(
    region: rdms.RdmSet, standardised: dict[str, np.ndarray], settings: _Settings
) -> tuple[dict[str, _OfMeasure], Resampled | None]:
    """Resample everything that is compared in one go, so that all of it shares its samples.

    Returns
    -------
    dict from measure to _OfMeasure
    repeats : Resampled or None
        Pairs of single parts, in the order of `reliability.pairs`.
    """
    n = len(region.subjects)
    subject = np.arange(n)
    names = [f"{region.label}: the pooled RDM"] * (n + 1)
    rows, pairs, first = [], [], 0
    for measure, own in standardised.items():
        pooled = np.vstack(compare.pooled(region.full[measure], settings.comparison))
        rows += [own, compare.standardise(pooled, settings.comparison, names)]
        pairs += [
            first + np.stack(np.triu_indices(n, 1), axis=1),
            first + np.stack([subject, n + subject], axis=1),
            first + np.stack([subject, np.full(n, 2 * n)], axis=1),
        ]
        first += 2 * n + 1
    if region.repeats is not None:
        parts = _standardise(region, region.repeats, "repeated", settings.comparison)
        rows.append(parts.reshape(-1, own.shape[1]))
        pairs.append(first + reliability.pairs(len(region.repeats), n))
    everything = resample.over_stimuli(
        np.vstack(rows),
        np.vstack(pairs),
        settings.weights,
        centred=settings.comparison != "cosine",
        n_threads=settings.n_threads,
    )
    ends = np.cumsum([0, *(len(group) for group in pairs)]).tolist()
    groups = [
        everything.apply(lambda v, start=start, end=end: v[..., start:end])
        for start, end in itertools.pairwise(ends)
    ]
    found = {
        measure: _OfMeasure(*groups[3 * i : 3 * i + 3]) for i, measure in enumerate(standardised)
    }
    return found, groups[-1] if region.repeats is not None else None


def _interval_subjects(
    similarities: np.ndarray, region: rdms.RdmSet, settings: _Settings
) -> dict[str, Any]:
    if len(region.subjects) < FEWEST_SUBJECTS_TO_RESAMPLE:
        reason = (
            f"resampling subjects needs at least {FEWEST_SUBJECTS_TO_RESAMPLE} of them, "
            f"there are {len(region.subjects)}"
        )
        return {"interval_subjects": None, "interval_subjects_reason": reason}
    rng = stats.stream(settings.seed, "rsa", "subjects", region.label)
    draws = resample.over_subjects(squareform(similarities), rng, len(settings.weights))
    interval = list(stats.percentile_interval(draws, settings.interval))
    return {"interval_subjects": interval, "interval_subjects_reason": None}


def _by_measure(region: rdms.RdmSet) -> dict[str, dict[str, float]]:
    """Return the mean similarity for every measure and comparison."""
    answer = {}
    for measure, vectors in region.full.items():
        answer[measure] = {}
        for comparison in compare.COMPARISONS:
            rows = _standardise(region, vectors, measure, comparison)
            answer[measure][comparison] = _mean_similarity(rows)
    return answer


def _mean_similarity(standardised: np.ndarray) -> float:
    pairs = np.triu_indices(len(standardised), 1)
    return float((standardised @ standardised.T)[pairs].mean())


def _saturated_cosines(region: rdms.RdmSet) -> list[float]:
    """Return the cosines near 1 that RDMs with these means, but unrelated geometry, would have."""
    chance = []
    for vectors in region.full.values():
        constancy = vectors.mean(axis=1) / np.sqrt(np.mean(vectors**2, axis=1))
        chance.append(np.outer(constancy, constancy)[np.triu_indices(len(vectors), 1)].mean())
    return [value for value in chance if value > SATURATED_COSINE]


def _mismatched(
    region: rdms.RdmSet, permutations: np.ndarray, settings: _Settings
) -> dict[str, Any]:
    """Test the negative control.

    Each subject's rows are other stimuli, so samples of stimuli are not shared between subjects;
    the permutation null is exact here and gives the interval.
    """
    if region.mismatched is None:
        return {"mismatched": None, "mismatched_reason": "there are no mismatched RDMs"}
    rows = _standardise(region, region.mismatched, "mismatched", settings.comparison)
    observed, mean_null = relabel.mean_similarity(rows, permutations, settings.n_threads)
    estimate = _mean_similarity(rows)
    low, high = stats.percentile_interval(mean_null, settings.interval)
    answer = {
        "estimate": estimate,
        "interval": [estimate - high, estimate - low],
        "p": stats.permutation_p(observed, mean_null, alternative="two-sided"),
    }
    return {"mismatched": answer, "mismatched_reason": None}
