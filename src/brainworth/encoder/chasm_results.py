"""What the fit of CHASMBrain to one subject says, ready for JSON, and what it predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainworth.encoder import comparison, scores
from brainworth.encoder.chasm import Fit
from brainworth.encoder.comparison import Plan
from brainworth.encoder.predictions import Predictions
from brainworth.encoder.targets import Targets
from brainworth.encoder.train import Batch, predict
from brainworth.errors import BrainworthError

LABEL = "CHASMBrain"


def describe(
    found: Fit,
    targets: Targets,
    settings: Mapping[str, Any],
    others: Mapping[str, Predictions],
    *,
    backend: str,
    weights_sha256: str,
    interval: float,
    seed: int,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Score a fit on the test images.

    Parameters
    ----------
    found : Fit
    targets : Targets
    settings : mapping
        Sections ``clusters`` and ``scores``.
    others : mapping from model to Predictions
        Of the same subject, to compare with image by image.
    backend, weights_sha256 : str
        Of the features.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.
    device : device or str
        Where networks are applied to the test images once more; they come back to the CPU.

    Returns
    -------
    dict
        ``subject``, ``backend``, ``weights_sha256``, ``n_images`` by part, ``sizes``, and ``rows``
        with the one row ``chasm``: scores of clusters (``stage1``) and of ``voxels``;
        ``parameters`` and ``macs`` of both stages together; ``curve`` of stage 2; all of that by
        stage in ``stages``; ``learned``, how the network weighs its parts. ``differences``, a list:
        ``first`` (chasm) minus ``second`` (one of the others), paired over test images.

    Raises
    ------
    BrainworthError
        If predictions of another model are not of the same responses.
    """
    plan = Plan({name: settings[name] for name in ("clusters", "scores")}, interval, seed)
    of_clusters = comparison.score_clusters(plan, targets, found.data, found.rois)
    of_voxels = comparison.score_voxels(plan, targets, found.data, found.voxels)
    differences = []
    for name, each in others.items():
        second = comparison.score_voxels(plan, targets, found.data, _of_parts(name, each, found))
        compared = scores.compare(of_voxels, second, interval)
        differences.append({"first": "chasm", "second": name, "voxels": compared})
    stages = {
        stage: asdict(found.counts[stage]) | found.histories[stage].data()
        for stage in ("stage1", "stage2")
    }
    row = {
        "row": "chasm",
        "label": LABEL,
        "stage1": scores.summarise(of_clusters, interval),
        "voxels": scores.summarise(of_voxels, interval),
        "parameters": sum(each.parameters for each in found.counts.values()),
        "macs": sum(each.macs for each in found.counts.values()),
        "curve": stages["stage2"]["epochs"],
        "stages": stages,
        "learned": _learned(found, device),
    }
    return {
        "subject": targets.subject,
        "backend": backend,
        "weights_sha256": weights_sha256,
        "n_images": {name: len(chosen) for name, chosen in found.data.rows.items()},
        "sizes": found.data.shapes,
        "rows": [row],
        "differences": differences,
    }


def predictions_of(found: Fit, targets: Targets) -> Predictions:
    """Return what the fit predicts of the voxels of test and validation images."""
    parts, rows = found.data.parts, found.data.rows
    return Predictions(
        targets.nsd_id[rows["test"]],
        found.voxels["test"].numpy(),
        parts["test"]["voxels"].numpy(),
        found.voxels["validation"].numpy(),
        parts["validation"]["voxels"].numpy(),
    )


def _of_parts(name: str, predictions: Predictions, found: Fit) -> dict[str, Tensor]:
    """Return another model's predictions by part, if they are of the same responses."""
    parts = found.data.parts
    observed = (parts["test"]["voxels"].numpy(), parts["validation"]["voxels"].numpy())
    theirs = (predictions.observed, predictions.validation_observed)
    if not all(map(np.array_equal, observed, theirs)):
        raise BrainworthError(
            f"the predictions of {name} for {found.data.subject} are of other images or responses "
            "than those of the networks, so that their scores cannot be paired; delete them and "
            "run again"
        )
    return {
        "test": torch.from_numpy(predictions.predicted),
        "validation": torch.from_numpy(predictions.validation_predicted),
    }


def _learned(found: Fit, device: torch.device | str) -> dict[str, float]:
    """Return how the network weighs its parts, over the test images."""

    def gates(network: nn.Module, batch: Batch) -> Tensor:
        return network(batch["global"], batch["tokens"]).gate

    def scales(network: nn.Module, batch: Batch) -> Tensor:
        return network(batch["global"], batch["mean_token"], batch["rois"]).scale

    part = {**found.data.parts["test"], "rois": found.rois["test"]}
    answers = []
    for stage, call, names in (
        (found.stage1, gates, ("global", "tokens")),
        (found.stage2, scales, ("global", "mean_token", "rois")),
    ):
        given = {name: part[name] for name in names}
        answers.append(predict(stage.to(device), call, given, device=device))
        stage.cpu()
    gate, scale = answers[0][:, 0], answers[1]
    return {
        "share_of_global_stream": gate.mean().item(),
        "sd_of_global_stream": gate.std(correction=0).item(),
        "share_of_holistic_decoder": torch.sigmoid(found.stage2.balance).item(),
        "mean_scale": scale.mean().item(),
        "sd_scale": scale.std(correction=0).item(),
    }
