"""Encoding gap: R2 of own trials and of other subjects, the noise-free gap, and the slopes."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style

PREDICTORS = {
    ("individual", "raw"): ("individual, raw", style.SKY, "v"),
    ("individual", "offset_slope"): ("individual, calibrated", style.BLUE, "o"),
    ("population", "raw"): ("population, raw", style.ORANGE, "^"),
    ("population", "offset_slope"): ("population, calibrated", style.VERMILLION, "s"),
}


def drawing(data: dict[str, Any], planted: dict[str, dict]) -> Figure:
    """Draw the figure from the data of ``encoding_gap.json`` and the planted rows by region."""
    regions = data["regions"]
    figure = style.new_figure(150)
    r2, free, slope = figure.subplots(3, 1, height_ratios=[1.2, 1.0, 0.8])
    _r2(r2, regions)
    _noise_free(free, regions, planted)
    _slopes(slope, regions)
    labels = [region["region"] for region in regions]
    for axes in (r2, free, slope):
        style.over_regions(axes, labels)
        style.legend(axes, [axes], loc="lower left", bbox_to_anchor=(0, 1.1), ncols=6)
    return figure


def _r2(axes: Axes, regions: list[dict]) -> None:
    for place, ((who, name), (label, color, marker)) in enumerate(PREDICTORS.items()):
        rows = [
            (found["estimate"], found["interval"])
            for found in (region[who][name] for region in regions)
        ]
        x = [number + (place - 1.5) * 0.2 for number in range(len(regions))]
        style.points(axes, x, rows, color=color, marker=marker, label=label)
    for number, region in enumerate(regions):
        ceiling = region["ceiling"]["estimate"]
        label = "noise ceiling" if number == 0 else None
        axes.plot([number - 0.4, number + 0.4], [ceiling] * 2, color="0.55", lw=1, label=label)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylabel("R²")
    style.title(axes, "a", "Mean response of a region, predicted for other trials")


def _noise_free(axes: Axes, regions: list[dict], planted: dict[str, dict]) -> None:
    x = list(range(len(regions)))
    rows = [
        found and (found["r2"]["estimate"], found["r2"]["interval"])
        for found in (region["noise_free"] for region in regions)
    ]
    look = {"color": style.GREEN, "marker": "s", "label": "mean response"}
    style.points(axes, [place - 0.2 for place in x], rows, **look)
    truth = [planted.get(region["region"], {}).get("noise_free_r2") for region in regions]
    style.planted(axes, [place - 0.02 for place in x], truth)
    rows = [
        found and (found["noise_free"]["estimate"], found["noise_free"]["interval"])
        for found in (region["voxelwise"] for region in regions)
    ]
    look = {"color": style.PURPLE, "marker": "D", "label": "single voxels (lower bound)"}
    style.points(axes, [place + 0.2 for place in x], rows, **look)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.axhline(1, color=style.INK, linewidth=0.6, linestyle=(0, (4, 2)), label="individual")
    axes.set_ylabel("R², noise-free")
    style.title(axes, "b", "Population prediction corrected for noise; the gap is what lacks to 1")


def _slopes(axes: Axes, regions: list[dict]) -> None:
    singles = [
        (number + 0.2, subject["slope"]["estimate"])
        for number, region in enumerate(regions)
        for subject in region["subjects"]
    ]
    look = {"linestyle": "none", "marker": "o", "markersize": 2.4, "markeredgewidth": 0}
    axes.plot(*zip(*singles, strict=True), color=style.SKY, label="single subjects", **look)
    rows = [(region["slope"]["estimate"], region["slope"]["interval"]) for region in regions]
    look = {"color": style.BLUE, "marker": "o", "label": "mean of subjects"}
    style.points(axes, list(range(len(regions))), rows, **look)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylabel("slope")
    style.title(
        axes, "c", "Fitted slope of the population predictor: below zero if it anti-predicts"
    )
