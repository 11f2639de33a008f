"""What the columns of an extract are: voxels, or mean responses of regions."""

from __future__ import annotations

from pathlib import Path

import h5py

from brainworth.errors import BrainworthError

VOXELS, ROI_MEANS = "voxels", "roi_means"
#: Of means: the region that has all regions' means as one pattern.
POOLED = "ROI means"


def columns_of(path: Path) -> str:
    """Say what the columns of an extract are: `VOXELS` or `ROI_MEANS`."""
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("columns", VOXELS))
    except OSError as error:
        raise BrainworthError(f"{path} cannot be read ({error}); delete it and run again") from None
