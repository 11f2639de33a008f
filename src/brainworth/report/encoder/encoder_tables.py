"""The tables of the chapter on the encoder: scores, and our numbers beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.encoder import encoder_published as published
from brainworth.report.numbers import interval, number, whole
from brainworth.report.published import cite
from brainworth.report.tables import Column, Notes

SIZES = (7.5, 7.0, 6.5)
FLAGS = {
    published.VIOLATES: "violates bound",
    published.NO_BETTER: "worse than zero",
    published.CONSISTENT: "consistent",
}
#: Why results on other features stand beside published numbers all the same.
NOT_COMPARABLE = (
    " <b>Features here: {backend}, not DINOv2: numbers are side by side, not comparable.</b>"
)


def scores(
    table: int, caption: str, rows: Sequence[tuple[str, dict[str, Any] | None]]
) -> list[Flowable]:
    """Return the table of scores, one row a model.

    Parameters
    ----------
    rows : sequence of (label, scores or None)
    """
    notes = Notes()
    cells = [
        [
            escape(label),
            _with_interval(found["mse"], notes),
            _alone(found["mse_zero"], notes),
            _alone(found["mse_oracle"], notes),
            _alone(found["bound"], notes),
            _alone(found["mse_recalibrated"], notes),
            _with_interval(found["r2_mean"], notes),
            _with_interval(found["r_mean"], notes),
            _with_interval(found["share_of_ceiling"]["unclipped"], notes),
            _with_interval(found["pattern_r"], notes),
            _with_interval(found["identification"], notes),
        ]
        for label, found in rows
        if found is not None
    ]
    headers = ("MSE", "zero", "oracle", "bound", "recali-<br/>brated")
    headers += ("R²", "r", "r²/NC", "pattern r", "identified")
    columns = [Column("Model", "left", wraps=True), *(Column(each, wraps=True) for each in headers)]
    groups = [("", 1), ("Mean squared error", 5), ("Means over voxels or clusters", 3)]
    groups.append(("Over images", 2))
    return tables.table(table, caption, columns, cells, notes, groups=groups, sizes=SIZES)


def beside(
    table: int,
    caption: str,
    rows: Sequence[tuple[dict[str, Any], published.Row | None]],
    backend: str | None,
) -> list[Flowable]:
    """Return the table of our numbers beside the published ones.

    Parameters
    ----------
    rows : sequence of (row of a result, row of the publication or None)
    backend : str or None
        Of the features.
    """
    notes = Notes()
    cells = []
    for row, said in rows:
        of_clusters, of_voxels = said and said.clusters, said and said.voxels
        verdict = None
        if of_voxels and of_voxels.mse is not None and of_voxels.r is not None:
            verdict = published.judge(of_voxels.mse, of_voxels.r)
        cells.append(
            [
                escape(row["label"]),
                whole(row["parameters"]),
                millions(row["macs"]),
                *_pair(row.get("stage1")),
                *_pair(row.get("voxels")),
                millions(said and said.parameters),
                millions(said and said.flops),
                *_said(of_clusters),
                *_said(of_voxels),
                "–" if verdict is None else "–".join(number(each) for each in verdict.bound),
                "–" if verdict is None else FLAGS[verdict.flag],
            ]
        )
    pair = ("MSE", "r", "MSE", "r")
    columns = [
        Column("Model", "left", wraps=True),
        *(Column(each) for each in ("Param.", "MACs, M", *pair, "Param., M", "FLOPs, M", *pair)),
        Column("bound"),
        Column("flag", "left", wraps=True),
    ]
    groups = [("", 1), ("Here: size", 2), ("clusters", 2), ("voxels", 2)]
    groups += [(f"Published {cite('chasm')}", 2), ("clusters", 2), ("voxels", 4)]
    caption += (
        " Bound: the least error that the published correlation of voxels allows, for targets that"
        " agree with the published noise ceiling."
    )
    if backend != "dinov2":
        caption += NOT_COMPARABLE.format(backend=escape(str(backend)))
    return tables.table(table, caption, columns, cells, notes, groups=groups, sizes=SIZES)


def millions(value: float | None) -> str:
    """Return a count in millions."""
    return "–" if value is None else number(value / 1e6, 2)


def _said(pair: published.Pair | None) -> list[str]:
    if pair is None:
        return ["–", "–"]
    return [number(pair.mse), number(pair.r)]


def _pair(found: dict[str, Any] | None) -> list[str]:
    if not found:
        return ["–", "–"]
    return [number(found[key]["estimate"]) for key in ("mse", "r_mean")]


def _with_interval(found: dict[str, Any], notes: Notes) -> str:
    if found["estimate"] is None:
        return notes.missing(found.get("reason"))
    return f"{number(found['estimate'])}<br/>{interval(found['interval'])}"


def _alone(found: dict[str, Any], notes: Notes) -> str:
    if found["estimate"] is None:
        return notes.missing(found.get("reason"))
    return number(found["estimate"])
