"""Whether the variance over repetitions can be predicted, beyond what is trivially related to it.

As published (information erosion, README v2.1): cross-validated R2 of .85-.91 for the variance
profile from activation patterns. `variance_readings` shows what that may mean and what it gives
without any stimulus-dependent variance.

Sound: the target is the log variance, predictors and target share neither trials nor voxels, folds
are over stimuli, and patterns are judged by what they add to the nuisances (`variance_predictors`).
The null predicts surrogates, rotated contrasts (`variance_halves`), from the same predictors by the
same code. The ceiling is the share of the target that is not sampling: no predictor can reach
R2 = 1 for a variance of two or three repetitions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from brainworth.erosion import responses as shared
from brainworth.erosion import (
    schedule,
    variance,
    variance_ceiling,
    variance_halves,
    variance_readings,
)
from brainworth.erosion import variance_prediction as prediction
from brainworth.erosion.compiled import in_blocks
from brainworth.erosion.variance_predictors import (
    ALONE,
    PATTERNS,
    STEPS,
    Predicted,
    Seen,
    Step,
    predict,
    see,
)
from brainworth.folds import folds
from brainworth.stats import (
    max_statistic_p,
    multiplicities,
    percentile_interval,
    permutation_p,
    stream,
)

ONE_VOXEL = "one column has no halves"
ONE_SUBJECT = "one subject has no others to be predicted from"
FEW_THREE = f"fewer than {shared.MIN_STIMULI} stimuli were shown exactly three times"
NO_TRUE_VARIANCE = "not estimable: profiles do not vary by more than sampling"


def analyse(
    extracts: dict[str, Path],
    regions: list[str],
    *,
    n_components: int,
    n_folds: int,
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
    n_components : int
        Principal components of patterns that predict.
    n_folds : int
        Folds over stimuli.
    n_surrogates, n_bootstrap : int
        Homoscedastic surrogates, bootstrap samples of stimuli.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.
    n_threads : int
        Subjects predicted at the same time; does not change the result.

    Returns
    -------
    dict
        Ready for JSON.

    Raises
    ------
    BrainworthError
        If there are fewer than 10 stimuli that every subject saw at least twice.
    """
    stimuli = shared.repeated_stimuli(extracts, 2, "variance_predictability")
    fold = folds(stimuli.size, n_folds, stream(seed, "variance", "folds"))
    paths = list(extracts.values())
    seen: list[dict[str, Seen]] = [{} for _ in paths]
    done: list[dict[str, tuple[dict, Predicted]]] = [{} for _ in paths]

    def read(number: int) -> list[shared.SharedResponses]:
        items = [
            shared.read_region(paths[number], region, shared.PROFILES, stimuli)
            for region in regions
        ]
        return [item for item in items if item is not None]

    with tqdm(total=2 * len(paths), desc="variance prediction", disable=None) as progress:

        def look(part: slice) -> None:
            for number in range(part.start, part.stop):
                seen[number] = {item.region: see(item, n_components) for item in read(number)}
                progress.update()

        def one_subject(part: slice) -> None:
            for number in range(part.start, part.stop):
                if seen[number]:
                    items = read(number)
                    known = schedule.read(paths[number], stimuli)
                    rest = [found for other, found in enumerate(seen) if other != number]
                    done[number] = _predict_all(
                        items,
                        seen[number],
                        rest,
                        known,
                        fold,
                        n_components,
                        n_folds,
                        n_surrogates,
                        seed,
                    )
                progress.update()

        in_blocks(look, len(paths), 1, n_threads)
        in_blocks(one_subject, len(paths), 1, n_threads)
    weights = multiplicities(
        stream(seed, "variance prediction", "bootstrap"), n_bootstrap, stimuli.size
    )
    rows, families = [], []
    for region in regions:
        found = [
            (seen[i][region], *done[i][region]) for i in range(len(paths)) if region in seen[i]
        ]
        if found:
            row, family = _summarise(region, found, weights, interval)
            rows.append(row)
            families.append(family)
    _add_familywise(rows, families)
    for row in rows:
        row["summary"] = _verdict(row, 1 - interval)
    present = [row["region"] for row in rows]
    return {
        "n_stimuli": int(stimuli.size),
        "n_components": n_components,
        "n_folds": n_folds,
        "n_surrogates": n_surrogates,
        "n_bootstrap": n_bootstrap,
        "interval": interval,
        "min_voxels": shared.MIN_VOXELS,
        "n_stimuli_readings": min(int(stimuli.size), variance_readings.MOST_STIMULI),
        "missing_regions": [region for region in regions if region not in present],
        "regions": rows,
    }


