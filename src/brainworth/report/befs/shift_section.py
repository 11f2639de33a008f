"""Test inputs that differ from the training inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.befs import befs_tables
from brainworth.report.claims import listed
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, number, samples, whole
from brainworth.report.published import cite

QUESTIONS = {"shift": "Does it help under other test inputs?"}
FAMILIES = ("subspaces", "mixture", "adversarial")


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about shifted tests."""
    return glance(evidence, "shift")


def glance(evidence: Evidence, _question: str) -> str:
    """Return the answer to the question of the table of questions."""
    data = evidence.befs["shift"]["fmri"]
    most, n_task = data["hours"][-1], data["axes"]["n_task"]
    found = {test: _row(data, test) for test in data["axes"]["subspaces"]}
    return (
        f"with {most:g} hours of scanning, where the brain sees: value {samples(found['on'][0])}"
        f" beside {samples(n_task[0])} task samples, {samples(found['on'][-1])} beside"
        f" {samples(n_task[-1])}; where it does not: {samples(found['off'][0])} and"
        f" {samples(found['off'][-1])}; {_adversarial(data)}"
    )


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return the reading, the table and the figure."""
    data = evidence.befs["shift"]
    fmri, table = data["fmri"], numbering.table()
    most, n_task = fmri["hours"][-1], fmri["axes"]["n_task"]
    on, ridge = _row(fmri, "on"), fmri["subspaces"]["ridge"][_place(fmri, "on")]
    task = f"misalignment {data['misalignment']:g}, SNR {data['task_snr']:g}"
    return [
        layout.heading("Test inputs that differ from the training inputs", 2),
        layout.body(
            "The student is trained as before, with the penalty that is best for the training"
            " inputs, and so is the ridge: neither knows of the test, so that both can do worse"
            " than least squares. They are tested on inputs that vary only where the brain"
            f" sees, only where it does not, or in mixtures of both ({task}; Table {table}). The"
            f" source finds, for unlimited samples, that brain data is worth nothing where the"
            f" brain sees {cite('befs')}. With {most:g} hours of scanning its value there is"
            f" {samples(on[0])} beside {samples(n_task[0])} task samples and {samples(on[-1])}"
            f" beside {samples(n_task[-1])}; that of a tuned ridge is {samples(ridge[0])} and"
            f" {samples(ridge[-1])}.",
            "With few task samples a better fit of what the brain ignores also takes noise from"
            " what it sees."
            if on[0] > max(on[-1], 0)
            else "",
        ),
        layout.body(
            "<b>Adversarial tests</b> put extra variance on the very direction of the task that the"
            f" brain misses: {_adversarial(fmri)}; {_ridge_adversarial(fmri)}.",
        ),
        layout.body(
            f"<b>Simulation</b> (d = {whole(data['small']['system']['d'])}). {_agreement(data)}"
        ),
        *befs_tables.shift(data, table),
        layout.figure(
            evidence.figures["befs_shift"],
            numbering.figure(),
            f"<b>Value under shifted tests</b> ({task}). Above: the small system; points:"
            " simulation, with intervals that are mostly smaller than the points; below: theory at"
            " the scale of fMRI. Dashed, in the colour of its line: a ridge tuned for the"
            " training inputs, as all penalties here. <b>a, d</b> Tests on"
            " all inputs or on one subspace. <b>b, e</b> Mixtures; right: all test"
            " variance"
            " where the brain sees nothing. <b>c, f</b> Extra variance on the direction of the task"
            " that the brain misses.",
        ),
    ]


def _place(study: dict[str, Any], test: str) -> int:
    return study["axes"]["subspaces"].index(test)


def _row(study: dict[str, Any], test: str) -> list[float]:
    """Return the values over task samples, with the most brain samples."""
    return study["subspaces"]["theory"][_place(study, test)][-1]


def _adversarial(study: dict[str, Any]) -> str:
    """Say from which extra variance on the value is negative, with the most samples of both."""
    values = [row[-1][-1] for row in study["adversarial"]["theory"]]
    strengths = study["axes"]["adversarial"]
    first = next((place for place, value in enumerate(values) if value < 0), None)
    if first is None:
        return f"adversarial tests leave the value above 0 (at least {samples(min(values))})"
    return (
        f"from {number(strengths[first], 1)} times the variance of an input on, the value is"
        f" negative, down to {samples(min(values))}"
        f" (beside {samples(study['axes']['n_task'][-1])} task samples)"
    )


def _ridge_adversarial(study: dict[str, Any]) -> str:
    ridge = [row[-1] for row in study["adversarial"]["ridge"]]
    brain = [row[-1][-1] for row in study["adversarial"]["theory"]]
    better = sum(alone > ours for alone, ours in zip(ridge, brain, strict=True))
    return (
        f"that of a tuned ridge goes down to {samples(min(ridge))} and is larger at"
        f" {count(better, len(ridge))} strengths"
    )


def _agreement(data: dict[str, Any]) -> str:
    small, texts = data["small"], []
    for name, said in zip(
        FAMILIES, ("single subspaces", "mixtures", "adversarial tests"), strict=True
    ):
        simulated = small[name]["simulated"]
        theory = np.array(small[name]["theory"])
        low, mean, high = (np.array(simulated[key]) for key in ("low", "mean", "high"))
        inside = (low <= theory) & (theory <= high)
        worst = np.unravel_index(np.argmax(np.abs(theory - mean)), theory.shape)
        texts.append(
            f"{count(int(inside.sum()), inside.size)} settings of {said} (farthest apart:"
            f" {number(theory[worst], 1)} in theory, {number(mean[worst], 1)} simulated)"
        )
    return (
        "The theory lies inside the simulated interval in "
        + listed(texts)
        + ". The intervals are narrow, and the theory multiplies means over learned subspaces."
    )
