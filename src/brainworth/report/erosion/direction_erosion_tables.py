"""The tables on theorem 1."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.erosion.direction_erosion_figure import CASES, POPULATIONS
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import estimate, number, percent, whole
from brainworth.report.tables import Column, Notes


def convergence(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of rates."""
    data = evidence.tests["direction_erosion"]
    rows = []
    for row in data["convergence"]:
        slope = row["slope"]
        rows.append(
            [
                POPULATIONS[row["population"]][0],
                estimate(slope["estimate"], slope["interval"]),
                number(row["expected_slope"]),
                number(row["rms"][0]),
                number(row["rms"][-1]),
                number(row["floor"]),
            ]
        )
    first, last = (data["convergence"][0]["n"][place] for place in (0, -1))
    columns = [
        Column("Subjects", "left"),
        Column("Slope of log distance"),
        Column("Expected"),
        Column(f"n = {whole(first)}"),
        Column(f"n = {whole(last)}"),
        Column("In the limit"),
    ]
    caption = (
        "Theorem 1, convergence: slope of the log distance of the average from the shared part on"
        f" the log number n of subjects ({percent(data['interval'])} % interval over"
        f" {whole(data['n_replicates'])} populations), and the distance at the ends, in SDs of the"
        " individual part (median)."
    )
    groups = [("", 1), ("", 1), ("", 1), ("Distance", 3)]
    return tables.table(table, caption, columns, rows, groups=groups)


def prediction(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of what averages predict."""
    data = evidence.tests["direction_erosion"]
    rows = []
    for row in data["prediction"]:
        for place in sorted({0, len(row["n"]) // 3, len(row["n"]) - 1}):
            cells = [number(row["shared_fraction"], 2), whole(row["n"][place])]
            for name in ("raw", "scaled"):
                found = row[name]
                cells += [
                    estimate(found["r2"][place], found["interval"][place]),
                    number(found["expected"][place]),
                ]
            rows.append(cells)
    columns = [
        Column("Shared fraction"),
        Column("Others averaged"),
        *[Column("R²"), Column("expected")] * 2,
    ]
    caption = (
        "Theorem 1, prediction: R² of one subject's noise-free responses predicted by the average"
        " of others in the same units, as it comes and with the best slope."
    )
    groups = [("", 1), ("", 1), ("As it comes", 2), ("With the best slope", 2)]
    return tables.table(table, caption, columns, rows, groups=groups)


def information(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of the information that the shared part lacks."""
    data = evidence.tests["direction_erosion"]
    notes = Notes()
    rows = [
        [
            CASES[row["case"]],
            number(row["known"]),
            *(
                estimate(row[name]["estimate"], row[name]["interval"])
                for name in ("gaussian", "nearest")
            ),
        ]
        for row in data["information"]
    ]
    columns = [
        Column("Individual part", "left"),
        Column("Known"),
        Column("From covariances"),
        Column("From nearest neighbours"),
    ]
    caption = (
        "Theorem 1, information I(S; δ + noise | f shared) in bits: known, and estimated from"
        f" {whole(data['n_samples'])} trials (mean of {whole(data['n_replicates'])} data sets with"
        f" its {percent(data['interval'])} % interval)."
    )
    return tables.table(table, caption, columns, rows, notes)
