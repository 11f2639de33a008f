"""Sets of representational dissimilarity matrices (RDMs) and the file they are kept in.

An `RdmSet` is what every RSA starts from, whether its RDMs were computed from NSD betas or were
measured elsewhere. RDMs are kept as condensed vectors: the upper triangle without its diagonal,
row by row, as in `scipy.spatial.distance.squareform`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from brainworth import files, hdf5
from brainworth.errors import BrainworthError

SCHEMA = "brainworth-rdms/1"


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
    """

    label: str
    subjects: tuple[str, ...]
    full: dict[str, np.ndarray]
    repeats: np.ndarray | None = None
    mismatched: np.ndarray | None = None
    n_voxels: tuple[int, ...] | None = None

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
    regions : list of RdmSet
    missing : tuple of str
        Regions asked for that fewer than two subjects have.
    """

    stimuli: np.ndarray
    regions: list[RdmSet] = field(default_factory=list)
    missing: tuple[str, ...] = ()

    @property
    def n_stimuli(self) -> int:
        """Number of stimuli I."""
        return len(self.stimuli)


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
    with files.whole(path) as part, h5py.File(part, "w") as file:
        file.attrs["schema"] = SCHEMA
        file.attrs["regions"] = [region.label for region in content.regions]
        file.create_dataset("missing", data=list(content.missing), dtype=h5py.string_dtype())
        _write_stimuli(file, content.stimuli)
        for region in content.regions:
            group = file.create_group(f"region/{region.label}")
            group.attrs["subjects"] = list(region.subjects)
            group.attrs["measures"] = list(region.full)
            for measure, vectors in region.full.items():
                hdf5.store(group, f"full/{measure}", vectors)
            if region.repeats is not None:
                hdf5.store(group, "repeats", region.repeats)
            if region.mismatched is not None:
                hdf5.store(group, "mismatched", region.mismatched)
            if region.n_voxels is not None:
                hdf5.store(group, "n_voxels", np.asarray(region.n_voxels, dtype=np.int64))


def read(path: str | Path) -> RdmFile:
    """Read an RDM file.

    Raises
    ------
    BrainworthError
        If the file is missing, not HDF5, of another schema, or does not hold together.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("schema") != SCHEMA:
                raise BrainworthError(
                    f"{path} is not an RDM file of schema {SCHEMA}; delete it and run again"
                )
            stimuli = _read_stimuli(file)
            regions = [_read_region(file, label) for label in file.attrs["regions"]]
            missing = tuple(file["missing"].asstr()[:])
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; run the rule that writes it") from None
    except (OSError, KeyError) as error:
        raise BrainworthError(f"{path} cannot be read ({error}); delete it and run again") from None
    for region in regions:
        for measure, vectors in region.full.items():
            expected = (len(region.subjects), n_pairs(len(stimuli)))
            if vectors.shape != expected:
                raise BrainworthError(
                    f"{path}: {region.label} {measure} has shape {vectors.shape}, expected "
                    f"{expected} (subjects, pairs of stimuli); delete it and run again"
                )
    return RdmFile(stimuli, regions, missing)


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
    voxels = group["n_voxels"][:] if "n_voxels" in group else None
    return RdmSet(
        label=label,
        subjects=tuple(group.attrs["subjects"]),
        full={measure: group[f"full/{measure}"][:] for measure in group.attrs["measures"]},
        repeats=group["repeats"][:] if "repeats" in group else None,
        mismatched=group["mismatched"][:] if "mismatched" in group else None,
        n_voxels=None if voxels is None else tuple(int(count) for count in voxels),
    )
