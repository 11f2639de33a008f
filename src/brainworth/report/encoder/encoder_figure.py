"""Scores of the encoder's models, and how its networks were trained."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from brainworth.report import style

Data = dict[str, list[dict[str, Any]]]
DASHED, DOTTED = (0, (4, 2)), (0, (1, 1.5))
COLORS = (
    *(style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE),
    *(style.ORANGE, style.SKY, style.INK),
)
#: Predicts a constant, and so has no correlation.
CONSTANT = "mean"


def models(data: Data) -> Figure:
    """Draw error and correlation of each model of each subject, beside what limits them."""
    by_subject: dict[str, list[dict[str, Any]]] = {}
    for rule in ("encoder_linear", "encoder_chasm"):
        for found in data.get(rule, []):
            # predicting zero is a line of its own
            rows = [row for row in found["rows"] if row["row"] != "zero"]
            by_subject.setdefault(found["subject"], []).extend(rows)
    n_rows = max(len(rows) for rows in by_subject.values())
    figure = style.new_figure(len(by_subject) * (9 + 5.2 * n_rows) + 12)
    panels = figure.subplots(len(by_subject), 2, squeeze=False)
    letters = iter("abcdefghijklmnop")
    for (subject, rows), (left, right) in zip(by_subject.items(), panels, strict=True):
        labels = [row["label"] for row in rows]
        _down(left, labels)
        _down(right, None, len(labels))
        scores = [row["voxels"] for row in rows]
        _limits(left, scores[0])
        _points(left, scores, "bound", style.ORANGE, "|", "least error that r allows")
        _points(left, scores, "mse_recalibrated", style.SKY, "o", "after recalibration")
        _points(left, scores, "mse", style.BLUE, "o", "mean squared error")
        left.set_xlabel("mean squared error of voxels")
        moving = [None if row["row"] == CONSTANT else row["voxels"] for row in rows]
        _points(right, moving, "r_median", style.SKY, "o", "median over voxels")
        _points(right, moving, "r_mean", style.BLUE, "o", "mean over voxels")
        right.axvline(0, color=style.NULL, linewidth=0.6, zorder=0)
        right.set_xlabel("correlation with the responses, voxel by voxel")
        style.title(left, next(letters), subject)
        style.title(right, next(letters), subject)
    style.legend(figure, list(panels[0]), loc="outside upper center", ncols=4)
    return figure


def training(data: Data) -> Figure:
    """Draw the curves of all trainings: of each subject's two stages, and of the networks."""
    panels_of = [*_stages(data), *_networks(data)]
    n_rows = -(-len(panels_of) // 2)
    longest = max(len(lines) for _, lines, _ in panels_of)
    figure = style.new_figure((52 + 3.2 * -(-longest // 2)) * n_rows)
    panels = figure.subplots(n_rows, 2, squeeze=False).ravel()
    for axes, letter, (title, lines, what) in zip(panels, "abcdefghijkl", panels_of, strict=False):
        for color, (label, curve, best) in zip(COLORS, lines, strict=False):
            epochs = [row["epoch"] + 1 for row in curve]
            values = [row["validation"] for row in curve]
            axes.plot(epochs, values, color=color, label=label)
            axes.plot(epochs[best], values[best], "o", color=color, markersize=4)
        axes.set_xlabel("epoch")
        axes.set_ylabel(what)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        # Below the panel: many curves leave no room in it.
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
        style.title(axes, letter, title)
    for axes in panels[len(panels_of) :]:
        axes.set_visible(False)
    return figure


def _stages(data: Data) -> list[tuple[str, list, str]]:
    stages = (
        ("stage1", "CHASMBrain, stage 1", "validation loss"),
        ("stage2", "CHASMBrain, stage 2", "validation error"),
    )
    found = data.get("encoder_chasm", [])
    if not found:
        return []
    return [
        (
            title,
            [
                (each["subject"], *_curve(each["rows"][0]["stages"][stage], "epochs"))
                for each in found
            ],
            what,
        )
        for stage, title, what in stages
    ]


def _networks(data: Data) -> list[tuple[str, list, str]]:
    answer = []
    for rule, title, what in (
        ("encoder_stage1", "In the place of stage 1", "validation loss"),
        ("encoder_stage2", "In the place of stage 2", "validation loss"),
    ):
        for found in data.get(rule, []):
            lines = [(row["label"], *_curve(row, "curve")) for row in found["rows"]]
            answer.append((f"{title}, {found['subject']}", lines, what))
    return answer


def _curve(trained: dict[str, Any], key: str) -> tuple[list[dict[str, Any]], int]:
    return trained[key], trained["best_epoch"]


def _down(axes: Axes, labels: list[str] | None, n: int = 0) -> None:
    """Give a panel one line a model, the first on top."""
    n = len(labels) if labels else n
    axes.set_ylim(n - 0.4, -0.6)
    axes.set_yticks(range(n), labels or [""] * n)
    axes.tick_params(axis="y", length=0)
    for edge in range(n - 1):
        axes.axhline(edge + 0.5, color="0.93", linewidth=0.5, zorder=0)


def _limits(axes: Axes, scores: dict[str, Any]) -> None:
    axes.axvline(
        scores["mse_zero"]["estimate"],
        color=style.INK,
        linestyle=DASHED,
        linewidth=0.8,
        label="predicting zero",
    )
    oracle = scores["mse_oracle"]["estimate"]
    if oracle is not None:
        axes.axvline(
            oracle, color=style.GREEN, linestyle=DOTTED, linewidth=1.2, label="without error"
        )


def _points(
    axes: Axes, scores: list[dict[str, Any] | None], key: str, color: str, marker: str, label: str
) -> None:
    rows = [
        None if each is None or each[key]["estimate"] is None else _pair(each[key])
        for each in scores
    ]
    look = {"color": color, "marker": marker, "label": label}
    if marker == "|":
        rows = [row and (row[0], None) for row in rows]
        look |= {"markersize": 7, "markeredgewidth": 1.6}
    style.points(axes, range(len(rows)), rows, horizontal=True, **look)


def _pair(found: dict[str, Any]) -> tuple[float, list[float] | None]:
    return found["estimate"], found.get("interval")
