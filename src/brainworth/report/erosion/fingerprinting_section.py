"""The chapter on fingerprinting."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.claims import alpha, covered, significant
from brainworth.report.erosion import fingerprinting_tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import (
    count,
    percent_span,
    span,
)

FEATURES = ("rdm", "profile")


#: What this test leaves open.
LIMITS = (
    "<b>Fingerprinting.</b> Binomial intervals take subjects as independent. A difference"
    " between subjects includes whatever is stable in a scanner, a head and a mask, not"
    " only how a brain encodes images."
)


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about this test."""
    data = evidence.tests["fingerprinting"]
    regions = data["regions"]
    accuracies = [region["profile"]["accuracy"] for region in regions]
    text = (
        "<b>Fingerprinting:</b> subjects are recognised, by estimators as published, with"
        f" {_published_span(regions, 'mean')} (mean patterns) and"
        f" {_published_span(regions, 'variance')} accuracy (variance patterns, whose two sides"
        f" share their trials) against a chance of {_chance(regions)}; from disjoint sessions,"
        f" with {percent_span(accuracies)} (response profiles) and"
        f" {percent_span([region['rdm']['accuracy'] for region in regions])} (RDMs)"
    )
    corrected = _corrected(regions, "rdm")
    if corrected:
        text += f"; corrected for noise, the RDMs of different subjects differ by {span(corrected)}"
        if evidence.planted.get("fingerprinting"):
            text += f" (planted: {span(_planted(evidence, 'rdm'))})"
    return text + "."


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the reading, the figure and the tables."""
    return [
        layout.heading("Fingerprinting", 2),
        *(layout.body(*texts) for texts in _reading(evidence)),
        layout.figure(evidence.figures["fingerprinting"], number_of.figure(), _caption(evidence)),
        *fingerprinting_tables.accuracy(evidence, number_of.table()),
        *fingerprinting_tables.identifiability(evidence, number_of.table()),
    ]


def _caption(evidence: Evidence) -> str:
    data = evidence.tests["fingerprinting"]
    truth = "fingerprinting" in evidence.planted
    missing = any(
        r[f]["corrected_identifiability"] is None for r in data["regions"] for f in FEATURES
    )
    return " ".join(
        text
        for text in (
            "<b>Recognising subjects.</b> <b>a</b> Share of subjects identified, by the published"
            " and by the sound estimators (first side against second)."
            " <b>b</b> How different subjects are once noise is taken out.",
            "Diamonds: planted." if truth else "",
            "Crosses: no estimate, since a subject does not resemble itself reliably."
            if missing
            else "",
            "<b>c, d</b> Accuracy against the number of stimuli.",
            "Accuracy inside the spread of random labellings would have falsified that subjects"
            " can be recognised; a corrected identifiability of zero, that they differ in more"
            " than noise.",
        )
        if text
    )


def _reading(evidence: Evidence) -> list[list[str]]:
    data = evidence.tests["fingerprinting"]
    regions, level = data["regions"], data["interval"]
    backwards = [region["profile"]["accuracy_reversed"] for region in regions]
    texts = [
        "The source reports 100 % in all regions for both patterns. With its estimators, variance"
        f" patterns identify {_published_span(regions, 'variance')} of the subjects here; as both"
        " sides share their trials, noise alone would do that. Mean patterns identify"
        f" {_published_span(regions, 'mean')}.",
        "From disjoint sessions, response profiles identify"
        f" {percent_span([region['profile']['accuracy'] for region in regions])} of the subjects"
        f" ({percent_span(backwards)} with the sides exchanged) and RDMs"
        f" {percent_span([region['rdm']['accuracy'] for region in regions])}.",
    ]
    sound = []
    hubs = sum(_one_for_all(region["rdm"]["similarity"]) for region in regions)
    if hubs:
        sound.append(
            f"In {count(hubs, len(regions))} regions the RDMs of all subjects are most similar to"
            " one and the same subject's: the nearest neighbour is then whoever has the least"
            " noise. Accuracy mixes identity with data quality;"
            " identifiability does not."
        )
    found = [
        significant((region[f]["identifiability"]["p"] for region in regions), level)
        for f in FEATURES
    ]
    sound.append(
        f"Identifiability is above its null in {count(found[0], len(regions))} regions (RDMs) and"
        f" {count(found[1], len(regions))} (profiles; p ≤ {alpha(level)}, for each region)."
        f" Corrected for noise it is {span(_corrected(regions, 'rdm'))} for RDMs and"
        f" {span(_corrected(regions, 'profile'))} for profiles, on a scale where 0 means identical"
        " subjects and 1 unrelated ones."
    )
    if evidence.planted.get("fingerprinting"):
        sound.append(
            f"The planted values are {_covered(evidence, 'rdm')} (RDMs) and"
            f" {_covered(evidence, 'profile')} (profiles)."
        )
    sound.append(
        "That subjects can be recognised does not say that brains have nothing in common: a small"
        " difference that is reliable suffices."
    )
    return [texts, sound]


def _reproduced(full: dict[str, int], n_regions: int) -> str:
    if full["variance"] < n_regions:
        return "not reproduced"
    return "reproduced" if full["mean"] == n_regions else "reproduced for variance patterns only"


def _one_for_all(similarity: list[list[float]]) -> bool:
    """Say whether every row has its largest value in the same column."""
    return len({row.index(max(row)) for row in similarity}) == 1


def _published_span(regions: list[dict], name: str) -> str:
    rows = [region["published"][name] for region in regions]
    return percent_span([row["accuracy"] if row else None for row in rows])


def _chance(regions: list[dict]) -> str:
    return percent_span([region["rdm"]["chance"] for region in regions])


def _corrected(regions: list[dict], feature: str) -> list[float]:
    rows = [region[feature]["corrected_identifiability"] for region in regions]
    return [row["estimate"] for row in rows if row]


def _planted(evidence: Evidence, feature: str) -> list[float | None]:
    labels = [region["region"] for region in evidence.tests["fingerprinting"]["regions"]]
    return [evidence.truth("fingerprinting", label).get(feature) for label in labels]


def _covered(evidence: Evidence, feature: str) -> str:
    regions: list[dict[str, Any]] = evidence.tests["fingerprinting"]["regions"]
    rows = [region[feature]["corrected_identifiability"] for region in regions]
    bounds = [row and row["interval"] for row in rows]
    return covered(zip(_planted(evidence, feature), bounds, strict=True))
