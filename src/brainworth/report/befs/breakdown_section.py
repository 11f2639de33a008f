"""Where the first-order laws break."""

from __future__ import annotations

from typing import Any

import numpy as np
from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.befs import befs_tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, number, percent, samples, samples_span, whole

QUESTIONS = {"laws": "Where do the laws for many samples hold?"}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about the first-order laws."""
    stage = evidence.befs["breakdown"]["stage1"]
    return (
        "the first-order law of what brain data misses is within 5 % of simulation"
        f" {_from(stage, 'first_order')} (d = {_inputs(evidence)}, by misalignment)"
    )


def glance(evidence: Evidence, _question: str) -> str:
    """Return the answer to the question of the table of questions."""
    data = evidence.befs["breakdown"]
    error = data["stage1"]["largest_error"]
    return (
        f"stage 1 (d = {_inputs(evidence)}; by misalignment): within 5 %"
        f" {_from(data['stage1'], 'first_order')}, in"
        f" the 1/N form {_from(data['stage1'], 'first_order_simplified')}; the resummed law is off"
        f" by at most {percent(error['resummed'])} %. Stage 2: {_asymptotic(data)}"
    )


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return the reading, the table and the figure."""
    data = evidence.befs["breakdown"]
    first, second = data["stage1"], data["stage2"]
    law, error = np.array(first["first_order"]), first["largest_error"]
    excess = second["excess"]
    exact, ridge = np.array(second["exact"]), np.array(second["ridge"])
    inside = (np.array(excess["low"]) <= exact) & (exact <= np.array(excess["high"]))
    return [
        layout.heading("Where the laws for many samples break", 2),
        layout.body(
            "<b>Stage 1.</b> The first-order law comes within 5 % of the simulated share that is"
            f" missed {_from(first, 'first_order')}, depending on the misalignment; it is off by"
            " up to"
            f" {samples(100 * error['first_order'])} %, and above 1, the whole task, at"
            f" {count(int((law > 1).sum()), law.size)} points. Its 1/N form is within 5 %"
            f" {_from(first, 'first_order_simplified')} and off by up to"
            f" {percent(error['first_order_simplified'])} %. The resummed law is within 5 %"
            f" {_from(first, 'resummed')} and off by at most {percent(error['resummed'])} %. The"
            f" range simulated is {samples_span(first['axes']['n_brain'])} brain samples, at d ="
            f" {_inputs(evidence)}.",
        ),
        layout.body(
            f"<b>Stage 2.</b> {layout.sentence_case(_asymptotic(data))}. The exact error lies"
            " inside"
            f" the simulated interval at {count(int(inside.sum()), inside.size)} points; it takes m"
            " from the resummed law, and the intervals are narrow. A tuned ridge is as good or"
            f" better at {count(int((ridge[None, :] <= exact).sum()), exact.size)} points.",
        ),
        layout.figure(
            evidence.figures["befs_breakdown"],
            numbering.figure(),
            "<b>Laws and simulation.</b> Points: simulation, with intervals that are mostly smaller"
            " than the points. <b>a</b> Share of the task that the learned subspace misses; values"
            " above 1 (grey line) are impossible. <b>b</b> Test error of stage 2 above the label"
            f" noise (misalignment {second['misalignment']:g}, SNR {second['task_snr']:g}); dashed"
            " lines"
            " leave the panel where the law is far off, and end where it is negative.",
        ),
        *befs_tables.breakdown(data, numbering.table()),
    ]


def _inputs(evidence: Evidence) -> str:
    return whole(evidence.befs["breakdown"]["system"]["d"])


def _from(stage: dict[str, Any], law: str) -> str:
    """Say from how many brain samples on a law is right to 5 %."""
    found = stage["right_to_5_percent_from"][law]
    known = [n for n in found if n is not None]
    if not known:
        return "nowhere in the range simulated"
    text = f"from {samples_span(known)} brain samples on"
    if len(known) < len(found):
        text += f" (for {count(len(known), len(found))} misalignments, for the others nowhere)"
    return text


def _asymptotic(data: dict[str, Any]) -> str:
    """Say how far off the law of stage 2 for many task samples is, at its worst points."""
    second = data["stage2"]
    law, simulated = np.array(second["asymptotic"]), np.array(second["excess"]["mean"])
    texts = [
        f"{number(law[place])} where {number(simulated[place])} is simulated"
        f" ({samples(second['axes']['n_brain'][place[0]])} brain and"
        f" {samples(second['axes']['n_task'][place[1]])} task samples)"
        for ratio in [law / simulated]
        for place in (
            np.unravel_index(ratio.argmax(), ratio.shape),
            np.unravel_index(ratio.argmin(), ratio.shape),
        )
    ]
    negative = count(int((law < 0).sum()), law.size)
    return (
        f"the law for many task samples gives test errors of {' and of '.join(texts)}, and negative"
        f" ones at {negative} points"
    )
