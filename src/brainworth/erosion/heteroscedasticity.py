"""Whether the variance of the response depends on the stimulus.

As published (information erosion, README v2.1): per stimulus, the variance over repetitions,
averaged over voxels; its coefficient of variation (CV) and Q75/Q25 over stimuli, called
significant above 0.3 or 2.0.

What decides whether that means anything: with two or three repetitions the sample variance of
*homoscedastic* noise spreads by itself, the more the fewer independent dimensions the voxels
have. The statistics therefore stand beside three nulls (`variance_nulls`, with what each assumes;
none is safe where trials differ in their noise whatever the stimulus), and the estimate to
quote is the squared CV of the *true* variance (`variance.true_cv2`), from which the sampling part
has been removed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from brainworth.erosion import cv2_interval, variance, variance_nulls
from brainworth.erosion import responses as shared
from brainworth.erosion.compiled import in_blocks
from brainworth.stats import (
    max_statistic_p,
    multiplicities,
    percentile_interval,
    permutation_p,
    stream,
)

PUBLISHED_CV = 0.3
PUBLISHED_RATIO = 2.0
STATISTICS = ("cv", "ratio")


def analyse(
    extracts: dict[str, Path],
    regions: list[str],
    *,
    n_surrogates: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
    n_threads: int = 1,
) -> dict:
    """Run the test on all regions.

    Parameters
    ----------
    extracts : dict from subject to path
        Files that `betas.extract` wrote.
    regions : list of str
    n_surrogates, n_bootstrap : int
        Draws of each null, and of the bootstrap over stimuli.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.
    n_threads : int
        Subjects analysed at the same time; does not change the result.

    Returns
    -------
    dict
        Ready for JSON: for every region each subject's statistics, nulls and estimates, and their
        mean over subjects.

    Raises
    ------
    BrainworthError
        If there are fewer than 10 stimuli that every subject saw at least twice.
    """
    stimuli = shared.repeated_stimuli(extracts, 2, "heteroscedasticity")
    weights = multiplicities(stream(seed, "variance", "bootstrap"), n_bootstrap, stimuli.size)
    paths = list(extracts.values())
    done: list[list[tuple[str, dict, dict]]] = [[] for _ in paths]
    with tqdm(total=len(paths), desc="variance", disable=None) as progress:

        def one_subject(part: slice) -> None:
            for number in range(part.start, part.stop):
                done[number] = _analyse_subject(
                    paths[number], regions, stimuli, weights, n_surrogates, interval, seed
                )
                progress.update()

        in_blocks(one_subject, len(paths), 1, n_threads)
    rows: dict[str, list[dict]] = {region: [] for region in regions}
    draws: dict[str, list[dict]] = {region: [] for region in regions}
    for region, row, draw in (found for subject in done for found in subject):
        rows[region].append(row)
        draws[region].append(draw)
    present = [region for region in regions if rows[region]]
    summary = [
        _summarise(region, rows[region], draws[region], weights, interval) for region in present
    ]
    _add_familywise(summary, [draws[region] for region in present])
    return {
        "n_stimuli": int(stimuli.size),
        "n_surrogates": n_surrogates,
        "n_bootstrap": n_bootstrap,
        "interval": interval,
        "published_thresholds": {"cv": PUBLISHED_CV, "ratio": PUBLISHED_RATIO},
        "min_voxels": shared.MIN_VOXELS,
        "missing_regions": [region for region in regions if not rows[region]],
        "regions": summary,
    }


def analyse_region(
    found: list[shared.SharedResponses],
    weights: np.ndarray,
    *,
    n_surrogates: int,
    interval: float,
    seed: int,
) -> dict:
    """Run the test on one region of subjects in memory; no family-wise p.

    Parameters
    ----------
    found : list of SharedResponses
        The region in each subject; every stimulus at least twice.
    weights : array of shape (B, I)
        Bootstrap samples of stimuli.
    """
    rows, draws = [], []
    for item in found:
        [(_, row, draw)] = _analyse_items([item], weights, n_surrogates, interval, seed)
        rows.append(row)
        draws.append(draw)
    return _summarise(found[0].region, rows, draws, weights, interval)


def _analyse_subject(
    path: Path,
    regions: list[str],
    stimuli: np.ndarray,
    weights: np.ndarray,
    n_surrogates: int,
    interval: float,
    seed: int,
) -> list[tuple[str, dict, dict]]:
    """Analyse the regions that one subject has: (region, row of the result, draws)."""
    read = (shared.read_region(path, region, shared.PROFILES, stimuli) for region in regions)
    found = (item for item in read if item is not None)
    return _analyse_items(found, weights, n_surrogates, interval, seed)


def _analyse_items(
    found: Iterable[shared.SharedResponses],
    weights: np.ndarray,
    n_surrogates: int,
    interval: float,
    seed: int,
) -> list[tuple[str, dict, dict]]:
    """Analyse the regions of one subject, of whose voxels only products and mean are kept."""
    items, products = [], []
    for item in found:
        contrasts = variance.contrasts_of(item.values, item.stimulus, item.n_stimuli)
        products.append(variance.products_of(contrasts))
        items.append(dataclasses.replace(item, values=item.values.mean(axis=1, keepdims=True)))
    if not items:
        return []
    null = variance_nulls.draw_all(products, items[0], n_surrogates, seed)
    answer = []
    for number, (item, known) in enumerate(zip(items, products, strict=True)):
        profiles = {name: values[:, number] for name, values in null.items()}
        row, draw = _analyse_region(item, known, profiles, weights, interval, seed)
        answer.append((item.region, row, draw))
    return answer


def _analyse_region(
    item: shared.SharedResponses,
    products: variance.Products,
    null: dict[str, np.ndarray],
    weights: np.ndarray,
    interval: float,
    seed: int,
) -> tuple[dict, dict]:
    """Return the row and the draws of one subject and region; `item` holds the mean response."""
    n_surrogates = len(null["rotation"])
    profile = variance.variance_profile(products)
    observed = variance.spread(profile)
    concentration = variance.noise_concentration(products)
    known = (profile, products.degrees, concentration)
    null_draws = {name: variance.spread(profiles) for name, profiles in null.items()}
    counts = item.counts()
    row = {
        "subject": item.subject,
        "n_voxels": products.n_voxels,
        "n_trials": int(counts.sum()),
        "n_stimuli_by_repetitions": {
            str(k): int(np.count_nonzero(counts == k)) for k in np.unique(counts)
        },
        "effective_dimensions": 1 / concentration,
        "cv": float(observed["cv"]),
        "ratio": float(observed["ratio"]),
        "ratio_by_repetitions": {
            str(k): float(variance.spread(profile[counts == k])["ratio"])
            for k in np.unique(counts)
            if np.count_nonzero(counts == k) >= shared.MIN_STIMULI
        },
        "null": {
            name: {
                statistic: _against(float(observed[statistic]), draws[statistic], interval)
                for statistic in STATISTICS
            }
            for name, draws in null_draws.items()
        },
        "true_cv2": _true_cv2([known], weights, interval),
        "brown_forsythe": variance_nulls.brown_forsythe(
            item.values,
            item.stimulus,
            item.n_stimuli,
            n_surrogates,
            seed,
            *("variance", "brown-forsythe", item.subject),
        ),
    }
    return row, {"null": null_draws, "known": known}


def _true_cv2(
    found: list[tuple[np.ndarray, np.ndarray, float]], weights: np.ndarray, level: float
) -> dict:
    """Average the squared CV over subjects, each given by what `variance.true_cv2` needs."""
    samples = np.vstack([np.ones(weights.shape[1]), weights])
    estimates = np.mean([variance.true_cv2(*known, samples) for known in found], axis=0)
    slopes = sum(variance.cv2_slopes(*known, samples) for known in found) / len(found)
    return {
        "estimate": float(estimates[0]),
        "interval": cv2_interval.studentized(estimates, slopes, samples, level),
    }


def _against(observed: float, draws: np.ndarray, interval: float) -> dict:
    return {
        "mean": float(draws.mean()),
        "interval": list(percentile_interval(draws, interval)),
        "p": permutation_p(observed, draws),
    }


def _summarise(
    region: str, rows: list[dict], draws: list[dict], weights: np.ndarray, interval: float
) -> dict:
    """Average over the subjects that have the region."""
    mean: dict[str, dict] = {}
    for statistic in STATISTICS:
        observed = float(np.mean([row[statistic] for row in rows]))
        mean[statistic] = {"estimate": observed} | {
            name: _against(
                observed,
                np.mean([draw["null"][name][statistic] for draw in draws], axis=0),
                interval,
            )
            for name in variance_nulls.NULLS
        }
    return {
        "region": region,
        "n_subjects": len(rows),
        "mean": mean
        | {"true_cv2": _true_cv2([draw["known"] for draw in draws], weights, interval)},
        "called_significant_as_published": bool(
            mean["cv"]["estimate"] > PUBLISHED_CV or mean["ratio"]["estimate"] > PUBLISHED_RATIO
        ),
        "subjects": rows,
    }


def _add_familywise(summary: list[dict], draws: list[list[dict]]) -> None:
    """Add p-values against the largest standardised statistic over regions (rotation null)."""
    for statistic in STATISTICS:
        null = np.column_stack(
            [
                np.mean([draw["null"]["rotation"][statistic] for draw in region], axis=0)
                for region in draws
            ]
        )
        observed = np.array([region["mean"][statistic]["estimate"] for region in summary])
        centre, scale = null.mean(axis=0), null.std(axis=0)
        p = max_statistic_p((observed - centre) / scale, (null - centre) / scale)
        for region, value in zip(summary, p, strict=True):
            region["mean"][statistic]["rotation"]["p_familywise"] = float(value)
