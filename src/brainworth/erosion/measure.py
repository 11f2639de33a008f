"""From betas to RDMs: every region and subject, with parts for reliability and a control."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from brainworth.erosion import responses as shared
from brainworth.erosion.dissimilarity import correlation_rdm, crossnobis_rdm
from brainworth.erosion.rdms import RdmFile, RdmSet
from brainworth.errors import BrainworthError
from brainworth.nsd import betas
from brainworth.stats import stream


def measure(extracts: dict[str, Path], regions: list[str], seed: int) -> RdmFile:
    """Compute the RDMs of a study.

    For each region and each subject that has it: correlation distance between mean patterns; if
    every stimulus was repeated, correlation distance within each repetition (for reliability) and
    crossnobis between repetitions (no noise whitening: the voxels are z-scored); and the
    mismatched-stimuli control, the correlation RDM of as many other images of the subject, drawn
    at random among those seen as often, in random order: what a wrong id mapping looks like.

    Parameters
    ----------
    extracts : dict from subject to path
        Files that `betas.extract` wrote.
    regions : list of str
        Region names of the extracts.
    seed : int
        Root seed of the study.

    Raises
    ------
    BrainworthError
        With fewer than two subjects, or if no region is left in two of them.
    """
    if len(extracts) < 2:
        raise BrainworthError(
            "RDMs are compared between subjects, and there is one; add some to subjects, or take "
            "rsa and rdm_gap out of erosion.tests"
        )
    stimuli = shared.matched_stimuli(extracts)
    regions = shared.regions_for(extracts, regions, shared.PATTERNS)
    drawn = {subject: _draw_mismatched(path, seed) for subject, path in extracts.items()}
    sets, missing = [], []
    for region in tqdm(regions, desc="RDMs", disable=None):
        found = _measure_region(extracts, region, drawn)
        if found is None:
            missing.append(region)
        else:
            sets.append(found)
    if not sets:
        raise BrainworthError(
            f"none of {', '.join(regions)} has {shared.MIN_VOXELS} voxels in two subjects; "
            "RSA between subjects needs at least one such region"
        )
    return RdmFile(stimuli, sets, tuple(missing))


def _measure_region(
    extracts: dict[str, Path], region: str, drawn: dict[str, tuple[np.ndarray, np.ndarray]]
) -> RdmSet | None:
    subjects, rdms = [], []
    for subject, path in extracts.items():
        found = shared.read_region(path, region, shared.PATTERNS)
        if found is None:
            continue
        rows, image = drawn[subject]
        other = betas.read_responses(path, region, rows).values.astype(np.float64)
        mismatched = correlation_rdm(_average(other, image))
        subjects.append(subject)
        rdms.append(_subject_rdms(found) | {"mismatched": mismatched})
    return _stacked(region, subjects, rdms) if len(subjects) >= 2 else None


def of_responses(found: list[shared.SharedResponses]) -> RdmSet:
    """Compute the RDMs of one region from responses in memory, without the mismatched control.

    Parameters
    ----------
    found : list of SharedResponses
        The region in at least two subjects.
    """
    subjects = [item.subject for item in found]
    return _stacked(found[0].region, subjects, [_subject_rdms(item) for item in found])


def _subject_rdms(found: shared.SharedResponses) -> dict:
    return {
        "n_voxels": found.n_voxels,
        "correlation": correlation_rdm(shared.mean_patterns(found)),
        "patterns": shared.repetition_patterns(found, int(found.counts().min())),
    }


def _stacked(region: str, subjects: list[str], rdms: list[dict]) -> RdmSet:
    repeats = [each["patterns"] for each in rdms]
    n_repeats = min(len(patterns) for patterns in repeats)
    full = {"correlation": np.stack([each["correlation"] for each in rdms])}
    parts = None
    if n_repeats >= 2:
        crossnobis = [crossnobis_rdm(patterns[:n_repeats]) for patterns in repeats]
        full["crossnobis"] = np.stack(crossnobis)
        parts = np.stack(
            [
                np.stack([correlation_rdm(patterns[r]) for patterns in repeats])
                for r in range(n_repeats)
            ]
        )
    control = [each["mismatched"] for each in rdms if "mismatched" in each]
    return RdmSet(
        label=region,
        subjects=tuple(subjects),
        full=full,
        repeats=parts,
        mismatched=np.stack(control) if control else None,
        n_voxels=tuple(each["n_voxels"] for each in rdms),
    )


def _draw_mismatched(path: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw as many images as there are matched stimuli, in random order.

    Returns
    -------
    rows : array of int
        Their trials, ascending.
    image : array of int
        0..I-1, for each of these trials.
    """
    with h5py.File(path, "r") as file:
        nsd_id = file["trials/nsd_id"][:]
        matched = file["trials/matched"][:]
        subject = str(file.attrs["subject"])
    _, per_matched = np.unique(nsd_id[matched], return_counts=True)
    ids, counts = np.unique(nsd_id, return_counts=True)
    candidates = ids[counts >= per_matched.min()]
    rng = stream(seed, "rsa", "mismatched", subject)
    chosen = rng.choice(candidates, per_matched.size, replace=False)
    order = np.argsort(chosen)
    rows = np.flatnonzero(np.isin(nsd_id, chosen))
    return rows, order[np.searchsorted(chosen[order], nsd_id[rows])]


def _average(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Average the rows of each group 0..n-1."""
    counts = np.bincount(group)
    total = np.zeros((counts.size, values.shape[1]))
    np.add.at(total, group, values)
    return total / counts[:, None]
