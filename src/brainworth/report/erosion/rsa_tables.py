"""The tables of the chapter on RSA."""

from __future__ import annotations

from html import escape
from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import (
    comparison,
    estimate,
    interval,
    number,
    p_value,
    percent,
    span,
    whole,
)
from brainworth.report.tables import Column, Notes


def similarity(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of what is published: similarity, intervals and null."""
    data = evidence.tests["rsa"]
    notes = Notes()
    real = evidence.source in ("local", "s3")
    rows = []
    for region in data["regions"]:
        found = region["similarity"]
        subjects = found["interval_subjects"]
        rows.append(
            [
                escape(region["label"]),
                str(region["n_subjects"]),
                estimate(found["estimate"], found["interval_stimuli"]["corrected"]),
                interval(subjects)
                if subjects
                else notes.missing(found["interval_subjects_reason"]),
                escape(p_of(found["p"], data)),
                escape(p_of(found["p_familywise"], data)),
                interval(found["null_interval"]),
                *([_published(evidence, region["label"], notes)] if real else []),
            ]
        )
    rows += [
        [escape(region), "–", notes.missing("fewer than two subjects have this region")]
        + [""] * (4 + real)
        for region in data["missing_regions"]
    ]
    level = percent(data["interval"])
    columns = [
        Column("Region", "left", wraps=any(len(row[0]) > 12 for row in rows)),
        Column("n"),
        Column(f"Similarity [{level} % over stimuli]"),
        Column("Over subjects"),
        Column("p"),
        Column("Family-wise p"),
        Column(f"Null, {level} %"),
        *([Column("Published")] if real else []),
    ]
    caption = (
        f"RSA as published: mean {comparison(data['comparison'])} of the RDMs of all"
        f" pairs of n subjects, with its intervals and its permutation null"
        f" ({whole(data['n_permutations'])} relabellings)."
    )
    return tables.table(table, caption, columns, rows, notes)


def corrected(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of what decides what the similarity means."""
    data = evidence.tests["rsa"]
    notes = Notes()
    truth = "rsa" in evidence.planted
    rows = []
    for region in data["regions"]:
        ceiling, fixed = region["noise_ceiling"], region["corrected"]
        reliability, control = region["reliability"], region["mismatched"]
        planted = evidence.truth("rsa", region["label"]).get("similarity")
        rows.append(
            [
                escape(region["label"]),
                *(number(ceiling[bound]["estimate"]) for bound in ("lower", "upper")),
                number(reliability["mean"])
                if reliability
                else notes.missing(region["reliability_reason"]),
                estimate(fixed["estimate"], fixed["interval"]["corrected"])
                if fixed
                else notes.missing(region["corrected_reason"]),
                str(fixed["n_pairs"]) if fixed else "0",
                *([number(planted)] if truth else []),
                estimate(control["estimate"], control["interval"])
                if control
                else notes.missing(region["mismatched_reason"]),
            ]
        )
    columns = [
        Column("Region", "left", wraps=any(len(row[0]) > 12 for row in rows)),
        Column("lower"),
        Column("upper"),
        Column("Reliability"),
        Column("Corrected similarity"),
        Column("Pairs"),
        *([Column("Planted")] if truth else []),
        Column("Mismatched stimuli"),
    ]
    groups = [("", 1), ("Noise ceiling", 2), ("", len(columns) - 3)]
    caption = (
        "RSA, what decides what the similarity means: noise ceiling, mean reliability of one part"
        " of a subject's data, similarity corrected for it (BCa interval over stimuli, mean over"
        " the pairs of reliable subjects)"
        f"{', planted truth' if truth else ''}, and the control."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def crossnobis(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the table of crossnobis RDMs, if there are any."""
    data = evidence.tests["rsa"]
    if not any("crossnobis" in region["other_measures"] for region in data["regions"]):
        return []
    notes = Notes()
    rows = []
    for region in data["regions"]:
        measured = region["other_measures"].get("crossnobis")
        if measured is None:
            why = "not every stimulus was repeated"
            rows.append([escape(region["label"]), notes.missing(why)] + [""] * 6)
            continue
        found, ceiling = measured["similarity"], measured["noise_ceiling"]
        shrinkage = region["noise_shrinkage"]
        rows.append(
            [
                escape(region["label"]),
                estimate(found["estimate"], found["interval_stimuli"]["corrected"]),
                escape(p_of(found["p"], data)),
                escape(p_of(found["p_familywise"], data)),
                interval(found["null_interval"]),
                *(number(ceiling[bound]["estimate"]) for bound in ("lower", "upper")),
                span(shrinkage, 2) if shrinkage else notes.missing("noise was not whitened"),
            ]
        )
    level = percent(data["interval"])
    columns = [
        Column("Region", "left", wraps=any(len(row[0]) > 12 for row in rows)),
        Column(f"Similarity [{level} % over stimuli]"),
        Column("p"),
        Column("Family-wise p"),
        Column(f"Null, {level} %"),
        Column("lower"),
        Column("upper"),
        Column("Shrinkage"),
    ]
    groups = [("", 5), ("Noise ceiling", 2), ("", 1)]
    caption = (
        f"RSA of crossnobis RDMs: mean {comparison(data['comparison'])} of all pairs of subjects,"
        " with its interval (BCa), null and noise ceiling. Shrinkage: by how much the noise"
        " covariance was drawn to its diagonal, range over subjects."
    )
    return tables.table(number_of.table(), caption, columns, rows, notes, groups=groups)


def pairs(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return a table of the pairs of subjects for each region."""
    data = evidence.tests["rsa"]
    answer = []
    for region in data["regions"]:
        notes = Notes()
        planted = {
            tuple(row["subjects"]): row["similarity"]
            for row in evidence.truth("rsa", region["label"]).get("pairs", [])
        }
        rows = [
            [
                escape(" – ".join(pair["subjects"])),
                estimate(pair["similarity"], pair["interval"]),
                escape(p_of(pair["p"], data)),
                notes.missing(region["corrected_reason"] or "a subject of the pair is not reliable")
                if pair["corrected"] is None
                else number(pair["corrected"]),
                *([number(planted.get(tuple(pair["subjects"])))] if planted else []),
            ]
            for pair in region["pairs"]
        ]
        columns = [
            Column("Subjects", "left"),
            Column(f"Similarity [{percent(data['interval'])} % over stimuli]"),
            Column("p"),
            Column("Corrected"),
            *([Column("Planted")] if planted else []),
        ]
        caption = (
            f"RSA, pairs of subjects in {escape(region['label'])}; percentile intervals, p-values"
            " not corrected for the number of pairs."
        )
        answer += tables.table(number_of.table(), caption, columns, rows, notes, split=True)
    return answer


def p_of(p: float | None, data: dict[str, Any]) -> str:
    """Return a one-sided p-value of this test."""
    return p_value(p, data["n_permutations"])


def _published(evidence: Evidence, label: str, notes: Notes) -> str:
    known = evidence.claims["rsa-table"]["published"]
    if label not in known:
        return notes.missing("the source gives no value for this region")
    return number(known[label], 2)
