"""The chapter on the reliability of variance profiles."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.claims import alpha, covered
from brainworth.report.erosion import variance_reliability_tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, span

#: What this test leaves open.
LIMITS = (
    "<b>Reliability of the variance.</b> The rotation null is exact for Gaussian contrasts of one"
    " covariance only; trials that differ in their noise whatever the stimulus exceed it, in halves"
    " of the voxels and in orthogonal contrasts, and only agreement across subjects does not. A"
    " variance that subjects share beyond the schedule may still come from attention or eye"
    " movements that images cause; splits of the voxels are random and not spatial."
)


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about this test."""
    data = evidence.tests["variance_reliability"]
    regions = data["regions"]
    text = (
        "<b>Reliability of the variance:</b> halves of the voxels correlate by"
        f" {span(_values(regions, 'voxel_split'), 2)}, where homoscedastic noise gives"
        f" {span(_values(regions, 'voxel_split', 'null_mean'), 2)};"
        f" {count(_driven(regions), len(regions))} regions are above it and agree across subjects,"
        f" who share {span(_values(regions, 'shared_fraction'), 2)} of the true variance"
    )
    known = _planted(evidence)
    if any(value is not None for value in known):
        text += f" (planted: {span(known, 2)})"
    return text + "."


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the reading, the figure and the table."""
    return [
        layout.heading("Reliability of the variance", 2),
        *(layout.body(*texts) for texts in _reading(evidence)),
        *variance_reliability_tables.main(evidence, number_of.table()),
        layout.figure(
            evidence.figures["variance_reliability"], number_of.figure(), _caption(evidence)
        ),
    ]


def _caption(evidence: Evidence) -> str:
    truth = "variance_reliability" in evidence.planted
    return " ".join(
        text
        for text in (
            "<b>Do variance profiles agree?</b> <b>a</b> Between halves of the voxels, as"
            " published; the box is what homoscedastic noise of the same covariance gives."
            " <b>b</b> Between two orthogonal contrasts of the same stimulus. <b>c</b> Between"
            " subjects, with and without what the schedule of presentations explains. <b>d</b>"
            " Share of the true log variance that subjects have in common. Bars: intervals over"
            " stimuli.",
            "Diamonds: planted; estimates whose intervals miss them would have falsified the"
            " correction for sampling."
            if truth
            else "",
            "Circles inside the boxes would have falsified a variance that depends on the"
            " stimulus.",
        )
        if text
    )


def _reading(evidence: Evidence) -> list[list[str]]:
    data = evidence.tests["variance_reliability"]
    regions = data["regions"]
    level = alpha(data["interval"])
    texts = [
        f"The source states {evidence.statement('variance-reliability-table')} and, in a caption,"
        f" {evidence.statement('variance-reliability-caption')}.",
        f"Here halves of the voxels correlate by {span(_values(regions, 'voxel_split'), 2)}, and"
        " homoscedastic noise of the same covariance alone gives"
        f" {span(_values(regions, 'voxel_split', 'null_mean'), 2)}, the more the more noise the"
        " voxels share. A high r is therefore no evidence by itself; its excess over the null is"
        f" {span(_values(regions, 'voxel_split', 'excess'), 2)}.",
        f"It is above the null in {count(_reached(regions, 'above_surrogate'), len(regions))}"
        f" regions (family-wise p ≤ {level}).",
    ]
    sound = [
        "Two orthogonal contrasts of a stimulus, which share its trials and their variance,"
        f" correlate by {span(_values(regions, 'disjoint'), 2)} (null"
        f" {span(_values(regions, 'disjoint', 'null_mean'), 2)}), above the null in"
        f" {count(_reached(regions, 'in_disjoint_contrasts'), len(regions))} regions."
        if any(region["disjoint"] for region in regions)
        else "There are too few stimuli with three repetitions for orthogonal contrasts.",
    ]
    if any(region["across_subjects"] for region in regions):
        sound.append(
            "Different subjects correlate by"
            f" {span(_values(regions, 'across_subjects'), 2)}, without the schedule"
            f" {span(_values(regions, 'across_subjects_adjusted'), 2)}; above chance in"
            f" {count(_reached(regions, 'across_subjects'), len(regions))} and"
            f" {count(_reached(regions, 'across_subjects_adjusted'), len(regions))} regions."
            f" Of the true log variance they share"
            f" {span(_values(regions, 'shared_fraction'), 2)}."
        )
    else:
        sound.append("One subject does not say whether the variance belongs to the stimulus.")
    known = _planted(evidence)
    if any(value is not None for value in known):
        pairs = [
            (value, None if region["shared_fraction"] is None else bounds["interval"])
            for value, region, bounds in zip(
                known, regions, (r["shared_fraction"] for r in regions), strict=True
            )
        ]
        sound.append(f"The planted share ({span(known, 2)}) is {covered(pairs)}.")
    sound.append(
        "Only what is above the null and in other subjects supports a stable, stimulus-driven"
        f" variance: {count(_driven(regions), len(regions))} regions."
    )
    return [texts, sound]


def _values(regions: list[dict], name: str, key: str = "estimate") -> list[float]:
    return [region[name][key] for region in regions if region[name] is not None]


def _reached(regions: list[dict], name: str) -> int:
    return sum(bool(region["summary"][name]) for region in regions)


def _driven(regions: list[dict]) -> int:
    return _reached(regions, "stimulus_driven")


def _planted(evidence: Evidence) -> list[float | None]:
    return [
        evidence.truth("variance_reliability", region["region"]).get("shared_fraction")
        for region in evidence.tests["variance_reliability"]["regions"]
    ]
