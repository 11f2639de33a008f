"""Streams of stage 1 cut or exchanged in the trained network, and networks of one stream only.

To cut a stream of a network that was trained with both ("Where only", "What only") or to exchange
the weights that its gate gives them ("Swap") mixes two things: what the other stream knows, and
that no network was trained to work like that. A network that was trained with one stream alone
has the first only. Scores are of clusters, by the group of the visual streams that most of a
cluster's voxels are in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from brainworth.encoder import chasm, comparison, scores
from brainworth.encoder.chasm import Data
from brainworth.encoder.comparison import Plan
from brainworth.encoder.counting import count
from brainworth.encoder.scores import Scored
from brainworth.encoder.targets import GROUP_NAMES, NO_GROUP, Targets
from brainworth.encoder.train import Batch, History, predict
from brainworth.stats import percentile_interval

#: Rows, what they are called, and how `Stage1` is run for them.
VARIANTS = {
    "both": ("Both", "both"),
    "where_only": ("Where only", "local"),
    "swap": ("Swap", "swap"),
    "what_only": ("What only", "global"),
}
RETRAINED = {
    "where_retrained": ("Where only, trained so", "local"),
    "what_retrained": ("What only, trained so", "global"),
}
#: Groups, as they are numbered in the targets.
GROUPS = (NO_GROUP, *GROUP_NAMES)
OVERALL = "overall"
FEWEST_CLUSTERS = 2


def table(
    targets: Targets, data: Data, stage1: nn.Module, single_streams: bool, plan: Plan
) -> dict[str, Any]:
    """Score all variants by group.

    Parameters
    ----------
    targets : Targets
    data : Data
        With the training images that `stage1` had.
    stage1 : Module
        Trained with both streams.
    single_streams : bool
        Whether to train a network of each stream alone.
    plan : Plan
        Its settings: ``clusters``, ``stage1``, ``train_stage1``, ``loss_stage1``, ``compile``,
        ``scores``.

    Returns
    -------
    dict
        ``subject``, ``n_images`` by part, ``groups`` (``group``, ``n_clusters``), ``rows`` and
        ``asymmetry``. Of a row: ``row``, ``label``, ``trained`` (whether it was trained as it is
        run), ``groups`` from group, or ``overall``, to scores, or None for a group of fewer than
        two clusters, ``gate`` (mean weight of the global stream, where there is a choice),
        ``parameters``, ``macs``, ``macs_with_scan`` (of what is run), ``curve``, ``best_epoch`` and
        ``stopped`` (None, but of networks trained here).
    """
    group = groups_of_clusters(targets.group, data.labels)
    found, answer = {}, []
    for name, (label, streams) in VARIANTS.items():
        predicted = chasm.predict_rois(stage1, data, plan.device, streams)
        found[name] = _by_group(plan, targets, data, predicted, group)
        answer.append(_row(name, label, streams, found[name], stage1, data, plan, None))
    if single_streams:
        for name, (label, streams) in RETRAINED.items():
            key = ("streams", targets.subject, name)
            model = plan.new(lambda: chasm.new_stage1(data, plan.settings["stage1"]), *key)
            history, predicted = comparison.fit_stage1(plan, data, model, *key, streams=streams)
            found[name] = _by_group(plan, targets, data, predicted, group)
            answer.append(_row(name, label, streams, found[name], model, data, plan, history))
    return {
        "subject": targets.subject,
        "n_images": {part: len(rows) for part, rows in data.rows.items()},
        "groups": [
            {"group": name, "n_clusters": int(np.sum(group == number))}
            for number, name in enumerate(GROUPS)
        ],
        "rows": answer,
        "asymmetry": [
            {"row": name, **asymmetry(found["both"], each, plan.interval)}
            for name, each in found.items()
            if name != "both"
        ],
    }


def groups_of_clusters(group: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the group that most voxels of each cluster are in.

    Parameters
    ----------
    group : array of shape (V,), int
        Of each voxel: 0 none, then as `GROUP_NAMES`.
    labels : array of shape (V,), int

    Returns
    -------
    array of shape (K,), int
        Of several groups with the same number of voxels, the lowest; none loses.
    """
    votes = np.zeros((int(labels.max()) + 1, len(GROUPS)), dtype=int)
    np.add.at(votes, (labels, group), 1)
    order = [*range(1, len(GROUPS)), 0]
    return np.array(order)[votes[:, order].argmax(axis=1)]


