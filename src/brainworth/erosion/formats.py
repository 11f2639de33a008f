"""The file formats RDMs are exchanged in: MATLAB struct arrays, NumPy archives, rsatoolbox HDF5.

Readers return what is in a file as it is; `external` checks that it holds together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from brainworth import matlab
from brainworth.errors import BrainworthError

SESSION_NAME = re.compile(
    r"^(?:.*\|)?\s*(?P<subject>[^|]+?)\s*\|\s*session\W*(?P<session>\w+)\s*$", re.I
)


@dataclass(frozen=True)
class FoundRdm:
    """One RDM of a file.

    Attributes
    ----------
    subject, session : str
        Whose it is, and from which part of their data.
    values : array
        As it stands in the file, unchecked.
    """

    subject: str
    session: str
    values: np.ndarray


def plain_text(values: Sequence[str]) -> np.ndarray:
    """Return text as rsatoolbox reads it back: ASCII, with other letters escaped."""
    return np.array([str(value).encode("ascii", "backslashreplace") for value in values])


def _read(path: Path, kind: str, reader: Callable[[], Any]) -> Any:
    """Call a library's reader; a damaged file makes it raise nearly anything."""
    try:
        return reader()
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BrainworthError(
            f"{path} cannot be read as {kind} ({reason}); copy it again from its source, or save "
            "it anew"
        ) from error


def read_matlab(path: Path) -> tuple[list[FoundRdm], None]:
    """Read a struct array with a field ``RDM``; stimuli have no names there."""
    with path.open("rb") as handle:
        if handle.read(19) == b"MATLAB 7.3 MAT-file":
            raise BrainworthError(
                f"{path} is a MATLAB 7.3 file; save it in MATLAB with save(..., '-v7')"
            )
    variables = _read(path, "a MATLAB file", lambda: matlab.load(path))
    variables = {name: value for name, value in variables.items() if not name.startswith("__")}
    structs = [
        value
        for value in variables.values()
        if isinstance(value, np.ndarray) and "RDM" in (value.dtype.names or ()) and value.size
    ]
    if len(structs) != 1:
        raise BrainworthError(
            f"{path}: expected one struct array with a field RDM, found {len(structs)} among the "
            f"variables {sorted(variables)}; save only that array"
        )
    entries = structs[0]
    values = [np.asarray(entry["RDM"]) for entry in entries.ravel()]
    names = [_matlab_name(entry) for entry in entries.ravel()]
    matches = [SESSION_NAME.match(name) for name in names]
    if all(matches):
        return [
            FoundRdm(match["subject"], match["session"], value)
            for match, value in zip(matches, values, strict=True)
        ], None
    grid = entries.reshape([n for n in entries.shape if n > 1] or [1])
    if grid.ndim > 2:
        raise BrainworthError(
            f"{path}: the struct array has shape {entries.shape}; expected (subjects,), (subjects, "
            "sessions) or (1, subjects, sessions), or names such as 'hIT | BE | Session: 1'"
        )
    n_sessions = grid.shape[1] if grid.ndim == 2 else 1
    named = n_sessions == 1 and all(names) and len(set(names)) == len(names)
    return [
        FoundRdm(
            names[i] if named else f"subject{i // n_sessions + 1}", str(i % n_sessions + 1), value
        )
        for i, value in enumerate(values)
    ], None


def _matlab_name(entry: np.void) -> str:
    name = np.asarray(entry["name"]) if "name" in entry.dtype.names else np.array([])
    return str(name.ravel()[0]).strip() if name.size == 1 else ""


