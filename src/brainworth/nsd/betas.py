"""Single-trial betas of the voxels a study needs: from NSD's session files to one file a subject.

The session files (manual: Functional data) hold ``/betas``, int16, percent signal change x 300,
h5py shape (750, z, y, x): the axes of the NIfTI volumes reversed. One chunk is one voxel's 750
trials, so the voxels of a region are read without touching the rest of the file.

The extract holds, for one subject, trials x voxels, float32, z-scored per voxel within each
session (``ddof=1``), a voxel table and the trial table. One session is in memory at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from tqdm import tqdm

from brainworth import files, hdf5
from brainworth.errors import BrainworthError
from brainworth.nsd import registry, rois, voxels
from brainworth.nsd.candidates import find_candidates

SCHEMA = "brainworth-betas/1"
_VOXELS_PER_CHUNK = 64
_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True)
class Responses:
    """Responses of the voxels of one region in one subject.

    Attributes
    ----------
    values : array of shape (T, V), float32
        z-scored betas.
    session, nsd_id, repetition : array of shape (T,), int
        NSD's session number (from 1), 0-based 73K id, 0-based repetition.
    """

    subject: str
    region: str
    values: np.ndarray
    session: np.ndarray
    nsd_id: np.ndarray
    repetition: np.ndarray


def read_session(path: Path, table: rois.VoxelTable) -> np.ndarray:
    """Read the given voxels of one session.

    Parameters
    ----------
    path : path
        A ``betas_sessionNN.hdf5``, or the voxels of one (`voxels.write`).
    table : VoxelTable
        V voxels, 0-based (x, y, z).

    Returns
    -------
    array of shape (V, 750), int16
        As stored: percent signal change x 300.

    Raises
    ------
    BrainworthError
        If the file is missing or damaged, is not int16, does not hold 750 trials, or its volume
        is not that of the ROI masks.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("schema") == voxels.SCHEMA:
                return voxels.read(file, path, table)
            betas = check_betas(file, path, table.shape)
            filters = betas.id.get_create_plist().get_nfilters()
            if betas.chunks == (len(betas), 1, 1, 1) and not filters:
                try:
                    return _read_voxel_chunks(betas, table.ijk)
                except RuntimeError:
                    pass  # a chunk was never written, or is out of reach: HDF5 itself knows which
            return read_slices(betas, table.ijk)
    except FileNotFoundError:
        raise BrainworthError(
            f"{path} does not exist; fetch it, or check the data folder"
        ) from None
    except (OSError, RuntimeError, KeyError) as error:
        raise BrainworthError(
            f"{path} cannot be read ({error}); it is truncated or damaged: delete it and "
            "fetch or simulate it again"
        ) from None


