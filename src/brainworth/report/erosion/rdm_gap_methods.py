"""What the test of the gap of RDMs computes, with the parameters that were used."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import comparison, things, whole
from brainworth.report.published import cite


def methods(evidence: Evidence) -> list[Flowable]:
    """Describe the test of the gap of RDMs."""
    data = evidence.tests["rdm_gap"]
    repeats = sorted({region["n_repeats"] for region in data["regions"]})
    parts = (
        "There are no repeats here, so that only the population side can be computed."
        if repeats == [1]
        else f"There are {' or '.join(things(n, 'part') for n in repeats if n > 1)} of each"
        " subject's data."
    )
    return [
        layout.heading("Encoding gap of RDMs", 2),
        layout.body(
            "<b>As published.</b> Individual: the mean similarity"
            f" ({comparison(data['comparison'])}) of a subject's RDMs from single repetitions, over"
            f" {things(data['n_stimuli'], 'stimulus')}, stepped up to all of them by"
            " Spearman–Brown. Population: the similarity of the subject's RDM with the mean RDM of"
            " the others. The gap is individual minus population, averaged over subjects.",
            parts,
            "Spearman–Brown assumes noise that averages out as 1/n; in an RDM the noise of the"
            " patterns also enters squared, and the two sides differ in their noise.",
        ),
        layout.body(
            "<b>One target.</b> The RDM of a single repetition is predicted by that of another"
            " repetition of the same subject, and by the mean RDM of the others. Nothing is stepped"
            " up, but the mean of many RDMs has less noise than one repetition: this gap says which"
            " predictor is better in practice, not whether subjects differ.",
            "<b>Noise free.</b> The similarities of pairs of subjects, corrected for the"
            " reliability of single repetitions, give the correlation of a subject's noise-free RDM"
            " with the mean of the others' noise-free RDMs. The individual prediction without noise"
            " correlates 1; the gap is 1 minus the population's. Subjects whose reliability has an"
            " interval that reaches zero are left out of both sides and counted.",
        ),
        layout.body(
            "<b>Nulls.</b> <i>Stimuli relabelled</i> in each subject independently"
            f" ({whole(data['n_permutations'])} times): the others predict nothing."
            " <i>Subjects relabelled</i> between odd and even repetitions (at most"
            f" {whole(data['n_labellings'])} ways): all subjects have one RDM and differ in noise"
            " only. Its statistic is the similarity of subjects with themselves over what a product"
            " of two noise factors, one a side, expects; it is 1 under that null. Family-wise"
            f" p-values hold each region to the largest over regions {cite('familywise')}.",
            f"<b>Intervals</b> are BCa {cite('bca')} over {whole(data['n_bootstrap'])} bootstrap"
            f" samples of stimuli, their width corrected for pairs {cite('pairs')}.",
        ),
    ]
