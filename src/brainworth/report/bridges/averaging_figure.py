"""The figure of the bridge on averaging."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style
from brainworth.report.bridges import averaging_words as words

DASHED = (0, (4, 2))
COLORS = {"images": style.BLUE, "true_features": style.VERMILLION}
MARKERS = {"roi_mean": "o", "components": "s"}
WIDTH = 0.8
SHORT = {
    "images": "image\nfeatures",
    "mse_output": "MSE\nencoder",
    "others": "other\nsubjects",
    "true": "true\nfeatures",
}


def drawing(data: dict[str, Any]) -> Figure:
    """Draw shares by encoder, costs over shared fractions, and heads for the variance."""
    figure = style.new_figure(140)
    (first, second), (third, fourth) = figure.subplots(2, 2)
    _encoders(first, data)
    style.title(first, "a", "what encoders explain of a subject")
    _costs(second, data)
    style.title(second, "b", "cost of averaging, by subject")
    _heads(third, data)
    style.title(third, "c", "gain of a head for the variance")
    _power(fourth, data)
    style.title(fourth, "d", "what such a head would find (simulated)")
    style.legend(figure, [first, second], loc="outside upper center", ncols=3)
    return figure


def _encoders(axes: Axes, data: dict[str, Any]) -> None:
    kinds = words.kinds(data)
    names = list(words.ENCODERS)
    for number, (inputs, model, space) in enumerate(kinds):
        offset = ((number + 0.5) / len(kinds) - 0.5) * WIDTH
        for size in ("matched", "all"):
            where = {"inputs": inputs, "model": model, "space": space}
            found = [words.encoder(data, name, size, **where) for name in names]
            rows = [
                None
                if row is None or row["share"]["estimate"] is None
                else (row["share"]["estimate"], row["share"]["interval_subjects"])
                for row in found
            ]
            shift = offset + (0.04 if size == "all" else -0.04)
            look = {} if size == "all" else {"markerfacecolor": "white", "markeredgewidth": 0.9}
            label = f"{words.INPUTS[inputs]}, {words.SPACES[space]}"
            if model != "ridge":
                label += f" ({words.MODELS[model]})"
            style.points(
                axes,
                [place + shift for place in range(len(names))],
                rows,
                color=COLORS[inputs] if model == "ridge" else style.GREEN,
                marker=MARKERS[space],
                **({"label": label} if size == "all" else {}),
                **look,
            )
    style.over_regions(axes, [label.replace(" ", "\n", 1) for label in words.ENCODERS.values()])
    axes.axhline(0, color=style.NULL, linewidth=0.6, zorder=0)
    axes.set_ylabel("share of the noise ceiling")


def _costs(axes: Axes, data: dict[str, Any]) -> None:
    source = words.best_fraction(data)
    fractions = {
        row["subject"]: row["fraction"]
        for row in (data["shared_fraction"][source] if source else [])
    }
    rows = [row for row in data["costs"] if row["encoder"] == "average_of_others"]
    for number, row in enumerate(rows):
        kept = [
            (place, each)
            for place, each in enumerate(row["subjects"])
            if each["estimate"] is not None
            and (source is None or fractions.get(each["subject"]) is not None)
        ]
        shift = 0.004 * (number - (len(rows) - 1) / 2)
        x = [
            shift + (place if source is None else fractions[each["subject"]])
            for place, each in kept
        ]
        style.points(
            axes,
            x,
            [(each["estimate"], each["interval"]) for _, each in kept],
            color=COLORS[row["inputs"]],
            marker=MARKERS[row["space"]],
            label=f"{words.INPUTS[row['inputs']]}, {words.SPACES[row['space']]}",
        )
        known = [each.get("planted") for _, each in kept]
        if any(value is not None for value in known) and row["inputs"] == "true_features":
            style.planted(axes, x, known)
    axes.axhline(0, color=style.NULL, linewidth=0.6, zorder=0)
    if source is not None:
        x = [value for value in fractions.values() if value is not None]
        ends = [min(x), max(x)]
        axes.plot(
            ends,
            [1 - end for end in ends],
            color=style.INK,
            linestyle=DASHED,
            linewidth=0.8,
            label="1 − shared fraction",
        )
        axes.set_xlabel(f"shared fraction ({words.FRACTIONS[source]})")
    else:
        axes.set_xlabel("subject")
    axes.set_ylabel("relative cost, average of others")


def _heads(axes: Axes, data: dict[str, Any]) -> None:
    names = [name for name in words.PREDICTORS if words.head(data, name) is not None]
    for number, target in enumerate(words.TARGETS):
        rows = [words.head(data, name, target)["mean"]["gain"] for name in names]  # type: ignore[index]
        offset = (number - 0.5) * 0.4
        x = [place + offset for place in range(len(names))]
        for side, null, color in (
            (-0.07, "rotation", style.BAND),
            (0.07, "relabelled", style.NULL),
        ):
            style.bands(
                axes,
                [place + side for place in x],
                [row[null]["interval"] for row in rows],
                0.13,
                color=color,
                label=f"null: {words.NULLS[null]}" if number == 0 else None,
                zorder=1,
            )
        style.points(
            axes,
            x,
            [(row["estimate"], row["interval"]) for row in rows],
            color=(style.BLUE, style.ORANGE)[number],
            marker="os"[number],
            label=words.TARGETS[target],
        )
    labels = [SHORT[name] for name in names]
    style.over_regions(axes, labels)
    axes.axhline(0, color=style.NULL, linewidth=0.6, zorder=0)
    axes.set_ylabel("gain (nat per degree of freedom)")
    axes.legend(loc="best")


def _power(axes: Axes, data: dict[str, Any]) -> None:
    rows = data["variance"]["power"]
    made = [row for row in rows if row["unrelated_log_sd"] == 0]
    other = [row for row in rows if row["unrelated_log_sd"] > 0]
    for null, color, marker in (
        ("rotation", style.BLUE, "o"),
        ("relabelled", style.VERMILLION, "s"),
    ):
        side = 1 if null == "relabelled" else -1
        for group, shift, look in (
            (made, 0.004, {"label": f"null: {words.NULLS[null]}"}),
            (other, 0.012, {"markerfacecolor": "white", "markeredgewidth": 0.9}),
        ):
            style.points(
                axes,
                [row["log_sd"] + side * shift for row in group],
                [(row[null]["found"]["estimate"], row[null]["found"]["interval"]) for row in group],
                color=color,
                marker=marker,
                **look,
            )
    axes.axhline(1 - data["interval"], color=style.INK, linestyle=DASHED, linewidth=0.8)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("SD of the log variance that features make")
    axes.set_ylabel("share of data sets in which it is found")
    axes.legend(loc="best")
