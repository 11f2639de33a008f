"""RDMs measured elsewhere: read from any of three formats, and checked."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from brainworth import files
from brainworth.erosion import rdms
from brainworth.erosion.formats import READERS, FoundRdm, plain_text
from brainworth.errors import BrainworthError

# Asymmetry and diagonal entries up to this share of the largest dissimilarity are rounding.
TOLERANCE = 1e-5


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
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise BrainworthError(
            f"{path}: RDMs are read from {', '.join(READERS)} files; convert it, or correct "
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
        file["rdm_descriptors/subject"] = plain_text(region.subjects)
        file["rdm_descriptors/index"] = np.arange(len(vectors))
        numbered = np.issubdtype(stimuli.dtype, np.integer)
        file["pattern_descriptors/stimulus"] = stimuli if numbered else plain_text(stimuli)
        file["pattern_descriptors/index"] = np.arange(len(stimuli))


def _assemble(
    path: Path, label: str, measured: list[FoundRdm], stimuli: np.ndarray | None
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
    _require_different(path, by_subject)
    n_stimuli = next(iter(sizes.values()))
    sessions = np.array([list(own.values()) for own in by_subject.values()]).swapaxes(0, 1)
    region = rdms.RdmSet(
        label=label,
        subjects=tuple(by_subject),
        full={"external": sessions.mean(axis=0)},
        repeats=sessions if len(sessions) > 1 else None,
    )
    return rdms.RdmFile(_labels(stimuli, n_stimuli, path), [region])


def _require_different(path: Path, by_subject: dict[str, dict[str, np.ndarray]]) -> None:
    """Refuse measurements that are copies of one another: their noise would count as agreement."""
    seen: dict[bytes, str] = {}
    for subject, own in by_subject.items():
        for session, vector in own.items():
            name = f"{subject}, session {session}"
            twin = seen.setdefault(vector.tobytes(), name)
            if twin != name:
                raise BrainworthError(
                    f"{path}: the RDMs of {twin} and of {name} are identical; keep one measurement "
                    "for each subject and session"
                )


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
