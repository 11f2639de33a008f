"""From betas to RDMs: every region and subject, with parts for reliability and a control."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from brainworth.erosion import noise as voxel_noise
from brainworth.erosion import rdms
from brainworth.erosion import responses as shared
from brainworth.erosion.crossnobis import crossnobis_rdm
from brainworth.erosion.dissimilarity import correlation_rdm
from brainworth.erosion.rdms import RdmFile, RdmSet
from brainworth.errors import BrainworthError
from brainworth.nsd import betas, columns
from brainworth.stats import stream

#: The noise covariance is estimated from at most so many other images of a subject.
MOST_NOISE_IMAGES = 1000
#: With fewer repeated other images it is not estimated.
FEWEST_NOISE_IMAGES = 10


def measure(
    extracts: dict[str, Path],
    regions: list[str],
    seed: int,
    *,
    noise: str = "shrinkage_diag",
    n_threads: int = 1,
) -> RdmFile:
    """Compute the RDMs of a study.

    For each region and each subject that has it: correlation distance between mean patterns; if
    every stimulus was repeated, correlation distance within each repetition (for reliability) and
    crossnobis over all repetitions, whitened by the noise of other images of the subject; and the
    mismatched-stimuli control, the correlation RDM of as many images of the subject, drawn at
    random among those seen as often, in random order: what a wrong id mapping looks like.

    Parameters
    ----------
    extracts : dict from subject to path
        Files that `betas.extract` wrote.
    regions : list of str
        Region names of the extracts.
    seed : int
        Root seed of the study.
    noise : {"shrinkage_diag", "none"}
        Noise covariance of crossnobis distances: that of `noise.estimate`, from at most 1,000
        repeated images that are not among the matched stimuli; or the identity.
    n_threads : int
        Does not change the result.

    Raises
    ------
    BrainworthError
        With fewer than two subjects, if no region is left in two of them, or if a subject has too
        few other repeated images.
    """
    found = dict(_each(extracts, regions, seed, noise, n_threads))
    sets = [item for item in found.values() if item is not None]
    missing = tuple(name for name, item in found.items() if item is None)
    return RdmFile(shared.matched_stimuli(extracts), _require_some(sets, regions), missing)


def write(
    path: str | Path,
    extracts: dict[str, Path],
    regions: list[str],
    seed: int,
    *,
    noise: str = "shrinkage_diag",
    n_threads: int = 1,
) -> None:
    """Write what `measure` returns, one region in memory at a time."""
    with rdms.writer(path, shared.matched_stimuli(extracts)) as file:
        for name, item in _each(extracts, regions, seed, noise, n_threads):
            if item is None:
                file.missing.append(name)
            else:
                file.add(item)
        _require_some(file.labels, regions)


@dataclass(frozen=True)
class _Trials:
    """Which trials of one subject are read, and what each of them is for.

    Attributes
    ----------
    rows : array of shape (T,), ascending
    matched, mismatched, noise : arrays of shape (T,)
        0-based stimulus of each trial in each of the three sets; -1 where it is not in the set.
    repetition : array of shape (T,)
    """

    rows: np.ndarray
    matched: np.ndarray
    mismatched: np.ndarray
    noise: np.ndarray
    repetition: np.ndarray


def _each(
    extracts: dict[str, Path], regions: list[str], seed: int, noise: str, n_threads: int
) -> Iterator[tuple[str, RdmSet | None]]:
    """Measure the regions, one after the other; None where fewer than two subjects have it."""
    if len(extracts) < 2:
        raise BrainworthError(
            "RDMs are compared between subjects, and there is one; add some to subjects, or take "
            "rsa and rdm_gap out of erosion.tests"
        )
    shared.matched_stimuli(extracts)  # refuses extracts of different designs
    regions = shared.regions_for(extracts, regions, shared.PATTERNS)
    trials = {subject: _choose(path, seed, noise) for subject, path in extracts.items()}
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(max(1, n_threads)) as pool:
        for region in tqdm(regions, desc="RDMs", disable=None):

            def one(subject: str, region: str = region) -> _Measured | None:
                return _measure_subject(extracts[subject], region, trials[subject])

            found = dict(zip(extracts, pool.map(one, extracts), strict=True))
            yield region, _assemble(region, {s: item for s, item in found.items() if item})


@dataclass(frozen=True)
class _Measured:
    n_voxels: int
    correlation: np.ndarray
    repeats: list[np.ndarray]
    mismatched: np.ndarray | None
    crossnobis: np.ndarray | None
    shrinkage: float | None


def _measure_subject(path: Path, region: str, trials: _Trials) -> _Measured | None:
    if betas.region_voxels(path, region).size < shared.MIN_VOXELS:
        return None
    values = betas.read_responses(path, region, trials.rows).values.astype(np.float64)
    other = trials.noise >= 0
    model = voxel_noise.estimate(values[other], trials.noise[other]) if other.any() else None
    control = trials.mismatched >= 0
    here = trials.matched >= 0
    return _measure_values(
        values[here],
        trials.matched[here],
        trials.repetition[here],
        model,
        correlation_rdm(_average(values[control], trials.mismatched[control])),
    )


def _measure_values(
    values: np.ndarray,
    stimulus: np.ndarray,
    repetition: np.ndarray,
    model: voxel_noise.Noise | None,
    mismatched: np.ndarray | None,
) -> _Measured:
    repeated = int(np.bincount(stimulus).min())
    firsts = [repetition == number for number in range(repeated)] if repeated > 1 else []
    return _Measured(
        n_voxels=values.shape[1],
        correlation=correlation_rdm(_average(values, stimulus)),
        repeats=[correlation_rdm(_average(values[part], stimulus[part])) for part in firsts],
        mismatched=mismatched,
        crossnobis=crossnobis_rdm(values, stimulus, model) if repeated > 1 else None,
        shrinkage=model.shrinkage if model else None,
    )


def of_responses(found: list[shared.SharedResponses]) -> RdmSet | None:
    """Compute the RDMs of one region from responses in memory.

    Without the mismatched control, and without whitening: both need other images.

    Parameters
    ----------
    found : list of SharedResponses
        The region in at least two subjects.
    """
    measured = {
        item.subject: _measure_values(item.values, item.stimulus, item.repetition, None, None)
        for item in found
    }
    return _assemble(found[0].region, measured)


def _assemble(region: str, found: dict[str, _Measured]) -> RdmSet | None:
    if len(found) < 2:
        return None
    items = list(found.values())
    full = {"correlation": np.stack([item.correlation for item in items])}
    n_repeats = min(len(item.repeats) for item in items)
    parts = shrinkage = None
    if n_repeats >= 2:
        full["crossnobis"] = np.stack([item.crossnobis for item in items])
        parts = np.stack([[item.repeats[r] for item in items] for r in range(n_repeats)])
        if all(item.shrinkage is not None for item in items):
            shrinkage = tuple(item.shrinkage for item in items)
    return RdmSet(
        label=region,
        subjects=tuple(found),
        full=full,
        repeats=parts,
        mismatched=None
        if any(item.mismatched is None for item in items)
        else np.stack([item.mismatched for item in items]),
        n_voxels=tuple(item.n_voxels for item in items),
        shrinkage=shrinkage,
    )


def _require_some(found: list, regions: list[str]) -> list:
    if not found:
        raise BrainworthError(
            f"none of {', '.join(regions)} has {shared.MIN_VOXELS} voxels in two subjects; "
            "RSA between subjects needs at least one such region"
        )
    return found


def _choose(path: Path, seed: int, noise: str) -> _Trials:
    """Choose the trials of one subject: matched, mismatched control, noise."""
    with h5py.File(path, "r") as file:
        nsd_id = file["trials/nsd_id"][:]
        matched = file["trials/matched"][:]
        repetition = file["trials/repetition"][:]
    purpose = np.full((3, nsd_id.size), -1)
    purpose[0, matched] = np.unique(nsd_id[matched], return_inverse=True)[1]
    rows, image = _draw_mismatched(path, seed)
    purpose[1, rows] = image
    # Files of mean responses seldom hold other images, and a handful of regions needs no whitening.
    of_voxels = columns.columns_of(path) != columns.ROI_MEANS
    if noise != "none" and of_voxels and np.bincount(purpose[0, matched]).min() > 1:
        rows, image = _draw_noise(path, seed)
        purpose[2, rows] = image
    used = np.flatnonzero((purpose >= 0).any(axis=0))
    return _Trials(used, *purpose[:, used], repetition[used])


def _draw_mismatched(path: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw as many images as there are matched stimuli, in random order.

    Returns
    -------
    rows : array of int
        Their trials, ascending.
    image : array of int
        0..I-1, for each of these trials.
    """
    nsd_id, matched, subject = _trial_table(path)
    _, per_matched = np.unique(nsd_id[matched], return_counts=True)
    ids, counts = np.unique(nsd_id, return_counts=True)
    candidates = ids[counts >= per_matched.min()]
    rng = stream(seed, "rsa", "mismatched", subject)
    chosen = rng.choice(candidates, per_matched.size, replace=False)
    order = np.argsort(chosen)
    rows = np.flatnonzero(np.isin(nsd_id, chosen))
    return rows, order[np.searchsorted(chosen[order], nsd_id[rows])]


