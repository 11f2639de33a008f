"""The responses that a trained encoder predicts to new images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from brainworth import hdf5, results
from brainworth.encoder import images, saved
from brainworth.encoder.features import backends
from brainworth.encoder.features.backends import Describer
from brainworth.errors import BrainworthError
from brainworth.files import whole

SCHEMA = "brainworth-new-images/1"
#: Fewest pixels along a side: below, nothing is left of what the features describe.
FEWEST_PIXELS = 16


def predict(
    study: Path,
    subject: str,
    given: list[Path],
    output: Path,
    *,
    dataset: str | None = None,
    weights: Path | None = None,
    device: str = "cpu",
) -> int:
    """Predict a subject's responses to new images.

    Parameters
    ----------
    study : path
        Results of a finished study, such as ``results/simulated``.
    subject : str
        One that the part ``chasm`` was fitted to.
    given : list of path
        PNG or JPEG files, folders of them, HDF5 files of uint8 images x height x width x 3.
    output : path
        HDF5: ``image`` (N,) names, ``predicted`` (N, V) and ``clusters`` (N, K) on the scale of
        the targets (SDs of a voxel's trials), ``ijk`` (V, 3) 0-based x, y, z, ``cluster`` (V,).
    dataset : str, optional
        Of HDF5 files.
    weights : path, optional
        Where the weights of dinov2 are, if not where they were.
    device : str
        ``cpu`` or ``cuda``, for dinov2.

    Returns
    -------
    int
        Images.

    Raises
    ------
    BrainworthError
        If the study has no such encoder, its features cannot be computed for new images, its files
        do not belong together, an image cannot be read or is too small, or the output cannot be
        written.
    """
    _check_output(output)
    folder = study / "encoder"
    stage1, stage2 = _stages(folder, subject)
    describer, batch = _describer(folder, weights, device)
    if (describer.backend, describer.weights_sha256) != (stage1.backend, stage1.weights_sha256):
        raise BrainworthError(
            f"{folder}: the features of the study ({describer.backend}) are not those that the "
            f"network of {subject} was trained on ({stage1.backend}, or other weights); run the "
            "study again"
        )
    ijk, volume_shape = _places(folder / f"targets_{subject}.h5", stage1.shapes["n_voxels"])
    files = images.find(given)
    n = images.count(files, dataset)
    with whole(output) as part, h5py.File(part, "w") as file:
        file.attrs["schema"] = SCHEMA
        file.attrs["study"] = study.resolve().name
        file.attrs["subject"] = subject
        file.attrs["backend"] = describer.backend
        file.attrs["weights_sha256"] = describer.weights_sha256
        file.attrs["volume_shape"] = volume_shape
        hdf5.store(file, "ijk", ijk)
        hdf5.store(file, "cluster", stage1.labels.astype(np.int32))
        names = file.create_dataset("image", (n,), dtype=h5py.string_dtype())
        sizes = {"predicted": stage1.shapes["n_voxels"], "clusters": stage1.shapes["n_rois"]}
        for name, size in sizes.items():
            file.create_dataset(
                name, (n, size), np.float32, chunks=(min(n, batch), size), fletcher32=True
            )
        start = 0
        with tqdm(total=n, unit="image", disable=None) as bar:
            for named, pixels in images.read(files, dataset, batch):
                if pixels.shape[1] < FEWEST_PIXELS:
                    raise BrainworthError(
                        f"{named[0]} is {pixels.shape[1]} pixels along its shorter side, and at "
                        f"least {FEWEST_PIXELS} are needed"
                    )
                rois, voxels = _predict(stage1, stage2, describer, pixels)
                rows = slice(start, start + len(named))
                names[rows] = named
                file["predicted"][rows], file["clusters"][rows] = voxels, rois
                start += len(named)
                bar.update(len(named))
    return n


def _check_output(output: Path) -> None:
    """Refuse, before the work, a path that no file can be written to."""
    if output.is_dir():
        raise BrainworthError(f"--output: {output} is a folder; name a file in it")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BrainworthError(f"--output: no folder {output.parent} ({error.strerror})") from None
    if not os.access(output.parent, os.W_OK):
        raise BrainworthError(f"--output: {output.parent} cannot be written to")


def _predict(
    stage1: saved.Saved, stage2: saved.Saved, describer: Describer, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    block = describer.describe(pixels)
    # In the precision that the features of training images are kept in.
    rounded = (np.asarray(each).astype(np.float16) for each in (block.global_, block.tokens))
    global_, tokens = (each.astype(np.float32) for each in rounded)
    return saved.predict_new(stage1, stage2, global_, tokens)


def _stages(folder: Path, subject: str) -> tuple[saved.Saved, saved.Saved]:
    paths = {stage: folder / f"{stage}_{subject}.pt" for stage in ("stage1", "stage2")}
    if not all(path.is_file() for path in paths.values()):
        there = sorted(path.stem.removeprefix("stage2_") for path in folder.glob("stage2_subj*.pt"))
        has = f"it has those of {', '.join(there)}" if there else "it has none"
        raise BrainworthError(
            f"{folder} has no trained encoder of {subject}, {has}; run the study with the part "
            "chasm, and this subject among encoder.subjects"
        )
    first, second = (saved.load(path, stage) for stage, path in paths.items())
    return first, second


def _describer(folder: Path, weights: Path | None, device: str) -> tuple[Describer, int]:
    """Return what describes images as those of the study were, and images at a time."""
    path = folder / "features.json"
    envelope = results.read(path)
    settings: dict[str, Any] = dict(envelope["params"]["encoder.features"])
    if settings["backend"] == "file":
        raise BrainworthError(
            f"{path}: the features of this study come from a file ({settings['file']}), so that "
            "those of new images cannot be computed; only studies with gabor or dinov2 can predict"
        )
    if weights is not None:
        if settings["backend"] != "dinov2":
            raise BrainworthError(
                f"--weights: the features of this study are of {settings['backend']}, which has no "
                "weights; leave it out"
            )
        settings["weights"] = str(weights)
    if settings["backend"] == "dinov2":
        settings["sha256"] = envelope["data"]["weights_sha256"]
    return backends.open_describer(settings, device), settings["batch"]


def _places(path: Path, n_voxels: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        with h5py.File(path, "r") as file:
            ijk, volume_shape = file["ijk"][:], file.attrs["volume_shape"]
    except (OSError, RuntimeError, KeyError) as error:
        raise BrainworthError(f"{path} cannot be read ({error}); run the study again") from None
    if len(ijk) != n_voxels:
        raise BrainworthError(
            f"{path} has {len(ijk)} voxels, and the network predicts {n_voxels}; they are not of "
            "one run: run the study again"
        )
    return ijk, volume_shape
