"""The tables on the scaling of decoding."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.layout import Numbering
from brainworth.report.numbers import DASH, estimate, interval, number, p_value, whole
from brainworth.report.tables import Column

KINDS = {"single": "single trials", "mean": "means of trials"}


def laws(data: dict[str, Any], number_of: Numbering) -> list[Flowable]:
    """Return the table of laws, a row a kind of features and of test."""
    columns = [
        Column("Features", "left", wraps=True),
        Column("Test", "left"),
        Column("slope a doubling"),
        Column("last doubling"),
        Column("bend"),
        Column("p"),
        Column("ceiling, fitted"),
        Column("planted"),
        Column("p, log-linear"),
        Column("p, saturating"),
    ]
    rows = [
        [
            space["label"],
            KINDS[test["kind"]],
            value(test["slope"]),
            value(test["last_doubling"]),
            value(test["bend"]),
            p_value(test["bend"]["p"], sides=2),
            value(test["saturating"]["ceiling"]),
            number(test["planted"] and test["planted"]["ceiling"]),
            p_value(test["comparison"]["p_log_linear"], test["comparison"]["n_draws"]),
            p_value(test["comparison"]["p_saturating"], test["comparison"]["n_draws"]),
        ]
        for space in data["spaces"]
        for test in space["tests"]
    ]
    n = len(data["subjects"])
    return tables.table(
        number_of.table(),
        f"Laws of scaling, mean over {n} {'subject' if n == 1 else 'subjects'}, from"
        f" {whole(data['sizes'][0])} to {whole(data['sizes'][-1])} trials. Small p under a law:"
        " scores that follow it seldom prefer the other law as much.",
        columns,
        rows,
        sizes=(7.5, 7.0, 6.5, 6.0),
    )


def points(data: dict[str, Any], number_of: Numbering) -> list[Flowable]:
    """Return the table of single subjects."""
    space = data["spaces"][0]
    test = test_of(space, "single")
    columns = [Column("Subject", "left"), Column("voxels"), Column("trials")]
    columns += [Column(f"r, {whole(size)}") for size in data["sizes"]]
    columns += [Column("p"), Column("slope"), Column("planted ceiling")]
    planted = test["planted"]
    rows = []
    for place, (about, row) in enumerate(zip(data["subjects"], test["subjects"], strict=True)):
        rows.append(
            [
                about["subject"],
                whole(about["n_voxels"]),
                whole(about["n_trials"]),
                *(number(point["estimate"]) for point in row["points"]),
                p_value(row["points"][-1]["p"], test["n_permutations"]),
                value(row["slope"]),
                DASH if planted is None else number(planted["subjects"][place]),
            ]
        )
    return tables.table(
        number_of.table(),
        f"Single trials of each subject, {space['label']}: correlation at each number of training"
        " trials, p of the last by relabelled test images, slope a doubling with its interval over"
        " test images.",
        columns,
        rows,
        sizes=(7.5, 7.0, 6.5, 6.0),
    )


def subjects(data: dict[str, Any], number_of: Numbering) -> list[Flowable]:
    """Return the table of subjects to learn from."""
    space = data["spaces"][0]
    pooled = space["pooled"]
    columns = [Column("trials of each")]
    columns += [
        Column("own only" if curve["n_subjects"] == 1 else f"of {curve['n_subjects']} subjects")
        for curve in pooled["curves"]
    ]
    counts = [curve["n_subjects"] for curve in pooled["curves"] if curve["n_subjects"] > 1]
    columns += [Column(f"worth, {count} subjects") for count in counts]
    worth = {(row["n_trials"], row["n_subjects"]): row for row in pooled["worth"]}
    rows = [
        [
            whole(size),
            *(value(curve["points"][place]) for curve in pooled["curves"]),
            *(_worth(worth[size, count]) for count in counts),
        ]
        for place, size in enumerate(data["sizes"])
    ]
    return tables.table(
        number_of.table(),
        f"Subjects to learn from, single trials, {space['label']}: correlation of a decoder in the"
        " common space. Worth: how many of one's own trials do as much as one trial of another"
        " subject.",
        columns,
        rows,
        sizes=(7.5, 7.0, 6.5, 6.0),
    )


def brains(data: dict[str, Any], number_of: Numbering) -> list[Flowable]:
    """Return the table of brains to decode from."""
    columns = [
        Column("Features", "left"),
        Column("Test", "left"),
        Column("brains"),
        Column("groups"),
        *(Column(f"r, {whole(size)}") for size in (data["sizes"][0], data["sizes"][-1])),
        Column("planted ceiling"),
    ]
    rows = [
        [
            space["label"],
            KINDS[row["kind"]],
            whole(row["n_subjects"]),
            whole(row["n_groups"]),
            value(row["points"][0]),
            value(row["points"][-1]),
            number(row["planted"]),
        ]
        for space in data["spaces"]
        for row in space["brains"]
    ]
    return tables.table(
        number_of.table(),
        "Brains to decode from: correlation of the mean of what is decoded from several subjects"
        " who see the same image, one trial each or the mean of each one's trials. Intervals are"
        " over test images.",
        columns,
        rows,
        sizes=(8.0, 7.5, 7.0),
    )


def test_of(space: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return what a space has of a kind of test."""
    return next(each for each in space["tests"] if each["kind"] == kind)


def value(found: dict[str, Any], decimals: int = 3) -> str:
    """Return an estimate with its interval."""
    return estimate(found["estimate"], found["interval"], decimals)


def _worth(row: dict[str, Any]) -> str:
    if row["beyond"] is not None:
        return f"beyond {interval(row['interval'], 2)}"
    return estimate(row["estimate"], row["interval"], 2)
