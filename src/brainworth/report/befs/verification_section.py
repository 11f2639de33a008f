"""The theory held against simulation."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.befs import befs_tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import (
    number,
    percent,
    percent_span,
    span,
    whole,
)

QUESTIONS = {"simulation": "Does simulation agree with the theory?"}
#: Numbers of brain samples are told apart at this many times the inputs.
FEW = 5


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about the check by simulation."""
    return glance(evidence, "simulation")


def glance(evidence: Evidence, _question: str) -> str:
    """Return the answer to the question of the table of questions."""
    found = evidence.befs["verification"]["summary"]
    return (
        f"simulated values differ from the theory by {percent(found['value_error']['median'], 2)} %"
        f" in the median of {whole(found['n_points'])} settings and by at most"
        f" {percent(found['value_error']['largest'])} %; a tuned ridge is worth more than brain"
        f" data in {percent(found['ridge_better'])} % of them"
    )


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return the reading, the table and the figure."""
    data = evidence.befs["verification"]
    found, level = data["summary"], percent(data["interval"])
    error, width = found["value_error"], found["interval_half_width"]
    n_above = found["n_above_theory"]
    ratio = found["kappa_ratio"]
    return [
        layout.heading("Theory against simulation", 2),
        layout.body(
            f"At {whole(found['n_points'])} settings (brain samples, misalignment, task SNR, task"
            f" samples, share of variance that the stimulus drives; d = {_inputs(data)}) the"
            " simulated value differs from the theory by"
            f" {percent(error['median'], 2)} % in the median, by less than"
            f" {percent(error['q95'], 2)} % in 95 % of them, and by at most"
            f" {percent(error['largest'])} %. It is above the theory in"
            f" {whole(n_above)} of the settings"
            + (
                ": the theory is a little too low."
                if 2 * n_above > found["n_points"]
                else ", so that the theory is a little too high."
            ),
        ),
        layout.body(
            f"<b>The theory is not inside all intervals.</b> The {level} % intervals are narrow:"
            f" half a width is {percent(width['median'], 2)} % of the value in the median and at"
            f" most {percent(width['largest'], 2)} %, mostly less than a marker of the figure. They"
            f" hold the theory in {percent(found['share_inside_interval'])} % of the settings:"
            f" {_inside(data)}. Theory and simulation differ by {_errors(found)} (median) at the"
            " fewest and the most brain samples, which is mostly the error of the resummed law of"
            " stage 1.",
        ),
        layout.body(
            "<b>Best penalty.</b> The penalty with the smallest simulated error is"
            f" {number(ratio['median'])} times the one in theory (median;"
            f" {span([ratio['low'], ratio['high']])} in 95 % of the settings), on a grid with steps"
            f" of a factor {number(found['kappa_grid_step'], 2)}.",
        ),
        layout.body(
            "<b>Tuned ridge.</b> In theory it is worth more than brain data in"
            f" {percent(found['ridge_better'])} % of these settings.",
        ),
        layout.figure(
            evidence.figures["befs_verification"],
            numbering.figure(),
            "<b>Simulated value and theory.</b> <b>a, b</b> Points: simulation, with intervals that"
            " are mostly smaller than the points; lines: theory; dotted: the published law (first"
            " order, 1/N, for many task samples); dashed: a tuned ridge. <b>c</b> Simulated value"
            " relative to the theory, over all settings. <b>d</b> Best penalty in simulation"
            " relative to the theory; grey: one step of the grid of penalties.",
        ),
        *befs_tables.verification(data, numbering.table()),
    ]


def _inputs(data: dict[str, Any]) -> str:
    return whole(data["systems"][0]["d"])


def _inside(data: dict[str, Any]) -> str:
    """Say how often the theory is inside the interval, with few brain samples and with many."""
    limit = FEW * data["systems"][0]["d"]
    rows = list(
        zip(
            data["axes"]["n_brain"],
            data["summary"]["share_inside_interval_by_n_brain"],
            strict=True,
        )
    )
    few = [share for n, share in rows if n < limit]
    many = [share for n, share in rows if n >= limit]
    texts = []
    if few:
        texts.append(f"{percent_span(few)} at numbers of brain samples below {FEW}d")
    if many:
        texts.append(f"{percent_span(many)} at larger ones")
    return ", ".join(texts)


def _errors(found: dict[str, Any]) -> str:
    by_n = found["value_error_by_n_brain"]
    return f"{percent(by_n[0], 2)} % and {percent(by_n[-1], 2)} %"
