"""Mean responses of regions, one file a subject (docs/roi-means.md): format and refusals.

A file is HDF5 (``.h5``, ``.hdf5``) or ``.npz`` and holds arrays:

``responses``
    (T, R), single-trial responses of R regions, in any unit; a column of NaN says that the subject
    does not have this region.
``rois``
    (R,), their names.
``session``, ``nsd_id``
    (T,), NSD's session number (from 1, in ascending order) and 0-based 73K id of each trial.
``repetition``, ``shared``
    (T,), optional: how often the subject had seen the stimulus before, from 0; whether it is one
    that NSD shows to all subjects.
``simulated``
    optional: true if the responses are not of brains.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from brainworth import files
from brainworth.errors import BrainworthError
from brainworth.nsd.columns import POOLED

SUFFIXES = (".h5", ".hdf5", ".npz")
NEEDED = ("responses", "rois", "session", "nsd_id")
OPTIONAL = ("repetition", "shared", "simulated")
#: 73K ids lie below this (manual: Experiments).
N_STIMULI = 73_000


@dataclass(frozen=True)
class RoiMeans:
    """One subject's mean responses.

    Attributes
    ----------
    path : path
    rois : tuple of str
        R names.
    responses : array of shape (T, R), float64
        A column of NaN where the subject lacks a region.
    session, nsd_id : array of shape (T,), int64
        Session number from 1, ascending; 0-based 73K id.
    repetition : array of shape (T,), int64, or None
        0-based, as the file gives it.
    shared : array of shape (T,), bool, or None
    simulated : bool
    """

    path: Path
    rois: tuple[str, ...]
    responses: np.ndarray
    session: np.ndarray
    nsd_id: np.ndarray
    repetition: np.ndarray | None = None
    shared: np.ndarray | None = None
    simulated: bool = False


def locate(folder: Path, subjects: list[str]) -> dict[str, Path]:
    """Find the file of each subject: ``<subject>.h5``, ``.hdf5`` or ``.npz``.

    Raises
    ------
    BrainworthError
        If the folder does not exist, or a subject has no file or two.
    """
    if not folder.is_dir():
        raise BrainworthError(f"roi_means.dir: {folder} is not a folder; correct it")
    answer = {}
    for subject in subjects:
        found = [path for suffix in SUFFIXES if (path := folder / f"{subject}{suffix}").is_file()]
        if not found:
            raise BrainworthError(
                f"roi_means.dir: {folder} has no file for {subject} (looked for {subject}"
                f"{', '.join(SUFFIXES)}); put it there, or take {subject} out of subjects"
            )
        if len(found) > 1:
            names = " and ".join(path.name for path in found)
            raise BrainworthError(f"roi_means.dir: {folder} has both {names}; keep one of them")
        answer[subject] = found[0]
    return answer


def read(path: Path) -> RoiMeans:
    """Read and check the file of one subject.

    Raises
    ------
    BrainworthError
        If the file is missing, damaged or incomplete, arrays do not fit each other, ids or
        sessions are impossible, responses are missing in some trials only, or a session is there
        twice.
    """
    content = _arrays(path)
    missing = [name for name in NEEDED if name not in content]
    if missing:
        raise BrainworthError(
            f"{path} has no {' and no '.join(missing)}; a file of ROI means holds "
            f"{', '.join(NEEDED)} (docs/roi-means.md)"
        )
    responses, rois = content["responses"], content["rois"]
    if responses.ndim != 2 or responses.dtype.kind not in "iuf" or 0 in responses.shape:
        raise BrainworthError(
            f"{path}: responses has shape {responses.shape} and type {responses.dtype}, expected "
            "numbers of shape (trials, ROIs)"
        )
    n_trials, n_rois = responses.shape
    if rois.dtype.kind not in "US" or rois.shape != (n_rois,):
        raise BrainworthError(
            f"{path}: rois has shape {rois.shape} and type {rois.dtype}, expected {n_rois} names, "
            "one a column of responses"
        )
    names = tuple(rois.astype(str).tolist())
    bad = [name for name in names if not name.strip() or "/" in name or name == POOLED]
    if bad or len(set(names)) < n_rois:
        raise BrainworthError(
            f"{path}: the names in rois are {', '.join(map(repr, names))}; each must be there once,"
            f" hold no slash, and not be {POOLED!r}"
        )
    session, nsd_id, repetition, shared = (
        _of_trials(content[name], name, n_trials, path) if name in content else None
        for name in ("session", "nsd_id", "repetition", "shared")
    )
    found = RoiMeans(
        path=path,
        rois=names,
        responses=responses.astype(np.float64),
        session=session,
        nsd_id=nsd_id,
        repetition=repetition,
        shared=None if shared is None else shared.astype(bool),
        simulated=bool(np.all(content["simulated"])) if "simulated" in content else False,
    )
    _check_trials(found)
    _check_responses(found)
    return found


def write(path: Path, content: RoiMeans) -> None:
    """Write a file that `read` reads, as HDF5; it appears whole or not at all."""
    with files.whole(path) as part, h5py.File(part, "w") as file:
        file["responses"] = content.responses.astype(np.float32)
        file.create_dataset("rois", data=list(content.rois), dtype=h5py.string_dtype())
        for name in ("session", "nsd_id", "repetition", "shared"):
            values = getattr(content, name)
            if values is not None:
                file[name] = values
        file["simulated"] = content.simulated


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise BrainworthError(
            f"{path} does not exist; correct roi_means.dir, or put the file there"
        )
    if path.suffix not in SUFFIXES:
        raise BrainworthError(f"{path}: ROI means are read from {', '.join(SUFFIXES)} files")
    names = (*NEEDED, *OPTIONAL)
    try:
        if path.suffix == ".npz":
            with path.open("rb") as handle:
                if not zipfile.is_zipfile(handle):
                    raise ValueError("it is no archive of arrays")
                handle.seek(0)
                file = np.load(handle, allow_pickle=False)
                return {name: file[name] for name in names if name in file.files}
        with h5py.File(path, "r") as file:
            return {name: _dataset(file[name]) for name in names if name in file}
    except (OSError, KeyError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise BrainworthError(
            f"{path} cannot be read ({error}); it is damaged, truncated or not "
            f"{'npz' if path.suffix == '.npz' else 'HDF5'}: write it again"
        ) from None


def _dataset(dataset: h5py.Dataset) -> np.ndarray:
    if h5py.check_string_dtype(dataset.dtype):
        return np.asarray(dataset.asstr()[()], dtype=str)
    return np.asarray(dataset[()])


def _of_trials(values: np.ndarray, name: str, n_trials: int, path: Path) -> np.ndarray:
    if values.shape != (n_trials,):
        raise BrainworthError(
            f"{path}: {name} has shape {values.shape}, expected ({n_trials},): one value for each "
            "of the rows of responses"
        )
    if values.dtype.kind not in "iufb" or not np.array_equal(values, np.rint(values)):
        raise BrainworthError(f"{path}: {name} must hold whole numbers")
    return values.astype(np.int64)


def _check_trials(found: RoiMeans) -> None:
    wrong = np.flatnonzero((found.nsd_id < 0) | (found.nsd_id >= N_STIMULI))
    if wrong.size:
        raise BrainworthError(
            f"{found.path}: nsd_id is {found.nsd_id[wrong[0]]} in trial {wrong[0]} (counted from "
            f"0), and {wrong.size} of them lie outside 0 to {N_STIMULI - 1}; ids are 0-based"
        )
    if found.session.min() < 1:
        raise BrainworthError(
            f"{found.path}: session is {found.session.min()} in some trial; sessions count from 1"
        )
    back = np.flatnonzero(np.diff(found.session) < 0)
    if back.size:
        raise BrainworthError(
            f"{found.path}: session {found.session[back[0] + 1]} follows session "
            f"{found.session[back[0]]} at trial {back[0] + 1} (counted from 0); a session is there "
            "twice, or the trials are not in order of session"
        )
    if found.repetition is None:
        return
    order = np.lexsort((np.arange(found.nsd_id.size), found.nsd_id))
    same = np.diff(found.nsd_id[order]) == 0
    wrong = np.flatnonzero(same & (np.diff(found.repetition[order]) <= 0))
    if wrong.size or found.repetition.min() < 0:
        raise BrainworthError(
            f"{found.path}: repetition must count the presentations of each stimulus upwards from "
            "0, in the order of trials, and does not; correct it, or leave it out"
        )


def _check_responses(found: RoiMeans) -> None:
    """Refuse holes, and sessions that are copies of one another."""
    bad = ~np.isfinite(found.responses)
    absent = np.isnan(found.responses).all(axis=0)
    for roi, column in enumerate(bad.T):
        if column.any() and not absent[roi]:
            trials = np.flatnonzero(column)
            listed = ", ".join(map(str, trials[:5])) + (", ..." if trials.size > 5 else "")
            raise BrainworthError(
                f"{found.path}: {found.rois[roi]} is NaN or infinite in {trials.size} of "
                f"{column.size} trials ({listed}, counted from 0); take these trials out of the "
                "file, or set the whole column to NaN if the subject lacks the region"
            )
    if absent.all():
        raise BrainworthError(f"{found.path}: every region is NaN; there is nothing to analyse")
    seen: dict[bytes, int] = {}
    for session in np.unique(found.session):
        values = found.responses[found.session == session].tobytes()
        twin = seen.setdefault(values, int(session))
        if twin != session:
            raise BrainworthError(
                f"{found.path}: sessions {twin} and {session} hold the same responses; one is a "
                "copy of the other: write the file again"
            )