def analyse_region(
    found: list[shared.SharedResponses],
    *,
    n_components: int,
    n_folds: int,
    n_surrogates: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
    schedules: list[schedule.Schedule] | None = None,
) -> dict:
    """Run the test on one region in memory: one entry of `found` a subject, any number of columns.

    Parameters
    ----------
    schedules : list of Schedule, optional
        Of each subject; without them those nuisances explain nothing.
    """
    n = found[0].n_stimuli
    region = found[0].region
    fold = folds(n, n_folds, stream(seed, "variance", "folds"))
    seen = [{region: see(item, n_components)} for item in found]
    known = schedules or [None] * len(found)
    subjects = []
    for number, item in enumerate(found):
        rest = [one for other, one in enumerate(seen) if other != number]
        done = _predict_all(
            [item],
            seen[number],
            rest,
            known[number],
            fold,
            n_components,
            n_folds,
            n_surrogates,
            seed,
        )
        subjects.append((seen[number][region], *done[region]))
    weights = multiplicities(stream(seed, "variance prediction", "bootstrap"), n_bootstrap, n)
    row, family = _summarise(region, subjects, weights, interval)
    _add_familywise([row], [family])
    row["summary"] = _verdict(row, 1 - interval)
    return row


def _predict_all(
    items: list[shared.SharedResponses],
    own: dict[str, Seen],
    rest: list[dict[str, Seen]],
    known: schedule.Schedule | None,
    fold: np.ndarray,
    n_components: int,
    n_folds: int,
    n_surrogates: int,
    seed: int,
) -> dict[str, tuple[dict, Predicted]]:
    """Return by region the readings of the published claim, and the sound predictions."""
    names = [item.region for item in items]
    predicted = predict(
        items,
        [own[name] for name in names],
        [[seen[name] for seen in rest if name in seen] for name in names],
        known,
        fold,
        n_components,
        n_surrogates,
        seed,
    )
    readings = [_readings(item, n_folds, seed) for item in items]
    return dict(zip(names, zip(readings, predicted, strict=True), strict=True))


def _readings(item: shared.SharedResponses, n_folds: int, seed: int) -> dict:
    """Return each reading's R2 on the data and on a surrogate."""
    names = ("variance", "readings", item.subject, item.region)
    item = variance_readings.few_stimuli(item, stream(seed, *names, "stimuli"))
    region = variance_halves.region_of(item, 0, stream(seed, *names))
    means = shared.mean_patterns(item)
    data = variance.contrasts_of(item.values, item.stimulus, item.n_stimuli)
    surrogate = variance_halves.rotated(region, stream(seed, *names, "surrogate"))
    return {
        kind: variance_readings.of_contrasts(
            contrasts, means, min(n_folds, len(means)), stream(seed, *names, "folds")
        )
        for kind, contrasts in (("data", data), ("surrogate", surrogate))
    }


def _summarise(
    region: str,
    found: list[tuple[Seen, dict, Predicted]],
    weights: np.ndarray,
    interval: float,
) -> tuple[dict, dict]:
    readings: dict[str, dict | None] = {}
    for name in variance_readings.NAMES:
        values = [(one["data"][name], one["surrogate"][name]) for _, one, _ in found]
        known = [pair for pair in values if pair[0] is not None]
        readings[name] = None
        if known:
            data, surrogate = np.mean(known, axis=0)
            readings[name] = {
                "estimate": float(data),
                "null_mean": float(surrogate),
                "n": len(known),
                "unit": "R2",
            }
        else:
            readings[f"{name}_reason"] = ONE_VOXEL
    steps: dict[str, dict | None] = {}
    family = {}
    for name in STEPS:
        used = [one.steps[name] for _, _, one in found if name in one.steps]
        if used:
            steps[name], family[name] = _step(used, weights, interval)
        else:
            steps[name] = None
            steps[f"{name}_reason"] = _why(name, found)
    row = {
        "region": region,
        "n_subjects": len(found),
        "published": readings["mean_patterns"],
        "readings": readings,
        "steps": steps,
    }
    return row | _ceilings(found, weights, interval), family


