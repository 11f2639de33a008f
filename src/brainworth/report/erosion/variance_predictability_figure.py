"""Predictability of the variance: readings of the claim, what predictors add, what is shared."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style
from brainworth.report.numbers import percent
from brainworth.report.published import NUMBERS

READINGS = {
    "mean_patterns": ("mean patterns, held-out stimuli", style.BLUE, "o"),
    "mean_patterns_in_sample": ("the same, in sample", style.VERMILLION, "v"),
    "trial_folds": ("single trials held out", style.ORANGE, "^"),
    "variance_patterns": ("variances of other voxels", style.PURPLE, "s"),
}
STEPS = {
    "own_patterns": ("own patterns", style.BLUE, "o"),
    "own_other_trials": ("own, other trials", style.SKY, "D"),
    "others_patterns": ("patterns of others", style.ORANGE, "^"),
    "others_variance": ("variances of others", style.GREEN, "s"),
}


def drawing(data: dict[str, Any], planted: dict[str, dict]) -> Figure:
    """Draw the figure from the data of ``variance_predictability.json`` and the planted rows."""
    regions = data["regions"]
    figure = style.new_figure(150)
    readings, steps, shared = figure.subplots(3, 1, sharex=True)
    _readings(readings, regions)
    _steps(steps, regions, f"({percent(data['interval'])} %)")
    _shared(shared, regions, planted)
    labels = [region["region"] for region in regions]
    for axes in (readings, steps, shared):
        axes.axhline(0, color=style.INK, linewidth=0.6)
        style.over_regions(axes, labels, named=axes is shared)
    style.legend(figure, [readings, steps, shared], loc="outside upper left", ncols=3)
    return figure


def _readings(axes: Axes, regions: list[dict]) -> None:
    axes.axhspan(
        *NUMBERS["variance-predictability-table"],
        color=style.BAND,
        zorder=0,
        label="published range",
    )
    for number, (name, (label, color, marker)) in enumerate(READINGS.items()):
        x = [place - 0.3 + 0.2 * number for place in range(len(regions))]
        found = [region["readings"][name] for region in regions]
        rows = [None if row is None else (row["estimate"], None) for row in found]
        style.points(axes, x, rows, color=color, marker=marker, label=label)
        nulls = [None if row is None else (row["null_mean"], None) for row in found]
        hollow = {"color": color, "marker": marker, "markerfacecolor": "none"}
        style.points(axes, x, nulls, **hollow, markeredgewidth=0.8, label="_without the effect")
    axes.plot(
        [],
        [],
        color=style.INK,
        marker="o",
        markerfacecolor="none",
        linestyle="none",
        markersize=4.2,
        markeredgewidth=0.8,
        label="hollow: homoscedastic surrogate",
    )
    axes.set_ylim(min(-0.2, axes.get_ylim()[0]), 1.05)
    axes.set_ylabel("R²")
    style.title(axes, "a", "Readings of the published claim")


def _steps(axes: Axes, regions: list[dict], level: str) -> None:
    for number, (name, (label, color, marker)) in enumerate(STEPS.items()):
        x = [place - 0.3 + 0.2 * number for place in range(len(regions))]
        found = [region["steps"][name] for region in regions]
        added = [None if row is None else row["increment"] for row in found]
        bounds = [None if row is None else row["null_interval"] for row in added]
        style.bands(axes, x, bounds, 0.17, color=style.NULL, label=f"null {level}")
        rows = [None if row is None else (row["estimate"], row["interval"]) for row in added]
        style.points(axes, x, rows, color=color, marker=marker, label=label)
    axes.set_ylabel("added R²")
    style.title(axes, "b", "What predictors add to the nuisances, held-out stimuli")


def _shared(axes: Axes, regions: list[dict], planted: dict[str, dict]) -> None:
    x = list(range(len(regions)))
    rows = [
        None if row is None else (row["estimate"], row["interval"])
        for row in (region["shared_r2"] for region in regions)
    ]
    look = {"color": style.GREEN, "marker": "s", "label": "variances of others"}
    style.points(axes, [place - 0.1 for place in x], rows, **look)
    truth = [planted.get(region["region"], {}).get("shared_r2") for region in regions]
    style.planted(axes, [place + 0.12 for place in x], truth)
    axes.set_ylabel("R²")
    style.title(axes, "c", "What variances of others explain, corrected for sampling")
