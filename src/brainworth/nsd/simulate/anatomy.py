"""The brain of a simulated subject: brain mask, cortex, ROI volumes and label tables.

An ellipsoid is the brain and its outer shell the cortex. ROI labels are contiguous runs of
cortex, from posterior to anterior, the same in both hemispheres. Volumes are (x, y, z), first
voxel left, posterior, inferior, as NSD's prepared volumes.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from brainworth import files
from brainworth.nsd import registry
from brainworth.nsd.simulate.scales import Scale
from brainworth.stats import stream

_BRAIN_SHARE = 0.42  # of the volume
_CORTEX_SHARE = 0.6  # of the brain
# Where an atlas begins, counted in average labels from the posterior end of cortex, and the size
# of its labels relative to the average. The localizer regions overlap the anterior part of
# Kastner2015, as in real subjects.
_LAYOUT = {
    "Kastner2015": (0.0, 1.0),
    "prf-visualrois": (0.3, 0.8),
    "streams": (0.0, 3.8),
    "floc-places": (8.5, 1.2),
    "floc-faces": (12.8, 0.9),
    "floc-bodies": (17.7, 1.0),
    "floc-words": (21.0, 0.9),
    "nsdgeneral": (0.0, 26.0),
}


@dataclass(frozen=True)
class Anatomy:
    """Where things are in one subject's volume.

    Attributes
    ----------
    brain, cortex : array of shape (x, y, z), bool
    volumes : dict from atlas to array of shape (x, y, z), int16
        -1 outside cortex, 0 cortex without a label, 1..N the labels of the atlas.
    """

    brain: np.ndarray
    cortex: np.ndarray
    volumes: dict[str, np.ndarray]


def build(scale: Scale, subject: str, seed: int) -> Anatomy:
    """Lay out the brain of one subject."""
    shape = scale.volume_shape[subject]
    centred = [2 * (np.arange(n) + 0.5) / n - 1 for n in shape]
    x, y, z = np.meshgrid(*centred, indexing="ij")
    radius = x**2 + y**2 + z**2
    brain = radius <= np.quantile(radius, _BRAIN_SHARE)
    cortex = brain & (radius >= np.quantile(radius[brain], 1 - _CORTEX_SHARE))
    rng = stream(seed, "simulate", "anatomy", subject)
    volumes = {}
    for atlas, labels in registry.LABELS.items():
        volume = np.where(cortex, 0, -1).astype(np.int16)
        start, relative_size = _LAYOUT[atlas]
        sizes = scale.label_scale * relative_size * rng.uniform(0.8, 1.25, len(labels))
        edges = start * scale.label_scale + np.concatenate([[0.0], np.cumsum(sizes)])
        for hemisphere in (x < 0, x > 0):
            place = np.flatnonzero(cortex & hemisphere)
            order = place[np.lexsort((z.flat[place], y.flat[place]))]
            position = (np.arange(order.size) + 0.5) / order.size
            label = np.searchsorted(edges, position, side="right")
            volume.flat[order] = np.where(label <= len(labels), label, 0)
        for number, name in enumerate(labels, start=1):
            if subject in registry.ABSENT_LABELS.get(name, ()):
                volume[volume == number] = 0
        volumes[atlas] = volume
    return Anatomy(brain, cortex, volumes)


def write_rois(root: Path, subject: str, anatomy: Anatomy) -> None:
    """Write the combined and the lh./rh. ROI volumes and the subject's own label tables."""
    left = np.arange(anatomy.brain.shape[0]) < anatomy.brain.shape[0] / 2
    for atlas, volume in anatomy.volumes.items():
        write_volume(root / registry.roi_key(subject, atlas), volume)
        for hemisphere, here in (("lh.", left), ("rh.", ~left)):
            side = np.where(here[:, None, None], volume, -1).astype(np.int16)
            write_volume(root / registry.roi_key(subject, atlas, hemisphere), side)
        if atlas not in (*registry.FSAVERAGE_TABLES, *registry.MASKS):
            write_label_table(root / registry.label_table_key(subject, atlas), atlas)


def write_label_table(path: Path, atlas: str) -> None:
    """Write a ``.mgz.ctab`` whose names carry the trailing tab and blanks of the real files."""
    lines = [
        f"{number} {name}\t    " for number, name in enumerate(("Unknown", *registry.LABELS[atlas]))
    ]
    with files.whole(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="ascii")


def write_volume(path: Path, volume: np.ndarray) -> None:
    """Write an (x, y, z) volume as NIfTI with 1.8-mm voxels."""
    affine = np.diag([1.8, 1.8, 1.8, 1.0])
    with files.whole(path) as part:
        # The file is compressed here because the temporary name does not end in .gz, and without
        # the time of writing, so that equal volumes are equal files.
        part.write_bytes(
            gzip.compress(nib.Nifti1Image(volume, affine).to_bytes(), compresslevel=1, mtime=0)
        )
