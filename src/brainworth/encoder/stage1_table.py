"""Other networks in the place of stage 1: the same clusters, losses, images and stopping rule.

Scores are of clusters. A difference between two rows is a difference between two trainings, each of
one seed: its interval is over test images only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brainworth.encoder import comparison
from brainworth.encoder.chasm import Data
from brainworth.encoder.comparison import Plan
from brainworth.encoder.counting import count
from brainworth.encoder.features import store
from brainworth.encoder.features.store import Features
from brainworth.encoder.networks import stage1_rows
from brainworth.encoder.targets import TRAIN, Targets

REFERENCE = "dual_mamba"


def table(
    features: Features, targets: Targets, data: Data, rows: list[str], plan: Plan
) -> dict[str, Any]:
    """Train and score all rows.

    Parameters
    ----------
    features : Features
        As read, row by row those of `targets`: `data` does not hold the layers.
    targets : Targets
    data : Data
        Of the two, with the training images that the rows are to have.
    rows : list of str
        Names of networks.
    plan : Plan
        Its settings: ``clusters``, ``stage1``, ``train_stage1``, ``loss_stage1``, ``compile``,
        ``scores``.

    Returns
    -------
    dict
        ``subject``, ``n_images`` by part, ``n_clusters``, ``rows`` (`comparison.row`, scores in
        ``stage1``), ``differences`` from the two-stream network.
    """
    found, answer = {}, []
    for name in rows:
        given = data
        if name in stage1_rows.OVER_LAYERS:
            given = with_layers(data, features, targets)
        sizes = stage1_rows.Sizes(*(given.shapes[key] for key in SIZES))
        model = plan.new(
            lambda name=name, sizes=sizes: stage1_rows.build(name, sizes, plan.settings["stage1"]),
            *("stage1", targets.subject, name),
        )
        one = {key: given.parts["train"][key][:1] for key in ("global", "tokens")}
        counts = count(model, one["global"], one["tokens"])
        history, predicted = comparison.fit_stage1(
            plan, given, model, "stage1", targets.subject, name
        )
        found[name] = comparison.score_clusters(plan, targets, given, predicted)
        label = stage1_rows.LABELS[name]
        answer.append(
            comparison.row(name, label, plan, counts=counts, history=history, stage1=found[name])
        )
    return {
        "subject": targets.subject,
        "n_images": {name: len(chosen) for name, chosen in data.rows.items()},
        "n_clusters": data.shapes["n_rois"],
        "rows": answer,
        "differences": comparison.differences(found, REFERENCE, plan.interval),
    }


SIZES = ("n_global", "n_channels", "n_tokens", "n_rois")


def with_layers(data: Data, features: Features, targets: Targets) -> Data:
    """Put the global vectors of the layers in the place of the tokens.

    Shorter vectors are filled up with zeros. They are standardised as all features are, by the
    training images of `targets`.
    """
    scaled = store.standardise(
        replace(features, tokens=features.tokens[:, :0]), targets.rows(TRAIN)
    )
    layers = [first for first, _ in scaled.layers.values()]
    longest = max(layer.shape[1] for layer in layers)
    stacked = np.stack(
        [np.pad(layer, ((0, 0), (0, longest - layer.shape[1]))) for layer in layers], axis=1
    )
    parts: dict[str, dict[str, Tensor]] = {
        name: part | {"tokens": torch.from_numpy(stacked[data.rows[name]])}
        for name, part in data.parts.items()
    }
    return replace(data, parts=parts)
