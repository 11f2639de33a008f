"""The tables of the chapter on the predictability of the variance."""

from __future__ import annotations

from html import escape

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import estimate, number, p_value, percent
from brainworth.report.tables import Column, Notes

READINGS = ("mean_patterns", "mean_patterns_in_sample", "trial_folds", "variance_patterns")
ADDED = ("own_patterns", "own_other_trials", "others_patterns", "others_variance")


def readings(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of what the published R2 may mean."""
    data = evidence.tests["variance_predictability"]
    notes = Notes()
    rows = []
    for region in data["regions"]:
        row = [escape(region["region"]), str(region["n_subjects"])]
        for name in READINGS:
            found = region["readings"][name]
            if found is None:
                row += [notes.missing(region["readings"][f"{name}_reason"]), "–"]
            else:
                row += [number(found["estimate"], 2), number(found["null_mean"], 2)]
        rows.append(row)
    rows += _missing(data, notes, 10)
    columns = [
        Column("Region", "left"),
        Column("n"),
        *[Column("here"), Column("null")] * 4,
    ]
    groups = [
        ("", 1),
        ("", 1),
        ("Mean patterns", 2),
        ("In sample", 2),
        ("Trials held out", 2),
        ("Other voxels", 2),
    ]
    caption = (
        "Predictability of the variance, four readings of the published R² (mean over n subjects),"
        " and the same on homoscedastic surrogates (null), where no stimulus has another variance"
        " than the others."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def steps(evidence: Evidence, table: int) -> list[Flowable]:
    """Return the table of what predictors add to the nuisances."""
    data = evidence.tests["variance_predictability"]
    truth = "variance_predictability" in evidence.planted
    notes = Notes()
    rows = []
    for region in data["regions"]:
        row = [escape(region["region"])]
        nuisances = region["steps"]["mean_response"]["r2"]
        row.append(number(nuisances["estimate"]))
        for name in ADDED:
            found = region["steps"][name]
            if found is None:
                row += [notes.missing(region["steps"][f"{name}_reason"]), "–"]
                continue
            added = found["increment"]
            row += [
                number(added["estimate"]),
                escape(p_value(added["p_familywise"], data["n_surrogates"])),
            ]
        row.append(number(region["ceiling"]["estimate"], 2))
        shared = region["shared_r2"]
        if shared is None:
            row.append(notes.missing(region["shared_r2_reason"]))
        else:
            row.append(estimate(shared["estimate"], shared["interval"], 2))
        if truth:
            known = evidence.truth("variance_predictability", region["region"])
            row.append(number(known.get("shared_r2"), 2))
        rows.append(row)
    columns = [
        Column("Region", "left"),
        Column("Nuisances"),
        *[Column("R²"), Column("fw. p")] * 4,
        Column("Ceiling"),
        Column("Explained"),
        *([Column("Planted")] if truth else []),
    ]
    rows += _missing(data, notes, len(columns))
    groups = [
        ("", 1),
        ("", 1),
        ("Own patterns", 2),
        ("Own, other trials", 2),
        ("Others' patterns", 2),
        ("Others' variances", 2),
        ("", 1),
        ("", 1),
        *([("", 1)] if truth else []),
    ]
    caption = (
        "Predictability of the log variance of held-out stimuli: R² of the nuisances, what each"
        " predictor adds to them (own patterns of other trials stand alone) with its family-wise p,"
        " the largest R² that sampling allows, and the share of the true variance that the other"
        f" subjects' variances explain, with its {percent(data['interval'])} % interval over"
        " stimuli."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def _missing(data: dict, notes: Notes, width: int) -> list[list[str]]:
    reason = "no subject has this region"
    return [
        [escape(region), notes.missing(reason), *[""] * (width - 2)]
        for region in data["missing_regions"]
    ]
