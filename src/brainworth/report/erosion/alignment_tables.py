"""The tables of the chapter on alignment."""

from __future__ import annotations

from html import escape

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import estimate, interval, number, p_value, percent, span
from brainworth.report.tables import Column, Notes

ABSENT = "fewer than two subjects have this region"


def rdms(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of RDM similarity before and after alignment."""
    data = evidence.tests["alignment"]
    notes = Notes()
    rows = []
    for region in data["regions"]:
        found = region["rdm"]
        row = [escape(region["region"]), str(region["n_subjects"])]
        row.append(number(region["published"]["estimate"]))
        row.append(number(found["correlation"]["all_stimuli"]["estimate"]))
        row += [_cell(found["correlation"][name]) for name in ("raw", "truncated", "aligned")]
        row += [number(found["euclidean"][name]["estimate"]) for name in ("raw", "aligned")]
        row.append(span([float(d) for d in region["components"]], 0))
        rows.append(row)
    rows += _missing(data, notes, 10)
    columns = [
        *[Column("Region", "left"), Column("n"), Column("as publ.")],
        Column("all stimuli"),
        *[Column("all voxels"), Column("components"), Column("aligned")],
        *[Column("voxels"), Column("aligned")],
        Column("D"),
    ]
    groups = [("", 1), ("", 1), ("", 1), ("Correlation distance", 4), ("Euclidean", 2), ("", 1)]
    level = percent(data["interval"])
    caption = (
        "Similarity of RDMs before and after alignment (mean Spearman correlation over pairs of n"
        f" subjects; {level} % intervals over stimuli). Columns but the second are of held-out"
        " stimuli; D is the number of components in the folds. Euclidean RDMs of components are"
        " the same before and after a rotation, so only one is shown."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def shares(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of identification and shared fractions."""
    data = evidence.tests["alignment"]
    truth = "alignment" in evidence.planted
    notes = Notes()
    rows = []
    for region in data["regions"]:
        named, found = region["identification"], region["shared_fraction"]
        row = [escape(region["region"])]
        row.append(number(region["pattern_correlation"]["estimate"]))
        row += [
            estimate(*(_percent(named, key) for key in ("estimate", "interval")), 1),
            percent(named["chance"]),
            escape(p_value(named["p_familywise"], data["n_permutations"])),
        ]
        if found is None:
            row += [notes.missing(region["share_reason"]), *[""] * 4]
        else:
            row.append(number(region["procrustes_share"]["estimate"]))
            row.append(number(region["ridge_share"]["estimate"]))
            row.append(_cell(found))
            row.append(
                interval(found["interval_subjects"])
                if found["interval_subjects"]
                else notes.missing(found["interval_subjects_reason"])
            )
            row.append(escape(p_value(found["p_familywise"], data["n_permutations"])))
        if truth:
            known = evidence.truth("alignment", region["region"])
            row.append(number(known.get("shared_fraction")))
        rows.append(row)
    rows += _missing(data, notes, 10 + truth)
    columns = [
        *[Column("Region", "left"), Column("pattern r")],
        *[Column("accuracy (%)"), Column("chance"), Column("fw. p")],
        *[Column("Procr."), Column("ridge"), Column("corrected"), Column("subjects")],
        Column("fw. p"),
        *([Column("Planted")] if truth else []),
    ]
    groups = [("", 1), ("", 1), ("Identification", 3), ("Shared fraction", 5)]
    groups += [("", 1)] * truth
    caption = (
        "Held-out agreement of aligned patterns with the mean of the others, identification of"
        " stimuli, and the share of a subject's stimulus-driven variance that is predicted from"
        " the others: R² over ceiling (Procrustes, ridge), and corrected for noise of the"
        f" predictors and errors of the fit, with {percent(data['interval'])} % intervals over"
        " stimuli and over subjects."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def _cell(found: dict) -> str:
    return estimate(found["estimate"], found["interval"])


def _percent(found: dict, key: str) -> float | list[float]:
    value = found[key]
    return [100 * bound for bound in value] if isinstance(value, list) else 100 * value


def _missing(data: dict, notes: Notes, width: int) -> list[list[str]]:
    return [
        [escape(region), "–", notes.missing(ABSENT), *[""] * (width - 3)]
        for region in data["missing_regions"]
    ]
