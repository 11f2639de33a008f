"""The generative truth of simulated NSD.

In units of a voxel's total SD, the response of voxel v of subject s to image i in trial t is

    b[t, v] = w[v] . phi[i] + sqrt(1 - |w[v]|^2) * sigma[s, i] * e[t, v]

* phi: image features, independent standard normal. Some are encoded by all subjects (shared);
  each of the others is encoded by one subject only (individual). The last of the shared ones are
  global properties of the image, all others are local (`experiment.write_stimuli` renders them).
* w[v] = sqrt(m) a[v] + sqrt(1 - m) c[v], scaled to the voxel's signal SD: a reads the shared
  features, c the individual ones, and m is the subject's mixing fraction. Within a region, a is a
  region mean common to all subjects plus a deviation with a region-specific metric, so that both
  the mean response and the geometry have a shared part; likewise c, subject by subject. In early
  regions a favours local features and in higher regions global ones, by `stream_contrast`.
* e: unit-variance noise: one global number a trial, a few smooth spatial components, and voxels'
  own noise, in fixed proportions.
* sigma: SD of the noise of an image; its log variance is normal over images, part of it common to
  all subjects. Constant 1 when switched off.

The percent signal change in the files is ``amplitude[v] * gain[v, session] * b + offset[v,
session]``; the session-wise z-score undoes amplitude, gain and offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from brainworth import files
from brainworth.errors import BrainworthError
from brainworth.nsd import registry, rois
from brainworth.nsd.simulate.anatomy import Anatomy
from brainworth.nsd.simulate.scales import Scale
from brainworth.sections.data import Simulation
from brainworth.stats import stream

#: Voxels outside every region of `rois.REGIONS` but in cortex respond as this one.
BACKGROUND = "other cortex"
#: Where local features are favoured, and where global ones, as the simulated volume of streams has
#: it: V3ab and IPS lie in its higher part.
EARLY = ("V1", "V2", "V3")
HIGHER = ("V3ab", "IPS", "faces", "bodies", "places", "words")
#: Regions of which each voxel responds as one; nsdgeneral holds the others.
_RESPONDING = {name: part for name, part in rois.REGIONS.items() if part[0] not in registry.MASKS}
_MEAN_SHARE = 0.25  # of a voxel's tuning that is the mean of its region
_METRIC_LOG_SD = 0.4  # how unequal the features are within a region
_BACKGROUND_NCSNR = 0.3  # of a regional voxel's


@dataclass(frozen=True)
class ImageTruth:
    """What is true of the images.

    Attributes
    ----------
    features : array of shape (n_73k, shared + 8 * individual), float32
        phi; the shared features first, then each subject's own.
    log_variance : array of shape (8, n_73k), float32
        log sigma^2 of every subject and image.
    """

    features: np.ndarray
    log_variance: np.ndarray


@dataclass(frozen=True)
class SubjectTruth:
    """What is true of one subject's brain voxels (B of them, in the order of the betas files).

    Attributes
    ----------
    ijk : array of shape (B, 3), int32
        0-based x, y, z.
    weights : array of shape (B, shared + individual), float32
        w, on the shared features and the subject's own; zero outside cortex.
    noise_loadings : array of shape (B, components), float32
        Spatial components; rows have unit length.
    ncsnr : array of shape (B,), float32
        |w| / sqrt(1 - |w|^2).
    amplitude : array of shape (B,), float32
        Percent signal change per unit.
    """

    ijk: np.ndarray
    weights: np.ndarray
    noise_loadings: np.ndarray
    ncsnr: np.ndarray
    amplitude: np.ndarray


def own_features(subject: str, simulation: Simulation) -> np.ndarray:
    """Return the columns of `ImageTruth.features` that a subject encodes."""
    number = registry.SUBJECTS.index(subject)
    shared = np.arange(simulation.shared_features)
    first = simulation.shared_features + number * simulation.individual_features
    return np.concatenate([shared, first + np.arange(simulation.individual_features)])


def global_columns(simulation: Simulation) -> np.ndarray:
    """Return the columns of `ImageTruth.features` that are global properties of the image."""
    last = simulation.shared_features
    return np.arange(last - simulation.global_features, last)


def draw_images(scale: Scale, simulation: Simulation, seed: int) -> ImageTruth:
    """Draw the features and the noise variance of every image."""
    n = scale.n_73k
    n_features = simulation.shared_features + 8 * simulation.individual_features
    rng = stream(seed, "simulate", "features")
    features = rng.standard_normal((n, n_features), dtype=np.float32)
    common = stream(seed, "simulate", "variance").standard_normal(n)
    share = simulation.variance_shared_fraction
    log_variance = np.empty((len(registry.SUBJECTS), n), dtype=np.float32)
    for row, subject in zip(log_variance, registry.SUBJECTS, strict=True):
        own = stream(seed, "simulate", "variance", subject).standard_normal(n)
        normal = np.sqrt(share) * common + np.sqrt(1 - share) * own
        # Mean variance over images is 1 whatever the spread.
        row[:] = simulation.variance_log_sd * normal - simulation.variance_log_sd**2 / 2
    return ImageTruth(features, log_variance)


def draw_subject(
    scale: Scale, simulation: Simulation, anatomy: Anatomy, subject: str, seed: int
) -> SubjectTruth:
    """Draw the encoding maps and the noise structure of one subject."""
    z, y, x = np.nonzero(anatomy.brain.T)
    region = _region_of_voxel(anatomy)[x, y, z]
    n = region.size
    rng = stream(seed, "simulate", "maps", subject)
    number = registry.SUBJECTS.index(subject)
    mixing = simulation.shared_fraction[number]
    weights = np.empty((n, simulation.shared_features + simulation.individual_features))
    for name in np.unique(region[region >= 0]):
        rows = np.flatnonzero(region == name)
        tilt = _tilt(simulation, int(name))
        shared = _tuning(rng, rows.size, simulation.shared_features, seed, "shared", name, tilt)
        own = _tuning(rng, rows.size, simulation.individual_features, seed, subject, name)
        weights[rows] = np.hstack([np.sqrt(mixing) * shared, np.sqrt(1 - mixing) * own])
    ncsnr = np.exp(rng.normal(np.log(simulation.ncsnr[number]), simulation.ncsnr_log_sd, n))
    ncsnr *= np.where(region == len(_RESPONDING), _BACKGROUND_NCSNR, 1.0)
    ncsnr[region < 0] = 0
    weights[region < 0] = 0
    length = np.linalg.norm(weights, axis=1, keepdims=True)
    length[length == 0] = 1
    weights *= (ncsnr / np.sqrt(1 + ncsnr**2))[:, None] / length
    ijk = np.column_stack([x, y, z]).astype(np.int32)
    return SubjectTruth(
        ijk=ijk,
        weights=weights.astype(np.float32),
        noise_loadings=_spatial_components(ijk, scale.volume_shape[subject], simulation, rng),
        ncsnr=ncsnr.astype(np.float32),
        amplitude=np.exp(rng.normal(np.log(1.3), 0.3, n)).astype(np.float32),
    )


def write_images(path: Path, truth: ImageTruth) -> None:
    """Write the truth about the images (HDF5)."""
    with files.whole(path) as part, h5py.File(part, "w") as file:
        file["features"] = truth.features
        file["log_variance"] = truth.log_variance


def write_subject(path: Path, truth: SubjectTruth) -> None:
    """Write the truth about one subject (HDF5)."""
    with files.whole(path) as part, h5py.File(part, "w") as file:
        for name, values in vars(truth).items():
            file[name] = values


def read_images(path: Path) -> ImageTruth:
    """Read what `write_images` wrote."""
    return ImageTruth(**_read(path, ("features", "log_variance")))


def read_subject(path: Path) -> SubjectTruth:
    """Read what `write_subject` wrote."""
    return SubjectTruth(**_read(path, tuple(SubjectTruth.__dataclass_fields__)))


def _read(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with h5py.File(path, "r") as file:
            return {name: file[name][:] for name in names}
    except (OSError, KeyError) as error:
        raise BrainworthError(
            f"{path} cannot be read ({error}); it is written by the simulation: run that again"
        ) from None


def _region_of_voxel(anatomy: Anatomy) -> np.ndarray:
    """Return the number of the region each voxel responds as: -1 none, last = background.

    Where the atlas and a localizer overlap, the atlas wins: it comes first in `rois.REGIONS`.
    """
    region = np.where(anatomy.cortex, len(_RESPONDING), -1)
    for number, (atlas, labels) in reversed(list(enumerate(_RESPONDING.values()))):
        numbers = [registry.LABELS[atlas].index(label) + 1 for label in labels]
        region[np.isin(anatomy.volumes[atlas], numbers)] = number
    return region


def _tilt(simulation: Simulation, region: int) -> np.ndarray:
    """Return what is added to the log metric of the shared features in a region."""
    name = [*_RESPONDING, BACKGROUND][region]
    sign = int(name in HIGHER) - int(name in EARLY)
    tilt = np.full(simulation.shared_features, -sign * simulation.stream_contrast)
    tilt[global_columns(simulation)] *= -1
    return tilt


def _tuning(
    rng: np.random.Generator,
    n_voxels: int,
    n_features: int,
    seed: int,
    owner: str,
    region: int,
    tilt: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Draw unit-variance tuning around the mean and with the metric of `owner` in a region."""
    common = stream(seed, "simulate", "tuning", owner, int(region))
    metric = np.exp(common.normal(0, _METRIC_LOG_SD, n_features) + tilt)
    metric /= np.linalg.norm(metric)
    mean = metric * common.standard_normal(n_features)
    mean /= np.linalg.norm(mean)
    deviation = metric * rng.standard_normal((n_voxels, n_features))
    return np.sqrt(_MEAN_SHARE) * mean + np.sqrt(1 - _MEAN_SHARE) * deviation


def _spatial_components(
    ijk: np.ndarray, shape: tuple[int, int, int], simulation: Simulation, rng: np.random.Generator
) -> np.ndarray:
    """Draw smooth noise components: random plane waves of at most three cycles a volume."""
    position = ijk / np.asarray(shape)
    n = simulation.noise_spatial_components
    wave = rng.uniform(-3, 3, (3, n))
    loadings = np.cos(2 * np.pi * position @ wave + rng.uniform(0, 2 * np.pi, n))
    return (loadings / np.linalg.norm(loadings, axis=1, keepdims=True)).astype(np.float32)
