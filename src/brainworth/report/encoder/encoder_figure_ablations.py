"""Clusters, streams and transfer of the encoder."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from brainworth.report import style
from brainworth.report.encoder.encoder_figure import COLORS, DASHED, Data

GROUPS = {"early": "early", "mid": "mid", "higher": "higher", "none": "no group"}
OVERALL = "overall"
#: How far apart the rows of one group are drawn.
SPREAD = 0.7


def clusters(data: Data) -> Figure:
    """Draw error and correlation of voxels over the size of clusters, by kind and share."""
    rows = data["encoder_clusters"][0]["rows"]
    sizes = sorted({row["size"] for row in rows if row["size"] is not None})
    lines: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for row in rows:
        lines.setdefault((row["kind"], row["top"]), []).append(row)
    figure = style.new_figure(72)
    panels = figure.subplots(1, 3)
    for axes, letter, (what, key, label) in zip(
        panels,
        "abc",
        (
            ("stage1", "r_mean", "correlation, clusters"),
            ("voxels", "r_mean", "correlation, voxels"),
            ("voxels", "mse", "mean squared error, voxels"),
        ),
        strict=True,
    ):
        shift = SPREAD / 2 / max(1, len(lines))
        for number, ((kind, top), found) in enumerate(lines.items()):
            places = [
                len(sizes) if row["size"] is None else sizes.index(row["size"]) for row in found
            ]
            offset = (number - (len(lines) - 1) / 2) * shift
            estimates = [(row[what][key]["estimate"], row[what][key]["interval"]) for row in found]
            style.points(
                axes,
                [place + offset for place in places],
                estimates,
                color=COLORS[number % len(COLORS)],
                marker="os^Dv"[number % 5],
                label=f"{kind}, most active {100 * top:g} %"
                if top < 1
                else f"{kind}, all voxels of it",
            )
        names = [f"{size:,}" for size in sizes]
        names += ["atlas"] if any(row["size"] is None for row in rows) else []
        style.over_regions(axes, names)
        axes.set_xlabel("voxels of a cluster")
        axes.set_ylabel(label)
        style.title(axes, letter, "stage 1" if what == "stage1" else "stage 2")
    scores = rows[0]["voxels"]
    panels[2].axhline(
        scores["mse_zero"]["estimate"],
        color=style.INK,
        linestyle=DASHED,
        linewidth=0.8,
        label="predicting zero",
    )
    style.legend(figure, [panels[0], panels[2]], loc="outside upper center", ncols=3)
    return figure


def streams(data: Data) -> Figure:
    """Draw correlations by cortical group, of streams cut, swapped and trained alone."""
    found = data["encoder_streams"][0]
    groups = [
        each["group"]
        for each in found["groups"]
        if each["group"] != "none" and any(row["groups"][each["group"]] for row in found["rows"])
    ]
    columns = [*groups, OVERALL]
    n_clusters = {each["group"]: each["n_clusters"] for each in found["groups"]}
    figure = style.new_figure(82)
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    rows = found["rows"]
    for number, row in enumerate(rows):
        offset = ((number + 0.5) / len(rows) - 0.5) * SPREAD
        estimates = [
            row["groups"][group]
            and (row["groups"][group]["r_mean"]["estimate"], _bounds(row, group))
            for group in columns
        ]
        hollow = {} if row["trained"] else {"markerfacecolor": "white", "markeredgewidth": 1.0}
        style.points(
            left,
            [place + offset for place in range(len(columns))],
            estimates,
            **({"marker": "o", "color": _color(row["row"]), "label": row["label"]} | hollow),
        )
    names = [f"{GROUPS.get(group, group)}\n({n_clusters[group]} clusters)" for group in groups] + [
        "all"
    ]
    style.over_regions(left, names)
    left.axhline(0, color=style.NULL, linewidth=0.6, zorder=0)
    left.set_ylabel("correlation, clusters")
    style.title(left, "a", "what is left (hollow: not trained like that)")
    _drops(right, found)
    style.title(right, "b", "share that is lost")
    style.legend(figure, [left], loc="outside upper center", ncols=3)
    return figure


def transfer(data: Data) -> Figure:
    """Draw correlation and error over the share of the target's training images."""
    found = data["encoder_transfer"][0]
    lines: dict[tuple[str | None, str], list[dict[str, Any]]] = {}
    for row in found["rows"]:
        lines.setdefault((row["backbone"], row["readout"]), []).append(row)
    names = list(dict.fromkeys(backbone for backbone, _ in lines))
    readouts = [name for name in ("head", "ridge") if any(key[1] == name for key in lines)]
    figure = style.new_figure(64 * len(readouts) + 10)
    panels = figure.subplots(len(readouts), 2, squeeze=False, sharex=True)
    letters = iter("abcdefgh")
    for readout, (left, right) in zip(readouts, panels, strict=True):
        for axes, key, label in ((left, "r_mean", "correlation"), (right, "mse", "MSE")):
            for (backbone, which), rows in lines.items():
                if which != readout:
                    continue
                rows = sorted(rows, key=lambda row: row["fraction"])
                color = COLORS[names.index(backbone) % len(COLORS)]
                x = [row["n_images"] for row in rows]
                score = [row["voxels"][key] for row in rows]
                axes.plot(x, [each["estimate"] for each in score], color=color, linewidth=0.9)
                style.points(
                    axes,
                    x,
                    [(each["estimate"], each["interval"]) for each in score],
                    color=color,
                    marker="o",
                    label=backbone_label(backbone, found),
                )
            axes.set_xscale("log")
            shown = sorted({row["n_images"] for row in found["rows"]})
            axes.set_xticks(shown)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axes.set_xlabel(f"training images of {found['subject']}")
            axes.set_ylabel(f"{label}, voxels")
            name = "linear head" if readout == "head" else "ridge regression"
            style.title(axes, next(letters), f"{name} on the backbone")
        right.axhline(
            found["rows"][0]["voxels"]["mse_zero"]["estimate"],
            color=style.INK,
            linestyle=DASHED,
            linewidth=0.8,
            label="predicting zero",
        )
    style.legend(figure, list(panels.ravel()), loc="outside upper center", ncols=3)
    return figure


