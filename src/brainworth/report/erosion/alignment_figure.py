"""Alignment: RDMs before and after, identification of stimuli, and the shared fraction."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import published, style

RDMS = {
    "raw": ("all voxels, held-out stimuli", style.BLUE, "o"),
    "truncated": ("components, held-out stimuli", style.ORANGE, "^"),
    "aligned": ("aligned components, held-out stimuli", style.VERMILLION, "s"),
}
SHARES = {
    "shared_fraction": ("corrected for noise and fitting errors", style.GREEN, "s"),
    "ridge_share": ("ridge, R² / ceiling", style.SKY, "o"),
    "procrustes_share": ("Procrustes, R² / ceiling", style.PURPLE, "v"),
}


def drawing(data: dict[str, Any], planted: dict[str, dict]) -> Figure:
    """Draw the figure from the data of ``alignment.json`` and the planted rows by region."""
    regions = data["regions"]
    figure = style.new_figure(165)
    rdm, named, share = figure.subplots(3, 1, height_ratios=[1.2, 0.8, 1.1])
    _rdms(rdm, regions)
    _identified(named, regions)
    _shares(share, regions, planted)
    labels = [region["region"] for region in regions]
    for axes in (rdm, named, share):
        style.over_regions(axes, labels)
        style.legend(axes, [axes], loc="lower left", bbox_to_anchor=(0, 1.09), ncols=3)
    return figure


def _rdms(axes: Axes, regions: list[dict]) -> None:
    for place, (name, (label, color, marker)) in enumerate(RDMS.items()):
        rows = [
            (found["estimate"], found["interval"])
            for found in (region["rdm"]["correlation"][name] for region in regions)
        ]
        x = [number + (place - 1.5) * 0.19 for number in range(len(regions))]
        style.points(axes, x, rows, color=color, marker=marker, label=label)
    rows = [(region["published"]["estimate"], None) for region in regions]
    x = [number + 0.285 for number in range(len(regions))]
    look = {"color": style.INK, "marker": "x", "markeredgewidth": 1, "label": "as published"}
    style.points(axes, x, rows, **look)
    for number, region in enumerate(regions):
        whole = region["rdm"]["correlation"]["all_stimuli"]["estimate"]
        label = "all voxels, all stimuli" if number == 0 else None
        axes.plot([number - 0.4, number + 0.4], [whole, whole], color="0.55", lw=1, label=label)
    low, high = published.NUMBERS["alignment-table"]
    axes.axhspan(low, high, color=style.BAND, zorder=0, linewidth=0, label="published range")
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylabel("Spearman correlation")
    style.title(axes, "a", "Similarity of RDMs (correlation distance), mean over pairs of subjects")


def _identified(axes: Axes, regions: list[dict]) -> None:
    found = [region["identification"] for region in regions]
    rows = [(100 * row["estimate"], [100 * bound for bound in row["interval"]]) for row in found]
    x = list(range(len(regions)))
    for place, row in zip(x, found, strict=True):
        level = 100 * row["chance"]
        label = None if place else "chance"
        look = {"color": style.INK, "linewidth": 0.9, "linestyle": (0, (4, 2))}
        axes.plot([place - 0.4, place + 0.4], [level, level], label=label, **look)
    look = {"color": style.BLUE, "marker": "o", "label": "held-out stimuli named"}
    style.points(axes, x, rows, **look)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("accuracy (%)")
    style.title(axes, "b", "Identification of a stimulus by the mean of the other subjects")


def _shares(axes: Axes, regions: list[dict], planted: dict[str, dict]) -> None:
    for place, (name, (label, color, marker)) in enumerate(SHARES.items()):
        rows = [
            found and (found["estimate"], found["interval"])
            for found in (region[name] for region in regions)
        ]
        x = [number + (place - 1.5) * 0.19 for number in range(len(regions))]
        style.points(axes, x, rows, color=color, marker=marker, label=label)
    truth = [planted.get(region["region"], {}).get("shared_fraction") for region in regions]
    style.planted(axes, [number + 0.285 for number in range(len(regions))], truth)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.axhline(1, color=style.INK, linewidth=0.6, linestyle=(0, (4, 2)))
    axes.set_ylabel("share of signal")
    style.title(axes, "c", "Share of a subject’s stimulus-driven variance predicted from others")
