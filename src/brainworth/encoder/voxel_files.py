"""Scores of each voxel as files: a volume in the subject's own space, and a table."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from brainworth.encoder import ceilings, voxel_scores
from brainworth.encoder.predictions import Predictions
from brainworth.encoder.targets import GROUP_NAMES, NO_GROUP, TEST, Targets
from brainworth.errors import BrainworthError
from brainworth.files import whole
from brainworth.nsd import betas

#: The last volume of a file of scores: where there are voxels.
MASK = "voxel"
_DESCRIPTION = 79  # bytes of a NIfTI header, of which the last must be zero


def affine_of(path: Path) -> np.ndarray:
    """Return the affine (4, 4) of a NIfTI volume, from voxel to millimetres.

    Raises
    ------
    BrainworthError
        If it cannot be read.
    """
    try:
        return np.asarray(nib.load(path).affine)
    except Exception as error:  # nibabel, gzip and zlib each raise their own for damaged files
        raise BrainworthError(
            f"{path} cannot be read as NIfTI ({error}); fetch or simulate it again"
        ) from None


def regions_of(extract: Path, targets: Targets) -> list[str]:
    """Return the regions that each voxel is in, joined by ``;``, in the order of the extract.

    Parameters
    ----------
    extract : path
        ``betas_subjXX.h5``, which the targets were made of.
    targets : Targets

    Raises
    ------
    BrainworthError
        If the extract has other voxels.
    """
    names = betas.regions_in(extract)
    members = [betas.region_voxels(extract, name) for name in names]
    with betas.open_extract(extract) as file:
        same = np.array_equal(file["voxels/ijk"][:], targets.ijk)
    if not same:
        raise BrainworthError(
            f"{extract} has other voxels than the targets of {targets.subject}; they are not of "
            "one run: run the study again"
        )
    found: list[list[str]] = [[] for _ in targets.ijk]
    for name, voxels in zip(names, members, strict=True):
        for voxel in voxels:
            found[voxel].append(name)
    return [";".join(each) for each in found]


def columns(
    targets: Targets, labels: np.ndarray, predictions: Predictions
) -> dict[str, np.ndarray]:
    """Return what is known of each voxel, by name of the column, arrays of shape (V,).

    Parameters
    ----------
    targets : Targets
    labels : array of shape (V,), int
        Cluster of each voxel, 0-based.
    predictions : Predictions

    Returns
    -------
    dict
        ``r``, ``r2``, ``mse``, ``variance`` over test images; ``noise_ceiling`` and
        ``share_of_ceiling`` (r^2 with the sign of r over the ceiling; NaN where that is 0);
        ``ncsnr``, ``ncsnr_own``, ``group``, ``cluster``.
    """
    found = voxel_scores.score(predictions.predicted, predictions.observed)
    ceiling = ceilings.noise_ceiling(targets.ncsnr, targets.n_repeats[targets.rows(TEST)])
    share = np.full(len(ceiling), np.nan)
    has = ceiling > 0
    share[has] = ceilings.share(found.r[has], ceiling[has])
    return {
        "r": found.r,
        "r2": found.r2,
        "mse": found.mse,
        "variance": found.variance,
        "noise_ceiling": ceiling,
        "share_of_ceiling": share,
        "ncsnr": targets.ncsnr,
        "ncsnr_own": targets.ncsnr_own,
        "group": targets.group,
        "cluster": np.asarray(labels),
    }


def write_table(
    path: Path, targets: Targets, regions: Sequence[str], found: Mapping[str, np.ndarray]
) -> None:
    """Write a row a voxel (CSV), in the order of the targets' voxels.

    ``voxel`` is that order, the column of the file of predictions; ``i``, ``j``, ``k`` are x, y, z
    in the volume, ``flat`` is the place in its memory when x moves fastest (NumPy's order F); all
    of them, and ``cluster``, count from 0. ``regions`` are joined by ``;``. What is not there is
    empty.
    """
    names = (NO_GROUP, *GROUP_NAMES)
    flat = np.ravel_multi_index(targets.ijk.T, targets.volume_shape, order="F")
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["voxel", "i", "j", "k", "flat", "regions", *found])
        for voxel, place in enumerate(targets.ijk.tolist()):
            values = [
                names[int(each[voxel])] if name == "group" else _text(each[voxel])
                for name, each in found.items()
            ]
            table.writerow([voxel, *place, flat[voxel], regions[voxel], *values])


def write_volume(
    path: Path,
    targets: Targets,
    found: Mapping[str, np.ndarray],
    affine: np.ndarray,
) -> None:
    """Write scores as NIfTI (.nii.gz), float32, one volume a score along the fourth axis.

    Outside the voxels, and where there is no score, it is 0, since many programs do not read NaN;
    the last volume, `MASK`, is 1 in the voxels and 0 outside. The header's description names the
    volumes in their order.

    Raises
    ------
    ValueError
        If their names do not fit there (79 characters).
    """
    volumes = {name: np.nan_to_num(each, nan=0.0) for name, each in found.items()}
    volumes[MASK] = np.ones(len(targets.ijk))
    names = ",".join(volumes).encode()
    if len(names) > _DESCRIPTION:
        raise ValueError(f"the names of volumes take {len(names)} of {_DESCRIPTION} characters")
    values = np.zeros((*targets.volume_shape, len(volumes)), dtype=np.float32)
    values[tuple(targets.ijk.T)] = np.column_stack(list(volumes.values()))
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = names
    with whole(path) as part:
        # Without the time of writing, so that equal volumes are equal files.
        part.write_bytes(gzip.compress(image.to_bytes(), mtime=0))


def _text(value: np.generic) -> str:
    if np.issubdtype(type(value), np.integer):
        return str(value)
    return "" if np.isnan(value) else f"{float(value):.6g}"
