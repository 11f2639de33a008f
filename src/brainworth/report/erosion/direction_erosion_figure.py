"""Theorem 1: what averages converge to, what they predict, and what is lost."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style
from brainworth.report.numbers import number

POPULATIONS = {
    "independent": ("independent", style.BLUE, "o"),
    "cohort": ("cohort", style.VERMILLION, "s"),
    "heavy-tailed": ("heavy-tailed", style.GREEN, "^"),
}
KINDS = {
    "raw": ("as it comes", style.ORANGE, "v"),
    "scaled": ("with the best slope", style.PURPLE, "o"),
}
ESTIMATORS = {
    "gaussian": ("from covariances", style.SKY, "s"),
    "nearest": ("from nearest neighbours", style.BLUE, "o"),
}
CASES = {"gaussian": "Gaussian", "gain": "gain only", "nonlinear": "nonlinear"}


def drawing(data: dict[str, Any], _planted: dict[str, dict]) -> Figure:
    """Draw the figure from the data of ``direction_erosion.json``, which holds its own truth."""
    figure = style.new_figure(78)
    rate, predicted, lost = figure.subplots(1, 3)
    _rate(rate, data["convergence"])
    _predicted(predicted, data["prediction"])
    _lost(lost, data["information"])
    style.legend(figure, [rate, predicted, lost], loc="outside upper left", ncols=3)
    return figure


def _rate(axes: Axes, rows: list[dict]) -> None:
    for row in rows:
        label, color, marker = POPULATIONS[row["population"]]
        look = {"color": color, "marker": marker, "markersize": 3.4, "markeredgewidth": 0}
        axes.plot(row["n"], row["rms"], linestyle="none", label=label, **look)
        if row["expected_rms"] is not None:
            axes.plot(row["n"], row["expected_rms"], color=color, linewidth=0.9)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _sizes(axes, rows[0]["n"])
    axes.set_yticks([0.1, 1.0], ["0.1", "1"])
    axes.set_ylabel("distance of the average\nfrom the shared part")
    style.title(axes, "a", "Convergence")


def _predicted(axes: Axes, rows: list[dict]) -> None:
    for row in rows:
        for name, (label, color, marker) in KINDS.items():
            look = {"color": color, "marker": marker, "markersize": 3.0, "markeredgewidth": 0}
            axes.plot(row["n"], row[name]["r2"], linestyle="none", label=label, **look)
            axes.plot(row["n"], row[name]["expected"], color=color, linewidth=0.9)
        axes.annotate(
            number(row["shared_fraction"], 2),
            (row["n"][-1], row["shared_fraction"]),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL,
            annotation_clip=False,
        )
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_xscale("log")
    _sizes(axes, rows[0]["n"])
    axes.set_ylabel("R² for one more subject")
    style.title(axes, "b", "Prediction")


def _sizes(axes: Axes, sizes: list[int]) -> None:
    shown = sizes[:: max(1, -(-len(sizes) // 4))]
    axes.set_xticks(shown, [str(size) for size in shown])
    axes.minorticks_off()
    axes.set_xlabel("subjects averaged")


def _lost(axes: Axes, rows: list[dict]) -> None:
    for place, (name, (label, color, marker)) in enumerate(ESTIMATORS.items()):
        x = [case + (place - 0.5) * 0.3 for case in range(len(rows))]
        known = [(row[name]["estimate"], row[name]["interval"]) for row in rows]
        style.points(axes, x, known, color=color, marker=marker, label=label)
    for case, row in enumerate(rows):
        look = {"color": style.INK, "linewidth": 1.2, "label": "known value"}
        axes.plot([case - 0.35, case + 0.35], [row["known"]] * 2, **look)
    axes.set_xticks(range(len(rows)), [CASES[row["case"]] for row in rows])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.set_ylabel("information (bit)")
    style.title(axes, "c", "What the shared part lacks")
