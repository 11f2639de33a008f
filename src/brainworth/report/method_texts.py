"""What each test computes, with the parameters that were used."""

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


def rsa(evidence: Evidence) -> list[Flowable]:
    """Describe RSA."""
    data = evidence.tests["rsa"]
    level = percent(data["interval"])
    crossnobis = any("crossnobis" in region["by_measure"] for region in data["regions"])
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
            " apart, of subjects (percentile). For rank correlations the ranks are taken once, on"
            " all stimuli, and not anew in each sample; this changes an interval by less than its"
            " own sampling error.",
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
                "<b>Crossnobis.</b> A second RDM is cross-validated between repetitions"
                f" {cite('crossnobis')}. Its"
                " noise is not whitened: voxels are z-scored, and their noise covariance is not"
                " used."
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


def fingerprinting(evidence: Evidence) -> list[Flowable]:
    """Describe fingerprinting."""
    data = evidence.tests["fingerprinting"]
    params = evidence.params("fingerprinting")["erosion.fingerprinting"]
    labellings = sorted({(r["n_labellings"], r["exhaustive"]) for r in data["regions"]})
    how = " and ".join(
        f"all {whole(n)} labellings of the subjects, which makes them exact"
        if exhaustive
        else f"{whole(n)} random labellings of the subjects"
        for n, exhaustive in labellings
    )
    return [
        layout.heading("Fingerprinting", 2),
        layout.body(
            "<b>As published.</b> Subjects are identified by the most similar one among all"
            " subjects, from mean patterns and from variance patterns. The source does not say how"
            " the two sides were made. Here they are, for means, a region's mean response over"
            " stimuli in the first and in the second presentation; for variances, the variance"
            " over repetitions in one half of the voxels and in the other. Two to three"
            " repetitions leave no other way: <i>both sides of the variance patterns come from the"
            " same trials</i>, share their noise, and their accuracy says nothing about brains.",
        ),
        layout.body(
            f"<b>Sound.</b> The sides are {data['sides']}, so that they share neither trials nor"
            f" sessions; this leaves {whole(data['n_stimuli'])} of"
            f" {things(data['n_stimuli_matched'], 'matched stimulus')}. The features live in a"
            " space common to all subjects and carry neither voxel count nor scale: the RDM"
            " (compared by ranks taken once) and the profile of the region's mean response over"
            " stimuli (compared by correlation). A tie counts as a miss.",
            "<b>Identifiability</b> is the mean similarity of a subject to itself less that to"
            " others. Corrected for noise it is 1 less the mean over pairs of"
            f" {_r('st')} / √({_r('ss')}{_r('tt')}), r being the"
            " similarity between the sides: 0 if all subjects are the same, whatever the noise.",
        ),
        layout.body(
            f"<b>Null and intervals.</b> p-values come from {how}. Accuracy has the exact binomial"
            f" interval {cite('binomial')}, which <i>takes the subjects as independent</i>;"
            " their hits are not,"
            " since all are compared with the same candidates. Identifiability has a percentile"
            f" interval over {whole(data['n_bootstrap'])} bootstrap samples of stimuli. Accuracy"
            f" against the number of stimuli is the mean of {whole(params['n_subsamples'])} random"
            " subsets of each size.",
        ),
    ]


def heteroscedasticity(evidence: Evidence) -> list[Flowable]:
    """Describe the test of heteroscedasticity."""
    data = evidence.tests["heteroscedasticity"]
    threshold = data["published_thresholds"]
    return [
        layout.heading("Heteroscedasticity", 2),
        layout.body(
            "<b>As published.</b> For every stimulus the variance over repetitions, averaged over"
            f" voxels; over the {things(data['n_stimuli'], 'stimulus')}, its coefficient of"
            " variation (CV) and the ratio of its quartiles (Q75/Q25); a region is called"
            f" significant if CV > {threshold['cv']:g} or Q75/Q25 > {threshold['ratio']:g}."
            " Statistics are averaged over subjects.",
            "A sample variance from two or three repetitions spreads even if the true variance is"
            " the same for all stimuli, the more so the fewer independent dimensions the voxels"
            " have. Fixed thresholds ignore this.",
        ),
        layout.body(
            f"<b>Nulls</b> ({whole(data['n_surrogates'])} surrogates each; repetition counts and"
            " the covariance of voxels are kept). <i>Rotation:</i> the within-stimulus contrasts"
            " of all stimuli are rotated into one another, which is exact for Gaussian noise of"
            f" any covariance {cite('rotation')}. <i>Exchange:</i> residuals are exchanged"
            " between stimuli as whole"
            " trials, overall or within sessions; this needs no Gaussian noise but is"
            " conservative, as a part of the observed spread stays in the null. Family-wise"
            " p-values use the rotation null, with the largest standardised statistic over"
            " regions. As a second opinion, the Brown–Forsythe test on a region's mean response,"
            f" for stimuli with exactly three repetitions {cite('levene')}.",
            "<b>Sound estimate.</b> The squared CV over stimuli of the <i>true</i> variance: what"
            " sampling adds is removed with an estimate of the effective dimensions of the noise."
            " It is 0 for homoscedastic noise and may come out negative. Its percentile interval"
            f" is over {whole(data['n_bootstrap'])} bootstrap samples of stimuli.",
        ),
    ]


def _r(index: str) -> str:
    return f'r<sub rise="2" size="7">{index}</sub>'


OF = {"rsa": rsa, "fingerprinting": fingerprinting, "heteroscedasticity": heteroscedasticity}
