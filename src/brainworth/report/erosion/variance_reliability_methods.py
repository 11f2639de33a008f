"""What the test of the reliability of variances computes, with the parameters that were used."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import things, whole
from brainworth.report.published import cite


def methods(evidence: Evidence) -> list[Flowable]:
    """Describe the test of reliability."""
    data = evidence.tests["variance_reliability"]
    return [
        layout.heading("Reliability of the variance", 2),
        layout.body(
            "<b>As published.</b> The variance over repetitions of every stimulus, averaged over"
            " each of two halves of the voxels, correlated over the"
            f" {things(data['n_stimuli'], 'stimulus')}; mean of"
            f" {things(data['n_splits'], 'random split')}. The source does not say what was split.",
            "Halves of the voxels see the same trials: noise that voxels share makes them agree"
            " even if no stimulus differs from another.",
        ),
        layout.body(
            f"<b>Null</b> ({whole(data['n_surrogates'])} surrogates). Within-stimulus contrasts of"
            " all stimuli are rotated into one another with all their voxels, which is exact for"
            " Gaussian noise of one variance in all trials and any covariance of voxels"
            f" {cite('rotation')}; twice, with different blocks of stimuli, so that little of the"
            " effect stays in the null.",
            "<b>Orthogonal contrasts.</b> Three repetitions hold two orthogonal contrasts, whose"
            " squares are independent for Gaussian noise unless the variance differs between"
            " stimuli, or between trials for another reason (arousal, motion). Their correlation is"
            " pooled over the choice of the repetition that is compared with the mean of the other"
            " two; same null. The interval of the squared CV that they imply is a bootstrap-t"
            " interval.",
        ),
        layout.body(
            "<b>Across subjects.</b> Log variances, centred among stimuli shown as often, are"
            " correlated between subjects, who share no noise. The null relabels stimuli within"
            f" each subject, among those shown as often ({whole(data['n_permutations'])} times)."
            " The order of trials is the same for all subjects of the Natural Scenes Dataset, so"
            " that the time of a presentation could make them agree; the adjusted correlation is"
            " free of sessions, place in session and run, and time between presentations.",
            "The shared fraction is the mean covariance of pairs over the mean variance of"
            " profiles less its sampling part, which the surrogates give.",
        ),
    ]
