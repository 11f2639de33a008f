"""Theorem 2: predictors that agree, heads that see, and the variance of real responses."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style
from brainworth.report.numbers import percent

TARGETS = {"roi_mean": "mean response", "components": "leading components"}
PREDICTORS = {
    "variances": ("from the variances of other subjects", style.BLUE, "o"),
    "patterns": ("from the patterns of other subjects", style.ORANGE, "v"),
}
TRAINED = {"linear": ("least squares", style.GREEN), "network": ("network", style.PURPLE)}


def drawing(data: dict[str, Any], planted: dict[str, dict]) -> Figure:
    """Draw the figure from the data of ``variance_blindness.json`` and the planted rows."""
    regions = data["regions"]
    figure = style.new_figure(165)
    grid = figure.add_gridspec(4, 2, height_ratios=[1.15, 1, 1, 1])
    agreement, recovery = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    _agreement(agreement, data["theorem"]["agreement"])
    _recovery(recovery, data["theorem"]["recovery"])
    gains = [figure.add_subplot(grid[1 + place, :]) for place in range(len(TARGETS))]
    for axes, target, letter in zip(gains, TARGETS, "cd", strict=True):
        _gains(axes, regions, target, data["interval"])
        style.title(axes, letter, f"Held-out gain of the variance head, {TARGETS[target]}")
    true = figure.add_subplot(grid[3, :])
    _correlations(true, regions, planted)
    labels = [region["region"] for region in regions]
    for axes in (*gains, true):
        style.over_regions(axes, labels, named=axes is true)
    style.legend(figure, [agreement, recovery, *gains, true], loc="outside upper left", ncols=3)
    return figure


def _agreement(axes: Axes, rows: list[dict]) -> None:
    n = [row["n"] for row in rows]
    for name, (label, color) in TRAINED.items():
        found = [row[name]["difference"] for row in rows]
        for size, row in zip(n, found, strict=True):
            axes.plot([size] * 2, row["interval"], color=color, linewidth=1.1)
        look = {"color": color, "marker": "o", "markersize": 3.4, "markeredgewidth": 0}
        values = [row["estimate"] for row in found]
        axes.plot(n, values, linestyle="none", label=f"{label}: two processes", **look)
        same = [row[name]["same_process"]["estimate"] for row in rows]
        axes.plot(n, same, color=color, linewidth=0.9, label=f"{label}: one process twice")
    axes.set_xscale("log")
    axes.set_xticks(n, [str(size) for size in n])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("responses trained on")
    axes.set_ylabel("difference of\npredictions")
    style.title(axes, "a", "Trained on the squared error")


def _recovery(axes: Axes, rows: list[dict]) -> None:
    colors = {"likelihood": style.VERMILLION, "residuals": style.SKY}
    labels = {"likelihood": "head trained by likelihood", "residuals": "head on squared residuals"}
    for place, name in enumerate(colors):
        x = [case + (place - 0.5) * 0.3 for case in range(len(rows))]
        found = [(row[name]["gain"]["estimate"], row[name]["gain"]["interval"]) for row in rows]
        style.points(axes, x, found, color=colors[name], marker="s", label=labels[name])
    for case, row in enumerate(rows):
        look = {"color": style.INK, "linewidth": 1.2, "label": "gain of the true variance"}
        axes.plot([case - 0.35, case + 0.35], [row["best_gain"]] * 2, **look)
    axes.set_xticks(range(len(rows)), [row["process"] for row in rows])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.set_ylabel("gain (nat)")
    style.title(axes, "b", "Gain over one variance for all")


def _gains(axes: Axes, regions: list[dict], target: str, level: float) -> None:
    x = list(range(len(regions)))
    for place, (name, (label, color, marker)) in enumerate(PREDICTORS.items()):
        shifted = [value + (place - 0.5) * 0.36 for value in x]
        found = [region["mean"][target][name]["gain"] for region in regions]
        bands = [row["rotation"]["null_interval"] for row in found]
        text = f"homoscedastic null ({percent(level)} %)"
        style.bands(axes, shifted, bands, 0.3, color=style.NULL, label=text)
        rows = [(row["estimate"], row["interval"]) for row in found]
        style.points(axes, shifted, rows, color=color, marker=marker, label=label)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylabel("gain (nat)")


def _correlations(axes: Axes, regions: list[dict], planted: dict[str, dict]) -> None:
    x = list(range(len(regions)))
    for place, (name, (_, color, marker)) in enumerate(PREDICTORS.items()):
        shifted = [value + (place - 0.5) * 0.36 - 0.06 for value in x]
        values = [region["mean"]["components"][name]["correlation"] for region in regions]
        rows = [None if value is None else (value, None) for value in values]
        style.points(axes, shifted, rows, color=color, marker=marker)
        truth = [planted.get(region["region"], {}).get(name) for region in regions]
        style.planted(axes, [value + 0.14 for value in shifted], truth)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylabel("correlation")
    style.title(axes, "e", "Predicted with true variance, leading components")
