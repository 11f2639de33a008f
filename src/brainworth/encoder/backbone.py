"""A stage 1 trained on one or more subjects, whose features another subject can use.

All source subjects share the network up to the last map of its heads, which has columns of its own
for the clusters of each subject. A step sees images of all of them, and a column learns from the
images of its subject only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainworth.encoder import clusters, losses
from brainworth.encoder.comparison import Plan, training_rows
from brainworth.encoder.features import store
from brainworth.encoder.features.store import Features
from brainworth.encoder.stage1 import Stage1
from brainworth.encoder.targets import TEST, VALIDATION, Targets
from brainworth.encoder.train import Batch, History, fit, predict

#: From 0-based 73K ids to features, row by row.
Read = Callable[[np.ndarray], Features]


@dataclass(frozen=True)
class Images:
    """What a backbone learns from, and the target's images on the same scale.

    Attributes
    ----------
    sources : dict from train, validation to dict
        Tensors of n rows: ``global`` (n, G), ``tokens`` (n, P, C), ``rois`` (n, K), clusters of all
        sources side by side, 0 for those of other subjects, and ``source`` (n,), whose row it is.
    n_rois : list of int
        Clusters of each source.
    target : dict from train, validation, test to dict
        ``global`` and ``tokens`` of the target's rows.
    n_images : int
        Training images of all sources.
    """

    sources: dict[str, Batch]
    n_rois: list[int]
    target: dict[str, Batch]
    n_images: int


def target_rows(target: Targets, most: int | None, seed: int) -> dict[str, np.ndarray]:
    """Return the rows of the target's parts, with at most so many training images."""
    return {
        "train": training_rows(target, most, seed),
        "validation": target.rows(VALIDATION),
        "test": target.rows(TEST),
    }


def gather(
    read: Read,
    sources: list[tuple[Targets, np.ndarray]],
    target: Targets,
    most: int | None,
    top: float,
    seed: int,
) -> Images:
    """Read and standardise the features of all subjects by the training images of the sources.

    Parameters
    ----------
    read : callable
    sources : list of (targets, labels)
        With the cluster of each voxel, (V,).
    target : Targets
    most : int or None
        Training images of a subject at most.
    top : float
        Share of a cluster's voxels that is averaged.
    seed : int
    """
    rows = [
        {"train": training_rows(each, most, seed), "validation": each.rows(VALIDATION)}
        for each, _ in sources
    ]
    of_target = target_rows(target, most, seed)
    blocks = [
        *(
            (each, chosen[part])
            for part in ("train", "validation")
            for (each, _), chosen in zip(sources, rows, strict=True)
        ),
        *((target, chosen) for chosen in of_target.values()),
    ]
    features = read(np.concatenate([each.nsd_id[chosen] for each, chosen in blocks]))
    n_train = sum(len(chosen["train"]) for chosen in rows)
    n_held = sum(len(chosen["validation"]) for chosen in rows)
    scaled = store.standardise(replace(features, layers={}), np.arange(n_train))
    stops = np.cumsum([n_train, n_held, *map(len, of_target.values())])
    inputs = [
        {
            "global": torch.from_numpy(scaled.global_[start:stop]),
            "tokens": torch.from_numpy(scaled.tokens[start:stop]),
        }
        for start, stop in zip([0, *stops[:-1]], stops, strict=True)
    ]
    n_rois = [int(labels.max()) + 1 for _, labels in sources]
    answer = {}
    for part, given in zip(("train", "validation"), inputs, strict=False):
        lengths = [len(chosen[part]) for chosen in rows]
        values = np.zeros((sum(lengths), sum(n_rois)), dtype=np.float32)
        first = column = 0
        for (each, labels), chosen, n in zip(sources, rows, n_rois, strict=True):
            found = clusters.aggregate(each.values[chosen[part]], labels, top)
            values[first : first + len(found), column : column + n] = found
            first, column = first + len(found), column + n
        answer[part] = given | {
            "rois": torch.from_numpy(values),
            "source": torch.from_numpy(np.repeat(np.arange(len(sources)), lengths)),
        }
    n_images = sum(
        len(np.unique(each.nsd_id[chosen["train"]]))
        for (each, _), chosen in zip(sources, rows, strict=True)
    )
    return Images(answer, n_rois, dict(zip(of_target, inputs[2:], strict=True)), n_images)


