"""Heteroscedasticity: published statistics against homoscedastic noise, and the true spread."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style
from brainworth.report.numbers import percent

NAMES = {"ratio": "Q75/Q25", "cv": "CV"}


def drawing(data: dict[str, Any], planted: dict[str, dict]) -> Figure:
    """Draw the figure from the data of ``heteroscedasticity.json`` and the planted rows."""
    regions = data["regions"]
    figure = style.new_figure(125)
    ratio, cv, true = figure.subplots(3, 1, sharex=True)
    _statistic(ratio, data, "ratio")
    _statistic(cv, data, "cv")
    style.title(ratio, "a", "Q75/Q25 over stimuli of the variance over repetitions")
    style.title(cv, "b", "Its coefficient of variation (CV)")
    _true(true, regions, planted)
    labels = [region["region"] for region in regions]
    for axes in (ratio, cv, true):
        style.over_regions(axes, labels, named=axes is true)
    style.legend(figure, [ratio, cv, true], loc="outside upper left", ncols=3)
    return figure


def _statistic(axes: Axes, data: dict[str, Any], name: str) -> None:
    regions = data["regions"]
    x = list(range(len(regions)))
    level = f"({percent(data['interval'])} %)"
    means = [region["mean"][name] for region in regions]
    exchange = [row["exchange"]["interval"] for row in means]
    rotation = [row["rotation"]["interval"] for row in means]
    label = f"homoscedastic null {level}: exchange"
    style.bands(axes, x, exchange, 0.7, color=style.BAND, label=label)
    label = f"homoscedastic null {level}: rotation"
    style.bands(axes, x, rotation, 0.7, color=style.NULL, label=label)
    singles = [
        (place + 0.2, subject[name])
        for place, region in zip(x, regions, strict=True)
        for subject in region["subjects"]
    ]
    axes.plot(
        *zip(*singles, strict=True),
        linestyle="none",
        marker="o",
        markersize=2.2,
        markeredgewidth=0,
        color=style.SKY,
        label="single subjects",
    )
    rows = [(row["estimate"], None) for row in means]
    look = {"color": style.BLUE, "marker": "o", "label": "as published, mean of subjects"}
    style.points(axes, x, rows, **look)
    threshold = data["published_thresholds"][name]
    axes.axhline(
        threshold,
        color=style.VERMILLION,
        linewidth=0.9,
        linestyle=(0, (4, 2)),
        label="published threshold",
    )
    # A ratio of quartiles starts at 1, a coefficient of variation at 0.
    low = 1.0 if name == "ratio" else 0.0
    axes.set_ylim(low, low + 1.06 * (max(threshold, *(value for _, value in singles)) - low))
    axes.set_ylabel(NAMES[name])


def _true(axes: Axes, regions: list[dict], planted: dict[str, dict]) -> None:
    x = list(range(len(regions)))
    rows = [
        (row["estimate"], row["interval"])
        for row in (region["mean"]["true_cv2"] for region in regions)
    ]
    look = {"color": style.GREEN, "marker": "s", "label": "CV² without the sampling part"}
    style.points(axes, [place - 0.1 for place in x], rows, **look)
    truth = [planted.get(region["region"], {}).get("true_cv2") for region in regions]
    style.planted(axes, [place + 0.12 for place in x], truth)
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylabel("CV² (true)")
    style.title(axes, "c", "Estimated squared CV of the true variance: zero if homoscedastic")
