"""How well a region's mean response is predicted from own other trials and from other subjects.

As published (information erosion, README v2.1): R2 of the mean response of a region, of an
individual and of a population model, in the units of the data.

Sound: target is the mean of one part of a subject's repetitions. The individual predictor is its
other part (other trials, from other sessions where possible), the population predictor the mean of
the other subjects; both are calibrated on other stimuli (`calibration`). R2 is divided by the
target's noise ceiling, 1 - (trial variance / n) / variance. What is left in it is noise of the
predictor, which is not the same for both: the gap to quote is one minus the R2 between noise-free
responses, from covariances of disjoint trials.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from tqdm import tqdm

from brainworth.erosion import encoding_voxels
from brainworth.erosion import responses as shared
from brainworth.erosion.calibration import (
    CALIBRATIONS,
    covariance,
    fitted_slope,
    many_r2,
    r2,
    squared_errors,
)
from brainworth.erosion.encoding_design import Design, design
from brainworth.erosion.familywise import add_familywise, against
from brainworth.erosion.parts import Parts, split
from brainworth.errors import BrainworthError
from brainworth.stats import percentile_interval

TARGET = "mean of one of two disjoint parts of the repetitions, both parts in turn"
UNRELIABLE = "the noise ceiling of no subject has an interval above 0"
UNCORRECTED = "the signal variance is not positive, here or in too many bootstrap samples"


def analyse(
    extracts: dict[str, Path],
    regions: list[str],
    *,
    n_folds: int,
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
    n_permutations, n_bootstrap : int
        Relabellings of stimuli, and bootstrap samples of them.
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
        raise BrainworthError("the encoding gap needs at least two subjects; add some to subjects")
    stimuli = shared.repeated_stimuli(extracts, 2, "the encoding gap")
    plan = design(
        list(extracts),
        stimuli.size,
        n_folds=n_folds,
        n_permutations=n_permutations,
        n_bootstrap=n_bootstrap,
        interval=interval,
        seed=seed,
    )
    rows, nulls, missing = [], [], []
    for region in tqdm(regions, desc="encoding gap", disable=None):
        read = [
            shared.read_region(path, region, shared.PROFILES, stimuli) for path in extracts.values()
        ]
        found = [item for item in read if item is not None]
        if len(found) < 2:
            missing.append(region)
            continue
        row, null = analyse_region(found, plan)
        rows.append(row)
        nulls.append({"population": null})
    families = [row["population"]["offset_slope"] for row in rows]
    add_familywise([{"population": row} for row in families], nulls, ("population",))
    return {
        "n_stimuli": int(stimuli.size),
        "n_folds": n_folds,
        "n_permutations": n_permutations,
        "n_bootstrap": n_bootstrap,
        "interval": interval,
        "min_voxels": shared.MIN_VOXELS,
        "target": TARGET,
        "units": "z-scored within session and voxel, then averaged over voxels",
        "missing_regions": missing,
        "regions": rows,
    }


def analyse_region(found: list[shared.SharedResponses], plan: Design) -> tuple[dict, np.ndarray]:
    """Analyse one region.

    Parameters
    ----------
    found : list of SharedResponses
        Two subjects or more, every stimulus at least twice in each; one voxel is enough.
    plan : Design

    Returns
    -------
    row : dict
    null : array of shape (m,)
        Population R2 (``offset_slope``, mean over subjects) with relabelled stimuli.
    """
    means = [
        dataclasses.replace(item, values=item.values.mean(axis=1, keepdims=True)) for item in found
    ]
    split_up = [split(item) for item in means]
    whole = np.stack([parts.mean()[:, 0] for parts in split_up])
    single = np.stack([[parts.first[:, 0], parts.second[:, 0]] for parts in split_up])
    samples = np.vstack([np.ones(plan.fold.size), plan.weights])
    everything = []
    for s, item in enumerate(means):
        others = [t for t in range(len(means)) if t != s]
        population = whole[others].mean(axis=0)
        draws = _predictions(single[s], population, plan.fold, samples)
        draws["ceiling"] = _ceiling(item, split_up[s], single[s], samples)
        draws |= _noise_free(whole[s], single[s], population, single[others], samples)
        draws["slope"] = fitted_slope(population, whole[s], samples)
        draws["published_population"] = r2((whole[s] - population) ** 2, whole[s], samples)
        everything.append(draws)
    statistic = _relabelled(found, whole, single, plan)
    row = {
        "region": found[0].region,
        "n_subjects": len(found),
        **_summary(everything, plan),
        "subjects": [
            {
                "subject": item.subject,
                "n_voxels": item.n_voxels,
                "disjoint_sessions": parts.disjoint_sessions,
                **_subject(draws, plan),
            }
            for item, parts, draws in zip(found, split_up, everything, strict=True)
        ],
        **encoding_voxels.analyse(found, plan),
    }
    row["published"]["individual_same_trials"] = _same_trials(means)
    row["population"]["offset_slope"] |= against(statistic[0], statistic[1:], plan.interval)
    return row, statistic[1:]


def _predictions(
    targets: np.ndarray, population: np.ndarray, fold: np.ndarray, samples: np.ndarray
) -> dict[str, np.ndarray]:
    """Return R2 by predictor and calibration, mean over both targets, for all samples."""
    answer = {}
    for calibration in CALIBRATIONS:
        own, other = [], []
        for part in (0, 1):
            y = targets[part]
            own.append(r2(*squared_errors(targets[1 - part], y, fold, calibration), samples))
            other.append(r2(*squared_errors(population, y, fold, calibration), samples))
        answer[f"individual.{calibration}"] = np.mean(own, axis=0)
        answer[f"population.{calibration}"] = np.mean(other, axis=0)
    return answer


def _relabelled(
    found: list[shared.SharedResponses], whole: np.ndarray, single: np.ndarray, plan: Design
) -> np.ndarray:
    """Return the mean population R2 for the true labels, then for each relabelling.

    A subject keeps its labels of one draw as target and as part of the population of others: pairs
    of subjects count twice, and would vary too little if they were relabelled twice.
    """
    identity = np.arange(plan.fold.size)
    labels = [np.vstack([identity, plan.labels[item.subject]]) for item in found]
    total = sum(y[drawn] for y, drawn in zip(whole, labels, strict=True))
    answer = 0.0
    for own, targets, drawn in zip(whole, single, labels, strict=True):
        population = (total - own[drawn]) / (len(found) - 1)
        answer = answer + sum(many_r2(population, y[drawn], plan.fold) for y in targets)
    return answer / (2 * len(found))


def _ceiling(
    item: shared.SharedResponses, parts: Parts, targets: np.ndarray, samples: np.ndarray
) -> np.ndarray:
    """Return 1 - (trial variance / n) / variance of the target, mean over both targets."""
    residuals = item.values[:, 0] - parts.mean()[item.stimulus, 0]
    squares = np.bincount(item.stimulus, residuals**2, minlength=item.n_stimuli)
    degrees = item.counts() - 1
    variance = (samples @ squares) / (samples @ degrees)
    answer = []
    for y, n in zip(targets, (parts.n_first, parts.n_second), strict=True):
        # An unbiased variance of the target, as that of the trials is.
        size = samples.sum(axis=1)
        spread = covariance(y, y, samples) * size / (size - 1)
        answer.append(1 - variance * (samples @ (1 / n)) / size / spread)
    return np.mean(answer, axis=0)


def _noise_free(
    whole: np.ndarray,
    single: np.ndarray,
    population: np.ndarray,
    others: np.ndarray,
    samples: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return variances without noise, for all samples.

    Noise of different subjects is independent, and so is that of the two parts; products of
    covariances take each trial once.

    Returns
    -------
    dict
        ``signal`` variance of the subject; ``explained`` by the population (NaN where its own
        signal variance is not positive); ``correlation`` of both (NaN where one of them is not).
    """
    x, y = others.mean(axis=0), single
    signal = covariance(y[0], y[1], samples)
    of_others = covariance(x[0], x[1], samples)
    of_others = np.where(of_others > 0, of_others, np.nan)
    same = covariance(x[0], y[0], samples) * covariance(x[1], y[1], samples)
    crossed = covariance(x[0], y[1], samples) * covariance(x[1], y[0], samples)
    root = np.sqrt(of_others * np.where(signal > 0, signal, np.nan))
    return {
        "signal": signal,
        "explained": (same + crossed) / (2 * of_others),
        "correlation": covariance(population, whole, samples) / root,
    }


