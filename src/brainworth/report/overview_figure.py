"""The three answers in one figure: RSA by region, savings by hours of scanning, encoders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.report import style
from brainworth.report.numbers import comparison

#: The rules whose results are shown, in order; of the encoder one result a subject each.
RULES = ("rsa", "befs_curves", "encoder_linear", "encoder_chasm")
#: Rows of the encoder, from below, as far as they are there.
MODELS = ("global_only", "chasm", "ridge", "true_features")
COLORS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE)
NAME = "overview"


def draw(
    found: Sequence[str | Path], planted: str | Path | None, png: str | Path, pdf: str | Path
) -> None:
    """Draw the figure.

    Parameters
    ----------
    found : sequence of path
        Results of `RULES`, all of them, in any order.
    planted : path or None
        The JSON of the planted truth, if the data are simulated.
    png, pdf : path
        Where the figure goes, as an image and as vectors.

    Raises
    ------
    BrainworthError
        If a result is missing, altered, of another rule, or of another study.
    """
    envelopes = [results.read(path) for path in found]
    truth = None if planted is None else results.read(planted)
    given = [*envelopes, *([truth] if truth else [])]
    studies = sorted({envelope["study"] for envelope in given})
    rules = [envelope["rule"] for envelope in envelopes]
    if set(rules) != set(RULES) or len(studies) != 1:
        raise BrainworthError(
            f"the overview needs results of {', '.join(RULES)} of one study, was given"
            f" {', '.join(sorted(set(rules))) or 'none'} of {', '.join(studies) or 'none'}"
        )
    by_rule = {
        rule: [envelope["data"] for envelope in shown(envelopes) if envelope["rule"] == rule]
        for rule in RULES
    }
    known = {row["region"]: row for row in truth["data"].get("rsa", [])} if truth else {}
    with style.applied():
        figure = style.new_figure(112)
        grid = figure.add_gridspec(2, 2, height_ratios=[1.1, 1])
        averaging = figure.add_subplot(grid[0, :])
        _averaging(averaging, by_rule["rsa"][0], known)
        _worth(figure.add_subplot(grid[1, 0]), by_rule["befs_curves"][0])
        _encoder(figure.add_subplot(grid[1, 1]), by_rule)
        style.save(figure, png, pdf, style.source_of(*shown(envelopes), truth))


def shown(envelopes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the results that the figure shows, in the order of `RULES` and subjects."""
    ordered = sorted(envelopes, key=lambda each: each["data"].get("subject", ""))
    return [each for rule in RULES for each in ordered if each["rule"] == rule]


def _averaging(axes: Axes, data: dict[str, Any], known: dict[str, dict[str, Any]]) -> None:
    regions = data["regions"]
    labels = [region["label"] for region in regions]
    x = list(range(len(labels)))
    raw = [
        (region["similarity"]["estimate"], region["similarity"]["interval_stimuli"]["corrected"])
        for region in regions
    ]
    sound = [
        region["corrected"] and (region["corrected"]["estimate"], _bounds(region["corrected"]))
        for region in regions
    ]
    look = {"color": style.BLUE, "marker": "o", "label": "as published"}
    style.points(axes, [place - 0.2 for place in x], raw, **look)
    look = {"color": style.VERMILLION, "marker": "s", "label": "corrected for reliability"}
    style.points(axes, x, sound, **look)
    truth = [known.get(label, {}).get("similarity") for label in labels]
    style.planted(axes, [place + 0.2 for place in x], truth)
    style.over_regions(axes, labels)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylabel(f"similarity ({comparison(data['comparison'])})")
    axes.legend(loc="upper right", ncols=3, bbox_to_anchor=(1, 1.14))
    style.title(axes, "a", "What averaging loses: how similar subjects are")


def _bounds(estimate: dict[str, Any]) -> list[float]:
    return estimate["interval"]["corrected"]


def _worth(axes: Axes, data: dict[str, Any]) -> None:
    sweep = data["sweeps"]["hours"]
    hours = np.array(sweep["x"])
    for color, line, savings in zip(COLORS, sweep["lines"], sweep["savings"], strict=False):
        axes.plot(hours, 100 * np.array(savings), color=color)
        _named(axes, hours[-1], 100 * savings[-1], f"{line:g}", color)
    ridge = 100 * np.array(sweep["ridge_savings"][0])
    axes.plot(hours, ridge, color=style.INK, linestyle=(0, (4, 2)), linewidth=0.8)
    axes.text(hours[0] * 1.1, ridge[0] - 3, "tuned ridge, no brain data", va="top")
    axes.text(1.02, 1.01, "misalignment", transform=axes.transAxes, ha="left", va="bottom")
    axes.set_xscale("log")
    axes.set_xticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.set_xlim(hours[0], hours[-1])
    axes.set_ylim(0, 100)
    axes.set_xlabel("hours of scanning")
    axes.set_ylabel("task samples saved (%)")
    style.title(axes, "b", "What brain samples are worth")


def _named(axes: Axes, x: float, y: float, text: str, color: str) -> None:
    """Name a line at its end."""
    axes.annotate(text, (x, y), (3, 0), textcoords="offset points", va="center", color=color)


def _encoder(axes: Axes, by_rule: dict[str, list[dict[str, Any]]]) -> None:
    subjects = [data["subject"] for data in by_rule["encoder_linear"]]
    labels: dict[str, str] = {}
    for number, (subject, color) in enumerate(zip(subjects, COLORS, strict=False)):
        rows = {
            row["row"]: row
            for rule in ("encoder_linear", "encoder_chasm")
            for data in by_rule[rule]
            if data["subject"] == subject
            for row in data["rows"]
        }
        there = [name for name in MODELS if name in rows]
        labels = {name: rows[name]["label"] for name in there}
        shares = [rows[name]["voxels"]["share_of_ceiling"]["unclipped"] for name in there]
        points = [(share["estimate"], share["interval"]) for share in shares]
        places = [place + 0.18 * (number - (len(subjects) - 1) / 2) for place in range(len(there))]
        look = {"color": color, "marker": "o", "label": subject}
        style.points(axes, places, points, horizontal=True, **look)
    axes.axvline(1, color=style.NULL, linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(labels)), list(labels.values()))
    axes.set_ylim(-0.6, len(labels) - 0.4)
    axes.set_xlim(left=0)
    axes.set_xlabel("r² / noise ceiling, test images")
    axes.legend(loc="lower right", bbox_to_anchor=(0.9, 0))
    style.title(axes, "c", "How far an encoder gets")