def asymmetry(
    both: dict[str, Scored | None], cut: dict[str, Scored | None], interval: float
) -> dict[str, Any]:
    """Compare what early and higher groups lose, as a share of the correlation with both streams.

    Parameters
    ----------
    both, cut : dict from group to Scored
        Of the whole network and of a variant, on the same resamples of images.
    interval : float
        Nominal coverage.

    Returns
    -------
    dict
        ``early`` and ``higher``: the relative drop 1 - r / r_both of the mean correlation;
        ``difference``: early minus higher; ``ratio``: early over higher. Each with ``estimate`` and
        ``interval``, paired over images. What cannot be had is None, and ``reason`` says why: a
        group without clusters or predictions, or, for the ratio, a drop of higher groups that may
        be 0.
    """
    answer: dict[str, Any] = dict.fromkeys(("early", "higher", "difference", "ratio"))
    drops = {}
    for group in ("early", "higher"):
        whole, part = both[group], cut[group]
        if whole is None or part is None:
            return answer | {"reason": f"there are fewer than two {group} clusters"}
        draws = whole.draws["r_mean"]
        if percentile_interval(draws, interval)[0] <= 0:
            return answer | {"reason": f"the whole network may not predict {group} clusters at all"}
        drops[group] = (
            1 - part.estimates["r_mean"] / whole.estimates["r_mean"],
            1 - part.draws["r_mean"] / draws,
        )
        answer[group] = _with_interval(*drops[group], interval)
    (early, early_draws), (higher, higher_draws) = drops["early"], drops["higher"]
    answer["difference"] = _with_interval(early - higher, early_draws - higher_draws, interval)
    answer["reason"] = None
    if percentile_interval(higher_draws, interval)[0] <= 0:
        return answer | {"reason": "higher clusters may lose nothing, so there is no ratio"}
    good = higher_draws > 0
    ratios = early_draws[good] / higher_draws[good]
    return answer | {"ratio": _with_interval(early / higher, ratios, interval)}


def _with_interval(estimate: float, draws: np.ndarray, interval: float) -> dict[str, Any]:
    return {
        "estimate": float(estimate),
        "interval": list(percentile_interval(draws, interval)),
    }


def _by_group(
    plan: Plan, targets: Targets, data: Data, predicted: dict[str, Any], group: np.ndarray
) -> dict[str, Scored | None]:
    chosen = {name: np.flatnonzero(group == number) for number, name in enumerate(GROUPS)}
    chosen[OVERALL] = np.arange(len(group))
    return {
        name: comparison.score_clusters(plan, targets, data, predicted, each)
        if len(each) >= FEWEST_CLUSTERS
        else None
        for name, each in chosen.items()
    }


def _row(
    name: str,
    label: str,
    streams: str,
    found: dict[str, Scored | None],
    model: nn.Module,
    data: Data,
    plan: Plan,
    history: History | None,
) -> dict[str, Any]:
    part = data.parts["test"]
    model.cpu()
    counts = count(model, part["global"][:1], part["tokens"][:1], streams=streams)
    unused = {"local": ("global_", "gate"), "global": ("local_", "gate")}.get(streams, ())
    idle = sum(
        each.numel() for key, each in model.named_parameters() if unused and key.startswith(unused)
    )
    model.to(plan.device)
    weights = None if unused else _mean_gate(model, part, streams, plan)
    trained = history.data() if history else None
    return {
        "row": name,
        "label": label,
        "trained": streams == "both" or history is not None,
        "groups": {
            group: each and scores.summarise(each, plan.interval) for group, each in found.items()
        },
        "gate": weights,
        "parameters": counts.parameters - idle,
        "macs": counts.macs,
        "macs_with_scan": counts.macs_with_scan,
        "curve": trained and trained["epochs"],
        "best_epoch": trained and trained["best_epoch"],
        "stopped": trained and trained["stopped"],
    }


def _mean_gate(model: nn.Module, part: Batch, streams: str, plan: Plan) -> float:
    """Return the mean weight of the global stream over images."""

    def call(network: nn.Module, batch: Batch) -> Tensor:
        return network(batch["global"], batch["tokens"], streams=streams).gate[:, 0]

    given = {name: part[name] for name in ("global", "tokens")}
    return float(predict(model, call, given, device=plan.device).mean())
