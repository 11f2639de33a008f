"""How often the tests are right: rejections of true nulls, and coverage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.report import style
from brainworth.report.numbers import percent

KINDS = {
    "null": ("true null", style.BLUE, "o"),
    "violation": ("true null of another kind, or an assumption violated", style.VERMILLION, "s"),
}
NAMES = {
    "rsa": "RSA",
    "alignment": "alignment",
    "encoding_gap": "encoding gap",
    "rdm_gap": "gap of RDMs",
    "fingerprinting": "fingerprinting",
    "heteroscedasticity": "heteroscedasticity",
    "variance_reliability": "stability of the variance",
    "variance_predictability": "predictability of the variance",
    "variance_blindness": "variance head",
}
#: How the words of a p-value or an estimate are printed.
WORDS = {
    "cv": "CV",
    "ratio": "Q75/Q25",
    "rdm": "RDM",
    "exchange_within_session": "in session",
    "pattern_correlation": "pattern correlation",
    "shared_fraction": "shared fraction",
    "voxel_split": "voxel split",
    "disjoint": "disjoint contrasts",
    "across_subjects": "across subjects",
    "across_subjects_adjusted": "across subjects without the schedule",
    "own_patterns": "own patterns",
    "own_other_trials": "own patterns of other trials",
    "others_patterns": "others' patterns",
    "others_variance": "others' variances",
}
_ROW_MM = 3.6
_SPREAD = 0.8  # of a row, for its points


def draw(paths: Sequence[str | Path], png: str | Path, pdf: str | Path) -> None:
    """Draw the figure from the validity results of a study.

    Raises
    ------
    BrainworthError
        If a file is missing, altered, or of another rule.
    """
    envelopes = []
    for path in paths:
        envelope = results.read(path)
        if envelope["rule"] != "validity":
            raise BrainworthError(
                f"{path} is a result of {envelope['rule']}, expected one of validity; give the "
                "JSON of results/<study>/validity/"
            )
        envelopes.append(envelope)
    with style.applied():
        style.save(
            drawing([envelope["data"] for envelope in envelopes]),
            *(png, pdf),
            style.source_of(*envelopes),
        )


def named(name: str) -> str:
    """Return how a p-value, an estimate or a statistic is called in the text."""
    return ", ".join(WORDS.get(word, word) for word in name.split(", "))


def drawing(tests: Sequence[dict[str, Any]]) -> Figure:
    """Draw the figure from the data of each test: a row a condition, a point a p or an estimate."""
    rates = _by_cell(tests, "rates", lambda row: row["kind"] in KINDS)
    covered = _by_cell(tests, "estimates", lambda row: row["coverage"] is not None)
    heights = [max(len(rates), 2), max(len(covered), 2)]
    figure = style.new_figure(24 + _ROW_MM * sum(heights))
    first, second = figure.subplots(2, 1, height_ratios=heights)
    _rates(first, rates, tests[0]["alpha"])
    _coverage(second, covered, tests[0]["interval"])
    style.legend(figure, [first], loc="outside upper left", ncols=2)
    return figure


def _by_cell(
    tests: Sequence[dict[str, Any]], key: str, shown: Callable[[dict], bool]
) -> list[tuple[str, list[dict]]]:
    """Return what is shown of each condition, with its name; without any it is left out."""
    cells = [
        (
            f"{NAMES.get(data['test'], data['test'])}, {cell['cell']}",
            [row for row in cell[key] if shown(row)],
        )
        for data in tests
        for cell in data["cells"]
    ]
    return [(label, rows) for label, rows in cells if rows]


def _places(place: int, n: int) -> list[float]:
    """Return where the points of a row go: below each other, from its middle."""
    return [place + _SPREAD * ((k + 0.5) / n - 0.5) for k in range(n)]


def _rates(axes: Axes, cells: list[tuple[str, list[dict]]], alpha: float) -> None:
    for place, (_, rows) in enumerate(cells):
        for y, row in zip(_places(place, len(rows)), rows, strict=True):
            label, color, marker = KINDS[row["kind"]]
            found = [(100 * row["rate"], [100 * bound for bound in row["interval"]])]
            look = {"color": color, "marker": marker, "label": label, "horizontal": True}
            style.points(axes, [y], found, **look)
    axes.axvline(100 * alpha, color=style.INK, linewidth=0.8, linestyle=(0, (4, 2)))
    _named(axes, [label for label, _ in cells])
    axes.set_xlim(-1.5, 101.5)
    axes.set_xlabel("rejected (%)")
    style.title(axes, "a", f"Rejections at p ≤ {alpha:g}; dashed: {percent(alpha)} %")


def _coverage(axes: Axes, cells: list[tuple[str, list[dict]]], level: float) -> None:
    for place, (_, rows) in enumerate(cells):
        for y, row in zip(_places(place, len(rows)), rows, strict=True):
            bounds = [100 * bound for bound in row["coverage_interval"]]
            look = {"color": style.GREEN, "marker": "o", "horizontal": True}
            style.points(axes, [y], [(100 * row["coverage"], bounds)], **look)
    axes.axvline(100 * level, color=style.INK, linewidth=0.8, linestyle=(0, (4, 2)))
    _named(axes, [label for label, _ in cells])
    axes.set_xlim(-1.5, 101.5)
    axes.set_xlabel("truth inside the interval (%)")
    style.title(axes, "b", f"Coverage of {percent(level)} % intervals (dashed)")


def _named(axes: Axes, labels: list[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
