"""The chapter on validity: false positives, power, coverage, bias."""

from __future__ import annotations

from html import escape

from reportlab.platypus import Flowable

from brainworth.report import layout, tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import (
    estimate,
    interval,
    number,
    percent,
    percent_span,
    things,
    whole,
)
from brainworth.report.tables import Column, Notes
from brainworth.report.validity.figure import NAMES, named

TITLE = "How often are the tests right?"
KINDS = {
    "null": "true null",
    "conservative": "true null, conservative",
    "effect": "effect",
    "violation": "other null",
}


def beside(evidence: Evidence, test: str) -> list[Flowable]:
    """Return what goes beside a test's main table: its validity in a sentence."""
    data = evidence.validity.get(test)
    if data is None:
        return []
    rates = [row for cell in data["cells"] for row in cell["rates"]]
    null = [row["rate"] for row in rates if row["kind"] == "null"]
    other = [row["rate"] for row in rates if row["kind"] == "violation"]
    covered = [
        row["coverage"]
        for cell in data["cells"]
        if cell["kind"] != "violation"
        for row in cell["estimates"]
        if row["coverage"] is not None
    ]
    texts = [
        f"<b>Validity.</b> On {whole(data['n_replicates'])} planted data sets a condition,"
        f" p ≤ {data['alpha']:g} is reached in {percent_span(null)} of those where the null is"
        " true."
    ]
    if other:
        texts.append(
            f"Where another null is true, or an assumption violated: {percent_span(other)}."
        )
    if covered:
        texts.append(
            f"Intervals of {percent(data['interval'])} % hold the truth in {percent_span(covered)}."
        )
    texts.append(f"Conditions and power: chapter “{TITLE}”.")
    return [layout.body(*texts)]


