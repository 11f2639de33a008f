"""The tables of the chapter on the encoder: scores, and our numbers beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.encoder import encoder_published as published
from brainworth.report.layout import Numbering
from brainworth.report.numbers import interval, number, span, whole
from brainworth.report.published import cite
from brainworth.report.tables import Column, Notes

SIZES = (7.5, 7.0, 6.5)
#: Rows from which on a table of scores may run over the page.
LONG = 6
#: Why results on other features stand beside published numbers all the same.
NOT_COMPARABLE = (
    " <b>Features here: {backend}, not DINOv2: numbers are side by side, not comparable.</b>"
)


@dataclass(frozen=True)
class Line:
    """A row of the table of scores.

    Attributes
    ----------
    subject, label : str
    scores : dict
        Of voxels or of clusters, as a result has them.
    against : dict or None
        A paired difference from another row.
    """

    subject: str
    label: str
    scores: dict[str, Any]
    against: dict[str, Any] | None = None


def scores(
    table: int, caption: str, lines: Sequence[Line], *, against: str | None = None
) -> list[Flowable]:
    """Return the table of scores, one row a model.

    Parameters
    ----------
    against : str, optional
        Header of a last column: the paired differences of the lines.
    """
    notes = Notes()
    several = len({line.subject for line in lines}) > 1
    cells = []
    for line in lines:
        found = line.scores
        row = [
            escape(f"{line.subject}: {line.label}" if several else line.label),
            _with_interval(found["mse"], notes),
            _alone(found["bound"], notes),
            _alone(found["mse_recalibrated"], notes),
            _alone(found["r2_mean"], notes),
            _with_interval(found["r_mean"], notes),
            _with_interval(found["share_of_ceiling"]["unclipped"], notes),
            _alone(found["pattern_r"], notes),
            _alone(found["identification"], notes),
        ]
        if against is not None:
            row.append("–" if line.against is None else _with_interval(line.against, notes))
        cells.append(row)
    headers = ["MSE", "bound", "recali-<br/>brated", "R²", "r", "r²/NC", "r", "identified"]
    groups = [("", 1), ("Mean squared error", 3), ("Means over voxels or clusters", 3)]
    groups.append(("Patterns of images", 2))
    if against is not None:
        headers.append(against)
        groups.append(("Paired difference", 1))
    columns = [Column("Model", "left", wraps=True), *map(Column, headers)]
    caption = f"{caption} {_limits(lines)}"
    # A long table held together would leave most of a page empty above it.
    split = len(lines) > LONG
    return tables.table(
        table, caption, columns, cells, notes, groups=groups, sizes=SIZES, split=split
    )


def beside(
    numbering: Numbering,
    caption: str,
    rows: Sequence[tuple[dict[str, Any], published.Row | None]],
    backend: str | None,
) -> list[Flowable]:
    """Return the table of our numbers beside the published ones, without empty columns.

    Nothing is returned if no row was published.

    Parameters
    ----------
    numbering : Numbering
        Of the document, in which the table takes the next number.
    rows : sequence of (row of a result, row of the publication or None)
    backend : str or None
        Of the features.
    """
    if not any(each for _, each in rows):
        return []
    ours, said = [row for row, _ in rows], [each for _, each in rows]
    verdicts = [_verdict(each) for each in said]
    cited = f"Published {cite('chasm')}"
    given = [
        ("", Column("Model", "left", wraps=True), [escape(row["label"]) for row in ours]),
        ("Here", Column("Parameters"), [whole(row["parameters"]) for row in ours]),
        ("Here", Column("MACs, M"), [millions(row["macs"]) for row in ours]),
        *_pair_columns("Here: clusters", [row.get("stage1") for row in ours], "r_mean"),
        *_pair_columns("Here: voxels", [row.get("voxels") for row in ours], "r_mean"),
        (cited, Column("Param., M"), [millions(each and each.parameters) for each in said]),
        (cited, Column("FLOPs, M"), [millions(each and each.flops) for each in said]),
        *_pair_columns(f"{cited}: clusters", [each and each.clusters for each in said], "r"),
        *_pair_columns(f"{cited}: voxels", [each and each.voxels for each in said], "r"),
        (
            "Can it be?",
            Column("bound"),
            ["–" if each is None else _range(each.bound) for each in verdicts],
        ),
        (
            "Can it be?",
            Column("verdict", "left", wraps=True),
            ["–" if each is None else each.flag for each in verdicts],
        ),
    ]
    kept = [each for each in given if set(each[2]) != {"–"}]
    groups = [(name, len(list(run))) for name, run in groupby(name for name, _, _ in kept)]
    cells = list(zip(*(texts for _, _, texts in kept), strict=True))
    if any(verdicts):
        caption += (
            " Bound: the least error that the published correlation allows, for targets that agree"
            " with the published noise ceiling."
        )
    if backend != "dinov2":
        caption += NOT_COMPARABLE.format(backend=escape(str(backend)))
    columns = [column for _, column, _ in kept]
    table = numbering.table()
    return tables.table(table, caption, columns, cells, groups=groups, sizes=SIZES)


def millions(value: float | None) -> str:
    """Return a count in millions."""
    return "–" if value is None else number(value / 1e6, 2)


def _limits(lines: Sequence[Line]) -> str:
    """Say what errors of each subject lie between: those of zero and of a model without error."""
    texts = []
    for subject in dict.fromkeys(line.subject for line in lines):
        found = [line.scores for line in lines if line.subject == subject]
        zero, oracle = (
            span(each[key]["estimate"] for each in found) for key in ("mse_zero", "mse_oracle")
        )
        texts.append(f"{subject} {zero} and {oracle}")
    return f"Errors of predicting zero and of a model without error: {'; '.join(texts)}."


def _verdict(said: published.Row | None) -> published.Verdict | None:
    pair = said and said.voxels
    if not pair or pair.mse is None or pair.r is None:
        return None
    return published.judge(pair.mse, pair.r)


def _range(bounds: Sequence[float]) -> str:
    return "–".join(dict.fromkeys(number(each) for each in bounds))


def _pair_columns(group: str, found: Sequence[Any], r: str) -> list[tuple[str, Column, list[str]]]:
    """Return the columns of errors and correlations, of scores or of published pairs."""

    def text(each: Any, key: str) -> str:
        if not each:
            return "–"
        return number(each[key]["estimate"] if isinstance(each, dict) else getattr(each, key))

    return [
        (group, Column(header), [text(each, key) for each in found])
        for header, key in (("MSE", "mse"), ("r", r))
    ]


def _with_interval(found: dict[str, Any], notes: Notes) -> str:
    if found["estimate"] is None:
        return notes.missing(found.get("reason"))
    return f"{number(found['estimate'])}<br/>{interval(found['interval'])}"


def _alone(found: dict[str, Any], notes: Notes) -> str:
    if found["estimate"] is None:
        return notes.missing(found.get("reason"))
    return number(found["estimate"])
