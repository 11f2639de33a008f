"""Scores of each voxel as files: a volume in the subject's own space, and a table."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np

from brainworth.encoder import ceilings, voxel_scores
from brainworth.encoder.targets import GROUP_NAMES, NO_GROUP, Targets
from brainworth.errors import BrainworthError
from brainworth.files import whole


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


def columns(
    targets: Targets,
    labels: np.ndarray,
    predicted: np.ndarray,
    observed: np.ndarray,
    n_repeats: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return what is known of each voxel, by name of the column, arrays of shape (V,).

    Parameters
    ----------
    targets : Targets
    labels : array of shape (V,), int
        Cluster of each voxel, 0-based.
    predicted, observed : arrays of shape (N, V)
        Of test images.
    n_repeats : array of shape (N,), int
        Trials behind each of them.

    Returns
    -------
    dict
        ``r``, ``r2``, ``mse``, ``variance`` over test images; ``noise_ceiling`` and
        ``share_of_ceiling`` (r^2 with the sign of r over the ceiling; NaN without one);
        ``ncsnr``, ``ncsnr_own``, ``group``, ``cluster``.
    """
    found = voxel_scores.score(predicted, observed)
    ceiling = ceilings.noise_ceiling(targets.ncsnr, n_repeats)
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


def write_table(path: Path, targets: Targets, found: Mapping[str, np.ndarray]) -> None:
    """Write a row a voxel (CSV), in the order of the targets' voxels.

    ``voxel`` is that order, ``i``, ``j``, ``k`` are 0-based x, y, z in the volume, ``flat`` is the
    place in the volume's memory when x moves fastest; all from 0. What is not there is empty.
    """
    names = (NO_GROUP, *GROUP_NAMES)
    flat = np.ravel_multi_index(targets.ijk.T, targets.volume_shape, order="F")
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["voxel", "i", "j", "k", "flat", *found])
        for voxel, place in enumerate(targets.ijk.tolist()):
            values = [
                names[int(each[voxel])] if name == "group" else _text(each[voxel])
                for name, each in found.items()
            ]
            table.writerow([voxel, *place, flat[voxel], *values])


def write_volume(
    path: Path,
    targets: Targets,
    found: Mapping[str, np.ndarray],
    affine: np.ndarray,
) -> None:
    """Write scores as NIfTI (.nii.gz), float32, one volume a score along the fourth axis.

    Outside the voxels, and where there is no score, it is NaN. The header's description names the
    scores in their order.
    """
    values = np.full((*targets.volume_shape, len(found)), np.nan, dtype=np.float32)
    values[tuple(targets.ijk.T)] = np.column_stack(list(found.values()))
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = ",".join(found).encode()[:79]
    with whole(path) as part:
        # Without the time of writing, so that equal volumes are equal files.
        part.write_bytes(gzip.compress(image.to_bytes(), mtime=0))


def _text(value: np.generic) -> str:
    if np.issubdtype(type(value), np.integer):
        return str(value)
    return "" if np.isnan(value) else f"{float(value):.6g}"
