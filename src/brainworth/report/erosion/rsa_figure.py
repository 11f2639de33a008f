"""RSA: similarity of subjects, its null, its ceiling, and what noise takes from it."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style
from brainworth.report.numbers import comparison, percent

#: With no more regions than this, every pair of subjects is drawn.
MOST_REGIONS_WITH_PAIRS = 2
#: With more pairs than this, their names do not fit.
MOST_NAMED_PAIRS = 45

AS_PUBLISHED = "as published"
CORRECTED = "corrected for reliability"


def drawing(data: dict[str, Any], planted: dict[str, dict]) -> Figure:
    """Draw the figure from the data of ``rsa.json`` and the planted rows by region."""
    if len(data["regions"]) <= MOST_REGIONS_WITH_PAIRS:
        return _of_pairs(data, planted)
    return _of_regions(data, planted)


def _of_regions(data: dict[str, Any], planted: dict[str, dict]) -> Figure:
    regions = data["regions"]
    controlled = any(region["mismatched"] for region in regions)
    figure = style.new_figure(104 if controlled else 84)
    if controlled:
        main, control = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
        _control(control, regions)
    else:
        main, control = figure.subplots(), None
    x = list(range(len(regions)))
    ceiling = [
        [region["noise_ceiling"][bound]["estimate"] for bound in ("lower", "upper")]
        for region in regions
    ]
    style.bands(main, x, ceiling, 0.86, color=style.BAND, label="noise ceiling, lower to upper")
    null = [region["similarity"]["null_interval"] for region in regions]
    level = percent(data["interval"])
    style.bands(main, x, null, 0.86, color=style.NULL, label=f"permutation null, {level} %")
    similarity = [region["similarity"] for region in regions]
    over_subjects = [
        None if row["interval_subjects"] is None else (row["estimate"], row["interval_subjects"])
        for row in similarity
    ]
    left = [place - 0.22 for place in x]
    style.points(
        main,
        left,
        over_subjects,
        color=style.SKY,
        marker="",
        label="interval over subjects",
    )
    style.points(
        main,
        left,
        [(row["estimate"], row["interval_stimuli"]["corrected"]) for row in similarity],
        color=style.BLUE,
        marker="o",
        label=f"{AS_PUBLISHED}, interval over stimuli",
    )
    corrected = [_estimate(region["corrected"]) for region in regions]
    look = {"color": style.VERMILLION, "marker": "s", "label": CORRECTED}
    style.points(main, [place + 0.05 for place in x], corrected, **look)
    truth = [planted.get(region["label"], {}).get("similarity") for region in regions]
    style.planted(main, [place + 0.27 for place in x], truth)
    main.axhline(0, color=style.INK, linewidth=0.6)
    low, high = main.get_ylim()
    main.set_ylim(min(low, -0.04 * high), high)
    main.set_ylabel(f"similarity of RDMs ({comparison(data['comparison'])})")
    style.title(main, "a", "Mean over pairs of subjects")
    labels = [region["label"] for region in regions]
    style.over_regions(main, labels, named=control is None)
    if control is not None:
        style.over_regions(control, labels)
    style.legend(figure, [main, *([control] if control else [])], loc="outside upper left", ncols=3)
    return figure


def _control(axes: Axes, regions: list[dict]) -> None:
    x = list(range(len(regions)))
    null = [region["similarity"]["null_interval"] for region in regions]
    style.bands(axes, x, null, 0.86, color=style.NULL)
    style.points(
        axes,
        x,
        [
            row and (row["estimate"], row["interval"])
            for row in (region["mismatched"] for region in regions)
        ],
        color=style.GREEN,
        marker="^",
        label="control: mismatched stimuli",
    )
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_ylabel("similarity")
    style.title(axes, "b", "Around zero, enlarged: the null and the control")


def _of_pairs(data: dict[str, Any], planted: dict[str, dict]) -> Figure:
    regions = data["regions"]
    most = max(region["n_pairs"] for region in regions)
    spacing = 1.5 if most > MOST_NAMED_PAIRS else 3.6 if most > 15 else 4.6
    figure = style.new_figure(min(34 + spacing * (most + 3), 215))
    panels = figure.subplots(1, len(regions), squeeze=False)[0]
    for axes, region in zip(panels, regions, strict=True):
        _pairs(axes, region, planted.get(region["label"], {}), data["interval"])
        axes.set_title(region["label"])
        axes.set_xlabel(f"similarity of RDMs ({comparison(data['comparison'])})")
    style.legend(figure, list(panels), loc="outside upper left", ncols=3)
    return figure


def _pairs(axes: Axes, region: dict, planted: dict, level: float) -> None:
    """Draw the mean in the first row, the pairs below it, the control in the last row."""
    similarity, ceiling = region["similarity"], region["noise_ceiling"]
    pairs = region["pairs"]
    truth = {tuple(row["subjects"]): row["similarity"] for row in planted.get("pairs", [])}
    axes.axvspan(
        ceiling["lower"]["estimate"],
        ceiling["upper"]["estimate"],
        color=style.BAND,
        linewidth=0,
        label="noise ceiling, lower to upper",
    )
    axes.axvspan(
        *similarity["null_interval"],
        color=style.NULL,
        linewidth=0,
        label=f"permutation null of the mean, {percent(level)} %",
    )
    axes.axvline(0, color=style.INK, linewidth=0.6)
    rows = list(range(len(pairs) + 1))
    observed = [(similarity["estimate"], similarity["interval_stimuli"]["corrected"])]
    observed += [(pair["similarity"], pair["interval"]) for pair in pairs]
    corrected = [_estimate(region["corrected"])]
    corrected += [pair["corrected"] and (pair["corrected"], None) for pair in pairs]
    places = [row - 0.12 for row in rows]
    look = {"color": style.BLUE, "marker": "o", "label": f"similarity {AS_PUBLISHED}"}
    style.points(axes, places, observed, horizontal=True, **look)
    places = [row + 0.16 for row in rows]
    look = {"color": style.VERMILLION, "marker": "s", "label": CORRECTED}
    style.points(axes, places, corrected, horizontal=True, **look)
    known = [planted.get("similarity"), *(truth.get(tuple(pair["subjects"])) for pair in pairs)]
    style.planted(axes, rows, known, horizontal=True)
    names = ["mean of pairs", *(" – ".join(pair["subjects"]) for pair in pairs)]
    if region["mismatched"] is not None:
        control = region["mismatched"]
        look = {"color": style.GREEN, "marker": "^", "label": "control: mismatched stimuli"}
        row = [(control["estimate"], control["interval"])]
        style.points(axes, [len(rows)], row, horizontal=True, **look)
        names.append("mismatched stimuli")
    if len(pairs) > MOST_NAMED_PAIRS:
        names = [name if i in (0, len(rows)) else "" for i, name in enumerate(names)]
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.axhline(0.5, color="0.8", linewidth=0.6)


def _estimate(row: dict | None) -> tuple[float, list[float] | None] | None:
    return None if row is None else (row["estimate"], row["interval"]["corrected"])
