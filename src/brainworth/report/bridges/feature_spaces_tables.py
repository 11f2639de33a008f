"""The tables of feature spaces side by side."""

from __future__ import annotations

from html import escape
from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.layout import Numbering
from brainworth.report.numbers import interval, number, p_value, span, whole
from brainworth.report.tables import Column, Notes

SIZES = (7.5, 7.0, 6.5)
MEASURES = {
    "explained": "explained",
    "top1": "top-1, cosine",
    "identification": "pairs told apart",
    "evidence": "top-1, evidence",
}


def subjects(numbering: Numbering, data: dict[str, Any]) -> list[Flowable]:
    """Return the table of all subjects and spaces."""
    notes = Notes()
    cells = []
    for subject in data["subjects"]:
        for row in subject["spaces"]:
            encoding, found = row["encoding"], row["retrieval"]
            cells.append(
                [
                    escape(f"{subject['subject']}: {row['space']}"),
                    f"{whole(row['n_dimensions'])}, {whole(row['n_components'])}"
                    f"<br/>({number(row['effective_dimension'], 1)})",
                    _pair(encoding["share"], notes),
                    _pair(encoding["explained"], notes),
                    number(encoding["planted"]),
                    _pair(found["top1"]),
                    _pair(found["top5"]),
                    _p(found["top1"], data),
                    _pair(found["median_rank"], decimals=1),
                    _pair(row["evidence"]["top1"]),
                    _p(row["evidence"]["top1"], data),
                    _best(row["best"], "top1", notes),
                ]
            )
    headers = ["dimensions,<br/>used (eff.)", "r²/NC", "explained", "planted"]
    headers += ["top-1", "top-5", "p", "median<br/>rank", "top-1", "p", "best"]
    chances = ", ".join(
        f"{each['subject']} {number(row['top1']['chance'])} and {number(row['top5']['chance'])}"
        f" among {whole(row['n_images'])} test images"
        for each in data["subjects"]
        for row in [each["spaces"][0]["retrieval"]]
    )
    return tables.table(
        numbering.table(),
        "Encoding and retrieval by subject and space. Eff.: effective dimension, of all components;"
        " best: what the truth allows; p is of top-1, over all"
        f" spaces of a subject. Chance of top-1 and top-5: {chances}.",
        [Column("Space", "left", wraps=True), *map(Column, headers)],
        cells,
        notes,
        groups=[
            *(("", 1), ("", 1), ("Share of responses", 3)),
            *(("Images found by cosine", 4), ("By evidence", 3)),
        ],
        sizes=SIZES,
        split=len(cells) > 8,
    )


def differences(numbering: Numbering, data: dict[str, Any]) -> list[Flowable]:
    """Return the table of the differences of all pairs over subjects."""
    group = data["group"]
    if group["differences"] is None:
        return []
    measures = [name for name in MEASURES if name in group["differences"][0]]
    cells = []
    for each in group["differences"]:
        row = [escape(f"{each['first']} minus {each['second']}")]
        for measure in measures:
            row += [_pair(each[measure]), _p(each[measure], data)]
        shares = [_share(subject, each) for subject in data["subjects"]]
        cells.append([*row, span(shares, 2)])
    headers = [text for measure in measures for text in (MEASURES[measure], "p")]
    return tables.table(
        numbering.table(),
        f"Differences of spaces: means over {whole(group['n_subjects'])} subjects of each of the"
        f" {whole(group['n_images'])} test images that all saw, with p over all pairs; and the"
        " range over subjects of the difference in r²/NC.",
        [Column("Difference", "left", wraps=True), *map(Column, headers), Column("r²/NC")],
        cells,
        sizes=SIZES,
        split=len(cells) > 8,
    )


def regions(numbering: Numbering, data: dict[str, Any]) -> list[Flowable]:
    """Return the table of shares by region, as ranges over subjects."""
    spaces = [each["space"] for each in data["subjects"][0]["spaces"]]
    names = [each["region"] for each in data["subjects"][0]["spaces"][0]["regions"]]
    if not names:
        return []
    notes = Notes()
    cells = []
    for region in names:
        row = [escape(region)]
        for space in spaces:
            found = [
                entry
                for subject in data["subjects"]
                for each in subject["spaces"]
                if each["space"] == space
                for entry in each["regions"]
                if entry["region"] == region
            ]
            known = [entry["share"]["estimate"] for entry in found if entry["share"]]
            if any(value is not None for value in known):
                row.append(span(known, 2))
            else:
                row.append(notes.missing("too few voxels, or none with a noise ceiling"))
        cells.append(row)
    return tables.table(
        numbering.table(),
        "r²/NC by region and space: ranges over subjects; intervals are in the JSON.",
        [Column("Region", "left"), *(Column(escape(space)) for space in spaces)],
        cells,
        notes,
        sizes=SIZES,
    )


def variants(numbering: Numbering, data: dict[str, Any]) -> list[Flowable]:
    """Return the table of top-1 accuracy from trials, and in fewer components."""
    first = data["subjects"][0]["spaces"]
    numbers = sorted(
        {
            entry["n_components"]
            for subject in data["subjects"]
            for row in subject["spaces"]
            for entry in row["by_dimension"]
        }
    )
    notes = Notes()
    cells = []
    for name in (row["space"] for row in first):
        found = [
            row for subject in data["subjects"] for row in subject["spaces"] if row["space"] == name
        ]
        cells.append(
            [
                escape(name),
                span([row["single_trials"]["top1"]["estimate"] for row in found]),
                span([row["shuffled"]["top1"]["estimate"] for row in found]),
                *(_of_components(found, size, "cosine", notes) for size in numbers),
                *(_of_components(found, size, "evidence", notes) for size in numbers),
            ]
        )
    headers = ["single trials", "mixed up", *map(str, numbers), *map(str, numbers)]
    return tables.table(
        numbering.table(),
        "Top-1 accuracy, ranges over subjects: by cosine from single trials, and with mixed-up"
        " training images; and from mean responses in the leading components only.",
        [Column("Space", "left", wraps=True), *map(Column, headers)],
        cells,
        notes,
        groups=[
            *(("", 1), ("Cosine", 2)),
            *(("Components, cosine", len(numbers)), ("Components, evidence", len(numbers))),
        ],
        sizes=SIZES,
    )


def _of_components(rows: list[dict[str, Any]], size: int, how: str, notes: Notes) -> str:
    known = [
        entry[how]["estimate"]
        for row in rows
        for entry in row["by_dimension"]
        if entry["n_components"] == size
    ]
    return span(known, 2) if known else notes.missing("the space has another number of components")


def _share(subject: dict[str, Any], pair: dict[str, Any]) -> float | None:
    named = (pair["first"], pair["second"])
    found = next(e for e in subject["differences"] if (e["first"], e["second"]) == named)
    return found["share"]["estimate"]


def _p(found: dict[str, Any], data: dict[str, Any]) -> str:
    return escape(p_value(found["p_familywise"], data["n_permutations"]))


def _pair(found: dict[str, Any], notes: Notes | None = None, decimals: int = 3) -> str:
    if found["estimate"] is None:
        return notes.missing(found.get("reason"))
    return f"{number(found['estimate'], decimals)}<br/>{interval(found['interval'], decimals)}"


def _best(best: dict[str, Any], measure: str, notes: Notes) -> str:
    if best["top1"] is None:
        return notes.missing(best["reason"])
    return number(best[measure]["estimate"])
