"""The rows of the bridge on averaging, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from brainworth.bridges.averaging import (
    average_encoder,
    averaging_inputs,
    averaging_scores,
    common_space,
    planted_cost,
    variance_head,
)
from brainworth.bridges.averaging.average_encoder import AVERAGE, OTHERS, Predictions
from brainworth.bridges.averaging.common_space import Space
from brainworth.stats import stream

RIDGE, CHASM = "ridge", "chasm"
IMAGES = "images"


def score(
    inputs: str,
    model: str,
    spaces: Sequence[Space],
    made: Predictions,
    weights: np.ndarray,
    subjects: Sequence[str],
    regions: Sequence[str],
    settings: Mapping[str, Any],
    interval: float,
) -> list[dict]:
    """Score the encoders of one model from one kind of inputs, in all spaces.

    Parameters
    ----------
    inputs, model : str
        Named in each row.
    spaces : sequence of Space
    made : Predictions
        Of these spaces.
    weights : array of shape (B, I)
        Bootstrap samples of test images.
    subjects, regions : sequences of str
    settings : mapping
        Section ``bridges.averaging``: ``min_ceiling``.
    interval : float
        Nominal coverage.
    """
    return [
        {"inputs": inputs, "model": model, "space": name} | row
        for name, places in _named(spaces).items()
        for row in averaging_scores.rows(
            [spaces[place] for place in places],
            places,
            made,
            weights,
            subjects,
            regions,
            min_ceiling=settings["min_ceiling"],
            level=interval,
        )
    ]


def costs(
    inputs: str,
    spaces: Sequence[Space],
    made: Predictions,
    weights: np.ndarray,
    subjects: Sequence[str],
    regions: Sequence[str],
    interval: float,
    n_train: np.ndarray,
    seed: int,
) -> tuple[list[dict], dict[tuple[str, str], np.ndarray]]:
    """Return the table of relative costs, and the estimates (S, R) by space and encoder.

    Parameters
    ----------
    inputs, spaces, made, weights, subjects, regions, interval
        As in `score`; what is planted stands beside the costs of true features.
    n_train : array of shape (S,)
        Training images of each subject.
    seed : int
        Root seed of the study.
    """
    named = {}
    for name, places in _named(spaces).items():
        chosen = [spaces[place] for place in places]
        named[name] = chosen, places, averaging_scores.weights_of(weights, chosen)
    rng = stream(seed, "averaging", "training images", inputs)
    table, estimates = [], {}
    for name, found in averaging_scores.costs(named, made.halves, interval, rng).items():
        chosen = named[name][0]
        # what encoders from image features may explain is not planted
        known = inputs == averaging_inputs.TRUE
        truths = planted_cost.costs(chosen, n_train) if known else None
        for encoder in (AVERAGE, OTHERS):
            each = found[encoder]
            if truths is not None:
                each = replace(each, usable=each.usable & np.isfinite(truths[encoder]))
            row = averaging_scores.summary(each, subjects, regions, interval)
            if truths is not None:
                _add_planted(row, truths[encoder], each.usable)
            row["pairs"] = [
                {
                    "subject": subjects[s],
                    "region": regions[r],
                    "estimate": float(each.values[0, s, r]),
                    "planted": None if truths is None else float(truths[encoder][s, r]),
                }
                for s, r in np.argwhere(each.usable)
            ]
            table.append({"inputs": inputs, "space": name, "encoder": encoder} | row)
            estimates[name, encoder] = np.where(each.usable, each.values[0], np.nan)
    return table, estimates


def fraction_table(values: np.ndarray, subjects: Sequence[str]) -> list[dict]:
    """Return the mean over regions of each subject's shared fraction."""
    known = np.isfinite(values)
    return [
        {
            "subject": subject,
            "fraction": float(values[s, known[s]].mean()) if known[s].any() else None,
            "n_regions": int(known[s].sum()),
        }
        for s, subject in enumerate(subjects)
    ]


def summary(data: Mapping[str, Any]) -> dict:
    """Return what the bridge is quoted for: ridge from image features to region means."""
    share = next(
        row["share"]
        for row in data["encoders"]
        if (row["inputs"], row["model"], row["space"], row["size"], row["encoder"])
        == (IMAGES, RIDGE, common_space.ROI_MEAN, average_encoder.ALL, OTHERS)
    )
    cost = next(
        row
        for row in data["costs"]
        if (row["inputs"], row["space"], row["encoder"]) == (IMAGES, common_space.ROI_MEAN, OTHERS)
    )
    kept = ("estimate", "interval", "interval_subjects", "n_subjects")
    return {
        "share_of_others": {name: share[name] for name in kept},
        "cost": {name: cost[name] for name in kept},
        "variance": {
            row["predictors"]: row["mean"]
            for row in data["variance"]["heads"]
            if row["target"] == variance_head.COMPONENTS
        },
    }


def _named(spaces: Sequence[Space]) -> dict[str, list[int]]:
    """Return where the spaces of each name stand."""
    answer: dict[str, list[int]] = {}
    for place, each in enumerate(spaces):
        answer.setdefault(each.name, []).append(place)
    return answer


def _add_planted(row: dict, planted: np.ndarray, usable: np.ndarray) -> None:
    """Put the planted cost beside each estimate, averaged over the same subjects and regions."""

    def number(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    row["planted"] = number(planted_cost.means(planted, usable))
    for each, value in zip(
        row["subjects"], planted_cost.means(planted, usable, axis=1), strict=True
    ):
        each["planted"] = number(value)
    for each, value in zip(
        row["regions"], planted_cost.means(planted, usable, axis=0), strict=True
    ):
        each["planted"] = number(value)
