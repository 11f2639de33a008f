"""RDMs measured elsewhere: MATLAB struct arrays, NumPy archives and rsatoolbox files."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from brainworth import files
from brainworth.erosion import rdms
from brainworth.errors import BrainworthError

# Asymmetry and diagonal entries up to this share of the largest dissimilarity are rounding.
TOLERANCE = 1e-5
SESSION_NAME = re.compile(
    r"^(?:.*\|)?\s*(?P<subject>[^|]+?)\s*\|\s*session\W*(?P<session>\w+)\s*$", re.I
)


@dataclass(frozen=True)
class _Rdm:
    subject: str
    session: str
    values: np.ndarray


def load(path: Path, label: str) -> rdms.RdmFile:
    """Read the RDMs of several subjects.

    Parameters
    ----------
    path : path
        One of

        ``.mat``
            A struct array with the fields ``RDM`` (I x I, or the I (I - 1) / 2 dissimilarities)
            and ``name``. Names such as ``hIT | BE | Session: 1`` give subject and session;
            otherwise the array is (subjects,), (subjects, sessions) or (1, subjects, sessions).
        ``.npz``
            ``rdms`` of shape (S, P), (S, I, I), (R, S, P) or (R, S, I, I), where square last axes
            are matrices; optional ``subjects`` (S) and ``stimuli`` (I).
        ``.h5``, ``.hdf5``
            Written by rsatoolbox's ``RDMs.save``, with an RDM descriptor ``subject`` and,
            optionally, ``session``.
    label : str
        What the RDMs describe; stands in for the region.

    Returns
    -------
    RdmFile
        One region. Sessions become ``repeats``, and ``full["external"]`` is their mean.
        Negative dissimilarities are kept: cross-validated distances have them.

    Raises
    ------
    BrainworthError
        If the file cannot be read or its RDMs do not hold together.
    """
    path = Path(path)
    readers = {".mat": _matlab, ".npz": _numpy, ".h5": _rsatoolbox, ".hdf5": _rsatoolbox}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BrainworthError(
            f"{path}: RDMs are read from {', '.join(readers)} files; convert it, or correct "
            "rdms.file"
        )
    if not path.is_file():
        raise BrainworthError(f"{path} is not a file; correct rdms.file")
    if path.stat().st_size == 0:
        raise BrainworthError(f"{path} is empty; copy it again from its source")
    measured, stimuli = reader(path)
    return _assemble(path, label, measured, stimuli)


def export_rsatoolbox(path: str | Path, region: rdms.RdmSet, stimuli: np.ndarray) -> None:
    """Write the RDMs of the main measure to a file that rsatoolbox's ``load_rdm`` opens.

    Parameters
    ----------
    path : path
        Should end in ``.h5`` or ``.hdf5``; it appears whole or not at all.
    region : RdmSet
    stimuli : array of shape (I,)
        Written as the pattern descriptor ``stimulus``.
    """
    vectors = region.full[region.measure]
    with files.whole(path) as part, h5py.File(part, "w") as file:
        file.attrs["rsatoolbox_version"] = "0.3.2"
        file.attrs["dissimilarity_measure"] = region.measure
        file["dissimilarities"] = vectors
        file.create_group("descriptors").attrs["region"] = region.label
        file["rdm_descriptors/subject"] = _plain_text(region.subjects)
        file["rdm_descriptors/index"] = np.arange(len(vectors))
        numbered = np.issubdtype(stimuli.dtype, np.integer)
        file["pattern_descriptors/stimulus"] = stimuli if numbered else _plain_text(stimuli)
        file["pattern_descriptors/index"] = np.arange(len(stimuli))


def _plain_text(values: Sequence[str]) -> np.ndarray:
    # rsatoolbox decodes its strings as ASCII.
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


def _matlab(path: Path) -> tuple[list[_Rdm], None]:
    with path.open("rb") as handle:
        if handle.read(19) == b"MATLAB 7.3 MAT-file":
            raise BrainworthError(
                f"{path} is a MATLAB 7.3 file; save it in MATLAB with save(..., '-v7')"
            )
    variables = _read(path, "a MATLAB file", lambda: _load_matlab(path))
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
            _Rdm(match["subject"], match["session"], value)
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
        _Rdm(names[i] if named else f"subject{i // n_sessions + 1}", str(i % n_sessions + 1), value)
        for i, value in enumerate(values)
    ], None


def _load_matlab(path: Path) -> dict[str, Any]:
    # SciPy's reader can crash the whole process on a damaged file, so another one tries it first.
    program = "import sys, scipy.io; scipy.io.loadmat(sys.argv[1])"
    trial = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    if trial.returncode != 0:
        raise ValueError(trial.stderr.strip().rpartition("\n")[2] or "the reader crashed")
    return scipy.io.loadmat(path)


def _matlab_name(entry: np.void) -> str:
    name = np.asarray(entry["name"]) if "name" in entry.dtype.names else np.array([])
    return str(name.ravel()[0]).strip() if name.size == 1 else ""


def _numpy(path: Path) -> tuple[list[_Rdm], np.ndarray | None]:
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
    subjects = arrays.get("subjects", np.array([f"subject{s + 1}" for s in range(n_subjects)]))
    if subjects.shape != (n_subjects,):
        raise BrainworthError(
            f"{path}: subjects has shape {subjects.shape}, expected ({n_subjects},) from rdms"
        )
    return [
        _Rdm(str(subjects[s]), str(r + 1), values[r, s])
        for s in range(n_subjects)
        for r in range(n_sessions)
    ], arrays.get("stimuli")


def _rsatoolbox(path: Path) -> tuple[list[_Rdm], np.ndarray | None]:
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
        _Rdm(str(subject), str(session), vector)
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


def _assemble(
    path: Path, label: str, measured: list[_Rdm], stimuli: np.ndarray | None
) -> rdms.RdmFile:
    by_subject: dict[str, dict[str, np.ndarray]] = {}
    for one in measured:
        own = by_subject.setdefault(one.subject, {})
        if one.session in own:
            raise BrainworthError(
                f"{path}: subject {one.subject} has two RDMs for session {one.session}; give each "
                "RDM its own subject or session"
            )
        own[one.session] = _vector(one.values, f"{path}, {one.subject}, session {one.session}")
    counts = {subject: len(own) for subject, own in by_subject.items()}
    if len(set(counts.values())) > 1:
        raise BrainworthError(
            f"{path}: subjects have different numbers of sessions ({_listed(counts)}); keep the "
            "same number for each"
        )
    sizes = {
        subject: rdms.n_stimuli_of(vector.size, f"{path}, {subject}")
        for subject, own in by_subject.items()
        for vector in own.values()
    }
    lengths = {vector.size for own in by_subject.values() for vector in own.values()}
    if len(lengths) > 1:
        raise BrainworthError(
            f"{path}: RDMs have different numbers of stimuli ({_listed(sizes)}); keep the stimuli "
            "that all subjects saw, in one order"
        )
    n_stimuli = next(iter(sizes.values()))
    sessions = np.array([list(own.values()) for own in by_subject.values()]).swapaxes(0, 1)
    region = rdms.RdmSet(
        label=label,
        subjects=tuple(by_subject),
        full={"external": sessions.mean(axis=0)},
        repeats=sessions if len(sessions) > 1 else None,
    )
    return rdms.RdmFile(_labels(stimuli, n_stimuli, path), [region])


def _vector(values: np.ndarray, origin: str) -> np.ndarray:
    """Check one RDM, square or condensed, and return its upper triangle."""
    if not (np.issubdtype(values.dtype, np.floating) or np.issubdtype(values.dtype, np.integer)):
        raise BrainworthError(
            f"{origin}: the RDM holds {values.dtype.name}, expected real numbers; save it again"
        )
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise BrainworthError(
            f"{origin}: the RDM holds NaN or infinity; take out the stimuli without data (for all "
            "subjects)"
        )
    if values.ndim == 2 and 1 in values.shape and values.size > 1:
        values = values.ravel()
    if values.ndim == 2:
        values = _upper_triangle(values, origin)
    if values.ndim != 1 or values.size == 0:
        raise BrainworthError(
            f"{origin}: the RDM has shape {values.shape}; expected stimuli x stimuli, or a vector "
            "of its upper triangle"
        )
    if values.min() == values.max():
        raise BrainworthError(
            f"{origin}: the RDM is constant (every dissimilarity is {values[0]:g}); leave this "
            "subject out"
        )
    return values


def _upper_triangle(matrix: np.ndarray, origin: str) -> np.ndarray:
    if matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise BrainworthError(
            f"{origin}: the RDM has shape {matrix.shape}; expected a square matrix of at least 2 "
            "stimuli, or a vector of its upper triangle"
        )
    slack = TOLERANCE * np.abs(matrix).max()
    if np.abs(np.diag(matrix)).max() > slack:
        raise BrainworthError(
            f"{origin}: the diagonal of the RDM is not zero (found {np.diag(matrix).max():g}); "
            "give dissimilarities, such as 1 - r, and not similarities"
        )
    if np.abs(matrix - matrix.T).max() > slack:
        raise BrainworthError(
            f"{origin}: the RDM is not symmetric (largest difference "
            f"{np.abs(matrix - matrix.T).max():g}); average it with its transpose if that is meant"
        )
    return matrix[np.triu_indices(len(matrix), 1)]


def _labels(stimuli: np.ndarray | None, n_stimuli: int, path: Path) -> np.ndarray:
    if stimuli is None:
        width = len(str(n_stimuli))
        return np.array([f"stimulus{i + 1:0{width}d}" for i in range(n_stimuli)])
    if stimuli.shape != (n_stimuli,):
        raise BrainworthError(
            f"{path}: stimuli has shape {stimuli.shape}, expected ({n_stimuli},) from the RDMs"
        )
    labels = stimuli.astype(str)
    if np.unique(labels).size != n_stimuli:
        raise BrainworthError(f"{path}: two stimuli have the same name; name each of them once")
    return labels


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
