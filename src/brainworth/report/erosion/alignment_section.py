"""The chapter on alignment."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout, published
from brainworth.report.claims import alpha, covered, significant
from brainworth.report.erosion import alignment_tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, percent_span, span

#: What this test leaves open.
LIMITS = (
    "<b>Alignment.</b> What is shared is meant linearly, and by these subjects; the corrected"
    " shared fraction is a lower bound, the closer the more stimuli, voxels and signal there are."
    " All subjects of the Natural Scenes Dataset saw their images in one order, so that effects of"
    " order count as shared."
)


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about this test."""
    regions = evidence.tests["alignment"]["regions"]
    named = [region["identification"]["estimate"] for region in regions]
    chance = [region["identification"]["chance"] for region in regions]
    text = (
        "<b>Alignment:</b> rotated to the mean of the other subjects, a subject's responses name"
        f" {percent_span(named)} of held-out stimuli (chance {percent_span(chance)})"
    )
    if not _shares(regions):
        return text + "."
    text += (
        f"; at least {span(_shares(regions), 2)} of the stimulus-driven variance is shared with the"
        " others"
    )
    if evidence.planted.get("alignment"):
        text += f" (planted: {span(_planted(evidence), 2)})"
    return text + "."


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the reading, the figure and the tables."""
    if not evidence.tests["alignment"]["regions"]:
        text = "No region has enough voxels in two subjects; nothing was aligned."
        return [layout.heading("Alignment and shared fraction", 2), layout.body(text)]
    return [
        layout.heading("Alignment and shared fraction", 2),
        *(layout.body(*texts) for texts in _reading(evidence)),
        *alignment_tables.rdms(evidence, number_of.table()),
        layout.figure(evidence.figures["alignment"], number_of.figure(), _caption(evidence)),
        *alignment_tables.shares(evidence, number_of.table()),
    ]


def _caption(evidence: Evidence) -> str:
    truth = "alignment" in evidence.planted
    return " ".join(
        text
        for text in (
            "<b>Alignment.</b> <b>a</b> Similarity of RDMs on the same held-out stimuli, before and"
            " after truncation to components and rotation; grey lines: RDMs of all voxels and all"
            " stimuli. <b>b</b> Held-out stimuli that are identified by the mean of the other"
            " subjects. <b>c</b> Share of a subject's"
            " stimulus-driven variance that is predicted from the others.",
            "Diamonds: planted." if truth else "",
            "Identification at chance, or a shared fraction whose interval reaches zero,"
            " would have falsified that alignment recovers anything.",
        )
        if text
    )


def _reading(evidence: Evidence) -> list[list[str]]:
    data = evidence.tests["alignment"]
    regions = data["regions"]
    rdm = [region["rdm"]["correlation"] for region in regions]
    low, high = published.NUMBERS["alignment-table"]
    first = [
        f"The source gives {low:.2f} to {high:.2f} for RDMs after alignment, lower than without,"
        " and concludes that alignment hurts.",
        f"Its estimator gives {span([r['published']['estimate'] for r in regions], 2)} here; RDMs"
        " of all voxels on all stimuli give"
        f" {span([r['all_stimuli']['estimate'] for r in rdm], 2)}.",
        "A rotation leaves distances as they are, so a comparison of RDMs cannot show what an"
        " alignment is good for: on the same held-out stimuli the similarity is"
        f" {_over(rdm, 'raw')} with all voxels, {_over(rdm, 'truncated')} with components and"
        f" {_over(rdm, 'aligned')} after rotation.",
    ]
    named = [region["identification"] for region in regions]
    hits = significant((row["p_familywise"] for row in named), data["interval"])
    second = [
        "What alignment is for is agreement stimulus by stimulus: from the mean of the others,"
        f" {percent_span(row['estimate'] for row in named)} of held-out stimuli are identified"
        f" (chance {percent_span(row['chance'] for row in named)}), above chance in"
        f" {count(hits, len(regions))} regions (family-wise p ≤ {alpha(data['interval'])})."
    ]
    shares = _shares(regions)
    if shares:
        naive = [region["ridge_share"]["estimate"] for region in regions if region["ridge_share"]]
        second.append(
            f"The R² of ridge regression is {span(naive, 2)} of its ceiling; corrected for noise of"
            f" the predictors and errors of the fit, the shared fraction is {span(shares, 2)}. A"
            " subject's own direction, lost by averaging, is worth at most"
            f" {span([1 - value for value in shares], 2)} of its stimulus-driven variance."
        )
    if evidence.planted.get("alignment"):
        pairs = [
            (truth, (region["shared_fraction"] or {}).get("interval"))
            for truth, region in zip(_planted(evidence), regions, strict=True)
        ]
        second.append(
            f"The planted fraction ({span(_planted(evidence), 2)}) is {covered(pairs)}; as a lower"
            " bound the estimate should lie below it, or within its interval."
        )
    return [first, second]


def _over(rdm: list[dict], name: str) -> str:
    return span([row[name]["estimate"] for row in rdm], 2)


def _shares(regions: list[dict]) -> list[float]:
    return [r["shared_fraction"]["estimate"] for r in regions if r["shared_fraction"]]


def _planted(evidence: Evidence) -> list[float | None]:
    regions = evidence.tests["alignment"]["regions"]
    return [
        evidence.truth("alignment", region["region"]).get("shared_fraction") for region in regions
    ]
