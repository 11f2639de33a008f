"""The chapter on the predictability of the variance."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout, published
from brainworth.report.claims import alpha, covered
from brainworth.report.erosion import variance_predictability_tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, span

#: What this test leaves open.
LIMITS = (
    "<b>Predictability of the variance.</b> Prediction is linear in components of patterns; image"
    " features were not used. The null is homoscedastic noise: where variances do differ between"
    " stimuli, a mean response that is noisier for some of them has a larger square, which the"
    " nuisances absorb only in part. Own patterns share their trials with the target."
)


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about this test."""
    regions = evidence.tests["variance_predictability"]["regions"]
    text = (
        "<b>Predictability of the variance:</b> mean patterns predict it with an R² of"
        f" {span(_readings(regions, 'mean_patterns'), 2)} in held-out stimuli, and"
        f" {span(_readings(regions, 'mean_patterns_in_sample'), 2)} in the fitted ones, where"
        " homoscedastic noise gives"
        f" {span(_readings(regions, 'mean_patterns_in_sample', 'null_mean'), 2)}"
    )
    explained = _shared(regions)
    if explained:
        text += f"; variances of other subjects explain {span(explained, 2)} of the true variance"
        known = [value for value in _planted(evidence) if value is not None]
        if known:
            text += f" (planted: {span(known, 2)})"
    return text + "."


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the reading, the figure and the tables."""
    return [
        layout.heading("Predictability of the variance", 2),
        *(layout.body(*texts) for texts in _reading(evidence)),
        *variance_predictability_tables.readings(evidence, number_of.table()),
        layout.figure(
            evidence.figures["variance_predictability"], number_of.figure(), _caption(evidence)
        ),
        *variance_predictability_tables.steps(evidence, number_of.table()),
    ]


def _caption(evidence: Evidence) -> str:
    truth = "variance_predictability" in evidence.planted
    return " ".join(
        text
        for text in (
            "<b>Can the variance be predicted?</b> <b>a</b> Four readings of the published R² (grey"
            " band: its range), on the data and, hollow, on homoscedastic surrogates. <b>b</b> What"
            " predictors add to the nuisances in held-out stimuli, with intervals over stimuli;"
            " boxes: the same for surrogates. <b>c</b> What the other subjects' variances explain"
            " of the true variance.",
            "Diamonds: planted; estimates whose intervals miss them would have falsified the"
            " correction for sampling."
            if truth
            else "",
        )
        if text
    )


def _reading(evidence: Evidence) -> list[list[str]]:
    data = evidence.tests["variance_predictability"]
    regions = data["regions"]
    low, high = published.NUMBERS["variance-predictability-table"]
    texts = [
        f"The source states {evidence.statement('variance-predictability-table')}, and not how"
        " stimuli were held out.",
        "Mean patterns of the same trials predict the variance of held-out stimuli with an R² of"
        f" {span(_readings(regions, 'mean_patterns'), 2)}.",
        f"In the stimuli they were fitted to, R² is"
        f" {span(_readings(regions, 'mean_patterns_in_sample'), 2)}, and"
        f" {span(_readings(regions, 'mean_patterns_in_sample', 'null_mean'), 2)} for homoscedastic"
        " noise: it grows with the number of voxels per stimulus. Holding out single trials gives"
        f" {span(_readings(regions, 'trial_folds'), 2)}, and variances of other voxels in the"
        f" same trials {span(_readings(regions, 'variance_patterns'), 2)} (homoscedastic noise:"
        f" {span(_readings(regions, 'variance_patterns', 'null_mean'), 2)}).",
        f"Values of {low:g} to {high:g} are thus no evidence unless units are held out properly.",
    ]
    nuisances = [region["steps"]["mean_response"]["r2"]["estimate"] for region in regions]
    level = alpha(data["interval"])
    sound = [
        f"Nuisances alone reach a held-out R² of {span(nuisances)}; sampling allows"
        f" {span([region['ceiling']['estimate'] for region in regions], 2)} at most.",
    ]
    sound += [
        _added(regions, name, text, level)
        for name, text in (
            ("own_patterns", "A subject's own patterns in other voxels add"),
            ("own_other_trials", "Own patterns in other trials and voxels reach"),
            ("others_patterns", "Patterns of other subjects add"),
            ("others_variance", "Variances of other subjects add"),
        )
    ]
    known = _planted(evidence)
    explained = _shared(regions)
    if explained:
        sound.append(f"Alone and corrected for sampling, the last explain {span(explained, 2)}.")
    if any(value is not None for value in known):
        pairs = [
            (value, None if region["shared_r2"] is None else region["shared_r2"]["interval"])
            for value, region in zip(known, regions, strict=True)
        ]
        sound.append(
            f"Planted are {span(known, 2)}, {covered(pairs)}, and nothing for patterns: images'"
            " variances were drawn without regard to their features."
        )
    return [texts, sound]


def _added(regions: list[dict], name: str, text: str, level: str) -> str:
    found = [r["steps"][name]["increment"]["estimate"] for r in regions if r["steps"][name]]
    if not found:
        return ""
    hits = sum(bool(region["summary"][name]) for region in regions)
    return f"{text} {span(found)} (family-wise p ≤ {level} in {count(hits, len(regions))} regions)."


def _readings(regions: list[dict], name: str, key: str = "estimate") -> list[float]:
    return [r["readings"][name][key] for r in regions if r["readings"][name] is not None]


def _shared(regions: list[dict]) -> list[float]:
    return [r["shared_r2"]["estimate"] for r in regions if r["shared_r2"] is not None]


def _planted(evidence: Evidence) -> list[float | None]:
    return [
        evidence.truth("variance_predictability", region["region"]).get("shared_r2")
        for region in evidence.tests["variance_predictability"]["regions"]
    ]