def new(images: Images, plan: Plan, *name: str) -> Stage1:
    """Return an untrained backbone."""
    part = images.sources["train"]
    sizes = (part["global"].shape[1], part["tokens"].shape[2], part["tokens"].shape[1])
    make = lambda: Stage1(*sizes, sum(images.n_rois), plan.settings["stage1"])  # noqa: E731
    model = plan.new(make, *name)
    model.replayed = False  # its loss looks at whose images a batch has
    return model  # type: ignore[return-value]


def train(model: Stage1, images: Images, plan: Plan, *name: str) -> History:
    """Train a backbone on its source subjects, with the losses and stopping rule of stage 1."""
    held = images.sources["validation"]
    settings = plan.settings["loss_stage1"]

    def validation(network: nn.Module) -> float:
        given = {key: held[key] for key in ("global", "tokens")}
        found = predict(network, _rois, given, device=plan.device)
        error, pearson = by_source(found, held["rois"], held["source"], images.n_rois)
        return float(error + settings["pearson"] * pearson)

    return fit(
        model,
        _loss(images.n_rois, settings),
        images.sources["train"],
        validation,
        plan.settings["train_stage1"],
        compiled=plan.settings["compile"],
        **plan.training(*name),
    )


def by_source(
    predicted: Tensor, rois: Tensor, source: Tensor, n_rois: list[int]
) -> tuple[Tensor, Tensor]:
    """Return mean squared error and Pearson term, each subject by its own images and clusters.

    Parameters
    ----------
    predicted, rois : tensors of shape (B, K)
    source : tensor of int, shape (B,)
    n_rois : list of int
        Clusters of each subject; their sum is K.
    """
    error = pearson = predicted.new_zeros(())
    for number, (found, observed) in enumerate(
        zip(predicted.split(n_rois, 1), rois.split(n_rois, 1), strict=True)
    ):
        here = source == number
        if not bool(here.any()):
            continue
        share = here.float().mean()
        error = error + share * (found[here] - observed[here]).square().mean()
        pearson = pearson + share * losses.pearson(found[here], observed[here])
    return error, pearson


def describe(model: nn.Module, images: Images, plan: Plan) -> dict[str, np.ndarray]:
    """Return the features (n, D) of the target's parts, which the streams share."""
    return {
        part: predict(model, _fused, given, device=plan.device).numpy()
        for part, given in images.target.items()
    }


def _loss(
    n_rois: list[int], settings: Mapping[str, Any]
) -> Callable[[nn.Module, Batch, int, torch.Generator], losses.Terms]:
    def value(model: nn.Module, batch: Batch, *_: Any) -> losses.Terms:
        output = model(batch["global"], batch["tokens"])
        error, pearson = by_source(output.rois.float(), batch["rois"], batch["source"], n_rois)
        terms = {"mse": error, "pearson": pearson}
        loss = error + settings["pearson"] * pearson
        if settings["contrastive"] > 0:
            pairs = model.contrast(output.fused, batch["rois"])
            terms["contrastive"] = losses.info_nce(*pairs, settings["temperature"])
            loss = loss + settings["contrastive"] * terms["contrastive"]
        return loss, {name: term.detach() for name, term in terms.items()}

    return value


def _rois(model: nn.Module, batch: Batch) -> Tensor:
    return model(batch["global"], batch["tokens"]).rois.float()


def _fused(model: nn.Module, batch: Batch) -> Tensor:
    return model(batch["global"], batch["tokens"]).fused.float()
