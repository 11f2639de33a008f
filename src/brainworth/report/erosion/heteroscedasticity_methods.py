"""What the test of heteroscedasticity computes, with the parameters that were used."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import things, whole
from brainworth.report.published import cite


def methods(evidence: Evidence) -> list[Flowable]:
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
            " of all stimuli are rotated into one another, which is exact for contrasts that are"
            f" Gaussian with one covariance, whatever it is {cite('rotation')}. <i>Exchange:</i>"
            " residuals are exchanged between stimuli as whole trials, overall or within"
            " sessions; this assumes exchangeable residuals, not Gaussian ones, and is then"
            " conservative, as a part of the observed spread stays in the null. Trials that"
            " differ in their noise whatever the stimulus (arousal, motion) violate both"
            " assumptions and look like heteroscedasticity to all these nulls; only agreement"
            " across subjects, adjusted for the schedule, is safe from them. Family-wise"
            " p-values use the rotation null, with the largest standardised statistic over"
            " regions. As a second opinion, the Brown–Forsythe test on a region's mean response,"
            f" for stimuli with exactly three repetitions {cite('levene')}.",
            "<b>Sound estimate.</b> The squared CV over stimuli of the <i>true</i> variance: what"
            " sampling adds is removed with an estimate of the effective dimensions of the noise."
            " It is 0 for homoscedastic noise and may come out negative. Its interval is over"
            f" {whole(data['n_bootstrap'])} bootstrap samples of stimuli, each in units of its own"
            " standard error (bootstrap-t): percentiles would end too early on the side of large"
            " values.",
        ),
    ]
