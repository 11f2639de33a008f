"""Reliability of variance profiles: within a brain against noise, and across brains."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style
from brainworth.report.numbers import percent


def drawing(data: dict[str, Any], planted: dict[str, dict]) -> Figure:
    """Draw the figure from the data of ``variance_reliability.json`` and the planted rows."""
    regions = data["regions"]
    figure = style.new_figure(150)
    split, disjoint, across, fraction = figure.subplots(4, 1, sharex=True)
    level = f"({percent(data['interval'])} %)"
    _correlation(split, regions, "voxel_split", style.BLUE, "as published: halves of voxels", level)
    style.title(split, "a", "Halves of the voxels, same trials")
    _correlation(disjoint, regions, "disjoint", style.GREEN, "orthogonal contrasts", level)
    style.title(disjoint, "b", "Two orthogonal contrasts of three repetitions")
    _correlation(across, regions, "across_subjects", style.ORANGE, "pairs of subjects", level)
    adjusted = _rows(regions, "across_subjects_adjusted")
    look = {"color": style.VERMILLION, "marker": "^", "label": "pairs, without the schedule"}
    style.points(across, [place + 0.2 for place in range(len(regions))], adjusted, **look)
    style.title(across, "c", "Different subjects")
    _fraction(fraction, regions, planted)
    for axes in (split, disjoint, across):
        axes.set_ylabel("correlation")
    every = (split, disjoint, across, fraction)
    labels = [region["region"] for region in regions]
    for axes in every:
        style.over_regions(axes, labels, named=axes is fraction)
    style.legend(figure, list(every), loc="outside upper left", ncols=3)
    return figure


def _rows(regions: list[dict], name: str) -> list[tuple | None]:
    return [
        None if region[name] is None else (region[name]["estimate"], region[name]["interval"])
        for region in regions
    ]


def _correlation(
    axes: Axes, regions: list[dict], name: str, color: str, label: str, level: str
) -> None:
    x = list(range(len(regions)))
    bounds = [None if region[name] is None else region[name]["null_interval"] for region in regions]
    style.bands(axes, x, bounds, 0.7, color=style.NULL, label=f"null {level}")
    style.points(axes, x, _rows(regions, name), color=color, marker="o", label=label)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylim(min(-0.25, axes.get_ylim()[0]), 1.05)


def _fraction(axes: Axes, regions: list[dict], planted: dict[str, dict]) -> None:
    x = list(range(len(regions)))
    rows = _rows(regions, "shared_fraction")
    look = {"color": style.PURPLE, "marker": "s", "label": "shared part of the true variance"}
    style.points(axes, [place - 0.1 for place in x], rows, **look)
    truth = [planted.get(region["region"], {}).get("shared_fraction") for region in regions]
    style.planted(axes, [place + 0.12 for place in x], truth)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.axhline(1, color=style.INK, linewidth=0.6, linestyle=(0, (1, 2)))
    axes.set_ylabel("share")
    style.title(axes, "d", "Share of the true log variance that subjects have in common")
