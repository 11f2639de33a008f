"""The gap of RDMs: both sides of it, and the gap with and without noise."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import published, style
from brainworth.report.numbers import comparison, percent

SIDES = {
    ("published", "individual"): ("individual, as published", style.BLUE, "o"),
    ("published", "population"): ("population, as published", style.ORANGE, "o"),
    ("same_target", "individual"): ("individual, one target", style.BLUE, "s"),
    ("same_target", "population"): ("population, one target", style.ORANGE, "s"),
}
GAPS = {
    "published": ("as published", style.PURPLE, "o"),
    "same_target": ("one target", style.GREEN, "s"),
    "noise_free": ("noise free", style.VERMILLION, "^"),
}


def drawing(data: dict[str, Any], planted: dict[str, dict]) -> Figure:
    """Draw the figure from the data of ``rdm_gap.json`` and the planted rows by region."""
    regions = data["regions"]
    figure = style.new_figure(118)
    sides, gaps = figure.subplots(2, 1, sharex=True)
    _sides(sides, data)
    _gaps(gaps, regions, planted, percent(data["interval"]))
    labels = [region["region"] for region in regions]
    style.over_regions(sides, labels, named=False)
    style.over_regions(gaps, labels)
    style.legend(figure, [sides, gaps], loc="outside upper left", ncols=3)
    return figure


def _sides(axes: Axes, data: dict[str, Any]) -> None:
    regions = data["regions"]
    x = list(range(len(regions)))
    null = [region["published"]["population"]["null_interval"] for region in regions]
    label = f"null of the population, {percent(data['interval'])} %"
    style.bands(axes, x, null, 0.86, color=style.NULL, label=label)
    for place, ((kind, side), (label, color, marker)) in enumerate(SIDES.items()):
        rows = [_point((region[kind] or {}).get(side)) for region in regions]
        look = {"color": color, "marker": marker, "label": label}
        style.points(axes, [value + (place - 1.5) * 0.19 for value in x], rows, **look)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylabel(f"prediction of an RDM\n({comparison(data['comparison'])})")
    style.title(axes, "a", "How well a subject's own data and the other subjects predict its RDM")


def _gaps(axes: Axes, regions: list[dict], planted: dict[str, dict], level: str) -> None:
    x = list(range(len(regions)))
    low, high = published.NUMBERS["rdm-gap-table"]
    axes.axhspan(low, high, color=style.BAND, linewidth=0, label="published range of the gap")
    for place, (kind, (label, color, marker)) in enumerate(GAPS.items()):
        rows = [_point((region[kind] or {}).get("gap")) for region in regions]
        look = {"color": color, "marker": marker, "label": f"gap, {label}"}
        style.points(axes, [value + (place - 1.5) * 0.19 for value in x], rows, **look)
    truth = [planted.get(region["region"], {}).get("gap") for region in regions]
    style.planted(axes, [value + 1.5 * 0.19 for value in x], truth)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylabel("individual − population")
    style.title(axes, "b", f"The gap, {level} % over stimuli: zero if all subjects have one RDM")


def _point(row: dict | None) -> tuple[float, list[float] | None] | None:
    return None if row is None else (row["estimate"], row["interval"])
