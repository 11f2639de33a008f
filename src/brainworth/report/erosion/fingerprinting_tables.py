"""The tables of the chapter on fingerprinting."""

from __future__ import annotations

from html import escape

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import (
    GLUE,
    interval,
    number,
    p_value,
    percent,
)
from brainworth.report.tables import Column, Notes


def accuracy(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of accuracies, as published and sound."""
    data = evidence.tests["fingerprinting"]
    notes = Notes()
    rows = []
    for region in data["regions"]:
        row = [escape(region["region"]), str(region["n_subjects"])]
        draws = None if region["exhaustive"] else region["n_labellings"]
        four = [*(region["published"][name] for name in ("mean", "variance"))]
        four += [region["rdm"], region["profile"]]
        for found in four:
            if found is None:
                row += [notes.missing(region["published_reason"]), ""]
                continue
            bounds = [100 * bound for bound in found["interval"]]
            row.append(f"{number(100 * found['accuracy'], 1)}{GLUE}{interval(bounds, 1)}")
            row.append(escape(p_value(found["p"], draws)))
        rows.append(row)
    rows += _missing_rows(data, 8, notes)
    columns = [Column("Region", "left"), Column("n"), *[Column("% identified"), Column("p")] * 4]
    groups = [
        *([("", 1)] * 2),
        ("As published: mean", 2),
        ("As published: variance", 2),
        ("Sound: RDM", 2),
        ("Sound: profile", 2),
    ]
    level = percent(data["interval"])
    chance = ", ".join(dict.fromkeys(f"{percent(r['rdm']['chance'])} %" for r in data["regions"]))
    caption = (
        f"Fingerprinting: share of n subjects identified in per cent, with its exact {level} %"
        f" binomial interval (subjects taken as independent), and the p-value of relabelling the"
        f" subjects. The two sides of the variance patterns share their trials. Chance is {chance}."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def identifiability(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of identifiability, raw and corrected."""
    data = evidence.tests["fingerprinting"]
    truth = "fingerprinting" in evidence.planted
    notes = Notes()
    rows = []
    for region in data["regions"]:
        row = [escape(region["region"])]
        planted = evidence.truth("fingerprinting", region["region"])
        for feature in ("rdm", "profile"):
            raw = region[feature]["identifiability"]
            corrected = region[feature]["corrected_identifiability"]
            draws = region["n_labellings"]
            row += [
                _cell(raw),
                escape(p_value(raw["p_familywise"], draws))
                if raw["p_familywise"] is not None
                else notes.missing("a region that some subject lacks has no family-wise p-value"),
                _cell(corrected)
                if corrected
                else notes.missing(region[feature]["corrected_reason"]),
                *([number(planted.get(feature))] if truth else []),
            ]
        rows.append(row)
    each = [Column("raw"), Column("fw. p"), Column("corrected")]
    each += [Column("planted")] if truth else []
    columns = [Column("Region", "left"), *each, *each]
    groups = [("", 1), ("RDM", len(each)), ("Response profile", len(each))]
    caption = (
        f"Fingerprinting: identifiability from disjoint sessions with its"
        f" {percent(data['interval'])} % interval over stimuli, raw (own similarity less that to"
        " others) and corrected for noise (1 less the noise-free similarity of different"
        " subjects); fw. p: family-wise over regions, for the raw one."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def _cell(row: dict) -> str:
    return f"{number(row['estimate'])}{GLUE}{interval(row['interval'])}"


def _missing_rows(data: dict, width: int, notes: Notes) -> list[list[str]]:
    reason = "fewer than two subjects have this region"
    return [
        [escape(region), "–", notes.missing(reason), *[""] * (width - 1)]
        for region in data["missing_regions"]
    ]
