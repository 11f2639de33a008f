"""Whether a subject's own data predict its RDM better than the other subjects do.

As published (information erosion, README v2.1, "Encoding gap (RDM)"): the individual side is the
correlation of the subject's RDMs from single repetitions, stepped up by Spearman-Brown; the
population side is the correlation of the subject's RDM with the mean RDM of the others; the gap is
their difference. Spearman-Brown does not hold for RDMs (pattern noise enters a distance as a
square, not as a sum), and the two sides are measured with different noise.

Sound: *same target*: one repetition's RDM is predicted by another repetition of the same subject,
and by the others' mean RDM; no step-up, but the mean of many has less noise than one repetition.
*Noise free*: the similarities of pairs of subjects corrected for reliability
(`reliability.corrected`) give the correlation of the subject's noise-free RDM with the mean of the
others' noise-free RDMs; an individual prediction without noise correlates 1, so the gap is 1 minus
it. Two nulls: stimuli relabelled (the population predicts nothing), and subjects relabelled between
parts (all have one RDM; `population.own_advantage`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from brainworth import stats
from brainworth.erosion import (
    compare,
    population,
    rdm_gap_labels,
    rdms,
    relabel,
    reliability,
    resample,
)
from brainworth.erosion.rdm_gap_labels import UNDEFINED
from brainworth.erosion.resample import Resampled

PURPOSE = "the gap of RDMs"
NO_REPEATS = "there are no RDMs from disjoint parts of a subject's data"


@dataclass(frozen=True)
class _Settings:
    comparison: str
    n_labellings: int
    interval: float
    seed: int
    n_threads: int
    weights: np.ndarray


def analyse(
    content: rdms.RdmFile,
    *,
    comparison: str,
    n_permutations: int,
    n_labellings: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
    n_threads: int = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Hold individual against population prediction of RDMs in every region.

    Parameters
    ----------
    content : RdmFile
        RDMs by region; regions may differ in their subjects.
    comparison : {"spearman", "corr"}
    n_permutations : int
        Relabellings of the stimuli, the same in every region.
    n_labellings : int
        Relabellings of the subjects; all S! if there are no more.
    n_bootstrap : int
        Samples of stimuli, the same in every region.
    interval : float
        Nominal coverage of the BCa intervals over stimuli.
    seed : int
        Root seed of the study.
    n_threads : int
        Does not change the result.
    progress : bool
        Show a bar, if standard error is a terminal.

    Returns
    -------
    dict
        Ready for JSON; a missing number is None and has its reason beside it.

    Raises
    ------
    BrainworthError
        If there are fewer than 5 stimuli, a region has fewer than 2 subjects, or an RDM is
        constant or holds NaN.
    """
    rdms.require_stimuli(content, PURPOSE)
    drawn: dict[str, np.ndarray] = {}
    measure = ""
    weights = resample.draw(seed, n_bootstrap, content.n_stimuli)
    settings = _Settings(comparison, n_labellings, interval, seed, n_threads, weights)
    regions, observed, nulls, labels = [], [], [], []
    for region in tqdm(
        content.regions, desc="RDM gap", unit="region", disable=not progress or None
    ):
        measure = measure or region.measure
        rdms.require_usable(region, measure, PURPOSE)
        for name in region.subjects:
            if name not in drawn:
                drawn[name] = relabel.draw(seed, [name], n_permutations, content.n_stimuli)[0]
        chosen = np.stack([drawn[name] for name in region.subjects])
        result, value, null, own = _region(region, chosen, settings)
        regions.append(result)
        observed.append(value)
        nulls.append(null)
        labels.append(own)
    familywise = stats.max_statistic_p(np.array(observed), np.stack(nulls, axis=1))
    for result, p in zip(regions, familywise.tolist(), strict=True):
        result["published"]["population"]["p_familywise"] = p
    rdm_gap_labels.add_familywise(regions, labels)
    return {
        "comparison": comparison,
        "measure": measure,
        "n_stimuli": content.n_stimuli,
        "n_permutations": n_permutations,
        "n_labellings": n_labellings,
        "n_bootstrap": n_bootstrap,
        "interval": interval,
        "missing_regions": list(content.missing),
        "regions": regions,
    }


