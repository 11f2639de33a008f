"""Voxels of one session's betas, where not the whole session file was downloaded.

``betas`` (V, 750) int16 as NSD stores them, ``ijk`` (V, 3) 0-based, ``address`` (V,) the byte of
the session file at which each voxel's 750 trials begin (-1 where it was read through h5py); the
attributes name the object, its version and the SHA-256 of ``betas``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import numpy as np

from brainworth import files
from brainworth.errors import BrainworthError
from brainworth.nsd import registry, rois

SCHEMA = "brainworth-voxels/1"


def write(
    path: Path,
    table: rois.VoxelTable,
    values: np.ndarray,
    address: np.ndarray,
    *,
    key: str,
    etag: str,
    size: int,
) -> str:
    """Write the voxels of one session; the same voxels give the same bytes.

    Parameters
    ----------
    table : VoxelTable
        V voxels.
    values : array of shape (V, 750), int16
        As stored.
    address : array of shape (V,), int64
        Where in the object they lie, -1 if unknown.
    key, etag, size : str, str, int
        The object they are of.

    Returns
    -------
    str
        SHA-256 of the values.

    Raises
    ------
    BrainworthError
        If the file cannot be written.
    """
    values = np.ascontiguousarray(values, dtype="<i2")
    digest = hashlib.sha256(values).hexdigest()
    try:
        with files.whole(path) as part, h5py.File(part, "w", libver="earliest") as file:
            file.attrs["schema"] = SCHEMA
            file.attrs["key"] = key
            file.attrs["etag"] = etag
            file.attrs["size"] = size
            file.attrs["volume_shape"] = table.shape
            file.attrs["sha256"] = digest
            file["ijk"] = table.ijk
            file["address"] = address.astype(np.int64)
            file["betas"] = values
    except (OSError, RuntimeError) as error:
        raise BrainworthError(
            f"{path} cannot be written ({error}); make room there, then run again, which goes on "
            "from what has arrived"
        ) from None
    return digest


def read(file: h5py.File, path: Path, table: rois.VoxelTable) -> np.ndarray:
    """Read voxels from what `write` wrote.

    Returns
    -------
    array of shape (V, 750), int16
        In the order of `table`.

    Raises
    ------
    BrainworthError
        If a voxel is not there, the volume is another one, or the values were changed.
    """
    if tuple(file.attrs["volume_shape"]) != table.shape:
        raise BrainworthError(
            f"{path} holds voxels of a volume of shape {tuple(file.attrs['volume_shape'])}, but "
            f"the ROI masks have {table.shape}; they are not of one subject: delete it, run again"
        )
    values = file["betas"][:]
    ijk = file["ijk"][:]
    whole = values.dtype == np.int16 and values.shape == (len(ijk), registry.TRIALS_PER_SESSION)
    if not whole or hashlib.sha256(values).hexdigest() != file.attrs["sha256"]:
        raise BrainworthError(
            f"{path} was changed after it was written (its SHA-256 does not match); delete it and "
            "run again"
        )
    there = rank(ijk, table.shape)
    wanted = rank(table.ijk, table.shape)
    order = np.argsort(there)
    place = np.searchsorted(there[order], wanted)
    place = order[np.minimum(place, len(order) - 1)]
    missing = np.flatnonzero(there[place] != wanted)
    if missing.size:
        raise BrainworthError(
            f"{path} lacks {missing.size} of the {len(table)} voxels asked for, the first at "
            f"{tuple(table.ijk[missing[0]].tolist())} (x, y, z from 0); delete it and run again"
        )
    return values[place]


def rank(ijk: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the number of each voxel (x, y, z) of a volume: x fastest, z slowest."""
    x, y, z = ijk.T.astype(np.int64)
    return (z * shape[1] + y) * shape[0] + x