def _summary(everything: list[dict[str, np.ndarray]], plan: Design) -> dict:
    """Average over subjects. The first draw of each array is the estimate."""
    mean = {name: np.mean([draws[name] for draws in everything], axis=0) for name in everything[0]}
    ceilings = [_entry(draws["ceiling"], plan) for draws in everything]
    good = [k for k, entry in enumerate(ceilings) if entry["interval"][0] > 0]
    answer: dict = {
        "published": {
            "individual": _entry(mean["individual.raw"], plan),
            "population": _entry(mean["published_population"], plan),
        },
        "ceiling": _entry(mean["ceiling"], plan),
        "individual": {},
        "population": {},
        "of_ceiling": None if not good else {"n": len(good), "individual": {}, "population": {}},
        "of_ceiling_reason": None if good else UNRELIABLE,
    }
    for who in ("individual", "population"):
        for calibration in CALIBRATIONS:
            name = f"{who}.{calibration}"
            answer[who][calibration] = _entry(mean[name], plan)
            if good:
                ratio = np.mean(
                    [everything[k][name] / everything[k]["ceiling"] for k in good], axis=0
                )
                answer["of_ceiling"][who][calibration] = _entry(ratio, plan)
    raw, calibrated = (mean[f"population.{name}"][0] for name in ("raw", "offset_slope"))
    answer["units_artefact"] = bool(raw < 0 <= calibrated)
    slopes = [_entry(draws["slope"], plan) for draws in everything]
    answer["slope"] = _entry(mean["slope"], plan) | {
        "n_below_zero": sum(entry["interval"][1] < 0 for entry in slopes),
        "n_above_zero": sum(entry["interval"][0] > 0 for entry in slopes),
        "n": len(slopes),
    }
    return answer | _gap(everything, plan)


