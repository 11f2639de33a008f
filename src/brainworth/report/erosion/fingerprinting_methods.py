"""What fingerprinting computes, with the parameters that were used."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import things, whole
from brainworth.report.published import cite


def methods(evidence: Evidence) -> list[Flowable]:
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


def _r(index: str) -> str:
    return f'r<sub rise="2" size="7">{index}</sub>'
