"""The tables of the chapter on the gap of RDMs."""

from __future__ import annotations

from html import escape

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import (
    comparison,
    estimate,
    interval,
    number,
    p_value,
    percent,
    whole,
)
from brainworth.report.tables import Column, Notes


def sides(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of both predictions, as published and of one target."""
    data = evidence.tests["rdm_gap"]
    notes = Notes()
    rows = []
    for region in data["regions"]:
        found, same = region["published"], region["same_target"]
        population = found["population"]
        row = [escape(region["region"]), str(region["n_subjects"])]
        for key in ("individual", "gap"):
            row.append(
                estimate(found[key]["estimate"], found[key]["interval"])
                if found[key]
                else notes.missing(region["published_reason"])
            )
        row.insert(3, estimate(population["estimate"], population["interval"]))
        p = p_value(population["p_familywise"], data["n_permutations"])
        row.insert(4, escape(p))
        row += (
            [number(same[key]["estimate"]) for key in ("individual", "population")]
            + [estimate(same["gap"]["estimate"], same["gap"]["interval"])]
            if same
            else [notes.missing(region["same_target_reason"]), "–", "–"]
        )
        rows.append(row)
    rows += [
        [escape(region), "–", notes.missing("fewer than two subjects have this region")] + [""] * 6
        for region in data["missing_regions"]
    ]
    columns = [
        Column("Region", "left", wraps=any(len(row[0]) > 12 for row in rows)),
        Column("n"),
        Column("Individual"),
        Column("Population"),
        Column("fw. p"),
        Column("Gap"),
        Column("ind."),
        Column("pop."),
        Column("Gap"),
    ]
    groups = [("", 2), ("As published", 4), ("One target", 3)]
    caption = (
        f"Prediction of RDMs ({comparison(data['comparison'])}, mean over n subjects,"
        f" {percent(data['interval'])} % over stimuli). As published: repetitions stepped up by"
        " Spearman–Brown against the mean RDM of the other subjects, with the family-wise p of the"
        f" latter ({whole(data['n_permutations'])} relabellings of stimuli). One target: the RDM of"
        " one repetition, predicted by another repetition or by the others."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def noise_free(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of the noise-free gap and of the null of one common RDM."""
    data = evidence.tests["rdm_gap"]
    truth = "rdm_gap" in evidence.planted
    notes = Notes()
    rows = []
    for region in data["regions"]:
        found = region["noise_free"]
        row = [escape(region["region"])]
        if found is None:
            row += [notes.missing(region["noise_free_reason"]), *["–"] * 6]
        else:
            gap, own = found["gap"], found["own_advantage"]
            row += [
                str(found["n_subjects"]),
                number(found["population"]["estimate"]),
                estimate(gap["estimate"], gap["interval"]),
            ]
            row += (
                [
                    number(own["estimate"]),
                    interval(own["null_interval"]),
                    escape(_p(own["p"], own)),
                    notes.missing(own["p_familywise_reason"])
                    if own["p_familywise"] is None
                    else escape(_p(own["p_familywise"], own)),
                ]
                if own
                else [notes.missing(found["own_advantage_reason"]), "–", "–", "–"]
            )
        if truth:
            row.append(number(evidence.truth("rdm_gap", region["region"]).get("gap")))
        rows.append(row)
    columns = [
        Column("Region", "left", wraps=any(len(row[0]) > 12 for row in rows)),
        Column("n"),
        Column("Population"),
        Column("Gap"),
        Column("estimate"),
        Column("null"),
        Column("p"),
        Column("fw. p"),
        *([Column("Planted gap")] if truth else []),
    ]
    groups = [("", 1), ("Noise free", 3), ("Own advantage", 4), *([("", 1)] if truth else [])]
    caption = (
        "The gap without noise: correlation of a subject's noise-free RDM with the mean of the"
        " others', over the n subjects with reliable RDMs, and 1 minus it; and the advantage of a"
        " subject's own data over one common RDM (1 if all share it) with its null of relabelled"
        f" subjects ({percent(data['interval'])} %)."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def _p(p: float, own: dict) -> str:
    return p_value(p, None if own["exhaustive"] else own["n_labellings"])
