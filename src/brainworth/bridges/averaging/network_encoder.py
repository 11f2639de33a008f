"""The same encoders with the network of stage 1 in the place of ridge regression.

Stage 1 of the encoder (`encoder.stage1`) predicts the region means that it predicts clusters by
otherwise, with the same losses and stopping rule. `pooled_heads` is one network with columns of its
own for each subject, as the backbones of `encoder.backbone`; the encoders of an average have one
set of columns, and see all subjects as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from brainworth.bridges.averaging.average_encoder import (
    ALL,
    AVERAGE,
    INDIVIDUAL,
    MATCHED,
    OTHERS,
    POOLED,
    Predictions,
)
from brainworth.bridges.averaging.common_space import Space
from brainworth.encoder import backbone
from brainworth.encoder.backbone import Images, Read
from brainworth.encoder.comparison import Plan
from brainworth.encoder.features import store
from brainworth.encoder.train import Batch, predict
from brainworth.errors import BrainworthError
from brainworth.stats import stream


@dataclass(frozen=True)
class Rows:
    """Images (n,), 0-based 73K ids, and region means (n, R) of one subject."""

    nsd_id: np.ndarray
    means: np.ndarray

    def some(self, chosen: np.ndarray) -> Rows:
        """Return some of the rows."""
        return Rows(self.nsd_id[chosen], self.means[chosen])


def predictions(
    read: Read,
    train: Sequence[np.ndarray],
    validation: Sequence[np.ndarray],
    test: np.ndarray,
    space: Space,
    most: int | None,
    plan: Plan,
) -> tuple[Predictions, list[dict]]:
    """Train all networks and predict the test images.

    Parameters
    ----------
    read : callable
        From 0-based 73K ids to features, row by row.
    train, validation : sequences of S arrays of int
        0-based 73K ids of each subject, the rows of the space.
    test : array of int
    space : Space
        Means of regions, which every subject has.
    most : int or None
        Training images of a subject at most: those of all subjects are in memory at once.
    plan : Plan
        Its settings: ``stage1``, ``train_stage1``, ``loss_stage1``, ``compile``.

    Returns
    -------
    predictions : Predictions
        Of one space; without halves.
    networks : list of dict
        ``size``, ``encoder``, ``subject`` (index, None of one for all), ``n_images``,
        ``best_epoch``, ``stopped``.

    Raises
    ------
    BrainworthError
        If a subject lacks a region.
    """
    if not space.present.all():
        raise BrainworthError(
            "bridges.averaging.models: a network predicts all regions at once, and a subject lacks "
            "one of rois; take it out of rois, or chasm out of bridges.averaging.models"
        )
    n_subjects = len(train)
    scale = np.sqrt(np.mean([each[:, :, 0].var(axis=0) for each in space.train], axis=0))

    def rows(ids: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> list[Rows]:
        return [
            Rows(own, (each[:, :, 0] / scale).astype(np.float32))
            for own, each in zip(ids, values, strict=True)
        ]

    every, held = rows(train, space.train), rows(validation, space.validation)
    orders = [
        stream(plan.seed, "averaging", "images", s).permutation(len(ids))[:most]
        for s, ids in enumerate(train)
    ]
    fewest = min(map(len, orders))
    whole, n_images, networks = {}, {}, []

    def fitted(size: str, encoder: str, members: list[int], n: int, one: bool, who: str):
        given = {
            "train": [every[s].some(np.sort(orders[s][:n])) for s in members],
            "validation": [held[s] for s in members],
        }
        images = _images(read, given, test, one)
        name = ("averaging", size, encoder, who)
        model = backbone.new(images, plan, *name)
        history = backbone.train(model, images, plan, *name)
        networks.append(
            {
                "size": size,
                "encoder": encoder,
                "subject": None if who == "all" else int(who),
                "n_images": images.n_images,
                "best_epoch": history.best_epoch,
                "stopped": history.stopped,
            }
        )
        found = predict(model, _columns, images.target["test"], device=plan.device)
        return found.numpy().astype(np.float64)[space.images]

    for size in (MATCHED, ALL):
        of_all, of_others = (
            (fewest // n_subjects, fewest // max(1, n_subjects - 1))
            if size == MATCHED
            else (None, None)
        )
        own = fewest if size == MATCHED else None
        everyone = list(range(n_subjects))
        alone = [fitted(size, INDIVIDUAL, [s], own, True, str(s)) for s in everyone]
        whole[size, INDIVIDUAL] = np.stack(alone)
        pooled = fitted(size, POOLED, everyone, of_all, False, "all")
        whole[size, POOLED] = np.stack(np.split(pooled, n_subjects, axis=1))
        average = fitted(size, AVERAGE, everyone, of_all, True, "all")
        whole[size, AVERAGE] = np.stack([average] * n_subjects)
        others = [
            fitted(size, OTHERS, [t for t in everyone if t != s], of_others, True, str(s))
            for s in everyone
        ]
        whole[size, OTHERS] = np.stack(others)
        lengths = np.array([len(order[:own]) for order in orders])
        n_images[size, INDIVIDUAL] = lengths
        total = np.array([len(order[:of_all]) for order in orders])
        n_images[size, POOLED] = n_images[size, AVERAGE] = np.full(n_subjects, total.sum())
        rest = np.array([len(order[:of_others]) for order in orders])
        n_images[size, OTHERS] = rest.sum() - rest
    answer = {key: [values[..., None]] for key, values in whole.items()}
    return Predictions(answer, None, n_images, {}), networks


def _images(read: Read, given: dict[str, list[Rows]], test: np.ndarray, one: bool) -> Images:
    """Read features and standardise them by training images; `one` makes all subjects a source."""
    parts = [np.concatenate([each.nsd_id for each in rows]) for rows in given.values()]
    features = read(np.concatenate([*parts, test]))
    scaled = store.standardise(replace(features, layers={}), np.arange(len(parts[0])))
    stops = np.cumsum([*map(len, parts), len(test)])
    inputs: list[Batch] = [
        {
            "global": torch.from_numpy(scaled.global_[start:stop]),
            "tokens": torch.from_numpy(scaled.tokens[start:stop]),
        }
        for start, stop in zip([0, *stops[:-1]], stops, strict=True)
    ]
    sources = {}
    for batch, (part, rows) in zip(inputs, given.items(), strict=False):
        lengths = [len(each.nsd_id) for each in rows]
        means = np.concatenate([each.means for each in rows])
        number = np.repeat(np.arange(len(rows)), lengths)
        if one:
            number = np.zeros_like(number)
        else:
            wide = np.zeros((len(means), len(rows), means.shape[1]), dtype=np.float32)
            wide[np.arange(len(means)), number] = means
            means = wide.reshape(len(means), -1)
        sources[part] = batch | {
            "rois": torch.from_numpy(means),
            "source": torch.from_numpy(number),
        }
    width = given["train"][0].means.shape[1]
    n_rois = [width] if one else [width] * len(given["train"])
    return Images(sources, n_rois, {"test": inputs[2]}, len(parts[0]))


def _columns(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    return model(batch["global"], batch["tokens"]).rois.float()
