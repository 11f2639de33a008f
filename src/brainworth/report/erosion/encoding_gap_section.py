"""The chapter on the encoding gap of mean responses."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.claims import alpha, covered, significant
from brainworth.report.erosion import encoding_gap_tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, span

HEADING = "Encoding gap of mean responses"
#: What this test leaves open.
LIMITS = (
    "<b>Encoding gap.</b> A region's mean response is one number a stimulus, and most of what a"
    " brain encodes is not in it. No encoding model of images was fitted: individual and population"
    " are responses that predict responses, the best that a model of either could do. Responses in"
    " percent signal change were not analysed. The gap without noise tends to the small side:"
    " in simulated data it falls short of what is planted in most regions, within its interval."
)


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about this test."""
    data = evidence.tests["encoding_gap"]
    regions = data["regions"]
    text = (
        "<b>Encoding gap:</b> the mean of the other subjects predicts a region's mean response with"
        f" a calibrated R² of {span(_calibrated(regions, 'population'), 2)}, own other trials with"
        f" {span(_calibrated(regions, 'individual'), 2)}; {_anti(regions)}"
    )
    gaps = _gaps(regions)
    if gaps:
        text += f"; without noise the gap is {span(gaps, 2)}"
        if evidence.planted.get("encoding_gap"):
            text += f" (planted: {span(_planted(evidence), 2)})"
    return text + "."


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the reading, the figure and the tables."""
    if not evidence.tests["encoding_gap"]["regions"]:
        text = "No region is there in two subjects; nothing was predicted."
        return [layout.heading(HEADING, 2), layout.body(text)]
    return [
        layout.heading(HEADING, 2),
        *(layout.body(*texts) for texts in _reading(evidence)),
        *encoding_gap_tables.r2(evidence, number_of.table()),
        layout.figure(evidence.figures["encoding_gap"], number_of.figure(), _caption(evidence)),
        *encoding_gap_tables.gaps(evidence, number_of.table()),
    ]


def _caption(evidence: Evidence) -> str:
    truth = "encoding_gap" in evidence.planted
    return " ".join(
        text
        for text in (
            "<b>Encoding gap.</b> <b>a</b> R² for trials that no predictor has seen, from own other"
            " trials (individual) and from the mean of the other subjects (population). <b>b</b>"
            " R² of population and individual corrected for noise on both sides, for the mean"
            " response and voxel by voxel. <b>c</b> Slope of the individual response on the"
            " population's.",
            "Diamonds: planted, for the mean response." if truth else "",
            "Slopes below zero would have shown anti-prediction.",
        )
        if text
    )


def _reading(evidence: Evidence) -> list[list[str]]:
    data = evidence.tests["encoding_gap"]
    regions = data["regions"]
    same = [region["published"]["individual_same_trials"] for region in regions]
    raw = [region["published"]["population"]["estimate"] for region in regions]
    artefacts = sum(region["units_artefact"] for region in regions)
    noisy = sum(region["individual"]["raw"]["estimate"] < 0 for region in regions)
    first = [
        f"The source says: {evidence.statement('encoding-gap-individual')},"
        f" {evidence.statement('encoding-gap-population')}, and reads this as anti-prediction.",
        f"Here, in raw units, the population R² is {span(raw, 2)}.",
        f"In {count(artefacts, len(regions))} regions it is negative raw and not negative after"
        " calibration: an artefact of units, not anti-prediction."
        if artefacts
        else "In no region is it negative only for want of calibration.",
        f"The raw R² of a subject's own other trials is negative in {count(noisy, len(regions))}"
        " regions: a raw R² below zero says that a predictor is noisy or in other units, not that"
        " it anti-predicts."
        if noisy
        else "",
        f"{layout.sentence_case(_anti(regions))}.",
        "A mean of repetitions predicts the very trials it is made of with an R² of"
        f" {span([row['estimate'] for row in same], 2)}; noise alone gives"
        f" {span([row['without_signal'] for row in same], 2)} in that way.",
    ]
    p = [region["population"]["offset_slope"]["p_familywise"] for region in regions]
    hits = significant(p, data["interval"])
    second = [
        "For trials that no predictor has seen, the calibrated R² is"
        f" {span(_calibrated(regions, 'individual'), 2)} from own other trials and"
        f" {span(_calibrated(regions, 'population'), 2)} from the mean of the others (above"
        f" relabelled stimuli in {count(hits, len(regions))} regions, family-wise p ≤"
        f" {alpha(data['interval'])}). The mean of several subjects has less noise than one or two"
        " trials of one, so that the second can exceed the first whatever is shared."
    ]
    gaps = _gaps(regions)
    if gaps:
        second.append(
            f"Without noise on either side, the population R² falls short of 1 by {span(gaps, 2)}."
        )
    if gaps and evidence.planted.get("encoding_gap"):
        pairs = [
            (truth, (region["gap"] or {}).get("interval"))
            for truth, region in zip(_planted(evidence), regions, strict=True)
        ]
        second.append(f"The planted gap ({span(_planted(evidence), 2)}) is {covered(pairs)}.")
    voxels = [region["voxelwise"]["noise_free"] for region in regions if region["voxelwise"]]
    if voxels:
        second.append(
            "Voxel by voxel, a linear model of the other subjects explains at least"
            f" {span([row['estimate'] for row in voxels], 2)} of the signal."
        )
    return [first, second]


def _anti(regions: list[dict]) -> str:
    below = sum(region["slope"]["n_below_zero"] for region in regions)
    above = sum(region["slope"]["n_above_zero"] for region in regions)
    total = sum(region["slope"]["n"] for region in regions)
    return (
        f"its slope is above zero in {count(above, total)} cases (a region in a subject) and below"
        f" zero in {below} of them"
    )


def _calibrated(regions: list[dict], who: str) -> list[float]:
    return [region[who]["offset_slope"]["estimate"] for region in regions]


def _gaps(regions: list[dict]) -> list[float]:
    return [region["gap"]["estimate"] for region in regions if region["gap"]]


def _planted(evidence: Evidence) -> list[float | None]:
    regions = evidence.tests["encoding_gap"]["regions"]
    return [evidence.truth("encoding_gap", region["region"]).get("gap") for region in regions]
