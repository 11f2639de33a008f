"""Whether the variance over repetitions is a stable property of the stimulus.

As published (information erosion, README v2.1): the split-half correlation of the variance profile,
r = .94-.97 in its table and above .99 in a caption. The source does not say what was split; here,
the voxels at random, averaged over splits.

What decides whether that means anything: halves of the voxels are measured in the same trials, so
noise that voxels share makes them agree however homoscedastic it is. Beside the published number
therefore stand its null (rotated contrasts, which keep what voxels share) and two other estimates:
the correlation of two orthogonal contrasts of the same stimulus (`variance_halves`), which noise
that voxels share cannot raise but trials that differ in their noise can; and of different subjects
(`shared_variance`), as it is and without what the schedule explains, which NSD's subjects have in
common. Only what is above the surrogates *and* in other subjects supports "stable stimulus-driven
signal".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from brainworth.erosion import responses as shared
from brainworth.erosion import schedule, shared_variance
from brainworth.erosion import variance_agreement as agreement
from brainworth.erosion.compiled import in_blocks
from brainworth.erosion.variance_measures import Subject, measure_subject
from brainworth.stats import max_statistic_p, multiplicities, stream


def analyse(
    extracts: dict[str, Path],
    regions: list[str],
    *,
    n_splits: int,
    n_surrogates: int,
    n_permutations: int,
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
    n_splits : int
        Random halves of the voxels.
    n_surrogates, n_permutations, n_bootstrap : int
        Homoscedastic surrogates, relabellings of stimuli, bootstrap samples of stimuli.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.
    n_threads : int
        Subjects measured at the same time; does not change the result.

    Returns
    -------
    dict
        Ready for JSON.

    Raises
    ------
    BrainworthError
        If there are fewer than 10 stimuli that every subject saw at least twice.
    """
    stimuli = shared.repeated_stimuli(extracts, 2, "variance_reliability")
    paths = list(extracts.values())
    done: list[dict[str, Subject]] = [{} for _ in paths]
    with tqdm(total=len(paths), desc="variance reliability", disable=None) as progress:

        def one_subject(part: slice) -> None:
            for number in range(part.start, part.stop):
                items = (
                    shared.read_region(paths[number], region, shared.PROFILES, stimuli)
                    for region in regions
                )
                large = (item for item in items if item is not None)
                known = schedule.read(paths[number], stimuli)
                found = measure_subject(large, known, n_splits, n_surrogates, seed)
                done[number] = {one.region: one for one in found}
                progress.update()

        in_blocks(one_subject, len(paths), 1, n_threads)
    rows, families = [], []
    settings = (n_permutations, n_bootstrap, interval, seed)
    for region in regions:
        found = [subject[region] for subject in done if region in subject]
        if found:
            row, family = summarise(region, found, *settings)
            rows.append(row)
            families.append(family)
    _add_familywise(rows, families)
    for row in rows:
        row["summary"] = _verdict(row, 1 - interval)
    present = [row["region"] for row in rows]
    return {
        "n_stimuli": int(stimuli.size),
        "n_splits": n_splits,
        "n_surrogates": n_surrogates,
        "n_permutations": n_permutations,
        "n_bootstrap": n_bootstrap,
        "interval": interval,
        "min_voxels": shared.MIN_VOXELS,
        "missing_regions": [region for region in regions if region not in present],
        "regions": rows,
    }


def analyse_region(
    found: list[shared.SharedResponses],
    *,
    n_splits: int,
    n_surrogates: int,
    n_permutations: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
    schedules: list[schedule.Schedule] | None = None,
) -> dict:
    """Run the test on one region in memory: one entry of `found` a subject, any number of columns.

    Parameters
    ----------
    schedules : list of Schedule, optional
        Of each subject; without them nothing is adjusted for the schedule.
    """
    known = schedules or [None] * len(found)
    subjects = [
        measure_subject([item], own, n_splits, n_surrogates, seed)[0]
        for item, own in zip(found, known, strict=True)
    ]
    row, family = summarise(found[0].region, subjects, n_permutations, n_bootstrap, interval, seed)
    _add_familywise([row], [family])
    row["summary"] = _verdict(row, 1 - interval)
    return row


def summarise(
    region: str,
    found: list[Subject],
    n_permutations: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
) -> tuple[dict, dict]:
    """Return a region's row, and the draws that family-wise p-values need."""
    n_stimuli = found[0].logs.size
    rng = stream(seed, "variance reliability", "bootstrap")
    weights = multiplicities(rng, n_bootstrap, n_stimuli)
    family: dict[str, tuple[float, np.ndarray]] = {}
    row: dict = {"region": region, "n_subjects": len(found)}
    row |= agreement.within(found, weights, interval, family)
    relabellings = shared_variance.draw(
        seed, [one.name for one in found], [one.degrees for one in found], n_permutations
    )
    for name, profiles in (
        ("across_subjects", [one.logs for one in found]),
        ("across_subjects_adjusted", [one.adjusted for one in found]),
    ):
        reason = agreement.ONE_SUBJECT if len(found) < 2 else None
        if reason is None and any(profile is None for profile in profiles):
            reason = agreement.MANY_COVARIATES
        if reason:
            row |= {name: None, f"{name}_reason": reason}
        else:
            row[name] = agreement.across(np.stack(profiles), relabellings, weights, interval, seed)
            null = row[name].pop("_null")
            family[name] = (row[name]["estimate"], null)
    row |= agreement.true_variance(found, weights, interval)
    row["subjects"] = [agreement.of_subject(one, interval) for one in found]
    return row, family


def _add_familywise(rows: list[dict], families: list[dict]) -> None:
    """Add p-values against the largest standardised statistic over regions."""
    for name in ("voxel_split", "disjoint", "across_subjects", "across_subjects_adjusted"):
        members = [
            (row, *family[name])
            for row, family in zip(rows, families, strict=True)
            if name in family
        ]
        if not members:
            continue
        null = np.column_stack([draws for _, _, draws in members])
        observed = np.array([estimate for _, estimate, _ in members])
        centre, scale = null.mean(axis=0), null.std(axis=0)
        p = max_statistic_p((observed - centre) / scale, (null - centre) / scale)
        for (row, _, _), value in zip(members, p, strict=True):
            row[name]["p_familywise"] = float(value)


def _verdict(row: dict, alpha: float) -> dict:
    """Say which parts of the claim the data support, at the family-wise level `alpha`."""

    def reached(name: str) -> bool | None:
        return None if row[name] is None else bool(row[name]["p_familywise"] <= alpha)

    parts = {
        "above_surrogate": reached("voxel_split"),
        "in_disjoint_contrasts": reached("disjoint"),
        "across_subjects": reached("across_subjects"),
        "across_subjects_adjusted": reached("across_subjects_adjusted"),
    }
    # Without voxels to split, the orthogonal contrasts have to carry "above the surrogate".
    above = parts["above_surrogate"]
    above = parts["in_disjoint_contrasts"] if above is None else above
    shared_too = parts["across_subjects_adjusted"]
    shared_too = parts["across_subjects"] if shared_too is None else shared_too
    return parts | {"stimulus_driven": bool(above and shared_too)}
