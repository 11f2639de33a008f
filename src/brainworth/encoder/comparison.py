"""What the tables of ablations share: how networks are trained, scored and put in a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainworth.encoder import chasm, clusters, scores
from brainworth.encoder.chasm import Data
from brainworth.encoder.cluster_noise import noise_of_clusters
from brainworth.encoder.counting import Counts
from brainworth.encoder.scores import Scored
from brainworth.encoder.seeds import seeded
from brainworth.encoder.targets import TRAIN, Targets
from brainworth.encoder.train import History
from brainworth.stats import stream


@dataclass(frozen=True)
class Plan:
    """How the networks of a table are trained and scored.

    Attributes
    ----------
    settings : mapping
        Sections of ``encoder`` that the table uses, by name.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.
    device : device or str
    checkpoints : path or None
        Folder for one checkpoint a network; a table that was killed goes on from there.
    progress : bool
        Show progress bars, if this is a terminal.
    """

    settings: Mapping[str, Any]
    interval: float
    seed: int
    device: torch.device | str = "cpu"
    checkpoints: Path | None = None
    progress: bool = False

    def training(self, *name: str) -> dict[str, Any]:
        """Return what `train.fit` is told about a training, beside what it trains."""
        return {
            "seed": self.seed,
            "name": name,
            "checkpoint": self.checkpoints and self.checkpoints / f"{'-'.join(name)}.pt",
            "device": self.device,
            "progress": self.progress,
        }

    def new(self, make: Callable[[], nn.Module], *name: str) -> nn.Module:
        """Return a network with initial weights from the stream of this name."""
        with seeded(self.seed, *name, "weights"):
            return make()


def atlas_of(settings: Mapping[str, Any], targets: Targets) -> np.ndarray | None:
    """Return the labels of the volume that clusters of kind ``atlas`` are from, else None.

    Parameters
    ----------
    settings : mapping
        Section ``clusters``.
    """
    if settings["kind"] != "atlas":
        return None
    return clusters.read_atlas(settings["atlas"], targets.subject, targets.volume_shape)


def fewer_images(data: Data, targets: Targets, most: int | None, seed: int) -> Data:
    """Keep some of the training images.

    Parameters
    ----------
    most : int or None
        Training images at most, drawn at random; None keeps all.
    """
    rows = data.rows["train"]
    kept = np.isin(rows, training_rows(targets, most, seed))
    if kept.all():
        return data
    part = {name: tensor[torch.from_numpy(kept)] for name, tensor in data.parts["train"].items()}
    return replace(data, parts=data.parts | {"train": part}, rows=data.rows | {"train": rows[kept]})


def training_rows(targets: Targets, most: int | None, seed: int) -> np.ndarray:
    """Return the rows of at most so many training images, drawn at random; of all for None."""
    rows = targets.rows(TRAIN)
    ids = targets.nsd_id[rows]
    images = np.unique(ids)
    if most is None or len(images) <= most:
        return rows
    drawn = stream(seed, "encoder", "ablations", "images", targets.subject).permutation(images)
    return rows[np.isin(ids, drawn[:most])]


def score_clusters(
    plan: Plan,
    targets: Targets,
    data: Data,
    predicted: Mapping[str, Tensor],
    chosen: np.ndarray | None = None,
) -> Scored:
    """Score predictions of clusters on the test images.

    Parameters
    ----------
    data : Data
        Its clusters are aggregated by ``clusters.top`` of the plan's settings.
    predicted : mapping from validation, test to tensors (n, K)
    chosen : array of int, optional
        Clusters to score; all by default.
    """
    noise, ncsnr = noise_of_clusters(targets, data.labels, plan.settings["clusters"]["top"])
    columns = np.arange(len(noise)) if chosen is None else np.asarray(chosen)
    return _score(
        plan, targets, data, predicted, "rois", columns, ncsnr=ncsnr, noise_variance=noise
    )


def score_voxels(
    plan: Plan, targets: Targets, data: Data, predicted: Mapping[str, Tensor]
) -> Scored:
    """Score predictions of voxels on the test images.

    Parameters
    ----------
    predicted : mapping from validation, test to tensors (n, V)
    """
    return _score(
        *(plan, targets, data, predicted, "voxels", np.arange(len(targets.ijk))),
        ncsnr=targets.ncsnr,
        noise_variance=targets.noise_variance,
    )


def row(
    name: str,
    label: str,
    plan: Plan,
    *,
    counts: Counts,
    history: History,
    stage1: Scored | None = None,
    voxels: Scored | None = None,
) -> dict[str, Any]:
    """Return a row of a table, ready for JSON.

    Parameters
    ----------
    name, label : str
        Of the row, for programs and for readers.
    counts : Counts
        For one image.
    history : History
        Of its training.
    stage1, voxels : Scored, optional
        Of clusters and of voxels; None if the row has none.

    Returns
    -------
    dict
        ``row``, ``label``, ``stage1``, ``voxels``, ``parameters``, ``macs``, ``macs_with_scan``,
        ``curve`` (a list, one entry an epoch), ``best_epoch`` (0-based) and ``stopped``.
    """
    trained = history.data()
    return {
        "row": name,
        "label": label,
        "stage1": stage1 and scores.summarise(stage1, plan.interval),
        "voxels": voxels and scores.summarise(voxels, plan.interval),
        "parameters": counts.parameters,
        "macs": counts.macs,
        "macs_with_scan": counts.macs_with_scan,
        "curve": trained["epochs"],
        "best_epoch": trained["best_epoch"],
        "stopped": trained["stopped"],
    }


def differences(found: Mapping[str, Scored], reference: str, interval: float) -> dict[str, Any]:
    """Return the paired differences of rows from one of them: row minus reference.

    Parameters
    ----------
    found : mapping from row to Scored
    reference : str
        A row; if it was not asked for, there is nothing to return.
    interval : float
        Nominal coverage.

    Returns
    -------
    dict
        ``reference``, and ``rows`` from each other row to ``{statistic: {estimate, interval}}``.
    """
    if reference not in found:
        return {"reference": None, "rows": {}}
    base = found[reference]
    return {
        "reference": reference,
        "rows": {
            name: scores.compare(each, base, interval)
            for name, each in found.items()
            if name != reference
        },
    }


def fit_stage1(
    plan: Plan, data: Data, model: nn.Module, *name: str, streams: str = "both"
) -> tuple[History, dict[str, Tensor]]:
    """Train a network of stage 1; return how it went, and what it predicts of all parts."""
    history = chasm.fit_stage1(
        model, data, plan.settings, streams=streams, **plan.training(*name, "stage1")
    )
    return history, chasm.predict_rois(model, data, plan.device, streams)


def _score(
    plan: Plan,
    targets: Targets,
    data: Data,
    predicted: Mapping[str, Tensor],
    what: str,
    columns: np.ndarray,
    *,
    ncsnr: np.ndarray,
    noise_variance: np.ndarray,
) -> Scored:
    found = {name: predicted[name].numpy()[:, columns] for name in ("validation", "test")}
    observed = {name: data.parts[name][what].numpy()[:, columns] for name in found}
    return scores.evaluate(
        found["test"],
        observed["test"],
        n_repeats=targets.n_repeats[data.rows["test"]],
        ncsnr=ncsnr[columns],
        noise_variance=noise_variance[columns],
        recalibration=(found["validation"], observed["validation"]),
        **plan.settings["scores"],
        seed=plan.seed,
        name=targets.subject,
    )