def chapter(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the chapter."""
    tests = evidence.validity
    first = next(iter(tests.values()))
    return [
        layout.heading(TITLE),
        layout.body(
            "Each test was run on small data sets whose truth is planted:"
            f" {things(first['n_subjects'], 'subject')}, {things(first['n_stimuli'], 'stimulus')}"
            f" shown three times, {things(first['n_voxels'], 'voxel')}, the model of simulated NSD"
            f" in memory; {whole(first['n_replicates'])} data sets a condition, with"
            f" {whole(first['n_draws'])} permutations or surrogates and"
            f" {whole(first['n_bootstrap'])} bootstrap samples each. Stimuli and noise are drawn"
            " anew for each data set, and the truth of an interval is the value over stimuli in"
            f" general for the subjects at hand. Rates carry exact binomial intervals of"
            f" {percent(first['interval'])} %.",
        ),
        *_published(evidence, number_of),
        layout.figure(
            evidence.figures["validity"],
            number_of.figure(),
            "<b>How often the tests are right.</b> <b>a</b> Rejections where the null is true"
            " (circles; away from the dashed line they would have falsified the test's level), and"
            " where it is not the null of this test, or rests on an assumption that was planted to"
            " be false (squares). <b>b</b> Data sets whose interval holds the truth. A row has a"
            " point for each p-value or estimate of the condition, in the order of the tables.",
        ),
        *[part for test in tests.values() for part in _rates(test, number_of.table())],
        *_estimates(evidence, number_of.table()),
    ]


def _rates(data: dict, table: int) -> list[Flowable]:
    rows = []
    for cell in data["cells"]:
        for place, row in enumerate(cell["rates"]):
            rows.append(
                [
                    escape(cell["cell"]) if place == 0 else "",
                    escape(cell["says"]) if place == 0 else "",
                    escape(named(row["test"])),
                    KINDS[row["kind"]],
                    _share(row["rate"], row["interval"]),
                ]
            )
    columns = [
        Column("Condition", "left", wraps=True),
        Column("Planted", "left", wraps=True),
        Column("Test", "left", wraps=True),
        Column("It is a", "left", wraps=True),
        Column(f"p ≤ {data['alpha']:g} (%)"),
    ]
    caption = (
        f"Validity of {NAMES.get(data['test'], data['test'])}: how often p ≤ {data['alpha']:g} in"
        f" {whole(data['n_replicates'])} data sets. For a true null this is the rate of false"
        " positives, for an effect the power."
    )
    return tables.table(table, caption, columns, rows, split=True)


def _estimates(evidence: Evidence, table: int) -> list[Flowable]:
    notes = Notes()
    rows = []
    for data in evidence.validity.values():
        for cell in data["cells"]:
            for row in cell["estimates"]:
                head = [
                    escape(f"{NAMES.get(data['test'], data['test'])}, {cell['cell']}"),
                    escape(named(row["estimate"])),
                    whole(row["n"]),
                ]
                if row["coverage"] is None:
                    rows.append([*head, notes.missing(row["reason"]), "–", "–", "–"])
                    continue
                rows.append(
                    [
                        *head,
                        number(row["truth"]),
                        number(row["mean"]),
                        estimate(row["bias"], row["bias_interval"]),
                        _share(row["coverage"], row["coverage_interval"]),
                    ]
                )
    if not rows:
        return []
    columns = [
        Column("Condition", "left", wraps=True),
        Column("Estimate", "left", wraps=True),
        Column("n"),
        Column("Truth"),
        Column("Mean"),
        Column("Bias"),
        Column("Coverage (%)"),
    ]
    caption = (
        "Validity of estimates: mean over the n data sets in which the test gives one, bias with"
        " its interval, and how often the interval holds the truth."
    )
    return tables.table(table, caption, columns, rows, notes, split=True)


def _published(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Say what the published statistics read on planted data."""
    rows = []
    for data in evidence.validity.values():
        for cell in data["cells"]:
            rows += [
                [
                    escape(f"{NAMES.get(data['test'], data['test'])}, {cell['cell']}"),
                    KINDS[cell["kind"]],
                    escape(row["statistic"]),
                    number(row["mean"]),
                    interval(row["interval"]),
                ]
                for row in cell["published"]
            ]
    if not rows:
        return []
    columns = [
        Column("Condition", "left", wraps=True),
        Column("It is a", "left", wraps=True),
        Column("Published statistic", "left", wraps=True),
        Column("Mean"),
        Column("Range"),
    ]
    caption = (
        "What the published statistics read on planted data: their mean over data sets, and the"
        " range of the middle ones. A statistic that is as high under a true null as it is"
        " published says nothing."
    )
    return [
        *_reading(evidence),
        *tables.table(number_of.table(), caption, columns, rows, split=True),
    ]


def _reading(evidence: Evidence) -> list[Flowable]:
    data = evidence.validity.get("heteroscedasticity")
    if data is None:
        return []
    texts = []
    for cell in data["cells"]:
        if cell["kind"] == "effect":
            continue
        found = {row["statistic"]: row for row in cell["published"]}
        texts.append(
            f"Planted is {escape(cell['says'])}: Q75/Q25 is"
            f" {_mean(found['Q75/Q25'], 2)}, the CV {_mean(found['CV'], 2)}, the voxel-split"
            f" reliability of the variance profile {_mean(found['voxel split'], 2)}, and the"
            " published rule calls"
            f" {percent(found['called significant']['mean'])}{_PERCENT} of data sets significant."
        )
    rates = [
        row["rate"]
        for cell in data["cells"]
        if cell["kind"] == "violation"
        for row in cell["rates"]
        if "exchange" in row["test"]
    ]
    if rates:
        texts.append(
            "Where trials differ in their noise, whatever the stimulus, no null of this test"
            f" protects: the exchange nulls, too, are rejected in {percent_span(rates)} of data"
            " sets, since a loud trial enters all residuals of its stimulus."
        )
    return [
        layout.body(
            "<b>The published statistics of variance are high without any variance that depends on"
            " the stimulus.</b>",
            *texts,
        )
    ]


_PERCENT = "\N{NO-BREAK SPACE}%"


def _mean(row: dict, decimals: int) -> str:
    return estimate(row["mean"], row["interval"], decimals)


def _share(rate: float, bounds: list[float]) -> str:
    low, high = (percent(bound) for bound in bounds)
    return f"{percent(rate)}\N{NO-BREAK SPACE}[{low},\N{NO-BREAK SPACE}{high}]"
