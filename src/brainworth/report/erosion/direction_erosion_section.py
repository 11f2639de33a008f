"""The section on theorem 1."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.erosion import direction_erosion_tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import estimate, number, span, whole

#: What this test leaves open.
LIMITS = (
    "<b>Theorem 1</b> is checked on simulated subjects that respond in a common space and without"
    " trial noise; what is shared between real subjects is the business of the other tests."
)


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about this test."""
    rows = _by(evidence, "convergence", "population")
    slope = rows["independent"]["slope"]
    nonlinear = _by(evidence, "information", "case")["nonlinear"]
    return (
        "<b>Theorem 1</b> (simulated subjects): averages approach the shared part with slope"
        f" {estimate(slope['estimate'], slope['interval'])} in the log number of independent"
        f" subjects (expected {number(rows['independent']['expected_slope'], 1)}), more slowly with"
        f" heavy tails, and never for a cohort; of {number(nonlinear['known'], 2)} bits that a"
        " nonlinear individual part holds beyond the shared one, nearest neighbours find"
        f" {number(nonlinear['nearest']['estimate'], 2)}."
    )


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the reading, the figure and the tables."""
    return [
        layout.heading("Direction erosion (theorem 1)", 2),
        *(layout.body(*texts) for texts in _reading(evidence)),
        *direction_erosion_tables.convergence(evidence, number_of.table()),
        layout.figure(evidence.figures["direction_erosion"], number_of.figure(), _CAPTION),
        *direction_erosion_tables.prediction(evidence, number_of.table()),
        *direction_erosion_tables.information(evidence, number_of.table()),
    ]


_CAPTION = (
    "<b>Theorem 1 on simulated subjects.</b> <b>a</b> Distance of the average of n subjects from"
    " the shared part (points: median of populations; lines: expected). A slope other than the"
    " expected one would have falsified the rate. <b>b</b> R² with which the average predicts one"
    " more subject, for three fractions of shared variance (numbers at the right; lines:"
    " expected). <b>c</b> Information about the stimulus in the individual part, given the shared"
    " one; points beside the bars would have falsified the estimators."
)


def _reading(evidence: Evidence) -> list[list[str]]:
    data = evidence.tests["direction_erosion"]
    rows = _by(evidence, "convergence", "population")
    cases = _by(evidence, "information", "case")
    tails, cohort = rows["heavy-tailed"], rows["cohort"]
    least = min(data["prediction"], key=lambda row: row["shared_fraction"])
    return [
        [
            "The source states that averaging subjects converges to what they share, with “no"
            " linearity or distributional assumptions”, and that subject i loses I(S; δ | f shared)"
            " ≥ 0.",
            "Nonlinearity is indeed no obstacle: with independent subjects the distance falls with"
            f" slope {_slope(rows['independent'])}.",
            "Assumptions about the distribution are needed, though. What the average approaches is"
            " the mean of the population that was sampled: for a cohort it stays at a distance of"
            f" {number(cohort['floor'])} from what all share, and {whole(cohort['n'][-1])} subjects"
            f" reach {number(cohort['rms'][-1])}. If δ has no variance the rate is slower, here"
            f" {_slope(tails)} where the theory of stable laws gives"
            f" {number(tails['expected_slope'])}.",
        ],
        [
            "That the information is not negative holds for every conditional information and says"
            " nothing about its size.",
            "Where it is known, it can be estimated: for Gaussian variables"
            f" {number(cases['gaussian']['known'])} bits, found as"
            f" {_found(cases['gaussian'], 'gaussian')} from covariances and"
            f" {_found(cases['gaussian'], 'nearest')} from nearest neighbours. For a nonlinear δ of"
            f" {number(cases['nonlinear']['known'])} bits covariances see"
            f" {_found(cases['nonlinear'], 'gaussian')}, and neighbours"
            f" {_found(cases['nonlinear'], 'nearest')}, too little, as is known of them. A subject"
            " who only responds more strongly has a δ that does not vanish, and loses"
            f" {_found(cases['gain'], 'nearest')}: the size of δ is not what is lost.",
        ],
        [
            "In prediction, averages of many subjects explain the shared fraction of a subject's"
            " variance and no more: what is lost tends to one minus that fraction, whatever the"
            " number of subjects.",
            "They do not “anti-predict”: with equal variances and units, R² is at least −1/n for n"
            f" others. The lowest here, with a shared fraction of"
            f" {number(least['shared_fraction'], 2)} and one other subject, is"
            f" {number(min(least['raw']['r2']))}; over all fractions it is"
            f" {span(row['raw']['r2'][-1] for row in data['prediction'])} with"
            f" {whole(least['n'][-1])}. A population R² far below zero therefore points to units or"
            " gains that differ, not to erosion.",
        ],
    ]


def _by(evidence: Evidence, part: str, key: str) -> dict[str, dict]:
    return {row[key]: row for row in evidence.tests["direction_erosion"][part]}


def _slope(row: dict) -> str:
    return estimate(row["slope"]["estimate"], row["slope"]["interval"])


def _found(row: dict, name: str) -> str:
    return estimate(row[name]["estimate"], row[name]["interval"])
