"""The chapter on heteroscedasticity."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.claims import alpha, covered, significant
from brainworth.report.erosion import heteroscedasticity_tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, span

#: What this test leaves open.
LIMITS = (
    "<b>Heteroscedasticity.</b> The rotation null is exact for Gaussian contrasts of one covariance"
    " only, the exchange nulls assume exchangeable residuals. Where trials differ in their noise"
    " whatever the stimulus (arousal, motion), all of them reject though no variance depends on the"
    " stimulus; only agreement across subjects, adjusted for the schedule, is safe from that. A"
    " variance that does depend on the stimulus may come from attention, eye movements or the mean"
    " response."
)


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about this test."""
    data = evidence.tests["heteroscedasticity"]
    regions = data["regions"]
    text = (
        "<b>Heteroscedasticity:</b> the published rule calls"
        f" {count(_called(regions), len(regions))} regions significant; against homoscedastic noise"
        f" {_significant(data)} are (family-wise p ≤ {alpha(data['interval'])}), and the true"
        f" variance has a squared CV over stimuli of {span(_cv2(regions))}"
    )
    if evidence.planted.get("heteroscedasticity"):
        text += f" (planted: {span(_planted(evidence))})"
    return text + "."


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the reading, the figure and the tables."""
    return [
        layout.heading("Heteroscedasticity", 2),
        *(layout.body(*texts) for texts in _reading(evidence)),
        *heteroscedasticity_tables.main(evidence, number_of.table()),
        layout.figure(
            evidence.figures["heteroscedasticity"], number_of.figure(), _caption(evidence)
        ),
        *heteroscedasticity_tables.second(evidence, number_of.table()),
    ]


def _caption(evidence: Evidence) -> str:
    truth = "heteroscedasticity" in evidence.planted
    return " ".join(
        text
        for text in (
            "<b>Variance over repetitions.</b> <b>a, b</b> The published statistics (circles: mean"
            " of subjects; small: single subjects), their published thresholds (dashed), and what"
            " homoscedastic noise gives (boxes, for the mean of subjects). <b>c</b> Squared CV of"
            " the true variance, with its interval over stimuli.",
            "Diamonds: planted; estimates whose intervals miss them would have falsified the"
            " removal of the sampling part."
            if truth
            else "",
            "Statistics inside the boxes, or a squared CV whose interval reaches zero, would have"
            " falsified heteroscedasticity.",
        )
        if text
    )


def _reading(evidence: Evidence) -> list[list[str]]:
    data = evidence.tests["heteroscedasticity"]
    regions, threshold = data["regions"], data["published_thresholds"]
    texts = [
        f"The source gives {evidence.statement('heteroscedasticity-table')}, of which only two"
        f" regions exceed its threshold of {threshold['ratio']:g}, and says:"
        f" {evidence.statement('heteroscedasticity-caption')}.",
        f"Here the rule calls {count(_called(regions), len(regions))} regions significant, with"
        f" Q75/Q25 of {span([r['mean']['ratio']['estimate'] for r in regions], 2)} and a CV of"
        f" {span([r['mean']['cv']['estimate'] for r in regions], 2)}.",
        f"Homoscedastic noise of the same covariance gives {_null_span(regions, 'ratio')} and"
        f" {_null_span(regions, 'cv')} (rotation null): a part of the published statistics"
        " is sampling, and how large depends on voxels and repetitions, not on brains.",
    ]
    crossed = sum(r["mean"]["cv"]["exchange"]["interval"][1] > threshold["cv"] for r in regions)
    if crossed:
        texts.append(
            f"The exchange null reaches the threshold CV of"
            f" {threshold['cv']:g} in {count(crossed, len(regions))} regions."
        )
    sound = []
    sound.append(
        f"Both statistics exceed the rotation null in {_significant(data)} regions (family-wise p ≤"
        f" {alpha(data['interval'])}). The squared CV of the true variance (its"
        f" sampling part removed) is {span(_cv2(regions))}."
    )
    if evidence.planted.get("heteroscedasticity"):
        pairs = [
            (truth, region["mean"]["true_cv2"]["interval"])
            for truth, region in zip(_planted(evidence), regions, strict=True)
        ]
        sound.append(
            f"The planted value ({span(_planted(evidence))}; the same stimuli in all regions) is"
            f" {covered(pairs)}."
        )
    sound.append(_brown_forsythe(evidence))
    sound.append(
        "Whether such variance is a property of the stimulus, or of trials that are noisy whatever"
        " they show (arousal, motion), none of these nulls says; agreement across subjects does."
    )
    return [texts, sound]


def _brown_forsythe(evidence: Evidence) -> str:
    data = evidence.tests["heteroscedasticity"]
    found = [
        subject["brown_forsythe"]["p"]
        for region in data["regions"]
        for subject in region["subjects"]
        if subject["brown_forsythe"]
    ]
    if not found:
        return "No subject has enough stimuli with three repetitions for a Brown–Forsythe test."
    low = significant(found, data["interval"])
    return (
        f"The Brown–Forsythe test, on the mean response of a region and subject, reaches p ≤"
        f" {alpha(data['interval'])} in {count(low, len(found))} cases; a mean over voxels has one"
        " dimension, and three repetitions give it little power."
    )


def _labels(regions: list[dict]) -> list[str]:
    return [region["region"] for region in regions]


def _called(regions: list[dict]) -> int:
    return sum(region["called_significant_as_published"] for region in regions)


def _significant(data: dict) -> str:
    regions = data["regions"]
    hits = [
        significant(
            (region["mean"][name]["rotation"]["p_familywise"] for name in ("cv", "ratio")),
            data["interval"],
        )
        == 2
        for region in regions
    ]
    return count(sum(hits), len(regions))


def _cv2(regions: list[dict]) -> list[float]:
    return [region["mean"]["true_cv2"]["estimate"] for region in regions]


def _null_span(regions: list[dict], name: str) -> str:
    means = [region["mean"][name]["rotation"]["mean"] for region in regions]
    label = {"ratio": "Q75/Q25", "cv": "a CV"}[name]
    return f"{label} of {span(means, 2)}"


def _planted(evidence: Evidence) -> list[float | None]:
    labels = _labels(evidence.tests["heteroscedasticity"]["regions"])
    return [evidence.truth("heteroscedasticity", label).get("true_cv2") for label in labels]
