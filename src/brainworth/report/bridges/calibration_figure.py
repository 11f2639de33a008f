"""What brain samples are worth: predicted beside measured, and the exchange rate."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style

COLORS = (style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.PURPLE, style.SKY)
MARKERS = "os^Dv"
SPREAD = 0.6


def drawing(data: dict[str, Any]) -> Figure:
    """Draw errors and missed parts, measured over predicted, and exchange rates by subject."""
    figure = style.new_figure(70)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
    _errors(left, data)
    _missed(middle, data)
    _rates(right, data)
    style.title(left, "a", "test error above the noise")
    style.title(middle, "b", "missed share of the task")
    style.title(right, "c", "exchange rate")
    style.legend(figure, [left, middle, right], loc="outside upper center", ncols=5)
    return figure


def _errors(axes: Axes, data: dict[str, Any]) -> None:
    found: dict[str, list[tuple[float, float]]] = {}
    found["with brain data"] = []
    for subject in data["subjects"]:
        for row in subject["alone"]:
            label = {"task_only": "least squares", "ridge": "tuned ridge"}[row["student"]]
            found.setdefault(label, []).append((row["predicted"], row["measured"]))
        for roi in subject["rois"]:
            for task in roi["tasks"]:
                for test in task["tests"]:
                    found["with brain data"] += [
                        (row["predicted"], row["measured"]) for row in test["students"]
                    ]
    looks = {
        "least squares": (style.ORANGE, "s"),
        "tuned ridge": (style.VERMILLION, "^"),
        "with brain data": (style.BLUE, "o"),
    }
    for label, pairs in found.items():
        if not pairs:
            continue
        color, marker = looks[label]
        axes.plot(
            *zip(*pairs, strict=True),
            linestyle="none",
            marker=marker,
            markersize=2.6,
            markeredgewidth=0,
            alpha=0.7,
            color=color,
            label=label,
        )
    _identity(axes, [value for pairs in found.values() for pair in pairs for value in pair])
    axes.set_xlabel("predicted")
    axes.set_ylabel("measured")


def _missed(axes: Axes, data: dict[str, Any]) -> None:
    values = []
    sizes = sorted({test["size"] for test in _tests(data)})
    for number, size in enumerate(sizes):
        pairs = [
            (test["missed"]["predicted"], test["missed"]["measured"])
            for test in _tests(data)
            if test["size"] == size
        ]
        values += [value for pair in pairs for value in pair]
        axes.plot(
            *zip(*pairs, strict=True),
            linestyle="none",
            marker=MARKERS[number % 5],
            markersize=2.6,
            markeredgewidth=0,
            alpha=0.7,
            color=(style.PURPLE, style.GREEN, style.VERMILLION, style.INK)[number % 4],
            label=f"{data['brain_fractions'][size]:g} of the images",
        )
    _identity(axes, values)
    axes.set_xlabel("predicted")
    axes.set_ylabel("measured")


def _rates(axes: Axes, data: dict[str, Any]) -> None:
    names = [subject["subject"] for subject in data["subjects"]]
    roi = data["subjects"][0]["rois"][0]["roi"]
    tasks = list(
        dict.fromkeys(task["task"] for subject in data["subjects"] for task in subject["tasks"])
    )
    for number, name in enumerate(tasks):
        offset = ((number + 0.5) / len(tasks) - 0.5) * SPREAD
        rows = [_rate(subject, roi, name) for subject in data["subjects"]]
        style.points(
            axes,
            [place + offset for place in range(len(names))],
            rows,
            color=COLORS[number % len(COLORS)],
            marker=MARKERS[number % 5],
            label=f"task {name}",
        )
    style.over_regions(axes, [name.removeprefix("subj") for name in names])
    axes.axhline(0, color=style.NULL, linewidth=0.6, zorder=0)
    axes.set_xlabel("subject")
    axes.set_ylabel("task samples a brain sample")


def _rate(subject: dict[str, Any], roi: str, name: str):
    """Return the exchange rate of all brain samples beside the most task samples."""
    for region in subject["rois"]:
        for task in region["tasks"]:
            if region["roi"] == roi and task["task"] == name:
                found = task["predictions"][-1]["by_task_samples"][-1]["exchange_rate"]
                return found["estimate"], found["interval"]
    return None


def _tests(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        test
        for subject in data["subjects"]
        for roi in subject["rois"]
        for task in roi["tasks"]
        for test in task["tests"]
    ]


def _identity(axes: Axes, values: list[float]) -> None:
    positive = [value for value in values if value > 0]
    if not positive:
        return
    ends = [min(positive) / 1.2, max(positive) * 1.2]
    axes.plot(ends, ends, color=style.NULL, linewidth=0.8, zorder=0, label="prediction")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
