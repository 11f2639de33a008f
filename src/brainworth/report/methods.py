"""The data, and the statistics that all tests share."""

from __future__ import annotations

from html import escape
from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout, tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, number, percent, span, things, whole
from brainworth.report.published import cite
from brainworth.report.tables import Column, Notes

DROPPED = {
    "ncsnr_not_a_number": "no ncsnr",
    "invalid_in_a_session": "invalid in a session",
    "constant_in_a_session": "constant in a session",
}
REASONS = {
    "absent_in_the_file": "absent in the file",
    "constant_in_a_session": "constant in some session",
}
SAID = {
    "ncsnr_not_a_number": "no ncsnr",
    "invalid_in_a_session": "no valid data in some session",
    "constant_in_a_session": "constant data in some session",
}


def data(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Describe the data: subjects, stimuli, voxels, and what was left out."""
    answer: list[Flowable] = [layout.heading("Data", 2), layout.body(_origin(evidence))]
    if evidence.matching is not None:
        answer.append(layout.body(*_matching(evidence.matching)))
    if evidence.matching is not None or evidence.betas:
        answer += _subjects(evidence, number_of.table())
    if evidence.roi_means:
        answer.append(layout.body(*_imported(evidence.roi_means)))
    if evidence.betas:
        answer.append(layout.body(*_voxels(evidence.betas)))
        answer += _regions(evidence.betas, number_of.table())
    return answer


def statistics(evidence: Evidence) -> list[Flowable]:
    """Describe p-values, intervals and seeds."""
    levels = sorted({percent(test["interval"]) for test in evidence.tests.values()})
    seeds = sorted({str(e["seed"]) for e in evidence.envelopes.values() if e["seed"] is not None})
    return [
        layout.heading("Statistics common to all tests", 2),
        layout.body(
            "A p-value from m random draws of a null is (b + 1)/(m + 1), where b draws are at"
            " least"
            f" as extreme as the data {cite('permutation')}; it is never 0, and the smallest it can"
            " be is printed as a bound, “&lt;”. Where all labellings are listed, the"
            " true one is among them and p is exact. Family-wise p-values compare each region with"
            f" the largest statistic over regions in each draw {cite('familywise')}.",
            f"Intervals have a nominal coverage of {', '.join(levels)} %. They are over stimuli"
            " unless something else is said, and speak of these subjects; regions share stimuli and"
            " subjects, so that their intervals are not independent of each other. “Published”"
            f" marks numbers of the source {cite('prasad')}.",
            f"Every random number derives from the seed {', '.join(seeds)} and the name of what it"
            " is for, so that results do not depend on the number of cores."
            if seeds
            else "",
            "Numbers in this report are read from the results listed under Provenance; the report"
            " itself only counts, adds up counts, and picks smallest and largest values.",
        ),
    ]


def _origin(evidence: Evidence) -> str:
    if evidence.source == "roi_means":
        what = "of simulated data" if evidence.simulated else "given by the user"
        return (
            f"The data are mean responses of regions, {what}, single trials with the 73K ids of"
            f" their stimuli in the Natural Scenes Dataset {cite('nsd')}. How they were made was"
            " not checked. Each region has one number a trial; tests of patterns use all regions'"
            " means as one pattern."
        )
    if evidence.simulated:
        return (
            "The data are simulated, in the file formats of the Natural Scenes Dataset"
            f" {cite('nsd')}: every subject encodes features of the images, some through a map that"
            " all subjects share and some through its own; noise has a part common to all voxels,"
            " spatial components and a variance that depends on the stimulus. What was planted is"
            " computed without noise for the very voxels and stimuli of each test. Its parameters"
            " are printed under Provenance."
        )
    if evidence.source == "rdms":
        regions = next(iter(evidence.tests.values()))["regions"]
        named = ", ".join(escape(r["label"] if "label" in r else r["region"]) for r in regions)
        who = ", ".join(
            escape(name) for name in dict.fromkeys(s for r in regions for s in r["subjects"])
        )
        return (
            f"The data are RDMs that were measured elsewhere ({named}; subjects {who}). There are"
            " no responses behind them here, so that only tests of RDMs can be run."
        )
    return (
        f"The data are the Natural Scenes Dataset {cite('nsd')}: 7T fMRI responses to natural"
        " scenes, single-trial betas (betas_fithrf_GLMdenoise_RR, 1.8-mm volume)."
    )


def _matching(found: dict[str, Any]) -> list[str]:
    shared = found["shared_in_all_subjects"]
    return [
        "Trials were matched to stimuli by their 73K ids."
        f" Of the shared stimuli, every subject saw {whole(shared['at_least_1'])} at least once,"
        f" {whole(shared['at_least_2'])} at least twice and {whole(shared['at_least_3'])} three"
        f" times; the {whole(found['n_matched'])} that every subject saw at least"
        f" {things(found['min_repetitions'], 'time')} are used. In all,"
        f" {things(found['n_trials'], 'trial')} were read.",
        "The counts agree with those that NSD states." if found["official_counts_checked"] else "",
    ]


def _imported(found: list[dict]) -> list[str]:
    scaled = (
        "The means were z-scored for every region within each session, over the trials in the file."
        if all(subject["zscored"] for subject in found)
        else "The means are used as they were given."
    )
    regions = ", ".join(escape(name) for name in found[0]["rois"])
    lost = [
        f"{escape(name)} in {escape(subject['subject'])} ({REASONS[reason]})"
        for subject in found
        for reason, names in subject["missing_rois"].items()
        for name in names
    ]
    missing = f"Missing: {', '.join(lost)}." if lost else "No region is missing in any subject."
    return [scaled, f"Regions: {regions}. {missing}"]


def _voxels(betas: list[dict]) -> list[str]:
    dropped = {
        name: sum(subject["n_dropped"].get(name, 0) for subject in betas) for name in DROPPED
    }
    saturated = sum(subject["n_saturated_values"] for subject in betas)
    reasons = ", ".join(f"{whole(n)} had {SAID[name]}" for name, n in dropped.items())
    return [
        "Betas were z-scored for every voxel within each session, over all trials of the session."
        f" Of {whole(sum(s['n_voxels_found'] for s in betas))} voxels in the regions,"
        f" {whole(sum(s['n_voxels'] for s in betas))} were kept; of the others,"
        f" {reasons}. Stored values at the limit of their integer type: {whole(saturated)}.",
        "A region with too few voxels in a subject is missing there, never filled with zeros.",
    ]


def _subjects(evidence: Evidence, table: int) -> list[Flowable]:
    rows_of: dict[str, dict[str, dict]] = {}
    for row in (evidence.matching or {"subjects": []})["subjects"]:
        rows_of.setdefault(row["subject"], {})["matching"] = row
    for row in evidence.betas:
        rows_of.setdefault(row["subject"], {})["betas"] = row
    notes = Notes()
    rows = []
    for subject, known in rows_of.items():
        matching, betas = known.get("matching"), known.get("betas")
        row = [escape(subject)]
        if matching:
            keys = ("sessions", "trials", "images", "shared_images", "matched_trials")
            row += [whole(matching[key]) for key in keys]
            row.append(number(matching["mean_repetitions_matched"], 2))
        else:
            row += [notes.missing("the matching was not given"), *["–"] * 5]
        if betas:
            row.append(whole(betas["n_voxels"]))
            row += [whole(betas["n_dropped"].get(name)) for name in DROPPED]
        elif not evidence.roi_means:
            row += [notes.missing("the extract was not given"), *["–"] * 3]
        rows.append(row)
    columns = [
        Column("Subject", "left"),
        Column("Sessions"),
        Column("Trials"),
        Column("Images"),
        Column("Shared images"),
        Column("Matched trials"),
        Column("Mean repetitions"),
    ]
    groups = []
    caption = (
        "Data of each subject. Matched trials show a stimulus that all subjects share often enough"
    )
    if evidence.roi_means:
        caption += "."
    else:
        columns += [Column("kept"), *(Column(header) for header in DROPPED.values())]
        groups = [*([("", 1)] * 7), ("Voxels", 4)]
        caption += "; voxels are those of the regions, kept or dropped for one of three reasons."
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def _regions(betas: list[dict], table: int) -> list[Flowable]:
    names = list(dict.fromkeys(r["region"] for subject in betas for r in subject["regions"]))
    notes = Notes()
    rows = []
    for name in names:
        cells = []
        ncsnr = []
        for subject in betas:
            found = next((r for r in subject["regions"] if r["region"] == name), None)
            if found is None or not found["n_voxels"]:
                cells.append(notes.missing("the subject has no voxel in this region"))
            else:
                cells.append(whole(found["n_voxels"]))
                ncsnr.append(found["median_ncsnr"])
        rows.append([escape(name), *cells, span(ncsnr, 2)])
    columns = [
        Column("Region", "left"),
        *(Column(escape(subject["subject"])) for subject in betas),
        Column("Median ncsnr"),
    ]
    caption = (
        "Voxels kept in each region and subject, and the range over subjects of their median ncsnr"
        " (signal SD over noise SD, as stored with the betas)."
    )
    return tables.table(table, caption, columns, rows, notes)


def overview(evidence: Evidence) -> str:
    """Return subjects, stimuli and regions in one phrase."""
    first = next((test for test in evidence.tests.values() if "regions" in test), None)
    if first is None:
        return "simulated subjects only"
    regions = first["regions"]
    n_subjects = sorted({region["n_subjects"] for region in regions})
    subjects = things(n_subjects[-1], "subject")
    if len(n_subjects) > 1:
        subjects = f"{n_subjects[0]} to {subjects}"
    n_stimuli = first.get("n_stimuli_matched", first["n_stimuli"])
    return f"{subjects}, {things(n_stimuli, 'stimulus')}, {things(len(regions), 'region')}"


def sessions(evidence: Evidence) -> str:
    """Return the range of sessions over subjects."""
    if evidence.matching is None:
        return ""
    n = [subject["sessions"] for subject in evidence.matching["subjects"]]
    if min(n) == max(n):
        return things(n[0], "session")
    return f"{count(min(n), max(n)).replace('of', 'to')} sessions"
