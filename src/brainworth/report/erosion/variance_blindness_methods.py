"""What the check of theorem 2 computes, with the parameters that were used."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import things, whole
from brainworth.report.published import cite


def methods(evidence: Evidence) -> list[Flowable]:
    """Describe both halves."""
    data = evidence.tests["variance_blindness"]
    known = data["theorem"]
    return [
        layout.heading("Variance blindness (theorem 2)", 2),
        layout.body(
            "<b>Two simulated processes</b> have the same mean given the stimulus; the variance is"
            f" 1 in one, and in the other its log has an SD of {known['log_sd']:g} over stimuli,"
            " with mean variance 1. Predictors (least squares on features that contain the truth,"
            " and a network of one hidden layer) are trained on the squared error, heads for mean"
            " and log variance on the Gaussian likelihood. A second head for the variance is"
            " trained on the squared residuals of the least-squares predictor, with nothing of its"
            f" training changed. {whole(known['n_replicates'])} data sets each.",
        ),
        layout.body(
            "<b>Real targets.</b> The mean response of a region and its"
            f" {things(data['n_components'], 'leading component')} are predicted from other"
            " subjects, hence from other trials, cross-validated over"
            f" {things(data['n_stimuli'], 'stimulus')} ({whole(data['n_folds'])} folds): the mean"
            " by ridge regression on the leading components of the others' mean patterns; the log"
            " variance over repetitions from the same components, or from the mean of the others'"
            " variances, by maximum likelihood with a normal prior under which predictors explain"
            f" an SD of {data['prior_sd']:g} in log variance. Only deviations from the mean of a"
            " stimulus' own repetitions enter, so that errors of the predicted mean cannot pass as"
            " variance.",
            f"The gain is held to {whole(data['n_surrogates'])} draws of two nulls, in all subjects"
            f" at once: residuals rotated between stimuli (homoscedastic {cite('rotation')}), and"
            " stimuli relabelled among those repeated as often (variances that depend on the"
            " stimulus, but not on the predictors): in each subject for variances as predictors,"
            " in the same way in all subjects for patterns. The first alone does not"
            " do: if the variance varies at all, chance agreement exceeds it. The correlation of"
            " the predicted with the true variance follows from the covariance with the sample"
            " variance, which sampling leaves unchanged, and the estimated spread of the true one.",
        ),
    ]
