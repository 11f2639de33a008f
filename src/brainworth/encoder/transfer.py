"""From source subjects to another: their backbone, frozen, and a linear map to the new voxels.

The map is learned by gradient descent, as published ("head"), or by ridge regression, from shares
of the target's training images. What the backbone is worth shows against three controls: one that
was trained on the target itself, one that was not trained at all, and ridge regression on the
features without any backbone (global vector and mean token).

What is transferred is the map from images to features that responses depend on, not responses. A
source whose responses are another linear map of the same features is therefore no null: its
backbone learns these features all the same. One that depends on features of other inputs is; of
the same inputs, a trained backbone may serve better than an untrained one even so.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brainworth.encoder import backbone, kfold_ridge, scores
from brainworth.encoder.backbone import Images, Read
from brainworth.encoder.comparison import Plan
from brainworth.encoder.counting import count
from brainworth.encoder.kfold_ridge import KFoldRidge
from brainworth.encoder.scores import Scored
from brainworth.encoder.targets import Targets
from brainworth.encoder.train import Batch, History, fit
from brainworth.errors import BrainworthError
from brainworth.stats import stream

#: Fewest training and validation images of a share.
FEWEST_IMAGES = 10
HEAD, RIDGE = "head", "ridge"
FEATURES = "features"


def table(
    read: Read,
    subjects: dict[str, Targets],
    labels: dict[str, np.ndarray],
    most: int | None,
    plan: Plan,
) -> dict[str, Any]:
    """Train all backbones and maps, and score them on the target's test images.

    Parameters
    ----------
    read : callable
        From 0-based 73K ids to features.
    subjects : dict from subject to Targets
        The target and all sources.
    labels : dict from subject to array of shape (V,)
        Cluster of each voxel.
    most : int or None
        Training images of a subject at most.
    plan : Plan
        Its settings: ``transfer``, ``clusters``, ``stage1``, ``train_stage1``, ``loss_stage1``,
        ``ridge``, ``compile``, ``scores``.

    Returns
    -------
    dict
        ``subject`` (the target), ``backbones`` (``backbone``, ``kind``: transfer, within or random,
        ``sources``, ``n_images``, ``parameters``, ``macs``, ``macs_with_scan``, ``curve``,
        ``best_epoch``, ``stopped``) and ``rows``: ``row``, ``label``, ``backbone`` (None without
        one), ``readout`` (head or ridge), ``fraction``, ``n_images``, ``stage1`` (None),
        ``voxels`` (scores), ``parameters`` and ``macs`` (of the map), ``curve``, ``best_epoch``,
        ``stopped`` (None for ridge), and ``against``, paired differences of ``r_mean`` and ``mse``
        from the row of the ``within`` and of the ``random`` backbone of the same fraction and
        readout.
    """
    settings = plan.settings["transfer"]
    target = subjects[settings["target"]]
    rows_of = backbone.target_rows(target, most, plan.seed)
    shares = [
        share_of_images(target, rows_of, fraction, plan.seed) for fraction in settings["fractions"]
    ]
    backbones, rows, found = [], [], {}
    gathered: list[str] = []
    images = None
    for name, kind, sources in _backbones(settings):
        if sources != gathered:
            images = None  # of the last sources, gigabytes: let go of before the next are read
            images = backbone.gather(
                read,
                [(subjects[source], labels[source]) for source in sources],
                target,
                most,
                plan.settings["clusters"]["top"],
                plan.seed,
            )
            gathered = sources
        key = ("transfer", target.subject, name)
        model = backbone.new(images, plan, *key)
        backbones.append(_backbone(name, kind, sources, model, images, plan, *key))
        described = backbone.describe(model, images, plan)
        for share in shares:
            for readout in (HEAD, RIDGE):
                row, score = _row(name, readout, described, target, rows_of, share, plan)
                rows.append(row)
                found[name, readout, share["fraction"]] = score
        if kind == "within":
            described = {
                part: np.hstack([each["global"].numpy(), each["tokens"].numpy().mean(axis=1)])
                for part, each in images.target.items()
            }
            for share in shares:
                row, score = _row(FEATURES, RIDGE, described, target, rows_of, share, plan)
                rows.append(row)
                found[FEATURES, RIDGE, share["fraction"]] = score
    for row in rows:
        row["against"] = _against(row, found, plan.interval)
    return {"subject": target.subject, "backbones": backbones, "rows": rows}


def share_of_images(
    target: Targets, rows_of: dict[str, np.ndarray], fraction: float, seed: int
) -> dict[str, Any]:
    """Draw a share of the target's training and of its validation images.

    A smaller share is part of each larger one.

    Returns
    -------
    dict
        ``fraction``, ``n_images``, and ``places``: those of the rows in ``train`` and
        ``validation``, and of all in ``test``.

    Raises
    ------
    BrainworthError
        If the subject has too few images.
    """
    places = {"test": np.arange(len(rows_of["test"]))}
    n_images = 0
    for part in ("train", "validation"):
        ids = target.nsd_id[rows_of[part]]
        images = np.unique(ids)
        if len(images) < FEWEST_IMAGES:
            raise BrainworthError(
                f"{target.subject} has {len(images)} {part} images, and a transfer needs at least "
                f"{FEWEST_IMAGES}; use more sessions or another encoder.transfer.target"
            )
        n = max(FEWEST_IMAGES, math.ceil(fraction * len(images)))
        order = stream(seed, "encoder", "transfer", target.subject, part).permutation(images)
        places[part] = np.flatnonzero(np.isin(ids, order[:n]))
        n_images = n_images or n
    return {"fraction": fraction, "n_images": n_images, "places": places}


class Head(nn.Module):
    """A linear map from features to voxels that starts at the mean response.

    Parameters
    ----------
    n_features : int
    mean : tensor of shape (V,)
    """

    def __init__(self, n_features: int, mean: Tensor) -> None:
        super().__init__()
        self.map = nn.Linear(n_features, len(mean))
        nn.init.zeros_(self.map.weight)
        with torch.no_grad():
            self.map.bias.copy_(mean)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, D) to voxels (B, V)."""
        return self.map(features)


