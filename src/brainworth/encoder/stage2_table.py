"""Other networks in the place of stage 2, on what the same frozen stage 1 predicts.

Scores are of voxels. Diffusion is scored three times: what its decoders predict, one sample, and
the mean of several. The variance head is also scored by its likelihood and calibration.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from brainworth.encoder import chasm, comparison, scores
from brainworth.encoder.chasm import Data
from brainworth.encoder.comparison import Plan
from brainworth.encoder.counting import count
from brainworth.encoder.networks import gaussian, stage2_rows
from brainworth.encoder.seeds import generator
from brainworth.encoder.targets import Targets
from brainworth.encoder.train import Batch, History, fit, predict

REFERENCE = "dual_vae"


def table(
    targets: Targets, data: Data, stage1: nn.Module, rows: list[str], plan: Plan
) -> dict[str, Any]:
    """Train and score all rows.

    Parameters
    ----------
    targets : Targets
    data : Data
        With the training images that the rows are to have.
    stage1 : Module
        Trained; stays as it is.
    rows : list of str
        Names of networks.
    plan : Plan
        Its settings: ``clusters``, ``stage2``, ``train_stage2``, ``loss_stage2``, ``diffusion``,
        ``compile``, ``scores``.

    Returns
    -------
    dict
        ``subject``, ``n_images`` by part, ``stage1`` (scores of clusters, which all rows share),
        ``rows`` (`comparison.row`, scores in ``voxels``; of diffusion those of the mean of samples,
        and ``samples`` with ``n``, ``one`` and ``decoders``; of the variance head also
        ``calibration``), ``differences`` from the publication's network.
    """
    rois = chasm.predict_rois(stage1, data, plan.device)
    found, answer = {}, []
    for name in rows:
        key = ("stage2", targets.subject, name)
        shapes = data.shapes
        model = plan.new(
            lambda name=name, shapes=shapes: stage2_rows.build(
                name,
                shapes["n_global"],
                shapes["n_channels"],
                data.labels,
                plan.settings["stage2"],
                plan.settings["diffusion"],
            ),
            *key,
        )
        one = {each: data.parts["train"][each][:1] for each in ("global", "mean_token")}
        counts = count(model, one["global"], one["mean_token"], rois["train"][:1])
        history = fit_row(name, model, data, rois, plan, *key)
        predicted, more = chasm.predict_voxels(model, data, rois, plan.device), {}
        if name == "dual_diffusion":
            decoders = comparison.score_voxels(plan, targets, data, predicted)
            first, predicted = samples(model, predicted, plan, *key)
            one_sample = comparison.score_voxels(plan, targets, data, first)
            more["samples"] = {
                "n": plan.settings["diffusion"]["samples"],
                "one": scores.summarise(one_sample, plan.interval),
                "decoders": scores.summarise(decoders, plan.interval),
            }
        if name == "dual_gaussian":
            more["calibration"] = _calibration(model, data, rois, predicted, plan)
        found[name] = comparison.score_voxels(plan, targets, data, predicted)
        label = stage2_rows.LABELS[name]
        answer.append(
            comparison.row(name, label, plan, counts=counts, history=history, voxels=found[name])
            | more
        )
    coarse = comparison.score_clusters(plan, targets, data, rois)
    return {
        "subject": targets.subject,
        "n_images": {name: len(chosen) for name, chosen in data.rows.items()},
        "stage1": scores.summarise(coarse, plan.interval),
        "rows": answer,
        "differences": comparison.differences(found, REFERENCE, plan.interval),
    }


def fit_row(
    name: str, model: nn.Module, data: Data, rois: dict[str, Tensor], plan: Plan, *key: str
) -> History:
    """Train a network of stage 2 with its own loss and stopping rule."""
    parts = {
        part: {each: data.parts[part][each] for each in ("global", "mean_token", "voxels")}
        | {"rois": rois[part]}
        for part in ("train", "validation")
    }
    return fit(
        model,
        stage2_rows.loss(name, plan.settings["loss_stage2"]),
        parts["train"],
        stage2_rows.validation(
            name,
            parts["validation"],
            plan.device,
            generator(plan.seed, *key, "validation"),
        ),
        plan.settings["train_stage2"],
        compiled=plan.settings["compile"],
        **plan.training(*key),
    )


def samples(
    model: nn.Module, predicted: dict[str, Tensor], plan: Plan, *key: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Sample voxels around predictions.

    Returns
    -------
    first, mean : dict from validation, test to tensors (n, V)
        One sample, and the mean of as many as the plan says.
    """
    first, mean = {}, {}
    for part in ("validation", "test"):
        draws = generator(plan.seed, *key, "samples", part)
        prediction = predicted[part]
        found = []
        for _ in range(plan.settings["diffusion"]["samples"]):
            noise = torch.randn(prediction.shape, generator=draws)
            given = {"prediction": prediction, "noise": noise}
            found.append(predict(model, _sample, given, device=plan.device))
        first[part], mean[part] = found[0], torch.stack(found).mean(0)
    return first, mean


def _sample(model: Any, batch: Batch) -> Tensor:
    return model.sample(batch["prediction"], batch["noise"])


def _calibration(
    model: nn.Module,
    data: Data,
    rois: dict[str, Tensor],
    predicted: dict[str, Tensor],
    plan: Plan,
) -> dict[str, Any]:
    def log_noise(network: nn.Module, batch: Batch) -> Tensor:
        return network(*(batch[name] for name in stage2_rows.INPUTS)).log_noise

    test, held = data.parts["test"], data.parts["validation"]
    given = {"global": test["global"], "mean_token": test["mean_token"], "rois": rois["test"]}
    errors = (held["voxels"] - predicted["validation"]).square()
    return gaussian.calibration(
        predicted["test"].numpy(),
        predict(model, log_noise, given, device=plan.device).numpy(),
        test["voxels"].numpy(),
        errors.mean(0).numpy(),
    )