def _region(
    region: rdms.RdmSet, permutations: np.ndarray, settings: _Settings
) -> tuple[dict[str, Any], float, np.ndarray, rdm_gap_labels.Labels | None]:
    own = _standardise(region, region.full[region.measure], settings.comparison)
    parts = None
    if region.repeats is not None:
        parts = _standardise(region, region.repeats, settings.comparison)
    across, repeats, single = _resample(region, own, parts, settings)
    pairs, null = relabel.similarities(own, permutations, settings.n_threads)
    value = float(population.with_others(pairs).mean())
    null = population.with_others(null).mean(axis=-1)
    result = {
        "region": region.label,
        "subjects": list(region.subjects),
        "n_subjects": len(region.subjects),
        "n_repeats": 1 if parts is None else len(parts),
        "published": {
            "population": _entry(across.apply(_mean), settings.interval)
            | {
                "p": stats.permutation_p(value, null),
                "p_familywise": None,
                "null_mean": float(null.mean()),
                "null_interval": list(stats.percentile_interval(null, settings.interval)),
            },
            "individual": None,
            "gap": None,
        },
        "published_reason": None,
        "same_target": None,
        "same_target_reason": None,
        "noise_free": None,
        "noise_free_reason": None,
        "per_subject": [
            {"subject": name, "population": each, "individual": None, "noise_free": None}
            for name, each in zip(region.subjects, across.estimate.tolist(), strict=True)
        ],
    }
    if repeats is None or single is None or parts is None:
        for name in ("published", "same_target", "noise_free"):
            result[f"{name}_reason"] = NO_REPEATS
        return result, value, null, None
    n, n_parts = len(own), len(parts)
    within = repeats.apply(lambda v: reliability.within(v, n_parts, n))
    stepped = within.apply(lambda v: population.spearman_brown(v, n_parts))
    _add_individual(result, within, stepped, across, single, settings.interval)
    good = _reliable(within, settings.interval)
    result["noise_free"], result["noise_free_reason"] = _noise_free(
        repeats, good, region.subjects, n_parts, settings.interval, result["per_subject"]
    )
    labels = None
    if result["noise_free"] is not None:
        names = tuple(name for name, kept in zip(region.subjects, good, strict=True) if kept)
        labels = rdm_gap_labels.relabel(parts[:, good], names, settings.n_labellings, settings.seed)
        result["noise_free"] |= rdm_gap_labels.entry(labels, settings.interval)
    return result, value, null, labels


def _resample(
    region: rdms.RdmSet, own: np.ndarray, parts: np.ndarray | None, settings: _Settings
) -> tuple[Resampled, Resampled | None, Resampled | None]:
    """Resample all comparisons in one go, so that they share their samples.

    Returns
    -------
    across : Resampled
        (S,) each subject with the pooled RDM of the others.
    repeats : Resampled or None
        Pairs of single parts, in the order of `reliability.pairs`.
    single : Resampled or None
        (S,) mean over a subject's parts of their similarity with the pooled RDM of the others.
    """
    n = len(own)
    pooled = compare.pooled(region.full[region.measure], settings.comparison)[0]
    names = [f"{region.label}: the pooled RDM"] * n
    rows = [own, compare.standardise(pooled, settings.comparison, names)]
    subject = np.arange(n)
    groups = [np.stack([subject, n + subject], axis=1)]
    if parts is not None:
        rows.append(parts.reshape(-1, own.shape[1]))
        of_part = np.arange(len(parts) * n)
        groups.append(2 * n + reliability.pairs(len(parts), n))
        groups.append(np.stack([2 * n + of_part, n + of_part % n], axis=1))
    found = resample.over_stimuli(
        np.vstack(rows),
        np.vstack(groups),
        settings.weights,
        centred=True,
        n_threads=settings.n_threads,
    )
    across = found.apply(lambda v: v[..., :n])
    if parts is None:
        return across, None, None
    end = n + len(groups[1])
    single = found.apply(lambda v: v[..., end:].reshape(*v.shape[:-1], len(parts), n).mean(axis=-2))
    return across, found.apply(lambda v: v[..., n:end]), single


