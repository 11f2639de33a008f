"""The table of the chapter on the reliability of variance profiles."""

from __future__ import annotations

from html import escape

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import estimate, interval, number, p_value, percent
from brainworth.report.tables import Column, Notes


def main(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of agreements within and across brains."""
    data = evidence.tests["variance_reliability"]
    truth = "variance_reliability" in evidence.planted
    notes = Notes()
    rows = []
    draws = {"voxel_split": data["n_surrogates"], "disjoint": data["n_surrogates"]}
    for region in data["regions"]:
        row = [escape(region["region"]), str(region["n_subjects"])]
        for name in ("voxel_split", "disjoint", "across_subjects"):
            found = region[name]
            if found is None:
                row += [notes.missing(region[f"{name}_reason"]), "–", "–"]
                continue
            m = draws.get(name, data["n_permutations"])
            row += [
                number(found["estimate"], 2),
                interval(found["null_interval"], 2),
                escape(p_value(found["p_familywise"], m)),
            ]
        adjusted = region["across_subjects_adjusted"]
        if adjusted is None:
            row.append(notes.missing(region["across_subjects_adjusted_reason"]))
        else:
            row.append(number(adjusted["estimate"], 2))
        fraction = region["shared_fraction"]
        if fraction is None:
            row.append(notes.missing(region["shared_fraction_reason"]))
        else:
            row.append(estimate(fraction["estimate"], fraction["interval"], 2))
        if truth:
            known = evidence.truth("variance_reliability", region["region"])
            row.append(number(known.get("shared_fraction"), 2))
        rows.append(row)
    width = 13 + truth
    rows += [
        [escape(region), "–", notes.missing("no subject has this region"), *[""] * (width - 3)]
        for region in data["missing_regions"]
    ]
    columns = [
        Column("Region", "left"),
        Column("n"),
        *[Column("r"), Column("null"), Column("fw. p")] * 3,
        Column("adjusted"),
        Column("shared"),
        *([Column("Planted")] if truth else []),
    ]
    rows = [row[: len(columns)] for row in rows]
    groups = [
        ("", 1),
        ("", 1),
        ("Voxel halves", 3),
        ("Orthogonal contrasts", 3),
        ("Pairs of subjects", 3),
        *([("", 1)] * (2 + truth)),
    ]
    level = percent(data["interval"])
    caption = (
        "Reliability of variance profiles: correlation (mean over n subjects or their pairs), null"
        f" ({level} %) and family-wise p; pairs of subjects also without what the schedule explains"
        f" (adjusted); share of the true log variance that subjects share, with its {level} %"
        " interval over stimuli."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)
