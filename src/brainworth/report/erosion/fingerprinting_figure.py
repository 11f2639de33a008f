"""Fingerprinting: who is recognised, how different subjects are, and from how many stimuli."""

from __future__ import annotations

import statistics
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style
from brainworth.report.numbers import percent

FEATURES = {
    "rdm": ("RDM, disjoint sessions", style.BLUE, "o"),
    "profile": ("profile, disjoint sessions", style.VERMILLION, "s"),
}
NAMES = {"rdm": "RDM", "profile": "Response profile"}
PUBLISHED = {
    "mean": ("as published: mean pattern", style.ORANGE, "v"),
    "variance": ("as published: variance pattern", style.GREEN, "^"),
}


def drawing(data: dict[str, Any], planted: dict[str, dict]) -> Figure:
    """Draw the figure from the data of ``fingerprinting.json`` and the planted rows by region."""
    regions = data["regions"]
    figure = style.new_figure(150)
    grid = figure.add_gridspec(3, 2, height_ratios=[1.25, 1.0, 0.9])
    accuracy, corrected = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, :])
    curves = [figure.add_subplot(grid[2, place]) for place in range(len(FEATURES))]
    labels = [region["region"] for region in regions]
    _accuracy(accuracy, regions, data["interval"])
    _corrected(corrected, regions, planted)
    for axes in (accuracy, corrected):
        style.over_regions(axes, labels)
    for letter, axes, feature in zip("cd", curves, FEATURES, strict=True):
        _curve(axes, regions, feature, letter)
    curves[0].set_ylabel("accuracy (%)")
    curves[1].set_yticklabels([])
    style.legend(figure, [accuracy, corrected], loc="outside upper left", ncols=3)
    return figure


def _accuracy(axes: Axes, regions: list[dict], level: float) -> None:
    looks = PUBLISHED | FEATURES
    for place, (name, (label, color, marker)) in enumerate(looks.items()):
        x = [number + (place - 1.5) * 0.2 for number in range(len(regions))]
        found = [
            region["published"][name] if name in PUBLISHED else region[name] for region in regions
        ]
        rows = [
            row and (100 * row["accuracy"], [100 * bound for bound in row["interval"]])
            for row in found
        ]
        style.points(axes, x, rows, color=color, marker=marker, label=label)
    chance = [100 * region["rdm"]["chance"] for region in regions]
    axes.step(
        [-0.6, *(number + 0.5 for number in range(len(regions) - 1)), len(regions) - 0.4],
        [chance[0], *chance],
        color=style.INK,
        linewidth=0.8,
        linestyle=(0, (4, 2)),
        label="chance",
    )
    axes.set_ylim(0, 104)
    axes.set_yticks(range(0, 101, 25))
    axes.set_ylabel("accuracy (%)")
    style.title(axes, "a", f"Subjects identified, {percent(level)} % binomial interval")


def _corrected(axes: Axes, regions: list[dict], planted: dict[str, dict]) -> None:
    for place, (name, (_, color, marker)) in enumerate(FEATURES.items()):
        x = [number + (place - 0.5) * 0.44 - 0.06 for number in range(len(regions))]
        rows = [
            row and (row["estimate"], row["interval"])
            for row in (region[name]["corrected_identifiability"] for region in regions)
        ]
        style.points(axes, x, rows, color=color, marker=marker)
        truth = [planted.get(region["region"], {}).get(name) for region in regions]
        style.planted(axes, [value + 0.16 for value in x], truth)
        absent = [place for place, row in zip(x, rows, strict=True) if row is None]
        look = {"color": color, "label": "not estimable"}
        if absent:
            axes.plot(absent, [0] * len(absent), "x", markersize=4.5, **look)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylabel("1 − similarity of\ndifferent subjects")
    style.title(axes, "b", "Identifiability corrected for noise: zero if all subjects are the same")


def _curve(axes: Axes, regions: list[dict], feature: str, letter: str) -> None:
    color = FEATURES[feature][1]
    by_size: dict[int, list[float]] = {}
    for region in regions:
        curve = region[feature]["accuracy_by_stimuli"]
        sizes = [step["n_stimuli"] for step in curve]
        values = [100 * step["accuracy"] for step in curve]
        axes.plot(sizes, values, color=color, linewidth=0.5, alpha=0.45)
        for size, value in zip(sizes, values, strict=True):
            by_size.setdefault(size, []).append(value)
    if len(regions) > 1:
        sizes = sorted(by_size)
        axes.plot(sizes, [statistics.median(by_size[size]) for size in sizes], color=color, lw=1.8)
    axes.axhline(100 * regions[0][feature]["chance"], color=style.INK, lw=0.8, ls=(0, (4, 2)))
    axes.set_xscale("log")
    ticks = sorted(by_size)
    if len(ticks) > 1 and ticks[-1] < 1.4 * ticks[-2]:
        ticks.pop(-2)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(0, 104)
    axes.set_yticks(range(0, 101, 25))
    axes.set_xlabel("stimuli")
    style.title(axes, letter, f"{NAMES[feature]} (thin: regions; thick: their median)")
