"""What RSA computes, with the parameters that were used."""

from __future__ import annotations

from html import escape

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import comparison, percent, things, whole
from brainworth.report.published import cite

MEASURES = {
    "correlation": "correlation distance (1 − Pearson r over voxels) between the subject's mean "
    "patterns, as published",
    "crossnobis": "the crossnobis distance between patterns",
    "external": "taken as they were measured elsewhere",
}


def methods(evidence: Evidence) -> list[Flowable]:
    """Describe RSA."""
    data = evidence.tests["rsa"]
    level = percent(data["interval"])
    crossnobis = any("crossnobis" in region["other_measures"] for region in data["regions"])
    whitened = any(region["noise_shrinkage"] for region in data["regions"])
    repeated = any(region["reliability"] for region in data["regions"])
    control = any(region["mismatched"] for region in data["regions"])
    return [
        layout.heading("Cross-subject RSA", 2),
        layout.body(
            "Representational dissimilarity matrices (RDMs) of"
            f" {things(data['n_stimuli'], 'stimulus')}"
            f" are {MEASURES.get(data['measure'], escape(data['measure']))}. The RDMs of two"
            " subjects"
            f" are compared by the {comparison(data['comparison'])} of their upper"
            " triangles,"
            " and the similarity of a region is the mean over all pairs of subjects"
            f" {cite('rsa')}.",
        ),
        layout.body(
            "<b>Null.</b> The stimuli of every subject are relabelled independently, "
            f"{whole(data['n_permutations'])} times and in the same way in every region; the"
            " family-wise p-value compares with the largest similarity over regions"
            f" {cite('familywise')}.",
        ),
        layout.body(
            f"<b>Intervals.</b> {whole(data['n_bootstrap'])} bootstrap samples of stimuli (BCa"
            f" {cite('bca')}; a"
            " stimulus paired with its own copy has no dissimilarity and is left out) and, named"
            " apart, of subjects (percentile). A similarity is a sum over pairs of stimuli; what"
            " comes from pairs alone is counted three times in the variance of a bootstrap and"
            f" twice in that of a jackknife {cite('pairs')}, so that the width of the intervals is"
            " corrected to twice the second less the first.",
            "For rank correlations the ranks are taken once, on all stimuli, and not anew in each"
            " sample; this changes an interval by less than its own sampling error.",
        ),
        layout.body(
            "<b>Noise ceiling.</b> The mean similarity of each subject's RDM with the pooled RDM of"
            " the other subjects (lower) and of all subjects (upper).",
        ),
        layout.body(
            (
                "<b>Correction for reliability.</b> With RDMs from disjoint parts of each subject's"
                " data (repetitions or sessions), the similarity between parts of two subjects is"
                " divided by the geometric mean of the similarities between parts of each of them:"
                " an estimate of the similarity of the noise-free RDMs, 1 if subjects share their"
                " geometry. Subjects whose reliability has an interval that reaches zero are left"
                " out and counted."
                if repeated
                else "<b>Reliability.</b> There are no RDMs from disjoint parts of a subject's"
                " data, so that no similarity can be corrected for noise."
            ),
            (
                "<b>Crossnobis.</b> A second RDM holds squared distances cross-validated over all"
                f" repetitions {cite('crossnobis')}: every product is one of two different trials,"
                " so that two stimuli with one true pattern have distance 0 on average, whatever"
                f" their numbers of repetitions. {_whitening(whitened)}"
                if crossnobis
                else ""
            ),
        ),
        *(
            []
            if not control
            else [
                layout.body(
                    "<b>Control: mismatched stimuli.</b> The same analysis with other images, drawn"
                    " at random for every subject and in random order. It must give zero; it is"
                    " what a wrong mapping of stimulus ids looks like. Its interval follows from"
                    f" its own permutation null ({level} %), its p-value is two-sided."
                )
            ]
        ),
    ]


def _whitening(whitened: bool) -> str:
    if not whitened:
        return "Its noise is not whitened: voxels are z-scored, their noise covariance is not used."
    return (
        "Patterns are whitened by the noise covariance of the region's voxels: residuals of"
        " repeated trials around their stimulus' mean, shrunk to the diagonal"
        f" {cite('shrinkage')}. The residuals are those of up to 1,000 other images of the subject,"
        " since a covariance from the same trials makes distances too large."
    )
