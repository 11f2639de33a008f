"""Inputs of the encoder's jobs at NSD's full size: random numbers in the files of the project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import torch

from brainworth.encoder import chasm, clusters, predictions, saved, targets
from brainworth.encoder.features import store
from brainworth.encoder.features.block import Block
from brainworth.encoder.stage1 import Stage1
from brainworth.nsd import betas

VOXELS = {"subj01": 15_724, "subj02": 14_278, "subj05": 13_039, "subj07": 12_682}
FIRST = next(iter(VOXELS))
IMAGES, PIXELS = 10_000, 425
TOKENS, CHANNELS = 256, 768
_TESTED, _HELD = 0.1, 0.1


def split_sizes(n_images: int) -> tuple[int, int, int]:
    """Return how many images are to train, to validate and to test."""
    n_test, n_held = round(_TESTED * n_images), round(_HELD * n_images * (1 - _TESTED))
    return n_images - n_test - n_held, n_held, n_test


def write(folder: Path, n_images: int, voxels: Mapping[str, int]) -> None:
    """Write what the scripts read: features, targets, and what they need beside them."""
    for old in ("features.h5", "result.json"):
        (folder / old).unlink(missing_ok=True)
    rng = np.random.default_rng(0)
    names = [f"layer {layer}" for layer in (3, 6, 9, 12)]
    # A few images' tokens, over and over: what they are does not change how long anything takes.
    few = rng.standard_normal((100, TOKENS, CHANNELS), dtype=np.float32).astype(np.float16)

    def describe(chosen: np.ndarray) -> Block:
        global_ = rng.standard_normal((len(chosen), CHANNELS), dtype=np.float32)
        tokens = few[chosen % len(few)]
        return Block(global_, tokens, dict.fromkeys(names, (global_, global_)))

    store.write(
        folder / "features.h5",
        np.arange(n_images),
        describe,
        store.Origin("dinov2", "0" * 64, {}, names),
        batch=500,
        checkpoints=folder / "batches",
        say=print,
    )
    for subject, n_voxels in voxels.items():
        made = _targets(subject, n_images, n_voxels, rng)
        targets.write(folder / f"targets_{subject}.h5", made)
        if subject == FIRST:
            _write_beside(folder, made)


def _targets(subject: str, n: int, n_voxels: int, rng: np.random.Generator) -> targets.Targets:
    sizes = split_sizes(n)
    split = np.repeat([targets.TRAIN, targets.VALIDATION, targets.TEST], sizes).astype(np.int8)
    values = 0.6 * rng.standard_normal((n, n_voxels), dtype=np.float32)
    test = np.flatnonzero(split == targets.TEST)
    noise = rng.standard_normal((len(test), 3, n_voxels), dtype=np.float32)
    trials = (values[test, None] + noise - noise.mean(axis=1, keepdims=True)).reshape(-1, n_voxels)
    ones = np.ones(n_voxels, dtype=np.float32)
    side = int(np.ceil(n_voxels ** (1 / 3)))
    return targets.Targets(
        subject=subject,
        nsd_id=np.arange(n),
        split=split,
        values=values,
        n_repeats=np.full(n, 3),
        repeat=np.zeros(n, dtype=int),
        ncsnr=0.45 * ones,
        ncsnr_own=0.45 * ones,
        noise_variance=0.8 * ones,
        trials=trials,
        trial_row=np.repeat(test, 3),
        ijk=np.argwhere(np.ones((side,) * 3))[:n_voxels].astype(np.int32),
        group=(np.arange(n_voxels) * 4 // n_voxels).astype(np.int8),
        volume_shape=(side,) * 3,
    )


def _write_beside(folder: Path, made: targets.Targets) -> None:
    """Write what `chasm` reads beside the targets."""
    values = made.values
    test, held = (np.flatnonzero(made.split == part) for part in (targets.TEST, targets.VALIDATION))
    mine = predictions.Predictions(
        test, 0.5 * values[test], values[test], values[held], values[held]
    )
    predictions.write(folder / f"ridge_{made.subject}.h5", made.subject, {"ridge": mine})
    with h5py.File(folder / f"betas_{made.subject}.h5", "w") as file:
        file.attrs["schema"] = betas.SCHEMA
        file["voxels/ijk"] = made.ijk
        file["voxels/region/nsdgeneral"] = np.ones(len(made.ijk), dtype=bool)
    volume = nib.Nifti1Image(np.zeros(made.volume_shape, dtype=np.int16), np.eye(4))
    nib.save(volume, folder / "streams.nii.gz")


def untrained(path: Path, encoder: Mapping[str, Any], n_voxels: int) -> Path:
    """Write a stage 1 of random weights, in the place of that of the job `chasm`."""
    labels = clusters.make(
        "sequential", encoder["clusters"]["size"], np.zeros((n_voxels, 3)), seed=0
    )
    part = {
        "global": torch.zeros(1, CHANNELS),
        "tokens": torch.zeros(1, TOKENS, CHANNELS),
        "rois": torch.zeros(1, int(labels.max()) + 1),
        "voxels": torch.zeros(1, n_voxels),
    }
    data = chasm.Data(FIRST, labels, {"train": part}, {}, {})
    model = Stage1(CHANNELS, CHANNELS, TOKENS, part["rois"].shape[1], encoder["stage1"])
    origin = {"backend": "dinov2", "weights_sha256": "0" * 64}
    saved.save(path, "stage1", model, data, encoder["stage1"], **origin)
    return path


def write_images(path: Path, n: int) -> None:
    """Write images of NSD's size: sixteen, over and over."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, PIXELS, PIXELS, 3), dtype=np.uint8)
    with h5py.File(path, "w") as file:
        brick = file.create_dataset("imgBrick", (n, PIXELS, PIXELS, 3), np.uint8)
        for first in range(0, n, len(pixels)):
            brick[first : first + len(pixels)] = pixels[: n - first]