def _add_individual(
    result: dict[str, Any],
    within: Resampled,
    stepped: Resampled,
    across: Resampled,
    single: Resampled,
    level: float,
) -> None:
    """Add what needs repeats and no correction: the published gap, and that of one target."""
    result["same_target"] = {
        "individual": _entry(within.apply(_mean), level),
        "population": _entry(single.apply(_mean), level),
        "gap": _entry(_less(within, single).apply(_mean), level),
    }
    gap = _less(stepped, across).apply(_mean)
    if _defined(gap, level):
        result["published"]["individual"] = _entry(stepped.apply(_mean), level)
        result["published"]["gap"] = _entry(gap, level)
    else:
        result["published_reason"] = UNDEFINED
    for row, value, one, other in zip(
        result["per_subject"],
        stepped.estimate.tolist(),
        within.estimate.tolist(),
        single.estimate.tolist(),
        strict=True,
    ):
        row["individual"] = value if np.isfinite(value) else None
        row["same_target"] = {"individual": one, "population": other}


def _reliable(within: Resampled, level: float) -> np.ndarray:
    """Say whose reliability has an interval above zero."""
    bounds = [
        within.apply(lambda v, s=s: v[..., s]).percentile(level)
        for s in range(within.estimate.size)
    ]
    return np.array([one is not None and one[0] > 0 for one in bounds])


def _noise_free(
    repeats: Resampled,
    good: np.ndarray,
    subjects: tuple[str, ...],
    n_parts: int,
    level: float,
    rows: list[dict[str, Any]],
) -> tuple[dict[str, Any] | None, str | None]:
    """Return the gap between noise-free predictions, or why there is none."""
    n = good.size
    if good.sum() < 2:
        return None, (
            f"the reliability of {good.sum()} of {n} subjects has an interval above 0; "
            "a correction needs 2 such subjects"
        )
    first, second = np.triu_indices(n, 1)
    kept = good[first] & good[second]
    each = repeats.apply(
        lambda v: population.with_others(reliability.corrected(v, n_parts, n)[..., kept])
    )
    mean = each.apply(_mean)
    if not _defined(mean, level):
        return None, UNDEFINED
    for place, s in enumerate(np.flatnonzero(good)):
        one = each.apply(lambda v, place=place: v[..., place])
        rows[s]["noise_free"] = {
            "estimate": float(one.estimate),
            "interval": one.percentile(level),
        }
    return {
        "population": _entry(mean, level),
        "gap": _entry(mean.apply(lambda v: 1 - v), level),
        "n_subjects": int(good.sum()),
        "unreliable_subjects": [
            name for name, kept in zip(subjects, good, strict=True) if not kept
        ],
        "n_undefined_draws": int(np.count_nonzero(~np.isfinite(mean.draws))),
    }, None


def _standardise(region: rdms.RdmSet, vectors: np.ndarray, comparison: str) -> np.ndarray:
    names = [f"{region.label}, {subject}: the RDM" for subject in region.subjects]
    repeats = vectors.size // vectors.shape[-1] // len(names)
    return compare.standardise(vectors, comparison, names * repeats)


def _entry(found: Resampled, level: float) -> dict[str, Any]:
    return {"estimate": float(found.estimate), "interval": found.corrected(level)}


def _defined(found: Resampled, level: float) -> bool:
    return bool(np.isfinite(found.estimate) and np.isfinite(found.draws).mean() >= level)


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=-1)


def _less(left: Resampled, right: Resampled) -> Resampled:
    return Resampled(
        left.estimate - right.estimate, left.draws - right.draws, left.jackknife - right.jackknife
    )
