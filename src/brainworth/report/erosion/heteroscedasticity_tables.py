"""The tables of the chapter on heteroscedasticity."""

from __future__ import annotations

from html import escape

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.claims import alpha, significant
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import count, estimate, interval, number, p_value, percent, span
from brainworth.report.tables import Column, Notes

STATISTICS = ("ratio", "cv")


def main(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of published statistics, rotation null and true variance."""
    data = evidence.tests["heteroscedasticity"]
    truth = "heteroscedasticity" in evidence.planted
    notes = Notes()
    rows = []
    for region in data["regions"]:
        row = [escape(region["region"]), str(region["n_subjects"])]
        for name in STATISTICS:
            found = region["mean"][name]
            row += [
                number(found["estimate"]),
                interval(found["rotation"]["interval"]),
                escape(p_value(found["rotation"]["p_familywise"], data["n_surrogates"])),
            ]
        row.append("yes" if region["called_significant_as_published"] else "no")
        true = region["mean"]["true_cv2"]
        row.append(estimate(true["estimate"], true["interval"]))
        if truth:
            known = evidence.truth("heteroscedasticity", region["region"])
            row.append(number(known.get("true_cv2")))
        rows.append(row)
    width = 9 + truth
    rows += [
        [escape(region), "–", notes.missing("no subject has this region"), *[""] * (width - 2)]
        for region in data["missing_regions"]
    ]
    columns = [
        Column("Region", "left"),
        Column("n"),
        *[Column("here"), Column("null"), Column("fw. p")] * 2,
        Column("rule met"),
        Column("CV² of the true variance"),
        *([Column("Planted")] if truth else []),
    ]
    groups = [("", 1), ("", 1), ("Q75/Q25", 3), ("CV", 3), *([("", 1)] * (2 + truth))]
    level = percent(data["interval"])
    caption = (
        "Heteroscedasticity: the published statistics (mean over n subjects) with their rotation"
        f" null ({level} %) and family-wise p-values, whether the published rule is met, and the"
        f" squared CV of the true variance with its {level} % interval over stimuli."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def second(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of the other nulls and the second opinion."""
    data = evidence.tests["heteroscedasticity"]
    notes = Notes()
    rows = []
    for region in data["regions"]:
        row = [escape(region["region"])]
        for name in STATISTICS:
            for null in ("exchange", "exchange_within_session"):
                found = region["mean"][name][null]
                row += [
                    interval(found["interval"]),
                    escape(p_value(found["p"], data["n_surrogates"])),
                ]
        tested = [s["brown_forsythe"]["p"] for s in region["subjects"] if s["brown_forsythe"]]
        row.append(
            count(significant(tested, data["interval"]), len(tested))
            if tested
            else notes.missing("too few stimuli with three repetitions")
        )
        row.append(span([s["effective_dimensions"] for s in region["subjects"]], 1))
        rows.append(row)
    columns = [
        Column("Region", "left"),
        *[Column("null"), Column("p")] * 4,
        Column("B.–F."),
        Column("dimensions"),
    ]
    groups = [
        ("", 1),
        ("Q75/Q25, exchange", 2),
        ("in session", 2),
        ("CV, exchange", 2),
        ("in session", 2),
        ("", 1),
        ("Effective", 1),
    ]
    caption = (
        f"Heteroscedasticity, exchange nulls ({percent(data['interval'])} %, residuals"
        " exchanged overall or within sessions) with their p-values, subjects in whom the"
        f" Brown–Forsythe test (B.–F.) reaches p ≤ {alpha(data['interval'])}, and effective"
        " dimensions of the noise (range over subjects)."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)
