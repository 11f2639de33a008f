"""Decoding over trials, over subjects to learn from, and over brains to decode from."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from brainworth.report import style

COLORS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)
MARKERS = "os^Dv<"
DASHED, DOTTED = (0, (5, 2)), (0, (1, 1.5))
#: Sizes, the largest ones, that the saturating law is fitted to.
FITTED = 4
KINDS = {"single": "single trials", "mean": "means of an image's trials"}


def drawing(data: dict[str, Any]) -> Figure:
    """Draw a bridge's result."""
    spaces = data["spaces"]
    pooled = spaces[0]["pooled"] is not None
    figure = style.new_figure(132 if pooled else 70)
    panels = np.atleast_2d(figure.subplots(2 if pooled else 1, 2, squeeze=False))
    first, second = panels[0]
    _curves(first, _test(spaces[0], "single"))
    style.title(first, "a", f"single trials, {spaces[0]['label']}")
    if len(spaces) > 1:
        _curves(second, _test(spaces[1], "single"))
        style.title(second, "b", f"single trials, {spaces[1]['label']}")
    else:
        _curves(second, _test(spaces[0], "mean"))
        style.title(second, "b", f"means of an image's trials, {spaces[0]['label']}")
    if pooled:
        _pooled(panels[1, 0], spaces[0])
        style.title(panels[1, 0], "c", "what trials of others bring, single trials")
        _brains(panels[1, 1], spaces[0])
        style.title(panels[1, 1], "d", f"brains to decode from, {data['sizes'][-1]:,} trials each")
        panels[1, 0].legend(loc="best")
    style.legend(figure, [first, second], loc="outside upper center", ncols=3)
    return figure


def _test(space: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(each for each in space["tests"] if each["kind"] == kind)


def _curves(axes: Axes, test: dict[str, Any]) -> None:
    """Draw the subjects, their mean, both laws, the ceiling and the null."""
    sizes = np.array([point["n_trials"] for point in test["points"]], dtype=float)
    for row in test["subjects"]:
        values = [point["estimate"] for point in row["points"]]
        axes.plot(sizes, values, color=style.NULL, linewidth=0.7, label="each subject")
    dense = np.geomspace(sizes[0], sizes[-1] * 4, 100)
    inside = dense[dense <= sizes[-1]]
    straight = test["at_largest"] + test["slope"]["estimate"] * np.log2(inside / sizes[-1])
    axes.plot(inside, straight, color=style.BLUE, linestyle=DASHED, label="log-linear law")
    law = test["saturating"]
    above = dense[dense >= sizes[-FITTED] / 1.001]
    level = law["ceiling"]["estimate"] * np.sqrt(above / (above + law["half"]["estimate"]))
    axes.plot(above, level, color=style.VERMILLION, linestyle=DOTTED, label="saturating law")
    style.points(
        axes,
        sizes,
        [(point["estimate"], point["interval"]) for point in test["points"]],
        color=style.BLUE,
        marker="o",
        label="mean over subjects",
    )
    style.points(
        axes,
        sizes,
        [(point["estimate"], point["interval"]) for point in test["null"]["points"]],
        color=style.INK,
        marker="x",
        markersize=3,
        markeredgewidth=0.8,
        label="trained on features of other images",
    )
    if test["planted"] is not None:
        axes.axhline(
            test["planted"]["ceiling"],
            color=style.INK,
            linewidth=0.9,
            label="planted ceiling",
        )
    axes.axhline(0, color=style.NULL, linewidth=0.6, zorder=0)
    _over_trials(axes, sizes, "training trials of the subject")
    axes.set_xlim(sizes[0] / 1.25, dense[-1])


def _pooled(axes: Axes, space: dict[str, Any]) -> None:
    """Draw what others' trials bring, and what as many more of one's own do."""
    pooled = space["pooled"]
    lines = [(f"of {row['n_subjects']} subjects", row["points"]) for row in pooled["gains"]]
    if pooled["doubling"] is not None:
        rows = pooled["doubling"]["sizes"]
        own = [{"n_trials": row["n_trials"]} | row["trials"] for row in rows]
        lines.insert(0, ("twice as many of one's own", own))
    for number, (label, points) in enumerate(lines):
        sizes = np.array([point["n_trials"] for point in points], dtype=float)
        shifted = sizes * 1.05 ** (number - (len(lines) - 1) / 2)
        color = COLORS[number % len(COLORS)]
        axes.plot(shifted, [point["estimate"] for point in points], color=color, linewidth=0.9)
        style.points(
            axes,
            shifted,
            [(point["estimate"], point["interval"]) for point in points],
            color=color,
            marker=MARKERS[number % len(MARKERS)],
            label=label,
        )
    axes.axhline(0, color=style.NULL, linewidth=0.6, zorder=0)
    _over_trials(axes, sizes, "training trials of each subject")
    axes.set_ylabel("gain in correlation")


def _brains(axes: Axes, space: dict[str, Any]) -> None:
    """Draw the mean over brains, beside what is planted."""
    counts = sorted({row["n_subjects"] for row in space["brains"]})
    for number, (kind, label) in enumerate(KINDS.items()):
        rows = [row for row in space["brains"] if row["kind"] == kind]
        shift = 0.12 * (number - 0.5)
        x = [counts.index(row["n_subjects"]) + shift for row in rows]
        last = [row["points"][-1] for row in rows]
        axes.plot(x, [p["estimate"] for p in last], color=COLORS[number], linewidth=0.9)
        style.points(
            axes,
            x,
            [(p["estimate"], p["interval"]) for p in last],
            color=COLORS[number],
            marker=MARKERS[number],
            label=label,
        )
        style.planted(axes, x, [row["planted"] for row in rows])
    axes.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes.set_xlim(-0.5, len(counts) - 0.5)
    axes.set_xlabel("brains averaged")
    axes.set_ylabel("correlation")
    # one entry for the planted truth of both kinds
    handles, labels = axes.get_legend_handles_labels()
    kept = dict(zip(labels, handles, strict=True))
    axes.legend(kept.values(), kept.keys(), loc="best")


def _over_trials(axes: Axes, sizes: np.ndarray, label: str) -> None:
    axes.set_xscale("log")
    axes.set_xticks(sizes)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel(label)
    axes.set_ylabel("correlation")
