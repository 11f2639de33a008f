"""What the test of alignment computes, with the parameters that were used."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.claims import listed
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import things, whole
from brainworth.report.published import cite


def methods(evidence: Evidence) -> list[Flowable]:
    """Describe the test of alignment."""
    data = evidence.tests["alignment"]
    candidates = listed([str(d) for d in data["dimensions"]])
    return [
        layout.heading("Alignment and shared fraction", 2),
        layout.body(
            "<b>As published.</b> For each pair of subjects one is rotated to the other by"
            f" orthogonal Procrustes {cite('procrustes')} on training stimuli; RDMs (correlation"
            " distance) of held-out stimuli are compared by Spearman correlation. The source does"
            " not say how subjects with different numbers of voxels came to one dimension; here,"
            " by as many principal components as the largest candidate below that all have.",
        ),
        layout.body(
            f"<b>Alignment.</b> {things(data['n_stimuli'], 'stimulus')} in {data['n_folds']} folds;"
            " everything is fitted on the other folds. Mean patterns are reduced to D principal"
            f" components ({candidates}, or fewer where a subject has fewer voxels), D being what"
            " best predicts left-out training stimuli; then all subjects but one are rotated to"
            f" their common mean (generalized Procrustes {cite('gpa')}, {cite('hyperalignment')}),"
            " and the one is rotated to it. A rotation cannot change Euclidean RDMs; RDMs are"
            " therefore shown for the same stimuli with all voxels, D components, and aligned.",
            "Pattern correlation is the cosine between a subject's held-out pattern and that of the"
            " others' mean for the same stimulus, both less the mean of the training stimuli; a"
            " stimulus is identified if that is the largest among all stimuli of the fold. The null"
            f" relabels the held-out stimuli of each subject ({whole(data['n_permutations'])}"
            " times, the same labels in all its pairs), fits taken as given; its statistics are"
            " sums over pairs of subjects: the mean similarity of patterns, the stimuli identified"
            " by one other subject, and A of the shared fraction. As folds are trained on each"
            " other, the null is widened by the square root of 2, the most that this can do."
            " Family-wise p-values take the"
            " largest standardised statistic over regions.",
        ),
        layout.body(
            "<b>Shared fraction.</b> The held-out R² over all voxels of predicting a subject's mean"
            " responses from the others, by Procrustes with one scale or by ridge regression on all"
            f" their voxels (penalty by generalised cross-validation {cite('gcv')}), is divided by"
            " the share of the variance of mean responses that is signal (from the covariance of"
            " two disjoint parts of the repetitions). This still counts noise of the predictors and"
            " errors of the fit as not shared. The corrected estimate has no such terms: the"
            " regression is fitted twice, to disjoint halves of the training stimuli, with a"
            " hundredth of the penalty, and the variance of its predictions is the covariance of"
            " the two fits applied to disjoint parts of the trials. What remains of shrinkage makes"
            " it too low, never too high on average: it is a lower bound of what is linearly"
            " shared, and 1 minus it an upper bound of what is a subject's own. Intervals are over"
            f" {whole(data['n_bootstrap'])} bootstrap samples of stimuli; those of the corrected"
            " estimate include, to first order, the refitting of the regressions, the others take"
            " the fits as given.",
        ),
    ]
