"""What the test of the encoding gap computes, with the parameters that were used."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import things, whole


def methods(evidence: Evidence) -> list[Flowable]:
    """Describe the test of the encoding gap."""
    data = evidence.tests["encoding_gap"]
    return [
        layout.heading("Encoding gap of mean responses", 2),
        layout.body(
            "<b>As published.</b> R² of the mean response of a region, for an individual and for a"
            " population model, in the units of the data. The source does not say what its"
            " individual model is or which trials it was tested on. Here the population predictor"
            " is the mean of the other subjects, and the individual predictor the subject's own"
            " other trials; beside it stands the mean of all repetitions as predictor of the very"
            " trials it is made of, which has an R² well above zero also for noise. Units are"
            " standard deviations within session and voxel; in percent signal change, which was not"
            " analysed, a raw R² would be lower by what subjects differ in mean and scale.",
        ),
        layout.body(
            f"<b>Sound.</b> For each of {things(data['n_stimuli'], 'stimulus')} the repetitions are"
            " split into two parts, from different sessions where a subject saw the stimulus in"
            " more than one; each part in turn is the target. Predictors are taken as they are"
            " (raw), with offset and slope fitted on other stimuli"
            f" ({data['n_folds']} folds), or with a slope only after predictor and target were"
            " scaled to unit variance. The ceiling of the target is 1 minus trial variance per"
            " number of trials over its variance. A population R² below zero that calibration"
            " lifts above zero is an artefact of units, not anti-prediction, which would be a slope"
            " below zero.",
            "R² still depends on the noise of the predictor, of which one subject's one or two"
            " trials have more than the mean of the others. The gap is therefore 1 minus the"
            " R² between noise-free responses of population and individual, over all subjects, with"
            " variances and covariances from disjoint trials; an individual predicts itself without"
            f" noise with R² 1. Intervals are over {whole(data['n_bootstrap'])} bootstrap samples"
            f" of stimuli, p-values from {whole(data['n_permutations'])} relabellings of each"
            " subject's stimuli, family-wise over regions.",
            "Voxel by voxel, the population predictor is the linear model of the other subjects'"
            " voxels under alignment, and the individual predictor is the other part with one"
            " fitted slope.",
        ),
    ]
