"""Which voxels of a subject a study reads: those of its regions that have data everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainworth.errors import BrainworthError
from brainworth.nsd import registry, rois


@dataclass(frozen=True)
class Candidates:
    """The voxels of a study's regions, and which of them have data.

    Attributes
    ----------
    table : VoxelTable
        All V voxels of the regions.
    ncsnr : array of shape (V,), float64
        NaN where there is none.
    no_ncsnr, invalid : arrays of shape (V,), bool
        Without an ncsnr; without data in a session.
    """

    table: rois.VoxelTable
    ncsnr: np.ndarray
    no_ncsnr: np.ndarray
    invalid: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        """Return the voxels that have both, as indices into `table`."""
        return np.flatnonzero(~(self.no_ncsnr | self.invalid))

    @property
    def usable(self) -> rois.VoxelTable:
        """Return the table of these voxels."""
        return _subset(self.table, self.kept)


def find_candidates(
    root: Path, subject: str, regions: list[str], sessions: Iterable[int]
) -> Candidates:
    """Find the voxels whose betas an extract reads.

    Parameters
    ----------
    root : path
        Root of an NSD tree; ROI volumes, label tables, ncsnr and valid volumes are read.
    sessions : iterable of int
        Counted from 1.

    Raises
    ------
    BrainworthError
        As `rois.find_voxels`, if a volume is missing or has another shape, or if no voxel is left.
    """
    table = rois.find_voxels(root, subject, regions)
    x, y, z = table.ijk.T
    ncsnr = _volume_like(root / registry.ncsnr_key(subject), table)[x, y, z]
    invalid = np.zeros(len(table), dtype=bool)
    for session in sessions:
        invalid |= _volume_like(root / registry.valid_key(subject, session), table)[x, y, z] != 1
    found = Candidates(table, ncsnr, ~np.isfinite(ncsnr), invalid)
    if not found.kept.size:
        raise BrainworthError(
            f"{subject}: none of {len(table)} voxels has an ncsnr and is valid in all sessions; "
            "check ncsnr.nii.gz and the valid_sessionNN volumes"
        )
    return found


def _volume_like(path: Path, table: rois.VoxelTable) -> np.ndarray:
    volume = rois.read_volume(path)
    if volume.shape != table.shape:
        raise BrainworthError(
            f"{path} has shape {volume.shape}, but the ROI masks have {table.shape}; "
            "they are not of one subject"
        )
    return volume


def _subset(table: rois.VoxelTable, kept: np.ndarray) -> rois.VoxelTable:
    regions = {name: mask[kept] for name, mask in table.regions.items()}
    return rois.VoxelTable(table.ijk[kept], regions, table.shape)
