"""The tables on theorem 2."""

from __future__ import annotations

from html import escape

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.erosion.variance_blindness_figure import TARGETS
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import estimate, interval, number, p_value, percent, whole
from brainworth.report.tables import Column, Notes


def agreement(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of predictors trained on both processes."""
    data = evidence.tests["variance_blindness"]["theorem"]
    rows = []
    for row in data["agreement"]:
        cells = [whole(row["n"])]
        for name in ("linear", "network"):
            for what in ("difference", "same_process"):
                cells.append(estimate(row[name][what]["estimate"], row[name][what]["interval"]))
        rows.append(cells)
    columns = [
        Column("Responses"),
        *[Column("two processes"), Column("one process twice")] * 2,
    ]
    caption = (
        "Theorem 2, agreement: root mean square difference, on new stimuli, of two predictors"
        " trained on the squared error: one on the process with constant and one on that with"
        " varying variance, or both on constant variance."
    )
    groups = [("", 1), ("Least squares", 2), ("Network", 2)]
    return tables.table(table, caption, columns, rows, groups=groups)


def recovery(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of heads for the variance on the simulated processes."""
    data = evidence.tests["variance_blindness"]["theorem"]
    notes = Notes()
    rows = []
    for row in data["recovery"]:
        for name, label in (("likelihood", "likelihood"), ("residuals", "squared residuals")):
            found, fit = row[name], row[name]["correlation"]
            rows.append(
                [
                    row["process"],
                    label,
                    estimate(found["gain"]["estimate"], found["gain"]["interval"]),
                    number(row["best_gain"]),
                    estimate(fit["estimate"], fit["interval"])
                    if fit
                    else notes.missing(found["correlation_reason"]),
                ]
            )
    columns = [
        Column("Process", "left"),
        Column("Head trained by", "left"),
        Column("Gain (nat)"),
        Column("Of the truth"),
        Column("Correlation with the true log variance"),
    ]
    caption = (
        f"Theorem 2, recovery: heads for the variance, trained on"
        f" {whole(data['recovery'][0]['n'])} responses, scored on new ones by their gain in"
        " log-likelihood over one variance for all."
    )
    return tables.table(table, caption, columns, rows, notes)


def heads(evidence: Evidence, number_of) -> list[Flowable]:
    """Return a table for each target of what the heads predict."""
    data = evidence.tests["variance_blindness"]
    truth = bool(evidence.planted.get("variance_blindness"))
    answer = []
    for target, name in TARGETS.items():
        notes = Notes()
        rows = []
        for region in data["regions"]:
            found = region["mean"][target]
            row = [
                escape(region["region"]),
                str(region["n_subjects"]),
                number(found["mean_r2"], 2),
                number(found["mean_ceiling"], 2),
            ]
            for predictor in ("patterns", "variances"):
                gain = found[predictor]["gain"]
                row += [
                    estimate(gain["estimate"], gain["interval"]),
                    escape(p_value(larger_p(gain), data["n_surrogates"])),
                ]
            variances = found["variances"]
            row += [
                interval(variances["gain"]["rotation"]["null_interval"]),
                interval(variances["gain"]["relabelled"]["null_interval"]),
                notes.missing(variances["correlation_reason"])
                if variances["correlation"] is None
                else number(variances["correlation"], 2),
            ]
            if truth:
                known = evidence.truth("variance_blindness", region["region"])
                row.append(number(known.get("variances"), 2))
            rows.append(row)
        width = 11 + truth
        rows += [
            [
                escape(region),
                "–",
                notes.missing("fewer than two subjects have this region"),
                *[""] * (width - 3),
            ]
            for region in data["missing_regions"]
        ]
        columns = [
            Column("Region", "left"),
            Column("n"),
            Column("R²"),
            Column("ceiling"),
            Column("gain"),
            Column("fw. p"),
            Column("gain"),
            Column("fw. p"),
            Column("rotated"),
            Column("relabelled"),
            Column("corr."),
            *([Column("planted")] if truth else []),
        ]
        groups = [
            *[("", 1)] * 2,
            ("Mean", 2),
            ("From patterns", 2),
            ("From variances", 5 + truth),
        ]
        caption = (
            f"Theorem 2, an encoder with a variance head, {name}: held-out R² of the mean with its"
            " ceiling; gain of the variance head in nats per degree of freedom with its"
            f" {percent(data['interval'])} % interval over stimuli and the larger family-wise p of"
            " both nulls; for variances of other subjects also both nulls and the correlation of"
            " predicted with true variance."
        )
        answer += tables.table(number_of.table(), caption, columns, rows, notes, groups=groups)
    return answer


def larger_p(gain: dict) -> float:
    """Return the larger of the family-wise p-values of both nulls."""
    return max(gain[name]["p_familywise"] for name in ("rotation", "relabelled"))