def fit_head(
    features: dict[str, np.ndarray], voxels: dict[str, np.ndarray], plan: Plan, *name: str
) -> tuple[Head, History]:
    """Learn a linear map by gradient descent.

    Parameters
    ----------
    features, voxels : dict from train, validation to arrays of shape (n, D), (n, V)
    """
    given = {
        part: {
            "features": torch.from_numpy(features[part]),
            "voxels": torch.from_numpy(voxels[part]),
        }
        for part in ("train", "validation")
    }
    head = Head(features["train"].shape[1], given["train"]["voxels"].mean(0))
    held = {key: each.to(plan.device) for key, each in given["validation"].items()}

    def loss(model: nn.Module, batch: Batch, *_: Any) -> tuple[Tensor, dict[str, Tensor]]:
        error = F.mse_loss(model(batch["features"]).float(), batch["voxels"])
        return error, {"mse": error.detach()}

    history = fit(
        head,
        loss,
        given["train"],
        lambda model: float(F.mse_loss(model(held["features"]), held["voxels"])),
        plan.settings["transfer"]["head"],
        **plan.training(*name),
    )
    return head.cpu(), history


def fit_ridge(
    features: np.ndarray, voxels: np.ndarray, nsd_id: np.ndarray, plan: Plan, *name: str
) -> KFoldRidge:
    """Learn a linear map by ridge regression, folds over images.

    Parameters
    ----------
    features, voxels : arrays of shape (n, D), (n, V)
    nsd_id : array of shape (n,), int
    """
    settings = plan.settings["ridge"]
    folds = kfold_ridge.image_folds(
        nsd_id, settings["n_folds"], stream(plan.seed, "encoder", *name, "folds")
    )
    penalty = kfold_ridge.penalties(features, settings["n_alphas"], settings["alpha_range"])
    return kfold_ridge.fit(features, voxels, folds, penalty)


