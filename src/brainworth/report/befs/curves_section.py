"""What brain samples are worth at the scale of fMRI."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.befs import befs_tables
from brainworth.report.claims import listed
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import (
    count,
    number,
    percent_span,
    samples,
    samples_span,
    span,
)

QUESTIONS = {
    "value": "Value of a brain sample, scale of fMRI",
    "baseline": "And against a tuned ridge?",
}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about value and exchange rate."""
    data = evidence.befs["curves"]
    rows = _chosen(data)
    first = rows[0]
    return (
        f"{first['hours']:g} hours of scanning (misalignment {first['misalignment']:g}, task SNR"
        f" {first['task_snr']:g}) are worth {samples_span(_all(rows, 'value'))} task samples beside"
        f" {samples_span(_all(rows, 'n_task'))} of them ({span(_all(rows, 'exchange_rate'), 2)} a"
        " brain sample) against least squares; a tuned ridge without any brain data is worth"
        f" {samples_span(_all(rows, 'ridge_value'))}"
    )


def glance(evidence: Evidence, question: str) -> str:
    """Return the answer to a question of the table of questions."""
    data = evidence.befs["curves"]
    if question == "baseline":
        return f"{_ridge_wins(data)}; {_limit(data)}"
    return f"{_rates(data)}; savings of task samples {percent_span(_all(data['table'], 'savings'))}"


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return the reading, the table and the figures."""
    data = evidence.befs["curves"]
    system = data["system"]
    table = numbering.table()
    return [
        layout.heading("Value and exchange rate at the scale of fMRI", 2),
        layout.body(
            f"The encoding model has {samples(system['d'])} inputs and cannot be fitted to fewer"
            f" samples: the first {number(data['least_hours'], 2)} hours of scanning are worth"
            " nothing by themselves.",
            f"In the settings of Table {table}, {_rates(data)}; savings are"
            f" {percent_span(_all(data['table'], 'savings'))} of the task samples"
            f"{_shrinking(data)}.",
            *_along_hours(data),
        ),
        layout.body(
            f"<b>Tuned ridge.</b> {layout.sentence_case(_ridge_wins(data))}. {_break_even(data)}"
            f" {layout.sentence_case(_limit(data))}.",
            *_useless(data),
        ),
        *befs_tables.curves(data, table),
        layout.figure(
            evidence.figures["befs_ridge"],
            numbering.figure(),
            "<b>Brain data against a tuned ridge (theory).</b> Below a line brain data gives the"
            " smaller test error, above it ridge regression on the task samples alone does. A line"
            " at 0 means that brain data never wins. Top axis: brain samples.",
        ),
        layout.figure(evidence.figures["befs_curves"], numbering.figure(), _caption(data)),
    ]


def _caption(data: dict[str, Any]) -> str:
    base = data["base"]
    return (
        "<b>Savings and exchange rate at the scale of fMRI (theory).</b> Left: savings of task"
        " samples against least squares; right: task samples that one brain sample is worth (grey"
        f" line: 1). One parameter varies a row, around misalignment {base['misalignment']:g}, SNR"
        f" {base['task_snr']:g} and {samples(base['n_task'])} task samples. Dashed: a tuned ridge"
        " without brain data; on the right its value is divided by the same number of brain"
        " samples, so that a line is above its dashed one where brain data is worth more than the"
        " ridge. Colours in c to j: hours of scanning."
    )


def _all(rows: list[dict[str, float]], key: str) -> list[float]:
    return [row[key] for row in rows]


def _setting(row: dict[str, float]) -> tuple[float, float, float]:
    return row["misalignment"], row["task_snr"], row["hours"]


def _chosen(data: dict[str, Any]) -> list[dict[str, float]]:
    """Return the rows of one setting: the first that has the task of the sweeps."""
    base = data["base"]["misalignment"], data["base"]["task_snr"]
    first = next((row for row in data["table"] if _setting(row)[:2] == base), data["table"][0])
    return [row for row in data["table"] if _setting(row) == _setting(first)]


def _rates(data: dict[str, Any]) -> str:
    rates = _all(data["table"], "exchange_rate")
    above = sum(rate > 1 for rate in rates)
    return (
        f"a brain sample is worth {span(rates, 2)} task samples, more than one in"
        f" {count(above, len(rates))} settings"
    )


def _shrinking(data: dict[str, Any]) -> str:
    groups: dict[tuple, list[tuple[float, float]]] = {}
    for row in data["table"]:
        groups.setdefault(_setting(row), []).append((row["n_task"], row["savings"]))
    falling = all(
        [savings for _, savings in sorted(group)]
        == sorted((savings for _, savings in group), reverse=True)
        for group in groups.values()
    )
    several = any(len(group) > 1 for group in groups.values())
    shrinks = "; in every setting they shrink as task samples are added"
    return shrinks if several and falling else ""


def _along_hours(data: dict[str, Any]) -> list[str]:
    sweep, base = data["sweeps"]["hours"], data["base"]
    if base["misalignment"] not in sweep["lines"]:
        return []
    rates = sweep["exchange_rate"][sweep["lines"].index(base["misalignment"])]
    best = max(range(len(rates)), key=rates.__getitem__)
    return [
        f"Beside {samples(base['n_task'])} task samples (misalignment {base['misalignment']:g}, SNR"
        f" {base['task_snr']:g}) the exchange rate is highest, {number(rates[best], 2)}, at"
        f" {sweep['x'][best]:.3g} hours, and {number(rates[-1], 2)} at {sweep['x'][-1]:.3g} hours."
    ]


def _ridge_wins(data: dict[str, Any]) -> str:
    over = _all(data["table"], "value_over_ridge")
    return (
        "a tuned ridge without brain data does as well or better in"
        f" {count(sum(value <= 0 for value in over), len(over))} settings"
    )


def _limit(data: dict[str, Any]) -> str:
    return (
        "with unlimited task samples brain data wins if the learned subspace misses less than"
        f" {number(data['break_even']['missed_limit'])} of the task"
    )


def _break_even(data: dict[str, Any]) -> str:
    found = data["break_even"]
    never, most = [], []
    for snr, rows in zip(found["axes"]["task_snr"], found["misalignment"], strict=True):
        for n_task, row in zip(found["axes"]["n_task"], rows, strict=True):
            if max(row) > 0:
                most.append(row[-1])
            else:
                never.append(f"SNR {snr:g} with {samples(n_task)} task samples")
    texts = []
    if most:
        hours = f"{found['axes']['hours'][-1]:.3g}"
        texts.append(
            f"At {hours} hours brain data wins up to a misalignment of {span(most, 2)}, depending"
            f" on SNR and task samples{'.' if not never else ';'}"
        )
    if never:
        texts.append(f"at {listed(never)} it never wins.")
    return layout.sentence_case(" ".join(texts))


def _useless(data: dict[str, Any]) -> list[str]:
    rows = data["table"]
    bad = [row["excess"] for row in rows if row["excess"] >= 1]
    if not bad:
        return []
    return [
        f"In {count(len(bad), len(rows))} settings the student with brain data does worse than"
        f" predicting nothing (excess test error {span(bad, 2)}, task signal 1), although its value"
        " against least squares is large."
    ]
