"""What was not done, what the numbers do not say, and the literature."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout, published
from brainworth.report.bridges import bridges_limits
from brainworth.report.encoder import encoder_limits
from brainworth.report.erosion.chapters import SECTIONS
from brainworth.report.evidence import TESTS, Evidence
from brainworth.report.ledger.table import unanswered
from brainworth.report.published import cite

#: How tests are named where their key would not be read.
NAMES = {"rsa": "RSA", "rdm_gap": "encoding gap of RDMs"}


def limitations(evidence: Evidence) -> list[Flowable]:
    """List the limitations that hold for these data and tests."""
    texts = []
    if evidence.simulated and evidence.source == "roi_means":
        texts.append(
            "<b>Simulated data.</b> The mean responses were taken from a simulated study and say"
            " nothing about brains. What was planted in them is not known here."
        )
    elif evidence.simulated:
        texts.append(
            "<b>Simulated data.</b> They follow the model that the planted truth is computed from;"
            " estimates that agree with it are consistent with a pipeline without error, and say"
            " nothing about brains. The real Natural Scenes Dataset was not analysed here."
        )
    if evidence.source == "rdms":
        texts.append(
            "<b>RDMs measured elsewhere.</b> How they were made was not checked. Tests that need"
            " responses cannot be run, and the claims were made about other data."
        )
    if evidence.source == "roi_means":
        texts.append(
            "<b>Mean responses of regions.</b> Patterns within a region are not in them: tests of"
            " patterns speak of the profile over regions, and the claims were made about patterns"
            " over voxels."
        )
    if evidence.source in ("local", "s3", "roi_means") and not evidence.simulated:
        texts.append(
            "<b>Few subjects.</b> Intervals over stimuli speak of these subjects only; those over"
            " subjects rest on few of them."
        )
    left_out = [test for test in TESTS if test not in evidence.tests]
    if left_out and evidence.source != "rdms":
        names = ", ".join({"rsa": "RSA"}.get(test, test.replace("_", " ")) for test in left_out)
        texts.append(f"<b>Tests left out of this study:</b> {names}.")
    texts += [SECTIONS[test].LIMITS for test in evidence.tests]
    untested = unanswered(list(evidence.claims.values()))
    if untested:
        texts.append(
            "<b>Statements of the source that no result here answers.</b> "
            + "; ".join(untested)
            + "."
        )
    if evidence.befs:
        texts.append(
            "<b>Worth of brain samples.</b> It is the theory of a linear-Gaussian model with a"
            " known"
            " number of latents and inputs that are independent of each other; brains, images and"
            " tasks are none of this. Its parameters are settings, by default those that the source"
            f" chose for fMRI{_calibrated(evidence)}. The penalty"
            " is the best one for the"
            " mean subspace, which takes knowledge that a user has to estimate. Values average over"
            " the direction of the task among the latents. The formulas of the source were derived"
            " anew from its text, not copied."
        )
    if "budget" in evidence.befs:
        texts.append("<b>Budgets</b> are theory only; no split of a budget was simulated.")
    if evidence.encoder:
        texts += encoder_limits.limits(evidence)
    texts += bridges_limits.limits(evidence)
    unmeasured = [test for test in evidence.tests if test not in evidence.validity]
    if unmeasured:
        names = ", ".join({"rsa": "RSA"}.get(test, test) for test in unmeasured)
        texts.append(
            "<b>False-positive rate and power</b> over many simulated data sets are not part of"
            f" this report for: {names}."
        )
    if evidence.validity:
        texts.append(
            "<b>Validity</b> was measured at a small size and under the model of the simulation;"
            " tests may behave differently at other sizes and under other kinds of noise."
        )
    return [layout.heading("Limitations"), *layout.items(texts)]


def _calibrated(evidence: Evidence) -> str:
    if "calibration" in evidence.bridges:
        return "; those of this study’s subjects are in the last chapter of the results"
    return "; nothing of them is calibrated to the subjects of this study"


def references(evidence: Evidence) -> list[Flowable]:
    """List the literature."""
    absent = {
        name
        for stage, names in published.OF_STAGE.items()
        if not getattr(evidence, stage)
        for name in names
    }
    answer: list[Flowable] = [layout.heading("References")]
    answer += [
        layout.text(text, layout.REFERENCE, cite(name))
        for name, text in published.REFERENCES.items()
        if name not in absent
    ]
    if evidence.source in ("local", "s3", "roi_means") and not evidence.simulated:
        answer.append(layout.body(published.NSD_ACKNOWLEDGEMENT))
    return answer
