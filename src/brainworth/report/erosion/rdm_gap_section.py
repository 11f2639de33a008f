"""The chapter on the gap of RDMs."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout, published
from brainworth.report.claims import alpha, covered, significant, where
from brainworth.report.erosion import rdm_gap_tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, span

#: What this test leaves open.
LIMITS = (
    "<b>Encoding gap of RDMs.</b> Repetitions of a subject share scanner, voxels and sometimes a"
    " session; what noise they have in common counts as the subject's own. Noise that distorts an"
    " RDM, instead of diluting it, looks like geometry of its own: the null of relabelled subjects"
    " is exact for subjects of equal noise and somewhat liberal if their noise differs much."
)


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about this test."""
    data = evidence.tests["rdm_gap"]
    regions = data["regions"]
    gaps = _gaps(regions, "published")
    labels = [region["region"] for region in regions]
    if not gaps:
        values = [region["published"]["population"]["estimate"] for region in regions]
        return (
            f"<b>Encoding gap of RDMs:</b> the other subjects predict a subject's RDM with"
            f" {span(values)} {where(labels)}; without repeated measurements there is no individual"
            " prediction to hold against it."
        )
    text = f"<b>Encoding gap of RDMs:</b> as published it is {span(gaps)} {where(labels)}"
    free = _gaps(regions, "noise_free")
    if free:
        text += f"; between predictions without noise it is {span(free)}"
        if evidence.planted.get("rdm_gap"):
            text += f" (planted: {span(_planted(evidence))})"
    return text + "."


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the reading, the figure and the tables."""
    return [
        layout.heading("Encoding gap of RDMs", 2),
        *(layout.body(*texts) for texts in _reading(evidence)),
        layout.figure(evidence.figures["rdm_gap"], number_of.figure(), _caption(evidence)),
        *rdm_gap_tables.sides(evidence, number_of.table()),
        *rdm_gap_tables.noise_free(evidence, number_of.table()),
    ]


def _caption(evidence: Evidence) -> str:
    truth = "rdm_gap" in evidence.planted
    return " ".join(
        text
        for text in (
            "<b>Individual against population prediction of RDMs.</b> <b>a</b> Both sides, as"
            " published (circles) and for one repetition as the target of both (squares), with the"
            " null of the population. <b>b</b> Their difference, and the gap between predictions"
            " without noise (triangles); the grey band is the published range.",
            "Diamonds: the gap of the planted noise-free RDMs; noise-free estimates that miss them"
            " would have falsified the correction."
            if truth
            else "",
            "A noise-free gap whose interval reaches zero would have falsified that subjects have"
            " RDMs of their own.",
        )
        if text
    )


def _reading(evidence: Evidence) -> list[list[str]]:
    data = evidence.tests["rdm_gap"]
    regions, level = data["regions"], data["interval"]
    above = significant((r["published"]["population"]["p_familywise"] for r in regions), level)
    first = [
        f"The source gives {evidence.statement('rdm-gap-table')} and names neither the estimator"
        " nor its noise.",
        "Here the other subjects predict a subject's RDM above chance in"
        f" {count(above, len(regions))} regions (family-wise p ≤ {alpha(level)}).",
    ]
    gaps = _gaps(regions, "published")
    if not gaps:
        return [
            first,
            [
                "Without repeated measurements there is no individual prediction, and no gap can be"
                " computed."
            ],
        ]
    low, high = published.NUMBERS["rdm-gap-table"]
    inside = sum(low <= round(gap, 2) <= high for gap in gaps)
    first.append(
        f"The published gap is {span(gaps)}, within the published range in"
        f" {count(inside, len(gaps))} regions. For one repetition as the target of both it is"
        f" {span(_gaps(regions, 'same_target'))}."
    )
    free = [region["noise_free"] for region in regions if region["noise_free"]]
    if not free:
        return [first, ["No region has two subjects with reliable RDMs; the noise stays in."]]
    apart = sum(row["gap"]["interval"][0] > 0 for row in free)
    own = [row["own_advantage"] for row in free if row["own_advantage"]]
    second = [
        "Both depend on how many data stand on either side. Between predictions without noise the"
        f" gap is {span(_gaps(regions, 'noise_free'))}, above zero (interval) in"
        f" {count(apart, len(free))} regions.",
    ]
    if evidence.planted.get("rdm_gap"):
        pairs = [
            (
                evidence.truth("rdm_gap", region["region"]).get("gap"),
                region["noise_free"]["gap"]["interval"] if region["noise_free"] else None,
            )
            for region in regions
        ]
        second.append(f"The planted gap ({span(_planted(evidence))}) is {covered(pairs)}.")
    if own:
        known = [row for row in own if row["p_familywise"] is not None]
        hits = significant((row["p_familywise"] for row in known), level)
        second.append(
            f"One RDM common to all subjects is rejected in {count(hits, len(known))} regions"
            f" (subjects relabelled, family-wise p ≤ {alpha(level)})."
        )
    return [first, second]


def _gaps(regions: list[dict], kind: str) -> list[float]:
    found = [(region[kind] or {}).get("gap") for region in regions]
    return [gap["estimate"] for gap in found if gap is not None]


def _planted(evidence: Evidence) -> list[float | None]:
    regions = evidence.tests["rdm_gap"]["regions"]
    return [evidence.truth("rdm_gap", region["region"]).get("gap") for region in regions]
