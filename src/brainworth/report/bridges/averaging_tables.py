"""The tables of the bridge on averaging."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.bridges import averaging_words as words
from brainworth.report.numbers import DASH, estimate, interval, number, p_value, whole
from brainworth.report.tables import Column, Notes

NOT_UNDERSTOOD = (
    "encoders of disjoint images do not agree there, or the individual one explains nothing"
)


def encoders(data: dict[str, Any], place: int) -> list[Flowable]:
    """Return what each encoder explains, and what it loses against the individual one."""
    rows = []
    notes = Notes()
    for inputs, model, space in words.kinds(data):
        where = {"inputs": inputs, "model": model, "space": space}
        for name, label in words.ENCODERS.items():
            row = words.encoder(data, name, **where)
            matched = words.encoder(data, name, "matched", **where)
            if row is None or matched is None:
                continue
            low, high = row["n_images"]
            lost = [each.get("loss_of_share") for each in (row, matched)]
            rows.append(
                [
                    words.INPUTS[inputs] + ("" if model == "ridge" else f", {words.MODELS[model]}"),
                    words.SPACES[space],
                    label,
                    whole(low) if low == high else f"{whole(low)} to {whole(high)}",
                    number(row["r"]["estimate"]),
                    _both(row["share"], notes),
                    *(DASH if each is None else _both(each, notes) for each in lost),
                ]
            )
    columns = [
        Column("From", "left", wraps=True),
        Column("To", "left", wraps=True),
        Column("Encoder", "left", wraps=True),
        Column("Images"),
        Column("r"),
        Column("Share of NC"),
        Column("Lost of it"),
        Column("Lost, matched"),
    ]
    n_matched = max(row["n_images"][1] for row in data["encoders"] if row["size"] == "matched")
    caption = (
        "Encoders of one subject, of pooled subjects and of the average: correlation with test"
        " responses and share of the noise ceiling (r |r| / NC), means over subjects and regions,"
        " and what is lost against the individual encoder, with all images, and matched: with as"
        f" many in total as one subject has ({whole(n_matched)} at most; a head of its own then"
        " learns from few). Intervals are Student’s, over subjects."
    )
    return tables.table(
        place, caption, columns, rows, notes, sizes=(8.0, 7.5, 7.0, 6.5), split=True
    )


def costs(data: dict[str, Any], place: int) -> list[Flowable]:
    """Return the relative cost of the average of others, subject by subject."""
    notes = Notes()
    chosen = [row for row in data["costs"] if row["encoder"] == "average_of_others"]
    fractions = {
        source: {row["subject"]: row["fraction"] for row in rows}
        for source, rows in data["shared_fraction"].items()
        if any(row["fraction"] is not None for row in rows)
    }
    rows = []
    for s, each in enumerate(data["subjects"]):
        subject = each["subject"]
        row = [subject, *(number(values[subject]) for values in fractions.values())]
        for found in chosen:
            own = found["subjects"][s]
            row.append(_images(own, notes))
            if "planted" in found:
                row.append(number(own["planted"]))
        rows.append(row)
    mean = ["mean", *(DASH for _ in fractions)]
    over = ["interval over subjects", *("" for _ in fractions)]
    for found in chosen:
        mean.append(_images(found, notes))
        over.append(interval(found["interval_subjects"]))
        if "planted" in found:
            mean.append(number(found["planted"]))
            over.append("")
    columns = [Column("Subject", "left")]
    columns += [Column(f"Shared: {words.FRACTIONS[source]}") for source in fractions]
    groups = [("", 1 + len(fractions))]
    for found in chosen:
        columns.append(Column("cost"))
        columns += [Column("planted")] if "planted" in found else []
        groups.append(
            (
                f"{words.INPUTS[found['inputs']]}, {words.SPACES[found['space']]}",
                2 if "planted" in found else 1,
            )
        )
    caption = (
        "Relative cost of averaging: the share of what a subject’s own encoder explains that the"
        " average of the others does not, free of trial noise and of the errors of fitting; means"
        " over regions. Intervals are over test images unless it is said otherwise."
    )
    return tables.table(
        place, caption, columns, [*rows, mean, over], notes, groups=groups,
        sizes=(8.0, 7.5, 7.0, 6.5),
    )  # fmt: skip


def relations(data: dict[str, Any], place: int) -> list[Flowable]:
    """Return how costs go with shared fractions."""
    notes = Notes()
    rows = []
    for row in data["relations"]:
        line = [
            f"{words.INPUTS[row['inputs']]}, {words.SPACES[row['space']]}",
            words.FRACTIONS[row["fraction"]],
            whole(row["n_subjects"]),
        ]
        for unit in ("subjects", "pairs"):
            found = row[unit]
            if found is None:
                line += [notes.missing(row["reason"])] * 3
                continue
            line += [
                estimate(found["correlation"]["estimate"], found["correlation"]["interval"], 2),
                estimate(found["slope"]["estimate"], found["slope"]["interval"], 2),
                p_value(
                    found["correlation"]["p"], None if row["exhaustive"] else row["n_labellings"]
                ),
            ]
        rows.append(line)
    columns = [
        Column("Cost of averaging", "left", wraps=True),
        Column("Shared fraction", "left", wraps=True),
        Column("n"),
        *(Column(name) for _ in range(2) for name in ("correlation", "slope", "p")),
    ]
    caption = (
        "Cost of averaging against shared fraction, over subjects and over pairs of subject and"
        " region. Intervals resample subjects; p: subjects relabelled, one-sided (less shared,"
        " greater cost)."
    )
    groups = [("", 3), ("subjects", 3), ("subjects and regions", 3)]
    return tables.table(
        place, caption, columns, rows, notes, groups=groups, sizes=(8.0, 7.5, 7.0, 6.5)
    )


def heads(data: dict[str, Any], place: int) -> list[Flowable]:
    """Return what heads for the variance gain, beside both nulls."""
    found = data["variance"]
    planted = found["planted"]
    rows = []
    for row in found["heads"]:
        gain, correlation = row["mean"]["gain"], row["mean"]["correlation"]
        line = [
            words.PREDICTORS[row["predictors"]],
            words.TARGETS[row["target"]],
            estimate(gain["estimate"], gain["interval"], 4),
        ]
        for null in words.NULLS:
            line += [
                interval(gain[null]["interval"], 4),
                p_value(gain[null]["p"], found["n_surrogates"]),
            ]
        line.append(number(correlation["estimate"], 3))
        rows.append(line)
    columns = [
        Column("From", "left", wraps=True),
        Column("Of", "left", wraps=True),
        Column("Gain"),
        *(Column(name) for _ in range(2) for name in ("band", "p")),
        Column("r"),
    ]
    caption = (
        "Heads for the log variance over trials: gain in log-likelihood of test images over one"
        " variance for all (nats per degree of freedom), and correlation r of predicted log"
        " variance with measured variance, means over subjects and regions. Bands: central"
        " intervals of the nulls."
    )
    if planted is not None:
        caption += (
            f" Planted: a log variance of SD {number(planted['log_sd'], 2)} over images, drawn"
            " independently of all features; the mean of the others’ true variances correlates"
            f" with it by {number(planted['others'], 2)}."
        )
    groups = [("", 3), ("homoscedastic: rotation", 2), ("unrelated: relabelled", 2), ("", 1)]
    return tables.table(place, caption, columns, rows, groups=groups, sizes=(8.0, 7.5, 7.0, 6.5))


def power(data: dict[str, Any], place: int) -> list[Flowable]:
    """Return how often the head would find a variance that features make."""
    rows = []
    for row in data["variance"]["power"]:
        rows.append(
            [
                number(row["log_sd"], 2),
                number(row["unrelated_log_sd"], 2),
                whole(row["n_replicates"]),
                *(
                    estimate(row[null]["found"]["estimate"], row[null]["found"]["interval"], 2)
                    for null in words.NULLS
                ),
                number(row["correlation"], 3),
            ]
        )
    columns = [
        Column("SD made by features"),
        Column("SD made by something else"),
        Column("data sets"),
        *(Column(f"found, {words.NULLS[null]}") for null in words.NULLS),
        Column("mean r"),
    ]
    caption = (
        "What the head from image features would find in one subject and one target, at the size"
        " of this study: trials drawn with a log variance of these SDs over images. Found: p at"
        " most 1 minus the nominal coverage. Intervals are exact."
    )
    return tables.table(place, caption, columns, rows, sizes=(8.0, 7.5))


def _both(found: dict[str, Any], notes: Notes) -> str:
    """Return an estimate with its interval over subjects."""
    if found["estimate"] is None:
        return notes.missing("the noise ceiling is too low there")
    return estimate(found["estimate"], found["interval_subjects"])


def _images(found: dict[str, Any], notes: Notes) -> str:
    """Return an estimate with its interval over test images."""
    if found["estimate"] is None:
        return notes.missing(NOT_UNDERSTOOD)
    return estimate(found["estimate"], found["interval"], 2)
