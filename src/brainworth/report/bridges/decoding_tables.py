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
        Column("Features", "left"),
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
    columns += [Column("p"), Column("slope"), Column("ceiling, fitted"), Column("planted")]
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
                value(row["saturating"]["ceiling"]),
                DASH if planted is None else number(planted["subjects"][place]),
            ]
        )
    return tables.table(
        number_of.table(),
        f"Single trials of each subject, {space['label']}: correlation at each number of training"
        " trials, p of the last by relabelled test images, slope a doubling and fitted ceiling."
        " Intervals are over test images alone; they know neither of other training sets nor of a"
        " law that is not quite right.",
        columns,
        rows,
        sizes=(7.5, 7.0, 6.5, 6.0),
    )


def subjects(data: dict[str, Any], number_of: Numbering) -> list[Flowable]:
    """Return the table of subjects to learn from."""
    counts = [row["n_subjects"] for row in data["spaces"][0]["pooled"]["gains"]]
    columns = [
        Column("Features", "left"),
        Column("trials of each"),
        Column("r, own trials"),
        Column("twice as many"),
        *(Column(f"{count} subjects") for count in counts),
        Column("one trial of another is worth"),
    ]
    rows = []
    for space in data["spaces"]:
        pooled = space["pooled"]
        doubled = {}
        if pooled["doubling"] is not None:
            doubled = {row["n_trials"]: row["trials"] for row in pooled["doubling"]["sizes"]}
        worth = {row["n_trials"]: row for row in pooled["worth"] if row["n_subjects"] == counts[0]}
        for place, size in enumerate(data["sizes"]):
            rows.append(
                [
                    space["label"],
                    whole(size),
                    value(pooled["curves"][0]["points"][place]),
                    value(doubled[size], 4) if size in doubled else DASH,
                    *(value(row["points"][place], 4) for row in pooled["gains"]),
                    _worth(worth[size]),
                ]
            )
    return tables.table(
        number_of.table(),
        "Subjects to learn from, single trials: correlation of a decoder that learns from one's own"
        " trials, and what it gains by twice as many and by as many trials of others, intervals of"
        " paired differences over subjects and test images. Worth: how many of one's own trials do"
        f" as much as one of another subject's, with {counts[0]} subjects.",
        columns,
        rows,
        sizes=(7.5, 7.0, 6.5, 6.0),
        groups=[("", 3), ("gain in r", 1 + len(counts)), ("", 1)],
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
        return f"beyond {interval(row['interval'])}"
    return estimate(row["estimate"], row["interval"])
