"""The chapter on RSA."""

from __future__ import annotations

from html import escape
from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.claims import alpha, covered, signed_span, significant, where
from brainworth.report.erosion import rsa_tables
from brainworth.report.erosion.rsa_figure import MOST_REGIONS_WITH_PAIRS
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import (
    count,
    number,
    percent,
    span,
)

#: What this test leaves open.
LIMITS = (
    "<b>RSA.</b> Correlation distances are not whitened, as published. Distances from the"
    " same runs and sessions share noise within a subject, and repetitions of a stimulus that fall"
    " into one run may, too: crossnobis takes them as independent. The"
    " corrected similarity is a ratio of estimates: with few stimuli or low reliability it"
    " is slightly biased and its interval is wide and skewed."
)


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about this test."""
    data = evidence.tests["rsa"]
    regions = data["regions"]
    text = (
        "<b>RSA:</b> the similarity of RDMs between subjects, as published, is "
        f"{span(_estimates(regions))} {where(_labels(regions))}, above its permutation null in "
        f"{_above(data)} (family-wise p ≤ {alpha(data['interval'])})"
    )
    corrected = _corrected(regions)
    if corrected:
        text += f"; corrected for the reliability of the RDMs it is {span(corrected)}"
        text += f" (planted: {span(_planted(evidence))})" if evidence.planted.get("rsa") else ""
    else:
        text += "; without repeated measurements it cannot be corrected for noise"
    return text + "."


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the reading, the figure and the tables."""
    data = evidence.tests["rsa"]
    single = len(data["regions"]) <= MOST_REGIONS_WITH_PAIRS
    return [
        layout.heading("Cross-subject RSA", 2),
        *_reading(evidence),
        layout.figure(evidence.figures["rsa"], number_of.figure(), _caption(evidence, single)),
        *rsa_tables.similarity(evidence, number_of.table()),
        *rsa_tables.corrected(evidence, number_of.table()),
        *rsa_tables.crossnobis(evidence, number_of),
        *(rsa_tables.pairs(evidence, number_of) if single else []),
    ]


def _caption(evidence: Evidence, single: bool) -> str:
    data = evidence.tests["rsa"]
    level = percent(data["interval"])
    truth = "rsa" in evidence.planted
    control = any(region["mismatched"] for region in data["regions"])
    fixed = bool(_corrected(data["regions"]))
    shown = "the mean and every pair of subjects" if single else "the mean over pairs of subjects"
    return " ".join(
        text
        for text in (
            f"<b>Similarity of RDMs between subjects.</b> Shown are {shown} as published (circles;"
            f" {level} % intervals over stimuli{'' if single else ', light over subjects'}),"
            f"{' corrected for the reliability of the RDMs (squares),' if fixed else ''} the noise"
            " ceiling (light boxes) and the permutation null (dark boxes).",
            "Diamonds: the same computed from the planted noise-free responses; corrected values"
            " that miss them would have falsified the correction."
            if truth
            else "",
            "Triangles: the control with mismatched stimuli; away from the null it would have"
            " falsified the test itself."
            if control
            else "",
            "A similarity inside the null band would have falsified the statement that subjects"
            f" share geometry{'; a corrected similarity of 1, that they differ' if fixed else ''}.",
        )
        if text
    )


def _reading(evidence: Evidence) -> list[Flowable]:
    data = evidence.tests["rsa"]
    regions, level = data["regions"], data["interval"]
    n_above = significant((r["similarity"]["p_familywise"] for r in regions), level)
    said = {
        name: evidence.statement(f"rsa-{name}")
        for name in ("zero-text", "zero-caption", "table", "table-p", "meaning")
    }
    contradiction = layout.body(
        "<b>The source contradicts itself on this test.</b> Its text says"
        f" {said['zero-text']} and a figure caption {said['zero-caption']}; the results table of"
        f" the same README gives {said['table']}, {said['table-p']}, and reads them as"
        f" {said['meaning']}. A similarity of 0.29 to 0.48 at p = 0.0002 is not zero: the two"
        " statements exclude each other."
    )
    found = (
        f"With the published estimator the similarity here is {span(_estimates(regions))}"
        f" {where(_labels(regions))}; it exceeds its permutation null ({_null_band(regions)}) in"
        f" {_above(data)} (family-wise p ≤ {alpha(level)})."
    )
    if evidence.simulated:
        meaning = (
            "Shared geometry was planted, so that this says nothing about brains; it shows that"
            " the estimator finds what is there."
        )
    elif evidence.source in ("rdms", "roi_means"):
        meaning = "They are other data than the source's and do not decide between its statements."
    elif n_above == len(regions):
        meaning = "These data side with the table and not with the sentence."
    elif n_above:
        meaning = "These data side with the table in these regions and with neither in the others."
    else:
        meaning = "These data do not tell the similarity from zero."
    return [
        contradiction,
        layout.body(found, meaning),
        layout.body(*_sound(evidence), _on_control(data), _cosine(data)),
    ]