def _backbones(settings: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """List name, kind and subjects of all backbones; the random one sees what the first sees."""
    first, *others = settings["sources"]
    return [
        ("+".join(first), "transfer", first),
        ("random", "random", first),
        *(("+".join(sources), "transfer", sources) for sources in others),
        ("within", "within", [settings["target"]]),
    ]


def _backbone(
    name: str,
    kind: str,
    sources: list[str],
    model: nn.Module,
    images: Images,
    plan: Plan,
    *key: str,
) -> dict[str, Any]:
    """Train a backbone, but the random one, and say what it is."""
    trained = None
    if kind != "random":
        trained = backbone.train(model, images, plan, *key).data()
    one = {each: tensor[:1] for each, tensor in images.target["test"].items()}
    counts = count(model.cpu(), one["global"], one["tokens"])
    model.to(plan.device)
    return {
        "backbone": name,
        "kind": kind,
        "sources": [] if kind == "random" else sources,
        "n_images": 0 if kind == "random" else images.n_images,
        "parameters": counts.parameters,
        "macs": counts.macs,
        "macs_with_scan": counts.macs_with_scan,
        "curve": trained and trained["epochs"],
        "best_epoch": trained and trained["best_epoch"],
        "stopped": trained and trained["stopped"],
    }


def _row(
    name: str,
    readout: str,
    described: dict[str, np.ndarray],
    target: Targets,
    rows_of: dict[str, np.ndarray],
    share: dict[str, Any],
    plan: Plan,
) -> tuple[dict[str, Any], Scored]:
    places = share["places"]
    rows = {part: rows_of[part][place] for part, place in places.items()}
    features = scaled({part: described[part][place] for part, place in places.items()})
    voxels = {part: target.values[chosen] for part, chosen in rows.items()}
    key = ("transfer", target.subject, name, readout, f"{share['fraction']:g}")
    trained = None
    if readout == HEAD:
        head, history = fit_head(features, voxels, plan, *key)
        trained = history.data()
        with torch.no_grad():
            predicted = {
                part: head(torch.from_numpy(each)).numpy() for part, each in features.items()
            }
    else:
        map_ = fit_ridge(
            features["train"], voxels["train"], target.nsd_id[rows["train"]], plan, *key
        )
        predicted = {part: map_.predict(each) for part, each in features.items()}
    score = scores.evaluate(
        predicted["test"],
        voxels["test"],
        n_repeats=target.n_repeats[rows["test"]],
        ncsnr=target.ncsnr,
        noise_variance=target.noise_variance,
        recalibration=(predicted["validation"], voxels["validation"]),
        **plan.settings["scores"],
        seed=plan.seed,
        name=target.subject,
    )
    n_features, n_voxels = features["train"].shape[1], len(target.ijk)
    return {
        "row": f"{name}-{readout}-{share['fraction']:g}",
        "label": f"{name}, {readout}, {100 * share['fraction']:g} % of the images",
        "backbone": None if name == FEATURES else name,
        "readout": readout,
        "fraction": share["fraction"],
        "n_images": share["n_images"],
        "stage1": None,
        "voxels": scores.summarise(score, plan.interval),
        "parameters": (n_features + 1) * n_voxels,
        "macs": n_features * n_voxels,
        "curve": trained and trained["epochs"],
        "best_epoch": trained and trained["best_epoch"],
        "stopped": trained and trained["stopped"],
    }, score


def scaled(features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give each feature mean 0 and SD 1 over the training images; a constant one becomes 0."""
    mean = features["train"].mean(axis=0, dtype=np.float64)
    spread = features["train"].std(axis=0, dtype=np.float64)
    flat = spread <= 1e-6 * np.maximum(1.0, np.abs(mean))
    gain = np.where(flat, 0.0, 1 / np.where(flat, 1.0, spread))
    return {part: ((each - mean) * gain).astype(np.float32) for part, each in features.items()}


def _against(
    row: dict[str, Any], found: dict[tuple[str, str, float], Scored], interval: float
) -> dict[str, Any]:
    """Return paired differences from the controls of the same fraction and readout."""
    own = (row["backbone"] or FEATURES, row["readout"], row["fraction"])
    answer = {}
    for control in ("within", "random"):
        if control != own[0]:
            differences = scores.compare(found[own], found[control, *own[1:]], interval)
            answer[control] = {name: differences[name] for name in ("r_mean", "mse")}
    return answer
