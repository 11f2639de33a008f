"""The tables of the chapter on the encoding gap."""

from __future__ import annotations

from html import escape

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import count, estimate, number, p_value, percent
from brainworth.report.tables import Column, Notes

ABSENT = "fewer than two subjects have this region"


def r2(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of R2 by predictor and calibration."""
    data = evidence.tests["encoding_gap"]
    notes = Notes()
    rows = []
    for region in data["regions"]:
        row = [escape(region["region"]), str(region["n_subjects"])]
        row.append(number(region["ceiling"]["estimate"], 2))
        for who in ("individual", "population"):
            row += [number(region[who]["raw"]["estimate"], 2), _cell(region[who]["offset_slope"])]
            row.append(number(region[who]["zscored"]["estimate"], 2))
        row.append(
            escape(p_value(region["population"]["offset_slope"]["p_familywise"], _draws(data)))
        )
        row.append("yes" if region["units_artefact"] else "no")
        rows.append(row)
    rows += _missing(data, notes, 11)
    columns = [
        *[Column("Region", "left"), Column("n"), Column("Ceiling")],
        *[Column("raw"), Column("calibrated"), Column("z")] * 2,
        *[Column("fw. p"), Column("artefact")],
    ]
    groups = [("", 1)] * 3
    groups += [("Own other trials", 3), ("Mean of other subjects", 4), ("Units", 1)]
    caption = (
        "R² of the mean response of a region, averaged over n subjects, for trials that no"
        " predictor has seen: as it is (raw), with offset and slope fitted on other stimuli"
        f" (calibrated, with {percent(data['interval'])} % interval over stimuli), and in units of"
        " standard deviations with a fitted slope (z). Units artefact: below zero raw and not"
        " below zero calibrated."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def gaps(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of shares of the ceiling, noise-free gaps, slopes and voxels."""
    data = evidence.tests["encoding_gap"]
    truth = "encoding_gap" in evidence.planted
    notes = Notes()
    rows = []
    for region in data["regions"]:
        of_ceiling, voxels = region["of_ceiling"], region["voxelwise"]
        row = [escape(region["region"])]
        if of_ceiling is None:
            row += [notes.missing(region["of_ceiling_reason"]), ""]
        else:
            row += [
                number(of_ceiling[who]["offset_slope"]["estimate"], 2)
                for who in ("individual", "population")
            ]
        slope = region["slope"]
        row += [_cell(slope), count(slope["n_below_zero"], slope["n"])]
        row.append(
            _cell(region["gap"]) if region["gap"] else notes.missing(region["noise_free_reason"])
        )
        if truth:
            known = evidence.truth("encoding_gap", region["region"])
            row.append(number(known.get("gap"), 2))
        if voxels is None:
            row += [notes.missing(region["voxelwise_reason"]), "", ""]
        else:
            row += [number(voxels[who]["estimate"], 2) for who in ("individual", "population")]
            row.append(_cell(voxels["noise_free"]))
        rows.append(row)
    rows += _missing(data, notes, 9 + truth)
    columns = [
        *[Column("Region", "left"), Column("own"), Column("others")],
        *[Column("slope"), Column("below 0"), Column("gap")],
        *([Column("planted")] if truth else []),
        *[Column("own"), Column("others"), Column("noise-free")],
    ]
    groups = [
        ("", 1),
        ("R² / ceiling", 2),
        ("Population slope", 2),
        ("Noise-free", 1 + truth),
        ("Single voxels, R² / ceiling", 3),
    ]
    caption = (
        "Encoding gap: calibrated R² as a share of the ceiling for own other trials and for the"
        " mean of the other subjects; the slope fitted to the latter and the subjects in whom its"
        " interval is below zero; the gap, 1 minus R² of population and individual corrected for"
        " noise on both sides; and the same voxel by voxel, from a linear model of the others"
        " (noise-free: a lower bound)."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def _cell(found: dict) -> str:
    return estimate(found["estimate"], found["interval"], 2)


def _draws(data: dict) -> int:
    return data["n_permutations"]


def _missing(data: dict, notes: Notes, width: int) -> list[list[str]]:
    return [
        [escape(region), "–", notes.missing(ABSENT), *[""] * (width - 3)]
        for region in data["missing_regions"]
    ]