def _gap(everything: list[dict[str, np.ndarray]], plan: Design) -> dict:
    """Return the R2 of noise-free responses over all subjects, and what it lacks to 1.

    Sums over subjects are divided, not subjects averaged: the signal variance of one subject is
    too uncertain to divide by.
    """
    signal = np.sum([draws["signal"] for draws in everything], axis=0)
    explained = np.sum([draws["explained"] for draws in everything], axis=0)
    r2_free = explained / np.where(signal > 0, signal, np.nan)
    defined = np.isfinite(r2_free)
    if not defined[0] or defined.mean() < plan.interval:
        return {"noise_free": None, "gap": None, "noise_free_reason": UNCORRECTED}
    found = _entry(r2_free[defined], plan)
    return {
        "noise_free": {"r2": found, "n_draws_undefined": int(np.count_nonzero(~defined))},
        "gap": {
            "estimate": 1 - found["estimate"],
            "interval": [1 - bound for bound in found["interval"][::-1]],
        },
        "noise_free_reason": None,
    }


def _subject(draws: dict[str, np.ndarray], plan: Design) -> dict:
    answer: dict = {
        "ceiling": _entry(draws["ceiling"], plan),
        "slope": _entry(draws["slope"], plan),
    }
    for who in ("individual", "population"):
        answer[who] = {name: _entry(draws[f"{who}.{name}"], plan) for name in CALIBRATIONS}
    defined = np.isfinite(draws["correlation"])
    usable = defined[0] and defined.mean() >= plan.interval
    answer["noise_free_correlation"] = (
        _entry(draws["correlation"][defined], plan) if usable else None
    )
    answer["noise_free_reason"] = None if usable else UNCORRECTED
    answer["units_artefact"] = bool(
        draws["population.raw"][0] < 0 <= draws["population.offset_slope"][0]
    )
    return answer


def _same_trials(means: list[shared.SharedResponses]) -> dict:
    """Return the R2 of the mean of all repetitions for the very trials it is made of.

    ``without_signal`` is what this gives for noise alone.
    """
    values, without = [], []
    for item in means:
        y = item.values[:, 0]
        errors = (y - shared.mean_patterns(item)[item.stimulus, 0]) ** 2
        values.append(1 - errors.sum() / np.sum((y - y.mean()) ** 2))
        without.append((item.n_stimuli - 1) / (y.size - 1))
    return {"estimate": float(np.mean(values)), "without_signal": float(np.mean(without))}


def _entry(draws: np.ndarray, plan: Design) -> dict:
    return {
        "estimate": float(draws[0]),
        "interval": list(percentile_interval(draws[1:], plan.interval)),
    }