def read_numpy(path: Path) -> tuple[list[FoundRdm], np.ndarray | None]:
    """Read ``rdms`` of an .npz archive; return it with the names of the stimuli, if given."""

    def read() -> dict[str, np.ndarray]:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    arrays = _read(path, "a NumPy archive without pickled objects", read)
    if "rdms" not in arrays:
        raise BrainworthError(
            f"{path}: expected an array `rdms`, found {sorted(arrays)}; save it under that name"
        )
    values = arrays["rdms"]
    square = values.ndim > 2 and values.shape[-1] == values.shape[-2]
    if values.size == 0 or values.ndim - square not in (2, 3):
        raise BrainworthError(
            f"{path}: rdms has shape {values.shape}; expected subjects x dissimilarities, subjects "
            "x stimuli x stimuli, or either with sessions in front"
        )
    if values.ndim - square == 2:
        values = values[None]
    n_sessions, n_subjects = values.shape[:2]
    if n_sessions > 1 and "subjects" not in arrays:
        raise BrainworthError(
            f"{path}: rdms has shape {arrays['rdms'].shape}, read as {n_sessions} sessions of "
            f"{n_subjects} subjects; add an array `subjects` with {n_subjects} names so that the "
            "axes cannot be mistaken"
        )
    subjects = arrays.get("subjects", np.array([f"subject{s + 1}" for s in range(n_subjects)]))
    if subjects.shape != (n_subjects,):
        raise BrainworthError(
            f"{path}: subjects has shape {subjects.shape}, expected ({n_subjects},) from rdms"
        )
    return [
        FoundRdm(str(subjects[s]), str(r + 1), values[r, s])
        for s in range(n_subjects)
        for r in range(n_sessions)
    ], arrays.get("stimuli")


def read_rsatoolbox(path: Path) -> tuple[list[FoundRdm], np.ndarray | None]:
    """Read what rsatoolbox's ``RDMs.save`` wrote; return it with the names of the stimuli."""

    def read() -> tuple[np.ndarray | None, dict[str, np.ndarray], dict[str, np.ndarray]]:
        with h5py.File(path, "r") as file:
            vectors = file["dissimilarities"][()] if "dissimilarities" in file else None
            return vectors, *(
                _descriptors(file, f"{axis}_descriptors") for axis in ("rdm", "pattern")
            )

    vectors, of_rdm, of_pattern = _read(path, "an rsatoolbox HDF5 file", read)
    if vectors is None or vectors.ndim != 2 or vectors.size == 0:
        raise BrainworthError(
            f"{path}: expected `dissimilarities` of shape RDMs x pairs of stimuli; write the file "
            "with rsatoolbox's RDMs.save(..., file_type='hdf5')"
        )
    if "subject" not in of_rdm:
        raise BrainworthError(
            f"{path}: expected an RDM descriptor `subject`, found {sorted(of_rdm)}; set "
            "rdms.rdm_descriptors['subject'] and save again"
        )
    subjects = of_rdm["subject"]
    sessions = of_rdm.get("session", np.ones(len(vectors), dtype=int))
    if len(subjects) != len(vectors) or len(sessions) != len(vectors):
        raise BrainworthError(
            f"{path}: {len(vectors)} RDMs, {len(subjects)} subjects and {len(sessions)} sessions "
            "do not match; save it again"
        )
    labels = [values for name, values in sorted(of_pattern.items()) if name != "index"]
    measured = [
        FoundRdm(str(subject), str(session), vector)
        for subject, session, vector in zip(subjects, sessions, vectors, strict=True)
    ]
    return measured, labels[0] if labels else None


def _descriptors(file: h5py.File, name: str) -> dict[str, np.ndarray]:
    if name not in file:
        return {}
    group = file[name]
    # A damaged file can hold names that are not text.
    values = {
        str(key): np.atleast_1d(group[key][()])
        for key in group
        if isinstance(group[key], h5py.Dataset)
    }
    values |= {str(key): np.atleast_1d(value) for key, value in group.attrs.items()}
    return {
        key: np.char.decode(value.astype("S"), "utf-8") if value.dtype.kind in "SO" else value
        for key, value in values.items()
    }


READERS = {
    ".mat": read_matlab,
    ".npz": read_numpy,
    ".h5": read_rsatoolbox,
    ".hdf5": read_rsatoolbox,
}
