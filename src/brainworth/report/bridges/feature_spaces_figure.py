"""Feature spaces side by side: what they predict, and how often images are found in them."""

from __future__ import annotations

from collections.abc import Callable
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
#: How a number without an interval, beside an estimate, is drawn.
TICK = {"marker": "|", "markersize": 6, "markeredgewidth": 1.3}
GREY = "0.5"


def drawing(data: dict[str, Any]) -> Figure:
    """Draw shares of the ceiling, top-1 and top-5 accuracy by space, and curves of accuracy."""
    subjects = data["subjects"]
    spaces = [each["space"] for each in subjects[0]["spaces"]]
    upper = 24 + len(spaces) * (4 + 2.6 * len(subjects))
    figure = style.new_figure(upper + 66)
    above, below = figure.subfigures(2, 1, height_ratios=[upper, 66])
    panels = above.subplots(1, 4, sharey=True)
    _down(panels[0], spaces)
    for axes, letter, (title, label, draw) in zip(
        panels,
        "abcd",
        (
            ("Responses", "share explained", _shares),
            ("Found, cosine", "top-1 accuracy", _accuracy("retrieval", "top1")),
            ("Found, cosine", "top-5 accuracy", _accuracy("retrieval", "top5")),
            ("Found, evidence", "top-1 accuracy", _accuracy("evidence", "top1")),
        ),
        strict=True,
    ):
        draw(axes, subjects)
        axes.axvline(0, color=style.NULL, linewidth=0.6, zorder=0)
        axes.set_xlabel(label)
        style.title(axes, letter, title)
    style.legend(above, list(panels), loc="outside upper center", ncols=7)
    shown = subjects[:CURVES]
    curves = below.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, letter, subject in zip(curves, "efg", shown, strict=False):
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
    """Draw what is explained, beside what the regression reaches and what was planted."""
    for number, subject in enumerate(subjects):
        places = _places(subjects, number)
        found = [row["encoding"] for row in subject["spaces"]]
        reached = [_known(each["share"]) for each in found]
        reached = [each and (each[0], None) for each in reached]
        label = "r²/NC of ridge"
        style.points(axes, places, reached, horizontal=True, label=label, color=GREY, **TICK)
        rows = [_known(each["explained"]) for each in found]
        _points(axes, places, rows, number, subject)
        style.planted(axes, places, [each["planted"] for each in found], horizontal=True)


def _accuracy(how: str, measure: str) -> Callable[[Axes, list[dict[str, Any]]], None]:
    """Return what draws an accuracy, with chance and, for evidence, the best there can be."""

    def draw(axes: Axes, subjects: list[dict[str, Any]]) -> None:
        for number, subject in enumerate(subjects):
            places = _places(subjects, number)
            found = [row[how][measure] for row in subject["spaces"]]
            best = [
                row["best"][measure] if row["best"]["top1"] else None for row in subject["spaces"]
            ]
            limits = [None if each is None else (each["estimate"], None) for each in best]
            if how == "evidence":
                label = "best the truth allows"
                look = {"label": label, "color": style.INK, **TICK}
                style.points(axes, places, limits, horizontal=True, **look)
            rows = [_known(each) for each in found]
            _points(axes, places, rows, number, subject)
            half = 0.3 / len(subjects)
            axes.vlines(
                [each["chance"] for each in found],
                places - half,
                places + half,
                color=style.INK,
                linewidth=0.9,
                linestyle=(0, (1, 1)),
                label="chance",
            )
        axes.set_xlim(-0.04, 1.04)

    return draw


def _curves(axes: Axes, subject: dict[str, Any]) -> None:
    for k, row in enumerate(subject["spaces"]):
        color = SPACE_COLORS[k % len(SPACE_COLORS)]
        curve = row["retrieval"]["curve"]
        sizes = [each["size"] for each in curve]
        low, high = zip(*(each["interval"] for each in curve), strict=True)
        axes.fill_between(sizes, low, high, color=color, alpha=0.18, linewidth=0)
        values = [each["estimate"] for each in curve]
        axes.plot(sizes, values, color=color, label=row["space"], marker="o", markersize=2.5)
        weighed = [each["estimate"] for each in row["evidence"]["curve"]]
        axes.plot(sizes, weighed, color=color, linestyle=(0, (4, 1.5)), linewidth=0.7)
    curve = subject["spaces"][0]["retrieval"]["curve"]
    chance = [(each["size"], each["chance"]) for each in curve]
    axes.plot(*zip(*chance, strict=True), color=style.INK, linestyle=(0, (1, 1.5)), label="chance")
    axes.set_xscale("log")
    ticks = [each["size"] for each in curve]
    axes.set_xticks(ticks, [str(size) for size in ticks])
    axes.minorticks_off()
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("candidates")


def _points(
    axes: Axes,
    places: np.ndarray,
    rows: list[tuple[float, list[float] | None] | None],
    number: int,
    subject: dict[str, Any],
) -> None:
    """Draw a subject's estimates: its marker, in the colour of each space."""
    marker = MARKERS[number % len(MARKERS)]
    for k, (place, row) in enumerate(zip(places, rows, strict=True)):
        color = SPACE_COLORS[k % len(SPACE_COLORS)]
        style.points(axes, [place], [row], horizontal=True, color=color, marker=marker)
    look = {"linestyle": "none", "markersize": 4.2, "markeredgewidth": 0, "color": GREY}
    axes.plot([], [], marker=marker, label=subject["subject"], **look)


def _known(found: dict[str, Any]) -> tuple[float, list[float] | None] | None:
    return None if found["estimate"] is None else (found["estimate"], found["interval"])
