"""The students side by side."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import (
    count,
    estimate,
    number,
    percent,
    samples,
    whole,
)

QUESTIONS = {"penalty": "Does the penalty matter?"}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about penalties."""
    return glance(evidence, "penalty")


def glance(evidence: Evidence, _question: str) -> str:
    """Return the answer to the question of the table of questions."""
    data = evidence.befs["estimators"]
    return f"{_fixed(data)}; {_best(data)}"


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return the reading and the figure."""
    data = evidence.befs["estimators"]
    found, by_penalty = data["by_task"], data["by_penalty"]
    n_task, hard = found["axes"]["n_task"], found["theory"]["hard"]
    best_simulated = by_penalty["best_kappa_simulated"]
    places = "; ".join(
        f"{estimate(mean, [low, high], 1)} beside {whole(n)} task samples"
        for n, mean, low, high in zip(
            by_penalty["axes"]["n_task"],
            *(best_simulated[key] for key in ("mean", "low", "high")),
            strict=True,
        )
    )
    return [
        layout.heading("Students and penalties", 2),
        layout.body(
            f"At d = {whole(data['system']['d'])}, {whole(data['n_brain'])} brain samples,"
            f" misalignment {data['misalignment']:g} and SNR {data['task_snr']:g}, {_fixed(data)}."
            " The hard constraint, no coefficients outside the learned subspace, ends at an error"
            f" of {number(hard[-1])} at {samples(n_task[-1])} task samples."
            f" {layout.sentence_case(_best(data))}.",
        ),
        layout.body(
            f"The best penalty in theory is κ = {number(by_penalty['best_kappa'], 1)}, whatever"
            f" the number of task samples; in simulation it is {places}"
            f" ({percent(data['interval'])} % intervals).",
        ),
        layout.figure(
            evidence.figures["befs_estimators"],
            numbering.figure(),
            "<b>Students and penalties.</b> Points: simulation, with intervals that are mostly"
            " smaller than the points; lines: theory. <b>a</b> Test error above the label noise"
            " with the best penalty, with penalties λ that do not change with the number of task"
            " samples, with the hard constraint, and without brain data. <b>b</b> Test error over"
            " the penalty; simulated intervals are mostly narrower than the lines. Dots: best"
            " penalty in"
            " simulation.",
        ),
    ]


def _fixed(data: dict[str, Any]) -> str:
    """Say from how many task samples on a fixed penalty is worse than least squares."""
    found = data["by_task"]
    n_task, alone = found["axes"]["n_task"], found["theory"]["task_only"]
    texts = []
    for each in found["axes"]["lambda"]:
        error = found["theory"][f"lambda_{each:g}"]
        worse = (n for n, ours, least in zip(n_task, error, alone, strict=True) if ours > least)
        first = next(worse, None)
        when = "nowhere" if first is None else f"from {samples(first)} task samples on"
        texts.append(f"λ = {each:g} {when}")
    return f"a fixed penalty does worse than least squares without brain data: {', '.join(texts)}"


def _best(data: dict[str, Any]) -> str:
    theory = data["by_task"]["theory"]
    better = sum(ours < ridge for ours, ridge in zip(theory["best"], theory["ridge"], strict=True))
    return (
        "the best penalty does better than a tuned ridge at"
        f" {count(better, len(theory['best']))} numbers of task samples"
    )
