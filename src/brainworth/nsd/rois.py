"""Regions of interest: which labels of which volume make a region, and reading both.

Integers in the volumes: -1 not cortex, 0 cortex without a label, 1..N labels (manual: ROIs). A
mask is therefore always ``volume == label``, never ``volume != 0``.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from brainworth.errors import BrainworthError
from brainworth.nsd import registry

#: Region -> (volume, labels). The atlas regions merge dorsal and ventral, and numbered, parts of
#: Kastner2015 (Wang et al. 2015); the localizer regions merge all labels of their contrast.
REGIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "V1": ("Kastner2015", ("V1v", "V1d")),
    "V2": ("Kastner2015", ("V2v", "V2d")),
    "V3": ("Kastner2015", ("V3v", "V3d")),
    "hV4": ("Kastner2015", ("hV4",)),
    "V3ab": ("Kastner2015", ("V3A", "V3B")),
    "LO": ("Kastner2015", ("LO1", "LO2")),
    "TO": ("Kastner2015", ("TO1", "TO2")),
    "VO": ("Kastner2015", ("VO1", "VO2")),
    "IPS": ("Kastner2015", ("IPS0", "IPS1", "IPS2", "IPS3", "IPS4", "IPS5")),
    "faces": ("floc-faces", registry.LABELS["floc-faces"]),
    "bodies": ("floc-bodies", registry.LABELS["floc-bodies"]),
    "places": ("floc-places", registry.LABELS["floc-places"]),
    "words": ("floc-words", registry.LABELS["floc-words"]),
    # All cortex that responded in the experiment; it holds most of the others.
    "nsdgeneral": ("nsdgeneral", registry.LABELS["nsdgeneral"]),
}


@dataclass(frozen=True)
class VoxelTable:
    """The voxels of a study's regions in one subject.

    Attributes
    ----------
    ijk : array of shape (V, 3), int32
        0-based voxel indices along x, y, z of the subject's volume, ordered z, y, x slowest to
        fastest (the order of the voxels in the betas files).
    regions : dict from region to array of shape (V,), bool
        A voxel can lie in several regions; a region absent in this subject is all False.
    shape : tuple
        (x, y, z) of the volume.
    """

    ijk: np.ndarray
    regions: dict[str, np.ndarray]
    shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.ijk)


def volumes_of(regions: list[str]) -> list[str]:
    """Return the ROI volumes that hold the given regions, each once, in order of first use."""
    return list(dict.fromkeys(REGIONS[region][0] for region in regions))


def find_voxels(root: Path, subject: str, regions: list[str]) -> VoxelTable:
    """Find the voxels of the given regions in one subject.

    Parameters
    ----------
    root : path
        Root of an NSD tree.

    Raises
    ------
    BrainworthError
        If a volume or label table is missing or malformed, a label is not in the table, two
        volumes differ in shape, or no region has any voxel.
    """
    volumes = {
        name: read_labels(root / registry.roi_key(subject, name)) for name in volumes_of(regions)
    }
    shapes = {name: volume.shape for name, volume in volumes.items()}
    if len(set(shapes.values())) > 1:
        raise BrainworthError(f"{subject}: ROI volumes differ in shape: {shapes}")
    masks = {}
    for region in regions:
        name, labels = REGIONS[region]
        if name in registry.MASKS:
            masks[region] = volumes[name] == 1
            continue
        table = read_label_table(root / registry.label_table_key(subject, name))
        absent = [label for label in labels if label not in table]
        if absent:
            raise BrainworthError(
                f"{root / registry.label_table_key(subject, name)} has no label "
                f"{', '.join(absent)}, needed for region {region}; it has {', '.join(table)}"
            )
        masks[region] = np.isin(volumes[name], [table[label] for label in labels])
    union = np.logical_or.reduce(list(masks.values()))
    if not union.any():
        raise BrainworthError(f"{subject}: none of the regions {', '.join(regions)} has a voxel")
    # Transposing first orders the voxels as they lie in the betas files (x fastest).
    z, y, x = np.nonzero(union.T)
    return VoxelTable(
        ijk=np.column_stack([x, y, z]).astype(np.int32),
        regions={region: mask[x, y, z] for region, mask in masks.items()},
        shape=union.shape,
    )


def read_labels(path: Path) -> np.ndarray:
    """Read an ROI volume as integers.

    Returns
    -------
    array of shape (x, y, z), int16

    Raises
    ------
    BrainworthError
        If it is not a readable 3-D volume of integers from -1 on.
    """
    values = read_volume(path)
    largest = np.iinfo(np.int16).max
    if not (np.all((values >= -1) & (values <= largest)) and np.all(values == np.rint(values))):
        raise BrainworthError(
            f"{path} must hold integer labels from -1 (not cortex) on; "
            "it is damaged or not an ROI volume; fetch or simulate it again"
        )
    return values.astype(np.int16)


def read_volume(path: Path) -> np.ndarray:
    """Read a 3-D NIfTI volume, (x, y, z), as float64.

    Raises
    ------
    BrainworthError
        If the file is missing, is damaged, or is not three-dimensional.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            # Unpacked to the end, where the checksum is compared; nibabel stops before it.
            content = gzip.decompress(content)
        values = np.asarray(nib.Nifti1Image.from_bytes(content).dataobj, dtype=np.float64)
    except FileNotFoundError:
        raise BrainworthError(
            f"{path} does not exist; fetch it, or check the data folder"
        ) from None
    except Exception as error:  # nibabel, gzip and zlib each raise their own for damaged files
        raise BrainworthError(
            f"{path} cannot be read as NIfTI ({error}); fetch or simulate it again"
        ) from None
    if values.ndim != 3:
        raise BrainworthError(f"{path} has {values.ndim} dimensions, expected 3 (x, y, z)")
    return values


def read_label_table(path: Path) -> dict[str, int]:
    """Read a ``.mgz.ctab``: label name to integer. Names may carry trailing tabs and blanks.

    Raises
    ------
    BrainworthError
        If the file is missing or a line is not ``NUMBER NAME ...``, or a label appears twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise BrainworthError(
            f"{path} does not exist; fetch it, or check the data folder"
        ) from None
    except UnicodeDecodeError:
        raise BrainworthError(
            f"{path} is not text, expected a label table; fetch or simulate it again"
        ) from None
    table: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) < 2 or not parts[0].removeprefix("-").isdecimal() or parts[1] in table:
            raise BrainworthError(
                f"{path}, line {number}: expected 'NUMBER NAME' with each name once, got {line!r}"
            )
        table[parts[1]] = int(parts[0])
    if not table:
        raise BrainworthError(
            f"{path} is empty, expected lines 'NUMBER NAME'; fetch or simulate it again"
        )
    return table