def zscore(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Z-score each voxel over the trials of a session.

    Parameters
    ----------
    values : array of shape (V, T), int16
        Stored betas; the factor of 300 cancels.

    Returns
    -------
    scores : array of shape (V, T), float32
        Zero where the voxel is constant.
    constant : array of shape (V,), bool
        Voxels without any variation in this session (all zero, or stuck).
    """
    scores = values.astype(np.float32)
    scores -= scores.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    # A second pass removes what rounding of the mean left.
    scores -= scores.mean(axis=1, keepdims=True)
    spread = scores.std(axis=1, ddof=1, keepdims=True)
    constant = np.all(values == values[:, :1], axis=1)
    spread[constant] = 1
    scores /= spread
    scores[constant] = 0
    return scores, constant


def extract(
    root: Path,
    subject: str,
    regions: list[str],
    trials: pd.DataFrame,
    output: Path,
    session_key: Callable[[str, int], str] = registry.betas_key,
) -> dict:
    """Write the extract of one subject.

    A voxel is dropped, and counted, if its ncsnr is not a number, if any session marks it
    invalid, or if it is constant in any session: a voxel is either there in all trials or not at
    all.

    Parameters
    ----------
    root : path
        Root of an NSD tree.
    regions : list of str
        Keys of `rois.REGIONS`.
    trials : DataFrame
        This subject's rows of the table made by `design.match`.
    output : path
        HDF5 to write.
    session_key : callable
        From subject and session to the file below `root` that holds the session's betas:
        `registry.betas_key`, or `registry.voxels_key` where only voxels were downloaded. Both give
        the same extract.

    Returns
    -------
    dict
        Counts: voxels found, dropped by reason, kept, saturated values, voxels by region.

    Raises
    ------
    BrainworthError
        As `read_session` and `rois.find_voxels`, or if no voxel is left.
    """
    sessions = trials["session"].unique()
    found = find_candidates(root, subject, regions, sessions)
    table, candidates, kept = found.table, found.usable, found.kept
    ncsnr, no_ncsnr, invalid = found.ncsnr, found.no_ncsnr, found.invalid
    constant = np.zeros(len(candidates), dtype=bool)
    saturated = 0
    seen: dict[bytes, int] = {}
    with files.whole(output) as part, h5py.File(part, "w") as file:
        betas = _create(file, subject, candidates, ncsnr[kept], trials)
        for session in tqdm(sessions, desc=f"{subject} sessions", disable=None):
            rows = np.flatnonzero(trials["session"].to_numpy() == session)
            stored = read_session(root / session_key(subject, session), candidates)
            _refuse_damage(stored, seen, subject, int(session))
            saturated += int(np.count_nonzero((stored == _INT16.min) | (stored == _INT16.max)))
            scores, flat = zscore(stored)
            constant |= flat
            betas[rows[0] : rows[-1] + 1] = scores.T
        if constant.all():
            raise BrainworthError(
                f"{subject}: every voxel is constant in some session; check the betas files"
            )
        if constant.any():
            _drop_voxels(file, ~constant)
    final = {name: mask[kept][~constant] for name, mask in table.regions.items()}
    return {
        "subject": subject,
        "n_trials": len(trials),
        "n_sessions": len(sessions),
        "n_voxels": int(np.count_nonzero(~constant)),
        "n_voxels_found": len(table),
        "n_dropped": {
            "ncsnr_not_a_number": int(no_ncsnr.sum()),
            "invalid_in_a_session": int((invalid & ~no_ncsnr).sum()),
            "constant_in_a_session": int(constant.sum()),
        },
        "n_saturated_values": saturated,
        "regions": [
            {
                "region": name,
                "n_voxels": int(mask.sum()),
                "n_dropped": int(table.regions[name].sum() - mask.sum()),
                "median_ncsnr": float(np.median(ncsnr[kept][~constant][mask]))
                if mask.any()
                else None,
            }
            for name, mask in final.items()
        ],
    }


def region_voxels(path: Path, region: str) -> np.ndarray:
    """Return the voxels of a region as indices into an extract's voxel axis."""
    with open_extract(path) as file:
        return np.flatnonzero(_region_mask(file, path, region))


def regions_in(path: Path) -> list[str]:
    """List the regions of an extract."""
    with open_extract(path) as file:
        return list(file["voxels/region"])


def read_responses(path: Path, region: str, rows: np.ndarray | None = None) -> Responses:
    """Read one region from an extract.

    Parameters
    ----------
    path : path
        What `extract` wrote.
    region : str
        Key of `rois.REGIONS` that the extract was made with.
    rows : array of int, optional
        Trials to read, ascending; all by default.

    Raises
    ------
    BrainworthError
        If the file is missing or damaged, or has no such region.
    """
    with open_extract(path) as file:
        voxels = np.flatnonzero(_region_mask(file, path, region))
        dataset = file["betas"]
        n_trials = dataset.shape[0]
        rows = np.arange(n_trials) if rows is None else np.asarray(rows)
        values = np.empty((rows.size, voxels.size), dtype=np.float32)
        for start in range(0, n_trials, registry.TRIALS_PER_SESSION):
            stop = start + registry.TRIALS_PER_SESSION
            here = slice(*np.searchsorted(rows, (start, stop)))
            if here.stop > here.start:
                for part, span in _spans(voxels, dataset):
                    block = dataset[start:stop, span]
                    picked = np.ix_(rows[here] - start, voxels[part] - span.start)
                    values[here, part] = block[picked]
        return Responses(
            subject=str(file.attrs["subject"]),
            region=region,
            values=values,
            session=file["trials/session"][:][rows],
            nsd_id=file["trials/nsd_id"][:][rows],
            repetition=file["trials/repetition"][:][rows],
        )


def _spans(voxels: np.ndarray, betas: h5py.Dataset) -> Iterator[tuple[slice, slice]]:
    """Yield runs of chunks that hold voxels of a region: which of the voxels, and their columns.

    A region is spread over most of a file, but a few runs of its chunks hold it. Picking voxels
    from whole runs is faster than picking them in HDF5.
    """
    width = (betas.chunks or betas.shape)[1]  # ROI means are stored without chunks
    chunk = voxels // width
    starts = np.flatnonzero(np.diff(chunk, prepend=-2) > 1)
    for first, end in zip(starts, np.append(starts, voxels.size)[1:], strict=True):
        stop = min(int(chunk[end - 1] + 1) * width, betas.shape[1])
        yield slice(int(first), int(end)), slice(int(chunk[first]) * width, stop)


def check_betas(file: h5py.File, path: Path | str, shape: tuple[int, int, int]) -> h5py.Dataset:
    """Return ``/betas`` of a session file, if it is what belongs to volumes of this shape.

    Parameters
    ----------
    path : path or str
        What to call the file in messages.
    shape : tuple
        (x, y, z).

    Raises
    ------
    BrainworthError
        If there is no such dataset, or its shape or type is another one.
    """
    betas = file.get("betas")
    if not isinstance(betas, h5py.Dataset):
        raise BrainworthError(
            f"{path} has no dataset /betas; it is not an NSD betas file: fetch or simulate it again"
        )
    check_shape(path, betas.shape, shape)
    if betas.dtype != np.int16:
        raise BrainworthError(f"{path}: /betas is {betas.dtype}, expected int16 (percent x 300)")
    return betas


def check_shape(path: Path | str, found: tuple[int, ...], shape: tuple[int, int, int]) -> None:
    """Refuse betas whose shape does not belong to volumes of shape (x, y, z)."""
    expected = (registry.TRIALS_PER_SESSION, *reversed(shape))
    if found != expected:
        raise BrainworthError(
            f"{path}: /betas has shape {found}, expected {expected} (trials, z, y, x) for "
            f"ROI masks of shape {shape} (x, y, z); betas and masks are not of one subject"
        )


def _read_voxel_chunks(betas: h5py.Dataset, ijk: np.ndarray) -> np.ndarray:
    """Read voxels that are one raw chunk each, straight into the result."""
    values = np.empty((len(ijk), len(betas)), dtype="<i2")
    read = betas.id.read_direct_chunk
    for row, (x, y, z) in zip(values.view(np.uint8), ijk.tolist(), strict=True):
        read((0, z, y, x), out=row)
    return values


def read_slices(betas: h5py.Dataset, ijk: np.ndarray) -> np.ndarray:
    """Read voxels from a file of any layout, one z-slice at a time."""
    values = np.empty((len(ijk), len(betas)), dtype=np.int16)
    for z in np.unique(ijk[:, 2]):
        here = np.flatnonzero(ijk[:, 2] == z)
        x, y = ijk[here, 0], ijk[here, 1]
        block = betas[:, z, y.min() : y.max() + 1, x.min() : x.max() + 1]
        values[here] = block[:, y - y.min(), x - x.min()].T
    return values


def _refuse_damage(stored: np.ndarray, seen: dict[bytes, int], subject: str, session: int) -> None:
    """Refuse a session that repeats another one, or has a trial without any response.

    `seen` keeps a digest of every session read so far, by session number.
    """
    digest = hashlib.sha256(stored.tobytes()).digest()
    if digest in seen:
        raise BrainworthError(
            f"{subject}: sessions {seen[digest]} and {session} hold the same values; one of "
            f"{registry.betas_key(subject, seen[digest])} and "
            f"{registry.betas_key(subject, session)} is a copy of the other: fetch or simulate "
            "both again"
        )
    seen[digest] = session
    empty = np.flatnonzero(~stored.any(axis=0))
    if empty.size:
        raise BrainworthError(
            f"{registry.betas_key(subject, session)}: trial {empty[0]} (counted from 0) is zero in "
            f"every voxel, {empty.size} such trials in all; it is damaged: fetch or simulate it "
            "again"
        )


def _create(
    file: h5py.File, subject: str, table: rois.VoxelTable, ncsnr: np.ndarray, trials: pd.DataFrame
) -> h5py.Dataset:
    """Lay out an extract: betas to be filled, voxel table, trial table."""
    file.attrs["schema"] = SCHEMA
    file.attrs["subject"] = subject
    file.attrs["volume_shape"] = table.shape
    hdf5.store(file, "voxels/ijk", table.ijk)
    hdf5.store(file, "voxels/ncsnr", ncsnr.astype(np.float32))
    for region, mask in table.regions.items():
        hdf5.store(file, f"voxels/region/{region}", mask)
    for name in ("session", "trial", "image", "nsd_id", "repetition", "shared", "matched"):
        hdf5.store(file, f"trials/{name}", trials[name].to_numpy())
    shape = (len(trials), len(table))
    chunks = (registry.TRIALS_PER_SESSION, min(_VOXELS_PER_CHUNK, len(table)))
    return file.create_dataset("betas", shape, np.float32, chunks=chunks, fletcher32=True)


def _drop_voxels(file: h5py.File, keep: np.ndarray) -> None:
    """Rewrite an extract without the voxels found constant, session by session."""
    old = file["betas"]
    n_trials, n_kept = old.shape[0], int(keep.sum())
    chunks = (old.chunks[0], min(_VOXELS_PER_CHUNK, n_kept))
    shape = (n_trials, n_kept)
    new = file.create_dataset("betas_kept", shape, np.float32, chunks=chunks, fletcher32=True)
    for start in range(0, n_trials, registry.TRIALS_PER_SESSION):
        rows = slice(start, start + registry.TRIALS_PER_SESSION)
        new[rows] = old[rows][:, keep]
    del file["betas"]
    file.move("betas_kept", "betas")
    for name in ("ijk", "ncsnr", *(f"region/{region}" for region in file["voxels/region"])):
        kept = file[f"voxels/{name}"][:][keep]
        del file[f"voxels/{name}"]
        hdf5.store(file, f"voxels/{name}", kept)


@contextlib.contextmanager
def open_extract(path: Path) -> Iterator[h5py.File]:
    """Open an extract; damage is told while it is open too, by the checksums of its chunks."""
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("schema") != SCHEMA:
                raise BrainworthError(
                    f"{path} is not an extract of schema {SCHEMA}; delete it, run again"
                )
            yield file
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; run the rule that writes it") from None
    except (OSError, KeyError) as error:
        raise BrainworthError(f"{path} cannot be read ({error}); delete it and run again") from None


def _region_mask(file: h5py.File, path: Path, region: str) -> np.ndarray:
    if region not in file["voxels/region"]:
        known = ", ".join(file["voxels/region"])
        raise BrainworthError(f"{path} has no region {region}; it was made with {known}")
    return file[f"voxels/region/{region}"][:]