def _why(name: str, found: list[tuple[Seen, dict, Predicted]]) -> str:
    if name.startswith("others"):
        return ONE_SUBJECT
    return ONE_VOXEL if all(seen.n_voxels == 1 for seen, _, _ in found) else FEW_THREE


def _step(used: list[list[Step]], weights: np.ndarray, interval: float) -> tuple[dict, tuple]:
    """Return R2 and its increment, averaged over subjects, and the increment's null."""
    total, added, drawn_total, drawn_added = [], [], [], []
    for step in (one for subject in used for one in subject):
        total.append(step.after.r2)
        added.append(step.after.r2 - step.before.r2)
        counts = weights[:, step.stimuli]
        counts = np.where(counts.sum(axis=1, keepdims=True) == 0, 1, counts)
        after = prediction.r2_resampled(step.after.errors, counts)
        drawn_total.append(after)
        drawn_added.append(after - prediction.r2_resampled(step.before.errors, counts))
    estimate, null = np.split(np.mean(added, axis=0), [1])
    row = {
        "r2": {
            "estimate": float(np.mean(total, axis=0)[0]),
            "interval": list(percentile_interval(np.mean(drawn_total, axis=0), interval)),
            "unit": "R2",
        },
        "increment": {
            "estimate": float(estimate[0]),
            "interval": list(percentile_interval(np.mean(drawn_added, axis=0), interval)),
            "null_mean": float(null.mean()),
            "null_interval": list(percentile_interval(null, interval)),
            "p": permutation_p(float(estimate[0]), null),
            "n": len(used),
            "unit": "R2",
        },
    }
    return row, (float(estimate[0]), null)


def _ceilings(
    found: list[tuple[Seen, dict, Predicted]], weights: np.ndarray, interval: float
) -> dict:
    """Return the largest R2 that sampling allows, and what others' variances predict below it."""
    logs = np.stack([seen.logs for seen, _, _ in found])
    sampling = np.stack([one.sampling for _, _, one in found])
    ones = np.ones((1, logs.shape[1]))
    ceiling = variance_ceiling.true_share(logs, sampling, ones).mean()
    row: dict = {"ceiling": {"estimate": float(ceiling), "unit": "R2", "n": len(found)}}
    if len(found) < 2:
        return row | {"shared_r2": None, "shared_r2_reason": ONE_SUBJECT}
    estimate, draws = np.split(
        variance_ceiling.shared_r2(logs, sampling, np.vstack([ones, weights])), [1]
    )
    kept = np.isfinite(draws)
    if not (np.isfinite(estimate[0]) and np.mean(~kept) <= (1 - interval) / 2):
        return row | {"shared_r2": None, "shared_r2_reason": NO_TRUE_VARIANCE}
    row["shared_r2"] = {
        "estimate": float(estimate[0]),
        "interval": list(percentile_interval(draws[kept], interval)),
        "unit": "R2 without sampling",
    }
    return row


def _add_familywise(rows: list[dict], families: list[dict]) -> None:
    """Add p-values against the largest standardised increment over regions."""
    for name in STEPS:
        members = [
            (row["steps"][name]["increment"], *family[name])
            for row, family in zip(rows, families, strict=True)
            if name in family
        ]
        if not members:
            continue
        null = np.column_stack([draws for _, _, draws in members])
        observed = np.array([estimate for _, estimate, _ in members])
        centre, scale = null.mean(axis=0), np.maximum(null.std(axis=0), 1e-12)
        p = max_statistic_p((observed - centre) / scale, (null - centre) / scale)
        for (increment, _, _), value in zip(members, p, strict=True):
            increment["p_familywise"] = float(value)


def _verdict(row: dict, alpha: float) -> dict:
    """Say which steps add to what comes before them, at the family-wise level `alpha`."""
    answer: dict[str, bool | None] = {}
    for name in (*PATTERNS, ALONE):
        step = row["steps"][name]
        added = None if step is None else step["increment"]
        answer[name] = (
            None if added is None else added["estimate"] > 0 and added["p_familywise"] <= alpha
        )
    return answer
