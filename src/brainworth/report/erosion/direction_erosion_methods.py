"""What the check of theorem 1 computes, with the parameters that were used."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import things, whole
from brainworth.report.published import cite


def methods(evidence: Evidence) -> list[Flowable]:
    """Describe the simulations."""
    data = evidence.tests["direction_erosion"]
    return [
        layout.heading("Direction erosion (theorem 1)", 2),
        layout.body(
            f"<b>Simulated subjects.</b> {whole(data['n_stimuli'])} stimuli S pass through tanh"
            " units; the shared part and each subject's individual part δ are weighted sums of"
            " them, so that both are nonlinear in S. The weights of δ are drawn anew for every"
            " subject: independently (Gaussian); for a cohort, whose members have"
            f" {data['cohort_share']:g} of the variance of δ in common; or with heavy tails"
            f" (symmetric stable law of index {data['tail_index']:g}: a mean, but no variance)."
            " Distances are root mean squares over stimuli and channels.",
        ),
        layout.body(
            "<b>Information.</b> I(S; δ | f shared) of a noise-free δ and a continuous S is zero"
            " or infinite. It is therefore taken of δ measured with noise of SD"
            f" {data['noise_sd']:g} (δ has SD 1 or so), where it is known: in closed form for"
            " Gaussian variables, by integration otherwise. It is estimated from covariances, with"
            " the bias of a Gaussian sample removed, and from the distances to"
            f" {things(data['neighbours'], 'nearest neighbour')} {cite('information')}. A third"
            " case, a subject who merely responds more strongly, has nothing to lose.",
        ),
    ]
