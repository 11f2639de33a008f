"""Stage 1 simulated at the size of fMRI."""

from __future__ import annotations

from typing import Any

import numpy as np
from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, estimate, number, percent, samples, whole

QUESTIONS = {"scale": "Can the scale of fMRI be simulated?"}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about simulation at the size of fMRI."""
    return glance(evidence, "scale")


def glance(evidence: Evidence, _question: str) -> str:
    """Return the answer to the question of the table of questions."""
    data = evidence.befs["paper_scale"]
    return (
        f"simulated at d = {whole(data['system']['d'])} and n = {whole(data['system']['n'])}:"
        f" {_first(data)}"
    )


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return the reading and the figure."""
    data = evidence.befs["paper_scale"]
    found = data["leak"]["simulated"]
    law = np.array(data["leak"]["resummed"])
    inside = (np.array(found["low"]) <= law) & (law <= np.array(found["high"]))
    return [
        layout.heading("Simulation at the size of fMRI", 2),
        layout.body(
            f"Stage 1 was drawn {whole(data['n_replicates'])} times at d ="
            f" {whole(data['system']['d'])}, k = {whole(data['system']['k'])} and n ="
            f" {whole(data['system']['n'])}. The mean squared sine of the angles between learned"
            f" and true subspace: {_first(data)}. The resummed law lies inside the simulated"
            f" {percent(data['interval'])} % interval at"
            f" {count(int(inside.sum()), inside.size)} durations; the intervals are narrow.",
        ),
        layout.figure(
            evidence.figures["befs_paper_scale"],
            numbering.figure(),
            "<b>Simulation at the size of fMRI.</b> Points: simulation, with intervals that are"
            " mostly smaller than the points; lines: theory. <b>a</b> What the learned subspace"
            " misses of the true one. <b>b</b> Value beside"
            f" {samples(data['n_task'])} task samples (SNR {data['task_snr']:g}); dashed: a tuned"
            " ridge without brain data. Top axis: brain samples.",
        ),
    ]


def _first(data: dict[str, Any]) -> str:
    leak, hours = data["leak"], data["axes"]["hours"]
    found = leak["simulated"]
    bounds = [found["low"][0], found["high"][0]]
    return (
        f"at {number(hours[0], 1)} hours {estimate(found['mean'][0], bounds, 4)} in simulation,"
        f" {number(leak['resummed'][0], 4)} by the resummed law,"
        f" {number(leak['first_order'][0])} to first order and"
        f" {number(leak['first_order_simplified'][0])} in its 1/N form"
    )
