"""Sets of representational dissimilarity matrices (RDMs) and the file they are kept in.

An `RdmSet` is what every RSA starts from, whether its RDMs were computed from NSD betas or were
measured elsewhere. RDMs are kept as condensed vectors: the upper triangle without its diagonal,
row by row, as in `scipy.spatial.distance.squareform`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from brainworth import files, hdf5
from brainworth.errors import BrainworthError

SCHEMA = "brainworth-rdms/1"

#: With fewer stimuli RDMs are not compared.
FEWEST_STIMULI = 5


@dataclass(frozen=True)
class RdmSet:
    """The RDMs of several subjects over the same stimuli, for one region.

    Attributes
    ----------
    label : str
        Name of the region.
    subjects : tuple of str
        S subjects, in the order of the first axis below.
    full : dict from str to array of shape (S, P)
        Dissimilarities from all data of each subject, by measure (``correlation``,
        ``crossnobis``; ``external`` for RDMs measured elsewhere). P = I (I - 1) / 2.
    repeats : array of shape (R, S, P) or None
        RDMs of the main measure from R >= 2 disjoint parts of each subject's data (repetitions
        or scan sessions), for reliability; None where there are none.
    mismatched : array of shape (S, P) or None
        Negative control: RDMs after the stimulus ids of each subject were shuffled.
    n_voxels : tuple of int or None
        Voxels behind each RDM; None where unknown.
    shrinkage : tuple of float or None
        By how much each subject's noise covariance was shrunk to its diagonal for ``crossnobis``;
        None where noise was not whitened.
    """

    label: str
    subjects: tuple[str, ...]
    full: dict[str, np.ndarray]
    repeats: np.ndarray | None = None
    mismatched: np.ndarray | None = None
    n_voxels: tuple[int, ...] | None = None
    shrinkage: tuple[float, ...] | None = None

    @property
    def measure(self) -> str:
        """The main measure: the first one."""
        return next(iter(self.full))


@dataclass(frozen=True)
class RdmFile:
    """All regions of a study, over one list of stimuli.

    Attributes
    ----------
    stimuli : array of shape (I,)
        Integer 0-based 73K ids (`nsd_id`) for NSD, text labels otherwise.
    regions : sequence of RdmSet
        From a file, a region is read whenever it is asked for, so that one is in memory at a time.
    missing : tuple of str
        Regions asked for that fewer than two subjects have.
    """

    stimuli: np.ndarray
    regions: Sequence[RdmSet] = field(default_factory=list)
    missing: tuple[str, ...] = ()

    @property
    def n_stimuli(self) -> int:
        """Number of stimuli I."""
        return len(self.stimuli)


def require_stimuli(content: RdmFile, purpose: str) -> None:
    """Refuse RDMs of too few stimuli, or of no region.

    Parameters
    ----------
    purpose : str
        The test that asks, for the message.
    """
    if not content.regions:
        raise BrainworthError("there are no RDMs to analyse: no region was extracted")
    if content.n_stimuli < FEWEST_STIMULI:
        raise BrainworthError(
            f"{purpose} has {content.n_stimuli} stimuli and needs at least {FEWEST_STIMULI}: use "
            "more sessions or lower design.min_repetitions"
        )


def require_usable(region: RdmSet, measure: str, purpose: str) -> None:
    """Refuse a region of fewer than two subjects, or with another main measure than `measure`."""
    if len(region.subjects) < 2:
        raise BrainworthError(
            f"{region.label}: {purpose} needs at least 2 subjects with this region and "
            f"there is {len(region.subjects)}; add subjects or take the region out of `rois`"
        )
    if region.measure != measure:
        raise BrainworthError(
            f"{region.label} starts with measure {region.measure}, other regions with "
            f"{measure}; write the RDM file again"
        )


def n_pairs(n_stimuli: int) -> int:
    """Return the length of the condensed RDM of `n_stimuli` stimuli."""
    return n_stimuli * (n_stimuli - 1) // 2


def n_stimuli_of(length: int, origin: str) -> int:
    """Return the number of stimuli of a condensed RDM.

    Raises
    ------
    BrainworthError
        If `length` is not I (I - 1) / 2 for any I; `origin` names the file.
    """
    n = int((1 + np.sqrt(1 + 8 * length)) / 2 + 0.5)
    if n < 2 or n_pairs(n) != length:
        raise BrainworthError(
            f"{origin}: {length} dissimilarities are not the upper triangle of any square matrix "
            "(1, 3, 6, 10, 15, ... are)"
        )
    return n


def write(path: str | Path, content: RdmFile) -> None:
    """Write an RDM file (HDF5); it appears whole or not at all."""
    with writer(path, content.stimuli) as file:
        for region in content.regions:
            file.add(region)
        file.missing.extend(content.missing)


@contextlib.contextmanager
def writer(path: str | Path, stimuli: np.ndarray) -> Iterator[Writer]:
    """Write an RDM file region by region; it appears whole or not at all."""
    with files.whole(path) as part, h5py.File(part, "w") as file:
        file.attrs["schema"] = SCHEMA
        _write_stimuli(file, stimuli)
        opened = Writer(file)
        yield opened
        file.attrs["regions"] = opened.labels
        file.create_dataset("missing", data=opened.missing, dtype=h5py.string_dtype())


@dataclass(frozen=True)
class Writer:
    """An RDM file that is being written.

    Attributes
    ----------
    labels : list of str
        The regions written so far.
    missing : list of str
        To be filled with the regions that fewer than two subjects have.
    """

    file: h5py.File
    labels: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(self, region: RdmSet) -> None:
        """Write one region."""
        group = self.file.create_group(f"region/{region.label}")
        group.attrs["subjects"] = list(region.subjects)
        group.attrs["measures"] = list(region.full)
        for measure, vectors in region.full.items():
            hdf5.store(group, f"full/{measure}", vectors)
        for name in ("repeats", "mismatched", "n_voxels", "shrinkage"):
            if getattr(region, name) is not None:
                hdf5.store(group, name, np.asarray(getattr(region, name)))
        self.labels.append(region.label)


def read(path: str | Path) -> RdmFile:
    """Read an RDM file; its regions are read when they are asked for.

    Raises
    ------
    BrainworthError
        If the file is missing, not HDF5, of another schema, or does not hold together.
    """
    with _open(path) as file:
        stimuli = _read_stimuli(file)
        labels = [str(label) for label in file.attrs["regions"]]
        missing = tuple(file["missing"].asstr()[:])
        for label in labels:
            _require_shapes(path, file, label, n_pairs(len(stimuli)))
    return RdmFile(stimuli, _Stored(Path(path), labels), missing)


@dataclass(frozen=True)
class _Stored(Sequence):
    """The regions of a file, each read when it is asked for."""

    path: Path
    labels: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int | slice) -> RdmSet | list[RdmSet]:
        chosen = self.labels[index]
        with _open(self.path) as file:
            if isinstance(index, slice):
                return [_read_region(file, label) for label in chosen]
            return _read_region(file, chosen)


@contextlib.contextmanager
def _open(path: str | Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("schema") != SCHEMA:
                raise BrainworthError(
                    f"{path} is not an RDM file of schema {SCHEMA}; delete it and run again"
                )
            yield file
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; run the rule that writes it") from None
    except (OSError, KeyError) as error:
        raise BrainworthError(f"{path} cannot be read ({error}); delete it and run again") from None


def _require_shapes(path: str | Path, file: h5py.File, label: str, length: int) -> None:
    group = file[f"region/{label}"]
    for measure in group.attrs["measures"]:
        shape = group[f"full/{measure}"].shape
        expected = (len(group.attrs["subjects"]), length)
        if shape != expected:
            raise BrainworthError(
                f"{path}: {label} {measure} has shape {shape}, expected "
                f"{expected} (subjects, pairs of stimuli); delete it and run again"
            )


def _write_stimuli(file: h5py.File, stimuli: np.ndarray) -> None:
    if np.issubdtype(stimuli.dtype, np.integer):
        hdf5.store(file, "nsd_id", stimuli.astype(np.int64))
    else:
        file.create_dataset("stimulus", data=stimuli.astype(object), dtype=h5py.string_dtype())


def _read_stimuli(file: h5py.File) -> np.ndarray:
    if "nsd_id" in file:
        return file["nsd_id"][:]
    return file["stimulus"].asstr()[:].astype(str)


def _read_region(file: h5py.File, label: str) -> RdmSet:
    group = file[f"region/{label}"]

    def entries(name: str, kind: type) -> tuple | None:
        return tuple(kind(value) for value in group[name][:]) if name in group else None

    return RdmSet(
        label=label,
        subjects=tuple(group.attrs["subjects"]),
        full={measure: group[f"full/{measure}"][:] for measure in group.attrs["measures"]},
        repeats=group["repeats"][:] if "repeats" in group else None,
        mismatched=group["mismatched"][:] if "mismatched" in group else None,
        n_voxels=entries("n_voxels", int),
        shrinkage=entries("shrinkage", float),
    )
