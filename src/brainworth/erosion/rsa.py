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
    rdms.require_enough(content, "cross-subject RSA")
    everyone = list(dict.fromkeys(name for region in content.regions for name in region.subjects))
    permutations = relabel.draw(seed, everyone, n_permutations, content.n_stimuli)
    weights = resample.draw(seed, n_bootstrap, content.n_stimuli)
    settings = _Settings(comparison, interval, seed, n_threads, weights)
    regions, nulls, observed = [], [], []
    for region in tqdm(content.regions, desc="RSA", unit="region", disable=not progress or None):
        chosen = permutations[[everyone.index(name) for name in region.subjects]]
        result, null, value = _region(region, chosen, settings)
        regions.append(result)
        nulls.append(null)
        observed.append(value)
    familywise = stats.max_statistic_p(np.array(observed), np.stack(nulls, axis=1))
    for result, p in zip(regions, familywise.tolist(), strict=True):
        result["similarity"]["p_familywise"] = p
    return {
        "comparison": comparison,
        "measure": content.regions[0].measure,
        "n_stimuli": content.n_stimuli,
        "n_permutations": n_permutations,
        "n_bootstrap": n_bootstrap,
        "interval": interval,
        "cosine_warning": _cosine_warning(content),
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


def _region(
    region: rdms.RdmSet, permutations: np.ndarray, settings: _Settings
) -> tuple[dict[str, Any], np.ndarray, float]:
    """Analyse one region; also return the null of its mean similarity and the value to hold to it.

    Estimates are in double precision; p-values hold rounded values of one kernel to each other.
    """
    own = _standardise(region, region.full[region.measure], region.measure, settings.comparison)
    observed, null = relabel.similarities(own, permutations, settings.n_threads)
    mean_observed, mean_null = float(observed.mean()), null.mean(axis=1)
    across, lower, upper, repeats = _resample(region, own, settings)
    corrected, corrected_pairs = reliability.report(
        repeats, region.subjects, 0 if repeats is None else len(region.repeats), settings.interval
    )
    mean = across.apply(_mean)
    names = region.subjects
    result = {
        "label": region.label,
        "subjects": list(names),
        "n_subjects": len(names),
        "n_pairs": observed.size,
        "n_voxels": None if region.n_voxels is None else list(region.n_voxels),
        "similarity": {
            "estimate": float(mean.estimate),
            "interval_stimuli": mean.both(settings.interval),
            **_interval_subjects(across.estimate, region, settings),
            "p": stats.permutation_p(mean_observed, mean_null),
            "p_familywise": None,
            "null_mean": float(mean_null.mean()),
            "null_interval": list(stats.percentile_interval(mean_null, settings.interval)),
        },
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
        "noise_ceiling": {
            name: {
                "estimate": float(bound.estimate),
                "interval": bound.percentile(settings.interval),
            }
            for name, bound in (("lower", lower.apply(_mean)), ("upper", upper.apply(_mean)))
        },
        **corrected,
        "by_measure": _by_measure(region),
        **_mismatched(region, permutations, settings),
    }
    return result, mean_null, mean_observed


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=-1)


def _standardise(
    region: rdms.RdmSet, vectors: np.ndarray, what: str, comparison: str
) -> np.ndarray:
    names = [f"{region.label}, {subject}: the {what} RDM" for subject in region.subjects]
    repeats = vectors.size // vectors.shape[-1] // len(names)
    return compare.standardise(vectors, comparison, names * repeats)


def _resample(
    region: rdms.RdmSet, own: np.ndarray, settings: _Settings
) -> tuple[Resampled, Resampled, Resampled, Resampled | None]:
    """Resample everything that is compared in one go, so that all of it shares its samples.

    Returns
    -------
    across : Resampled
        Pairs of subjects.
    lower, upper : Resampled
        Each subject with the pooled RDM of the others, and of all.
    repeats : Resampled or None
        Pairs of single parts, in the order of `reliability.pairs`.
    """
    n = len(own)
    pooled = np.vstack(compare.pooled(region.full[region.measure], settings.comparison))
    names = [f"{region.label}: the pooled RDM"] * (n + 1)
    rows = [own, compare.standardise(pooled, settings.comparison, names)]
    subject = np.arange(n)
    pairs = [
        np.stack(np.triu_indices(n, 1), axis=1),
        np.stack([subject, n + subject], axis=1),
        np.stack([subject, np.full(n, 2 * n)], axis=1),
    ]
    if region.repeats is not None:
        parts = _standardise(region, region.repeats, "repeated", settings.comparison)
        rows.append(parts.reshape(-1, own.shape[1]))
        pairs.append(2 * n + 1 + reliability.pairs(len(region.repeats), n))
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
    return groups[0], groups[1], groups[2], groups[3] if region.repeats is not None else None


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


def _cosine_warning(content: rdms.RdmFile) -> str | None:
    """Warn if RDMs with these means, but unrelated geometry, would have a cosine near 1."""
    chance = []
    for vectors in (each for region in content.regions for each in region.full.values()):
        constancy = vectors.mean(axis=1) / np.sqrt(np.mean(vectors**2, axis=1))
        chance.append(np.outer(constancy, constancy)[np.triu_indices(len(vectors), 1)].mean())
    saturated = [value for value in chance if value > SATURATED_COSINE]
    return COSINE_WARNING.format(min(saturated)) if saturated else None


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
    observed, null = relabel.similarities(rows, permutations, settings.n_threads)
    estimate = _mean_similarity(rows)
    mean_null = null.mean(axis=1)
    low, high = stats.percentile_interval(mean_null, settings.interval)
    answer = {
        "estimate": estimate,
        "interval": [estimate - high, estimate - low],
        "p": stats.permutation_p(float(observed.mean()), mean_null, alternative="two-sided"),
    }
    return {"mismatched": answer, "mismatched_reason": None}
