"""Trained stages as files: weights, and all that it takes to apply them to new images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainworth.encoder import torch_files
from brainworth.encoder.chasm import Data
from brainworth.encoder.stage1 import Stage1
from brainworth.encoder.stage2 import Stage2
from brainworth.errors import BrainworthError

SCHEMA = "brainworth-network/1"


@dataclass(frozen=True)
class Saved:
    """A trained stage.

    Attributes
    ----------
    model : Module
        In evaluation mode, on the CPU.
    subject : str
    backend, weights_sha256 : str
        Of the features that it was trained on.
    shapes : dict
        n_global, n_channels, n_tokens, n_rois, n_voxels.
    settings : dict
        Section ``stage1`` or ``stage2``.
    labels : array of shape (V,), int
        Cluster of each voxel.
    scaling : dict from ``global`` and ``tokens`` to (centre, gain), tensors a channel
        The stage takes (feature - centre) x gain.
    """

    model: nn.Module
    subject: str
    backend: str
    weights_sha256: str
    shapes: dict[str, int]
    settings: dict[str, Any]
    labels: np.ndarray
    scaling: dict[str, tuple[Tensor, Tensor]]


def save(
    path: Path,
    stage: str,
    model: nn.Module,
    data: Data,
    settings: Mapping[str, Any],
    *,
    backend: str,
    weights_sha256: str,
) -> None:
    """Write a trained stage, `stage` being stage1 or stage2."""
    content = {
        "stage": stage,
        "subject": data.subject,
        "backend": backend,
        "weights_sha256": weights_sha256,
        "shapes": data.shapes,
        "settings": dict(settings),
        "labels": torch.from_numpy(np.asarray(data.labels, dtype=np.int64)),
        "scaling": {name: list(each) for name, each in data.scaling.items()},
        "state": {name: each.cpu() for name, each in model.state_dict().items()},
    }
    torch_files.save(path, SCHEMA, content)


def load(path: Path, stage: str) -> Saved:
    """Read a trained stage.

    Raises
    ------
    BrainworthError
        If the file is missing or damaged, or is not that stage.
    """
    content = torch_files.load(path, SCHEMA)
    if content["stage"] != stage:
        raise BrainworthError(f"{path} holds {content['stage']}, and {stage} is needed")
    sizes, settings, labels = content["shapes"], content["settings"], content["labels"].numpy()
    if stage == "stage1":
        names = ("n_global", "n_channels", "n_tokens", "n_rois")
        model: nn.Module = Stage1(*(sizes[name] for name in names), settings)
    else:
        model = Stage2(sizes["n_global"], sizes["n_channels"], labels, settings)
    model.load_state_dict(content["state"])
    scaling = {name: tuple(each) for name, each in content["scaling"].items()}
    return Saved(
        model.eval(),
        *(content[name] for name in ("subject", "backend", "weights_sha256", "shapes")),
        settings,
        labels,
        scaling,
    )


def predict_new(
    stage1: Saved, stage2: Saved, global_: np.ndarray, tokens: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predict clusters and voxels of new images.

    Parameters
    ----------
    stage1, stage2 : Saved
        Of the same subject and fit.
    global_ : array of shape (N, G)
    tokens : array of shape (N, P, C)
        As the backend computes them, not standardised.

    Returns
    -------
    rois : array of shape (N, K)
    voxels : array of shape (N, V)

    Raises
    ------
    BrainworthError
        If the stages or the features do not fit together.
    """
    if (stage1.subject, stage1.backend, stage1.shapes) != (
        *(stage2.subject, stage2.backend),
        stage2.shapes,
    ) or not np.array_equal(stage1.labels, stage2.labels):
        raise BrainworthError(
            f"stage 1 (of {stage1.subject}) and stage 2 (of {stage2.subject}) are not of the same "
            "fit; run the rule encoder_chasm of this subject again"
        )
    found = (global_.shape[1], tokens.shape[1], tokens.shape[2])
    expected = tuple(stage1.shapes[name] for name in ("n_global", "n_tokens", "n_channels"))
    if found != expected:
        raise BrainworthError(
            f"the features have {found} (global, tokens, channels), and the network was trained on "
            f"{expected} of backend {stage1.backend}; describe the images with its settings"
        )
    rois, voxels = [], []
    with torch.no_grad():
        for start in range(0, len(global_), 256):
            rows = slice(start, start + 256)
            first = _scaled(global_[rows], stage1.scaling["global"])
            second = _scaled(tokens[rows], stage1.scaling["tokens"])
            rois.append(stage1.model(first, second).rois)
            voxels.append(stage2.model(first, second.mean(1), rois[-1]).voxels)
    return torch.cat(rois).numpy(), torch.cat(voxels).numpy()


def _scaled(values: np.ndarray, scaling: tuple[Tensor, Tensor]) -> Tensor:
    centre, gain = scaling
    return (torch.from_numpy(np.asarray(values, dtype=np.float32)) - centre) * gain
