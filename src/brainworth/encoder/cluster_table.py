"""Clusters of other sizes and kinds, and of other shares of their voxels, both stages trained anew.

A target that is the mean of the most active voxels depends on the labels: which voxels these are is
decided by the measured response, noise included, so that it lies above the mean of the same voxels'
signal (`cluster_noise.selection_bias` measures by how much), and stage 2 must learn to take that
off again. All of a cluster's voxels, a share of 1, is the clean control. Errors of stage 1 are of
different targets in each row, and are not to be compared between rows; those of voxels are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from brainworth.encoder import chasm, comparison, scores
from brainworth.encoder.chasm import Data
from brainworth.encoder.cluster_noise import selection_bias
from brainworth.encoder.comparison import Plan
from brainworth.encoder.targets import Targets


def table(
    targets: Targets,
    prepare: Callable[[dict[str, Any]], Data],
    kinds: list[str],
    sizes: list[int],
    tops: list[float],
    plan: Plan,
) -> dict[str, Any]:
    """Train and score the study's own clusters, and what differs from them in one respect.

    Parameters
    ----------
    targets : Targets
    prepare : callable
        Of settings ``clusters``: the data, with the training images that the rows are to have.
    kinds, sizes, tops : lists
        Values that are varied (`variants`).
    plan : Plan
        Its settings: ``clusters``, ``stage1``, ``stage2``, ``train_stage1``, ``train_stage2``,
        ``loss_stage1``, ``loss_stage2``, ``compile``, ``scores``.

    Returns
    -------
    dict
        ``subject``, ``n_images`` by part, ``rows`` and ``differences`` of voxels from the row of
        the study's own clusters. Of a row: ``kind``, ``size`` (None for an atlas), ``top``,
        ``n_clusters``, ``largest`` (voxels of the largest), ``stage1`` and ``voxels`` (scores),
        ``parameters``, ``macs``, ``macs_with_scan``, and ``curve``, ``best_epoch``, ``stopped`` by
        stage; ``mean_target`` (mean of the targets of training images, and what it would be for
        all voxels) and ``selection_bias``.
    """
    found, answer, n_images = {}, [], {}
    own = plan.settings["clusters"]
    for given in variants(own, kinds, sizes, tops):
        name = name_of(given)
        settings = plan.settings | {"clusters": plan.settings["clusters"] | given}
        here = replace(plan, settings=settings)
        data = prepare(settings["clusters"])
        n_images = {part: len(rows) for part, rows in data.rows.items()}
        fit, row = _fit_row(name, given, data, targets, here)
        found[name] = fit
        answer.append(row)
    reference = name_of(own)
    return {
        "subject": targets.subject,
        "n_images": n_images,
        "rows": answer,
        "differences": comparison.differences(found, reference, plan.interval),
    }


def variants(
    own: Mapping[str, Any], kinds: list[str], sizes: list[int], tops: list[float]
) -> list[dict[str, Any]]:
    """List the rows, as changes of the section ``clusters``: its own, and one change at a time.

    Parameters
    ----------
    own : mapping
        Section ``clusters`` of the study; with an atlas, size has no effect and is not varied.
    kinds, sizes, tops : lists
        Values that are varied; those of the study are among the rows in any case.

    Returns
    -------
    list of dict
        ``kind``, ``size``, ``top``, by size, so that a line over sizes can be drawn.
    """
    base = {key: own[key] for key in ("kind", "size", "top")}
    varied = {"size": sizes if own["kind"] != "atlas" else [], "kind": kinds, "top": tops}
    rows = [base]
    for key, values in varied.items():
        rows += [base | {key: value} for value in dict.fromkeys(values) if value != base[key]]
    return sorted(rows, key=lambda row: row["size"])


def name_of(given: dict[str, Any]) -> str:
    """Name a row: kind, size, percentage of the voxels."""
    size = [] if given["kind"] == "atlas" else [str(given["size"])]
    return "-".join([given["kind"], *size, f"top{100 * given['top']:g}"])


def _fit_row(
    name: str, given: dict[str, Any], data: Data, targets: Targets, plan: Plan
) -> tuple[scores.Scored, dict[str, Any]]:
    key = ("clusters", targets.subject, name)
    stage1 = plan.new(lambda: chasm.new_stage1(data, plan.settings["stage1"]), *key, "stage1")
    stage2 = plan.new(lambda: chasm.new_stage2(data, plan.settings["stage2"]), *key, "stage2")
    first, rois = comparison.fit_stage1(plan, data, stage1, *key)
    second = chasm.fit_stage2(stage2, data, rois, plan.settings, **plan.training(*key, "stage2"))
    coarse = comparison.score_clusters(plan, targets, data, rois)
    fine = comparison.score_voxels(
        plan, targets, data, chasm.predict_voxels(stage2, data, rois, plan.device)
    )
    counts = chasm.count_stages(stage1, stage2, data).values()
    histories = {"stage1": first.data(), "stage2": second.data()}
    train = data.parts["train"]
    top = plan.settings["clusters"]["top"]
    row = {
        "row": name,
        "label": _label(given),
        "kind": given["kind"],
        "size": None if given["kind"] == "atlas" else given["size"],
        "top": given["top"],
        "n_clusters": data.shapes["n_rois"],
        "largest": int(np.bincount(data.labels).max()),
        "stage1": scores.summarise(coarse, plan.interval),
        "voxels": scores.summarise(fine, plan.interval),
        "parameters": sum(each.parameters for each in counts),
        "macs": sum(each.macs for each in counts),
        "macs_with_scan": sum(each.macs_with_scan for each in counts),
        "curve": {stage: history["epochs"] for stage, history in histories.items()},
        "best_epoch": {stage: history["best_epoch"] for stage, history in histories.items()},
        "stopped": {stage: history["stopped"] for stage, history in histories.items()},
        "mean_target": {
            "estimate": float(train["rois"].mean()),
            "all_voxels": float(_mean_of_clusters(train["voxels"].numpy(), data.labels)),
        },
        "selection_bias": selection_bias(targets, data.labels, top),
    }
    return fine, row


def _mean_of_clusters(values: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over clusters of the means of all their voxels."""
    means = values.mean(axis=0, dtype=np.float64)
    return np.mean(np.bincount(labels, weights=means) / np.bincount(labels))


def _label(given: dict[str, Any]) -> str:
    share = f"{100 * given['top']:g} %"
    if given["kind"] == "atlas":
        return f"atlas, {share}"
    return f"{given['kind']}, {given['size']} voxels, {share}"
