"""The section on theorem 2."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.claims import alpha, significant, where
from brainworth.report.erosion import variance_blindness_tables
from brainworth.report.erosion.variance_blindness_figure import PREDICTORS, TARGETS
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, estimate, number, span, whole

#: What this test leaves open.
LIMITS = (
    "<b>Theorem 2.</b> A variance that other subjects' responses predict is a property of the"
    " stimulus; whether it is attention, eye movements or the mean response that carries it,"
    " this does not say. Image features as predictors are left to the encoder."
)


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about this test."""
    data = evidence.tests["variance_blindness"]
    text = (
        "<b>Theorem 2:</b> the squared error is flat in the variance, and yet the residuals of a"
        " predictor trained on it give the variance back"
        f" (correlation {_fit(_varying(data), 'residuals')} with the truth, simulated)"
    )
    if not data["regions"]:
        return f"{text}."
    return (
        f"{text}; on the responses of this study a head for the variance exceeds both nulls"
        f" in {_significant(data, 'components', 'variances')} regions with other subjects'"
        f" variances and in {_significant(data, 'components', 'patterns')} with their patterns"
        f" (leading components, family-wise p ≤ {alpha(data['interval'])})."
    )


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the reading, the figure and the tables."""
    return [
        layout.heading("Variance blindness (theorem 2)", 2),
        *(layout.body(*texts) for texts in _reading(evidence)),
        *variance_blindness_tables.agreement(evidence, number_of.table()),
        *variance_blindness_tables.recovery(evidence, number_of.table()),
        layout.figure(
            evidence.figures["variance_blindness"], number_of.figure(), _caption(evidence)
        ),
        *variance_blindness_tables.heads(evidence, number_of),
    ]


def _caption(evidence: Evidence) -> str:
    return (
        "<b>Theorem 2.</b> <b>a</b> Predictors trained on two processes that differ only in"
        " variance differ as much as two trained on one process (lines). Points above the lines"
        " that stay there would have falsified blindness. <b>b</b> Heads for the variance on both"
        " processes. <b>c, d</b> Gain of a variance head on the responses of this study over one"
        " variance for all, with its interval over stimuli, and what it is for homoscedastic noise"
        " (boxes). <b>e</b> Correlation of the predicted with the true variance."
        + (
            " Diamonds: planted, with the others' variances known without error, hence an upper"
            " limit."
            if evidence.planted.get("variance_blindness")
            else ""
        )
    )


def _reading(evidence: Evidence) -> list[list[str]]:
    data = evidence.tests["variance_blindness"]
    known = data["theorem"]
    varying = _varying(data)
    flat = known["flatness"]
    ratio = varying["excess_ratio"]
    last = known["agreement"][-1]
    texts = [
        "The source states that a model trained on the squared error is “provably” blind to the"
        " variance given the stimulus: the error splits into a part about the mean and one that no"
        " model changes.",
        f"So it is in simulation. With {whole(last['n'])} responses, least-squares predictors of"
        " the two processes differ by"
        f" {_difference(last, 'linear', 'difference')}, two of one process by"
        f" {_difference(last, 'linear', 'same_process')} (networks:"
        f" {_difference(last, 'network', 'difference')} and"
        f" {_difference(last, 'network', 'same_process')}), and the difference shrinks with slope"
        f" {number(known['slope']['linear'], 2)} (networks {number(known['slope']['network'], 2)})"
        " in the log number of responses. The derivative of the squared error by the variance head"
        f" is {number(flat['squared_error'], 1)} to the last digit; that of the likelihood is"
        f" {number(flat['likelihood'])}.",
    ]
    limits = [
        "Blindness of the loss is not loss of the information. The residuals of the same"
        " least-squares predictor, regressed on the stimulus afterwards, give the variance back"
        f" with a correlation of {_fit(varying, 'residuals')}; a head trained jointly on the"
        f" likelihood, {_fit(varying, 'likelihood')}. The gains are"
        f" {_gain(varying, 'residuals')} and {_gain(varying, 'likelihood')} nats of"
        f" {number(varying['best_gain'])} that the true variance is worth.",
        "What the squared error does pay for is its mean: with varying variance the predictor"
        " trained by likelihood has"
        f" {estimate(ratio['estimate'], ratio['interval'], 2)} times its error, since it trusts"
        " noisy responses less. The minimiser is the same for unlimited data only.",
    ]
    return [texts, limits, _on_responses(evidence)]


def _on_responses(evidence: Evidence) -> list[str]:
    data = evidence.tests["variance_blindness"]
    regions = data["regions"]
    if not regions:
        return ["No region has two subjects, so that no head was trained on responses."]
    names = [region["region"] for region in regions]
    texts = [
        "<b>On the responses of this study</b> the mean head reaches an R² of"
        f" {span(_means(regions, 'roi_mean'), 2)} for the mean response"
        f" and {span(_means(regions, 'components'), 2)} for the leading components {where(names)}."
    ]
    for target, name in TARGETS.items():
        gain = {predictor: span(_gains(regions, target, predictor), 4) for predictor in PREDICTORS}
        texts.append(
            f"For the {name} the variance head gains {gain['variances']} nats per degree of freedom"
            " from other subjects' variances (above both nulls in"
            f" {_significant(data, target, 'variances')} regions) and {gain['patterns']} from"
            f" their patterns ({_significant(data, target, 'patterns')})."
        )
    if evidence.planted.get("variance_blindness"):
        truth = [evidence.truth("variance_blindness", name).get("variances") for name in names]
        found = [region["mean"]["components"]["variances"]["correlation"] for region in regions]
        texts.append(
            "In the simulation variances are partly the same in all subjects and have nothing to"
            f" do with patterns: the planted correlation is {span(truth, 2)} for variances known"
            f" without error and 0 for patterns; predicted from measured ones it is"
            f" {span(found, 2)} (leading components)."
        )
    return texts


def _varying(data: dict) -> dict:
    rows = {row["process"]: row for row in data["theorem"]["recovery"]}
    return rows["varying variance"]


def _fit(row: dict, name: str) -> str:
    return estimate(row[name]["correlation"]["estimate"], row[name]["correlation"]["interval"])


def _gain(row: dict, name: str) -> str:
    return estimate(row[name]["gain"]["estimate"], row[name]["gain"]["interval"])


def _difference(row: dict, name: str, what: str) -> str:
    return estimate(row[name][what]["estimate"], row[name][what]["interval"])


def _means(regions: list[dict], target: str) -> list[float]:
    return [region["mean"][target]["mean_r2"] for region in regions]


def _gains(regions: list[dict], target: str, predictor: str) -> list[float]:
    return [region["mean"][target][predictor]["gain"]["estimate"] for region in regions]


def _significant(data: dict, target: str, predictor: str) -> str:
    """Count the regions that exceed both nulls."""
    rows = [region["mean"][target][predictor]["gain"] for region in data["regions"]]
    hits = significant(map(variance_blindness_tables.larger_p, rows), data["interval"])
    return count(hits, len(rows))
