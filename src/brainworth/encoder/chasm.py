"""CHASMBrain fitted to one subject: stage 1 on clusters, then, frozen, stage 2 on voxels.

The parts (`prepare`, `fit_stage1`, `predict_rois`, `fit_stage2`, `predict_voxels`) serve any
network with the signatures of the two stages; `fit_subject` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainworth.encoder import clusters, losses
from brainworth.encoder import targets as targets_
from brainworth.encoder.counting import Counts, count
from brainworth.encoder.features import store
from brainworth.encoder.features.store import Features
from brainworth.encoder.seeds import seeded
from brainworth.encoder.stage1 import Stage1
from brainworth.encoder.stage2 import Stage2
from brainworth.encoder.targets import Targets
from brainworth.encoder.train import Batch, History, fit, predict
from brainworth.errors import BrainworthError

PARTS = {"train": targets_.TRAIN, "validation": targets_.VALIDATION, "test": targets_.TEST}
#: Fewest images of a part: one batch to train on, and what correlations and scores need.
FEWEST = {"train": 2, "validation": 2, "test": 1}


@dataclass(frozen=True)
class Data:
    """What networks learn from, of one subject.

    Attributes
    ----------
    subject : str
    labels : array of shape (V,), int
        Cluster of each voxel, 0-based.
    parts : dict from train, validation, test to dict
        Tensors of the part's n rows: ``global`` (n, G), ``tokens`` (n, P, C), ``mean_token``
        (n, C), standardised; ``rois`` (n, K), what clusters did; ``voxels`` (n, V).
    rows : dict from train, validation, test to array of int
        Rows of the targets.
    scaling : dict from ``global`` and ``tokens`` to (centre, gain), a number a channel each
        Standardised = (feature - centre) x gain; for new images.
    """

    subject: str
    labels: np.ndarray
    parts: dict[str, Batch]
    rows: dict[str, np.ndarray]
    scaling: dict[str, tuple[Tensor, Tensor]]

    @property
    def shapes(self) -> dict[str, int]:
        """Sizes that networks are made with."""
        part = self.parts["train"]
        return {
            "n_global": part["global"].shape[1],
            "n_channels": part["tokens"].shape[2],
            "n_tokens": part["tokens"].shape[1],
            "n_rois": part["rois"].shape[1],
            "n_voxels": part["voxels"].shape[1],
        }


@dataclass(frozen=True)
class Fit:
    """The two stages fitted to one subject.

    Attributes
    ----------
    data : Data
    stage1, stage2 : Module
    rois, voxels : dict from train, validation, test to tensor
        Predictions, (n, K) and (n, V).
    histories : dict from stage1, stage2 to History
    counts : dict from stage1, stage2 to Counts
        For one image.
    """

    data: Data
    stage1: Stage1
    stage2: Stage2
    rois: dict[str, Tensor]
    voxels: dict[str, Tensor]
    histories: dict[str, History]
    counts: dict[str, Counts]


def prepare(
    features: Features,
    targets: Targets,
    settings: Mapping[str, Any],
    *,
    seed: int,
    atlas: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> Data:
    """Standardise features, make clusters and their targets, and part the rows.

    Parameters
    ----------
    features : Features
        Row i belongs to row i of `targets`. Tokens in half precision, as the file has them, give
        the same and take half the memory.
    targets : Targets
    settings : mapping
        Section ``clusters`` of the configuration.
    seed : int
        Root seed of the study.
    atlas : array of shape (x, y, z), optional
        Labels of voxels, for clusters of kind ``atlas``.
    labels : array of shape (V,), int, optional
        Clusters, if they are made already.

    Raises
    ------
    BrainworthError
        If rows do not belong together, or a part has too few images.
    """
    if not np.array_equal(features.nsd_id, targets.nsd_id):
        raise BrainworthError(
            f"features and responses of {targets.subject} are not of the same images in the same "
            "order; read the features with the responses' nsd_id"
        )
    rows = {name: targets.rows(split) for name, split in PARTS.items()}
    for name, fewest in FEWEST.items():
        if len(rows[name]) < fewest:
            raise BrainworthError(
                f"{targets.subject} has {len(rows[name])} {name} images, and at least {fewest} are "
                "needed; use more sessions (data.sessions) or another encoder.targets.validation"
            )
    if labels is None:
        labels = clusters.make(
            settings["kind"], settings["size"], targets.ijk, seed=seed, atlas=atlas
        )
    # The scale of all tokens is a quarter of a minute's work: it is found once.
    scales = {
        "global": store.scale_of(features.global_, rows["train"]),
        "tokens": store.scale_of(features.tokens, rows["train"]),
    }
    scaling = {name: _scaling(*scale) for name, scale in scales.items()}
    global_ = store.scaled(features.global_, *scales["global"])
    tokens = store.scaled(features.tokens, *scales["tokens"])
    values = np.asarray(targets.values, dtype=np.float32)
    rois = clusters.aggregate(values, labels, settings["top"]).astype(np.float32)
    parts = {
        name: {
            "global": torch.from_numpy(_take(global_, chosen)),
            "tokens": torch.from_numpy(_take(tokens, chosen)),
            "mean_token": torch.from_numpy(_take(tokens, chosen).mean(axis=1)),
            "rois": torch.from_numpy(_take(rois, chosen)),
            "voxels": torch.from_numpy(_take(values, chosen)),
        }
        for name, chosen in rows.items()
    }
    return Data(targets.subject, labels, parts, rows, scaling)


def fit_stage1(
    model: nn.Module,
    data: Data,
    settings: Mapping[str, Any],
    *,
    seed: int,
    name: tuple[str, ...],
    checkpoint: Path | None,
    device: torch.device | str,
    streams: str = "both",
    progress: bool = False,
) -> History:
    """Train a network on clusters; it is stopped by the error and correlation of validation.

    Parameters
    ----------
    model : Module
        Of the signature of `Stage1`.
    settings : mapping
        Sections ``train_stage1`` and ``loss_stage1``, and ``compile``.
    streams : {"both", "local", "global"}
        What `Stage1` is trained with.
    seed, name, checkpoint, device, progress
        See `train.fit`.
    """
    held = data.parts["validation"]
    weight = settings["loss_stage1"]["pearson"]

    def validation(network: nn.Module) -> float:
        found = _rois(network, held, device, streams)
        error = torch.nn.functional.mse_loss(found, held["rois"])
        return float(error + weight * losses.pearson(found, held["rois"]))

    names = ("global", "tokens", "rois")
    return fit(
        model,
        losses.stage1_loss(settings["loss_stage1"], streams),
        {each: data.parts["train"][each] for each in names},
        validation,
        settings["train_stage1"],
        seed=seed,
        name=name,
        checkpoint=checkpoint,
        progress=progress,
        device=device,
        compiled=settings["compile"],
    )


def predict_rois(
    model: nn.Module, data: Data, device: torch.device | str, streams: str = "both"
) -> dict[str, Tensor]:
    """Predict the clusters (n, K) of each part of the data."""
    return {name: _rois(model, part, device, streams) for name, part in data.parts.items()}


def fit_stage2(
    model: nn.Module,
    data: Data,
    rois: Mapping[str, Tensor],
    settings: Mapping[str, Any],
    *,
    seed: int,
    name: tuple[str, ...],
    checkpoint: Path | None,
    device: torch.device | str,
    progress: bool = False,
) -> History:
    """Train a network on voxels; it is stopped by the error of validation.

    Parameters
    ----------
    model : Module
        Of the signature of `Stage2`.
    rois : mapping from train, validation to tensors (n, K)
        What the frozen stage 1 predicts.
    settings : mapping
        Sections ``train_stage2`` and ``loss_stage2``, and ``compile``.
    seed, name, checkpoint, device, progress
        See `train.fit`.
    """
    train, held = data.parts["train"], data.parts["validation"]

    def validation(network: nn.Module) -> float:
        found = _voxels(network, held, rois["validation"], device)
        return float(torch.nn.functional.mse_loss(found, held["voxels"]))

    names = ("global", "mean_token", "voxels")
    return fit(
        model,
        losses.stage2_loss(settings["loss_stage2"]),
        {each: train[each] for each in names} | {"rois": rois["train"]},
        validation,
        settings["train_stage2"],
        seed=seed,
        name=name,
        checkpoint=checkpoint,
        progress=progress,
        device=device,
        compiled=settings["compile"],
    )


def predict_voxels(
    model: nn.Module, data: Data, rois: Mapping[str, Tensor], device: torch.device | str
) -> dict[str, Tensor]:
    """Predict the voxels (n, V) of each part of the data from what stage 1 predicts of it."""
    return {name: _voxels(model, part, rois[name], device) for name, part in data.parts.items()}


def fit_subject(
    features: Features,
    targets: Targets,
    settings: Mapping[str, Any],
    *,
    seed: int,
    checkpoints: Path | None,
    device: torch.device | str,
    progress: bool = False,
    atlas: np.ndarray | None = None,
    name: str = "chasm",
) -> Fit:
    """Fit both stages to one subject, and predict.

    Parameters
    ----------
    features : Features
        Row i belongs to row i of `targets`.
    targets : Targets
    settings : mapping
        Sections ``clusters``, ``stage1``, ``stage2``, ``train_stage1``, ``train_stage2``,
        ``loss_stage1``, ``loss_stage2`` and the value ``compile`` of the section ``encoder``.
    seed : int
        Root seed of the study.
    checkpoints : path or None
        Folder for one checkpoint a stage; a fit that was killed goes on from there.
    device : device or str
    progress : bool
        Show progress bars, if this is a terminal.
    atlas : array of shape (x, y, z), optional
        Labels of voxels, for clusters of kind ``atlas``.
    name : str
        Of this fit; with the subject it names its random streams.

    Returns
    -------
    Fit

    Raises
    ------
    BrainworthError
        If rows do not belong together, a part has too few images, or a training fails
        (`train.fit`).
    """
    data = prepare(features, targets, settings["clusters"], seed=seed, atlas=atlas)
    names = {stage: (name, targets.subject, stage) for stage in ("stage1", "stage2")}
    paths = {stage: checkpoints and checkpoints / f"{stage}.pt" for stage in names}
    with seeded(seed, *names["stage1"], "weights"):
        stage1 = new_stage1(data, settings["stage1"])
    with seeded(seed, *names["stage2"], "weights"):
        stage2 = new_stage2(data, settings["stage2"])
    histories = {
        "stage1": fit_stage1(
            stage1,
            data,
            settings,
            seed=seed,
            name=names["stage1"],
            checkpoint=paths["stage1"],
            device=device,
            progress=progress,
        )
    }
    rois = predict_rois(stage1, data, device)
    histories["stage2"] = fit_stage2(
        stage2,
        data,
        rois,
        settings,
        seed=seed,
        name=names["stage2"],
        checkpoint=paths["stage2"],
        device=device,
        progress=progress,
    )
    voxels = predict_voxels(stage2, data, rois, device)
    return Fit(data, stage1, stage2, rois, voxels, histories, count_stages(stage1, stage2, data))


def new_stage1(data: Data, settings: Mapping[str, Any]) -> Stage1:
    """Return an untrained stage 1 of the sizes of the data."""
    sizes = data.shapes
    names = ("n_global", "n_channels", "n_tokens", "n_rois")
    return Stage1(*(sizes[each] for each in names), settings)


def new_stage2(data: Data, settings: Mapping[str, Any]) -> Stage2:
    """Return an untrained stage 2 of the sizes of the data."""
    sizes = data.shapes
    return Stage2(sizes["n_global"], sizes["n_channels"], data.labels, settings)


def count_stages(stage1: nn.Module, stage2: nn.Module, data: Data) -> dict[str, Counts]:
    """Count both stages for one image."""
    one = {name: each[:1] for name, each in data.parts["train"].items()}
    first, second = stage1.cpu(), stage2.cpu()
    return {
        "stage1": count(first, one["global"], one["tokens"]),
        "stage2": count(second, one["global"], one["mean_token"], one["rois"]),
    }


def _rois(model: nn.Module, part: Batch, device: torch.device | str, streams: str) -> Tensor:
    def call(network: nn.Module, batch: Batch) -> Tensor:
        return network(batch["global"], batch["tokens"], streams=streams).rois.float()

    given = {name: part[name] for name in ("global", "tokens")}
    return predict(model, call, given, device=device)


def _voxels(model: nn.Module, part: Batch, rois: Tensor, device: torch.device | str) -> Tensor:
    def call(network: nn.Module, batch: Batch) -> Tensor:
        return network(batch["global"], batch["mean_token"], batch["rois"]).voxels.float()

    given = {"global": part["global"], "mean_token": part["mean_token"], "rois": rois}
    return predict(model, call, given, device=device)


def _take(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows, ascending; without a copy if none is left out between: tokens fill gigabytes."""
    first, last = int(rows[0]), int(rows[-1])
    return values[first : last + 1] if last - first + 1 == len(rows) else values[rows]


def _scaling(centre: np.ndarray, gain: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return the centre and gain that standardise each channel, both 0 if it does not vary."""
    return tuple(
        torch.from_numpy(each.astype(np.float32)) for each in (np.where(gain > 0, centre, 0), gain)
    )
