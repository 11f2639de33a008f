"""What the test of the predictability of variances computes, with the parameters used."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import things, whole
from brainworth.report.published import cite


def methods(evidence: Evidence) -> list[Flowable]:
    """Describe the test of predictability."""
    data = evidence.tests["variance_predictability"]
    return [
        layout.heading("Predictability of the variance", 2),
        layout.body(
            "<b>As published.</b> The source does not say what is predicted from what. Literally:"
            " the variance over repetitions from the mean pattern of the same trials and voxels,"
            f" by ridge regression, {data['n_folds']} folds over stimuli. Three other readings show"
            " what could make an R² large: scoring the stimuli that were fitted; holding out"
            " single trials, so that other trials of the stimulus give its variance away; and"
            " predicting from the variances of other voxels in the same trials. Each is computed"
            " on the data and on a homoscedastic surrogate"
            f" ({things(data['n_stimuli_readings'], 'stimulus')} at most).",
        ),
        layout.body(
            "<b>Sound.</b> The target is the log variance, centred among stimuli shown as often."
            " <i>Nuisances</i>: sessions; place in session and run and time between"
            " presentations; global signal; mean response of the region; the last two with their"
            " squares. The mean of noisy trials has a larger square where their noise is larger,"
            " so a relation with it is expected. <i>Own patterns</i>: mean patterns in one half of"
            " the voxels, variance in the other; the trials are the same, and Gaussian noise is"
            " assumed to make means and deviations independent. <i>Own patterns of other"
            " trials</i>: one repetition in half of the voxels, difference of the other two in"
            " the other half; without nuisances. <i>Patterns and variances of the other"
            f" subjects.</i> Patterns enter as {data['n_components']} principal components at"
            " most. Image features were not used.",
            f"<b>Null</b> ({whole(data['n_surrogates'])} surrogates): rotated contrasts"
            f" {cite('rotation')}, predicted from the same predictors by the same code. It is the"
            " null of no stimulus-dependent variance. <b>Ceiling:</b> the share of the log"
            " variance that is not sampling.",
        ),
    ]
