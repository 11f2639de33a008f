"""Feature spaces side by side: what they predict, and how often images are found in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style

SPACE_COLORS = (
    *(style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE),
    *(style.ORANGE, style.SKY, style.INK),
)
#: By subject, in the upper panels.
MARKERS = "osDv^<>p"
#: Subjects whose curves are drawn.
CURVES = 3


def drawing(data: dict[str, Any]) -> Figure:
    """Draw shares of the ceiling, top-1 and top-5 accuracy by space, and curves of accuracy."""
    subjects = data["subjects"]
    spaces = [each["space"] for each in subjects[0]["spaces"]]
    upper = 24 + len(spaces) * (4 + 2.6 * len(subjects))
    figure = style.new_figure(upper + 66)
    above, below = figure.subfigures(2, 1, height_ratios=[upper, 66])
    panels = above.subplots(1, 3, sharey=True)
    _down(panels[0], spaces)
    for axes, letter, (title, label, draw) in zip(
        panels,
        "abc",
        (
            ("Responses predicted", "r²/NC, mean over voxels", _shares),
            ("Image ranked first", "top-1 accuracy", lambda *given: _accuracy(*given, "top1")),
            ("Among the first five", "top-5 accuracy", lambda *given: _accuracy(*given, "top5")),
        ),
        strict=True,
    ):
        draw(axes, subjects)
        axes.axvline(0, color=style.NULL, linewidth=0.6, zorder=0)
        axes.set_xlabel(label)
        style.title(axes, letter, title)
    style.legend(above, list(panels), loc="outside upper center", ncols=6)
    shown = subjects[:CURVES]
    curves = below.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, letter, subject in zip(curves, "defg", shown, strict=False):
        _curves(axes, subject)
        style.title(axes, letter, subject["subject"])
    curves[0].set_ylabel("image ranked first")
    style.legend(below, list(curves), loc="outside lower center", ncols=6)
    return figure


def _down(axes: Axes, names: list[str]) -> None:
    """Give all panels of the row one line a space, the first on top."""
    n = len(names)
    axes.set_ylim(n - 0.4, -0.6)
    axes.set_yticks(range(n), names)
    axes.tick_params(axis="y", length=0)


def _places(subjects: list[dict[str, Any]], number: int) -> np.ndarray:
    """Return where the points of a subject go: beside those of the others."""
    step = 0.7 / len(subjects)
    spread = (number - (len(subjects) - 1) / 2) * step
    return np.arange(len(subjects[0]["spaces"])) + spread


def _shares(axes: Axes, subjects: list[dict[str, Any]]) -> None:
    for number, subject in enumerate(subjects):
        places = _places(subjects, number)
        found = [row["encoding"] for row in subject["spaces"]]
        rows = [
            None if each["share"]["estimate"] is None else _pair(each["share"]) for each in found
        ]
        style.points(axes, places, rows, horizontal=True, **_look(number, subject))
        style.planted(axes, places, [each["planted"] for each in found], horizontal=True)


def _accuracy(axes: Axes, subjects: list[dict[str, Any]], measure: str) -> None:
    for number, subject in enumerate(subjects):
        places = _places(subjects, number)
        found = [row["retrieval"][measure] for row in subject["spaces"]]
        rows = [_pair(each) for each in found]
        style.points(axes, places, rows, horizontal=True, **_look(number, subject))
        best = [row["best"][measure] if row["best"]["top1"] else None for row in subject["spaces"]]
        style.points(
            axes,
            places,
            [None if each is None else (each["estimate"], None) for each in best],
            horizontal=True,
            color=style.ORANGE,
            marker="|",
            markersize=7,
            markeredgewidth=1.6,
            label="best that the planted truth allows",
        )
        axes.vlines(
            [each["chance"] for each in found],
            places - 0.3 / len(subjects),
            places + 0.3 / len(subjects),
            color=style.NULL,
            linewidth=1.4,
            label="chance",
        )


def _curves(axes: Axes, subject: dict[str, Any]) -> None:
    for color, row in zip(SPACE_COLORS, subject["spaces"], strict=False):
        curve = row["retrieval"]["curve"]
        sizes = [each["size"] for each in curve]
        low, high = zip(*(each["interval"] for each in curve), strict=True)
        axes.fill_between(sizes, low, high, color=color, alpha=0.18, linewidth=0)
        values = [each["estimate"] for each in curve]
        axes.plot(sizes, values, color=color, label=row["space"], marker="o", markersize=2.5)
    curve = subject["spaces"][0]["retrieval"]["curve"]
    chance = [(each["size"], each["chance"]) for each in curve]
    axes.plot(*zip(*chance, strict=True), color=style.INK, linestyle=(0, (4, 2)), label="chance")
    axes.set_xscale("log")
    ticks = [each["size"] for each in curve]
    axes.set_xticks(ticks, [str(size) for size in ticks])
    axes.minorticks_off()
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("candidates")


def _look(number: int, subject: dict[str, Any]) -> dict[str, Any]:
    return {
        "color": SPACE_COLORS[number % len(SPACE_COLORS)],
        "marker": MARKERS[number % len(MARKERS)],
        "label": subject["subject"],
    }


def _pair(found: dict[str, Any]) -> tuple[float, list[float] | None]:
    return found["estimate"], found["interval"]