def _sound(evidence: Evidence) -> list[str]:
    data = evidence.tests["rsa"]
    regions = data["regions"]
    corrected = _corrected(regions)
    if not corrected:
        return [
            "How much of the distance to 1 is noise cannot be said without repeated measurements."
        ]
    reliabilities = [r["reliability"]["mean"] for r in regions if r["reliability"]]
    texts = [
        f"The number mixes geometry with noise: the reliability of a single part is"
        f" {span(reliabilities)}. Corrected for it, the similarity is {span(corrected)}, so that"
        " subjects share a part of their geometry and not all of it"
        if all((_bounds(r) or [0, 1])[0] > 0 and (_bounds(r) or [0, 1])[1] < 1 for r in regions)
        else f"The number mixes geometry with noise: the reliability of a single part is"
        f" {span(reliabilities)}. Corrected for it, the similarity is {span(corrected)}"
    ]
    texts[0] += "."
    if evidence.planted.get("rsa"):
        pairs = [(evidence.truth("rsa", r["label"]).get("similarity"), _bounds(r)) for r in regions]
        texts.append(f"The planted value ({span(_planted(evidence))}) is {covered(pairs)}.")
    return texts


def _on_control(data: dict[str, Any]) -> str:
    rows = [region["mismatched"] for region in data["regions"] if region["mismatched"]]
    if not rows:
        return ""
    low = significant((row["p"] for row in rows), data["interval"])
    return (
        f"With mismatched stimuli it is {span([row['estimate'] for row in rows], 4)}, different"
        " from"
        f" zero in {count(low, len(rows))} regions (p ≤ {alpha(data['interval'])}, not corrected"
        " for their number). A wrong id mapping therefore produces the sentence"
        " “indistinguishable from zero”, and would be one explanation of it."
    )


def _cosine(data: dict[str, Any]) -> str:
    warned = data["comparison"] == "cosine" and data["cosine_warning"] is not None
    return escape(data["cosine_warning"]) if warned else ""


def _labels(regions: list[dict]) -> list[str]:
    return [escape(region["label"]) for region in regions]


def _estimates(regions: list[dict]) -> list[float]:
    return [region["similarity"]["estimate"] for region in regions]


def _corrected(regions: list[dict]) -> list[float]:
    return [region["corrected"]["estimate"] for region in regions if region["corrected"]]


def _bounds(region: dict) -> list[float] | None:
    return region["corrected"] and region["corrected"]["interval"]["corrected"]


def _planted(evidence: Evidence) -> list[float]:
    labels = [region["label"] for region in evidence.tests["rsa"]["regions"]]
    return [evidence.truth("rsa", label).get("similarity") for label in labels]


def _above(data: dict[str, Any]) -> str:
    regions = data["regions"]
    hits = significant((r["similarity"]["p_familywise"] for r in regions), data["interval"])
    return count(hits, len(regions))


def _null_band(regions: list[dict]) -> str:
    bounds = [bound for region in regions for bound in region["similarity"]["null_interval"]]
    return signed_span(bounds, 3)


def _ceilings(regions: list[dict]) -> str:
    lower = span([region["noise_ceiling"]["lower"]["estimate"] for region in regions])
    upper = span([region["noise_ceiling"]["upper"]["estimate"] for region in regions])
    return f"lower {lower}, upper {upper}"


def _tabulated(regions: list[dict]) -> str:
    if not regions:
        return "none of these regions is here"
    return ", ".join(
        f"{escape(r['label'])}\N{NO-BREAK SPACE}{number(r['similarity']['estimate'], 2)}"
        for r in regions
    )