def _draw_noise(path: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the images whose repetitions show the noise: none of the matched ones.

    Returns
    -------
    rows : array of int
        Their trials, ascending.
    image : array of int
        0-based image of each of these trials.
    """
    nsd_id, matched, subject = _trial_table(path)
    ids, counts = np.unique(nsd_id[~np.isin(nsd_id, nsd_id[matched])], return_counts=True)
    candidates = ids[counts > 1]
    if candidates.size < FEWEST_NOISE_IMAGES:
        raise BrainworthError(
            f"{subject} saw {candidates.size} images twice that are not among the matched stimuli, "
            f"and the noise covariance needs {FEWEST_NOISE_IMAGES}; use more sessions, or set "
            "erosion.rsa.noise to none"
        )
    rng = stream(seed, "rsa", "noise", subject)
    chosen = rng.choice(candidates, min(MOST_NOISE_IMAGES, candidates.size), replace=False)
    rows = np.flatnonzero(np.isin(nsd_id, chosen))
    return rows, np.unique(nsd_id[rows], return_inverse=True)[1]


def _trial_table(path: Path) -> tuple[np.ndarray, np.ndarray, str]:
    with h5py.File(path, "r") as file:
        return file["trials/nsd_id"][:], file["trials/matched"][:], str(file.attrs["subject"])


def _average(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Average the rows of each group 0..n-1."""
    counts = np.bincount(group)
    total = np.zeros((counts.size, values.shape[1]))
    np.add.at(total, group, values)
    return total / counts[:, None]