def backbone_label(backbone: str | None, found: dict[str, Any]) -> str:
    """Return how a backbone is called, for readers."""
    if backbone is None or backbone == "features":
        return "features, no backbone"
    kinds = {each["backbone"]: each["kind"] for each in found["backbones"]}
    return {
        "within": f"trained on {found['subject']} itself",
        "random": "not trained at all",
    }.get(kinds[backbone], f"trained on {backbone.replace('+', ', ')}")


def _bounds(row: dict[str, Any], group: str) -> list[float]:
    return row["groups"][group]["r_mean"]["interval"]


def _drops(axes, found: dict[str, Any]) -> None:
    labels = {row["row"]: row["label"] for row in found["rows"]}
    rows = found["asymmetry"]
    for group, offset, marker in (("early", -0.15, "o"), ("higher", 0.15, "s")):
        drops = [
            each[group] and (100 * each[group]["estimate"], _percent(each[group]["interval"]))
            for each in rows
        ]
        style.points(
            axes,
            [place + offset for place in range(len(rows))],
            drops,
            horizontal=True,
            color=style.BLUE if group == "early" else style.VERMILLION,
            marker=marker,
            label=f"{group} clusters",
        )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [labels[each["row"]] for each in rows])
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color=style.NULL, linewidth=0.6, zorder=0)
    axes.set_xlabel("drop of the correlation (%)")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best")


def _percent(bounds: list[float]) -> list[float]:
    return [100 * bound for bound in bounds]


def _color(name: str) -> str:
    return {
        "both": style.INK,
        "swap": style.PURPLE,
        "where_only": style.BLUE,
        "where_retrained": style.BLUE,
        "what_only": style.VERMILLION,
        "what_retrained": style.VERMILLION,
    }.get(name, style.GREEN)
