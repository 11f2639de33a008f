"""Splitting a budget between brain and task samples."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.befs import befs_tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import (
    count,
    percent_span,
    samples_span,
)

QUESTIONS = {"budget": "When should brain data be collected?"}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about budgets."""
    data = evidence.befs["budget"]
    return f"on a fixed budget (theory; {_task(data)}), {_split(data)}"


def glance(evidence: Evidence, _question: str) -> str:
    """Return the answer to the question of the table of questions."""
    data = evidence.befs["budget"]
    most = [row[-1] for row in data["optimum"]["n_brain"]]
    return (
        f"theory, {_task(data)}, {_costs(data)}: {_split(data)}; at the largest budget the best"
        f" split holds {samples_span(most)} brain samples"
    )


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return the reading, the table and the figure."""
    data = evidence.befs["budget"]
    best, table = data["optimum"], numbering.table()
    return [
        layout.heading("When should brain data be collected?", 2),
        layout.body(
            "<b>This section is theory only.</b> A budget is split between brain and task samples"
            f" so that the test error is smallest ({_task(data)}; {_costs(data)}; budgets of"
            f" {samples_span(data['axes']['budget'])} costs of a task sample). For unlimited"
            " budgets the source's rule collects brain data if ρ > 0 and its favourability F is"
            " above 1, and then a number of brain samples that does not depend on the budget.",
            f"{layout.sentence_case(_split(data))}. Savings of budget are"
            f" {percent_span(row[-1] for row in best['savings'])} at the largest budget, and at"
            " most"
            f" {percent_span(max(row) for row in best['savings'])} at any (over costs; Table"
            f" {table}).",
            *_infeasible(data),
        ),
        *befs_tables.budget(data, table),
        layout.figure(
            evidence.figures["befs_budget"],
            numbering.figure(),
            "<b>Splitting a budget (theory).</b> Colours: cost of a brain sample in task samples,"
            " with F. <b>a</b> Share of budget saved against least squares on task samples alone."
            " <b>b</b> Brain samples in the best split; a line starts where they begin to pay."
            " <b>c</b> The budget that they are worth. Dotted: the rule for unlimited budgets, in"
            " c net of the first samples that the encoding model takes; dashed: a tuned ridge, all"
            " budget on task samples.",
        ),
    ]


def _task(data: dict[str, Any]) -> str:
    return f"misalignment {data['misalignment']:g}, SNR {data['task_snr']:g}"


def _costs(data: dict[str, Any]) -> str:
    ratios = data["axes"]["cost_ratio"]
    return f"a brain sample costs {min(ratios):g} to {max(ratios):g} task samples"


def _split(data: dict[str, Any]) -> str:
    best = data["optimum"]
    collected = [n for row in best["n_brain"] for n in row]
    over = [extra for row in best["extra_budget_over_ridge"] for extra in row]
    return (
        "brain data is part of the best split in"
        f" {count(sum(n > 0 for n in collected), len(collected))}"
        f" combinations of cost and budget, and beats a tuned ridge on all task samples in"
        f" {count(sum(extra > 0 for extra in over), len(over))}"
    )


def _infeasible(data: dict[str, Any]) -> list[str]:
    favoured = [rule for rule in data["rules"] if (rule["favourability"] or 0) > 1]
    lost = [rule for rule in favoured if not rule["feasible"] or rule["net_extra_budget"] <= 0]
    if not lost:
        return []
    return [
        f"F is above 1 at {count(len(favoured), len(data['rules']))} costs; at"
        f" {len(lost)} of them following the rule loses all the same: it asks for fewer samples"
        " than the encoding model takes, or for so few more that they do not pay for those."
    ]
