"""Streams cut, swapped and trained alone."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout, tables
from brainworth.report.encoder import encoder_published as published
from brainworth.report.encoder.encoder_figure_ablations import GROUPS, OVERALL
from brainworth.report.encoder.encoder_tables import NOT_COMPARABLE, SIZES
from brainworth.report.encoder.encoder_words import value
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import estimate, interval, number
from brainworth.report.tables import Column, Notes

QUESTIONS = {"streams": "Do streams belong to areas?"}
SAID = {"both": "both", "where_only": "local", "swap": "swap", "what_only": "global"}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says."""
    return f"streams: {glance(evidence, 'streams')}"


def glance(evidence: Evidence, _question: str) -> str:
    """Return the answer to the question of the table at a glance."""
    data = evidence.encoder["streams"][0]
    labels = {row["row"]: row["label"] for row in data["rows"]}
    texts = []
    for found in data["asymmetry"]:
        if found["row"] in ("swap", "what_retrained") and found["difference"] is not None:
            low, high = (100 * each for each in found["difference"]["interval"])
            text = estimate(100 * found["difference"]["estimate"], [low, high], 1)
            texts.append(f"{labels[found['row']]}: early minus higher drop {text} points")
        elif found["row"] in ("swap", "what_retrained"):
            texts.append(f"{labels[found['row']]}: {found['reason']}")
    return "; ".join(texts)


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return reading, tables and the figure."""
    data = evidence.encoder["streams"][0]
    return [
        layout.heading("Streams and cortical groups", 2),
        layout.body(
            f"{layout.sentence_case(glance(evidence, 'streams'))} ({data['subject']}). Where:"
            " the stream of tokens; what: that of the global vector; swap: the gate's two weights"
            " are exchanged. Cutting a stream takes what it knew, and leaves a network that was"
            " never trained to do without it; a network trained on one stream only misses the"
            " former. An asymmetry that vanishes with such training is of the latter kind."
        ),
        *_table(evidence, data, numbering.table()),
        *_drops(data, numbering.table()),
        layout.figure(
            evidence.figures["encoder_streams"],
            numbering.figure(),
            "<b>Streams cut, swapped and trained alone.</b> <b>a</b> Correlation of clusters by the"
            " group that most of their voxels are in. <b>b</b> What is lost of the correlation with"
            " both streams. Intervals are over test images, paired in b. Streams that do not belong"
            " to areas would lose the same share in both groups.",
        ),
    ]


def _table(evidence: Evidence, data: dict[str, Any], table: int) -> list[Flowable]:
    groups = [
        each["group"]
        for each in data["groups"]
        if each["group"] != "none" or any(row["groups"]["none"] for row in data["rows"])
    ] + [OVERALL]
    notes = Notes()
    rows = []
    for row in data["rows"]:
        said = row["row"] in SAID and published.find("4", SAID[row["row"]])
        cells = [row["label"], "yes" if row["trained"] else "no"]
        for group in groups:
            found = row["groups"][group] and row["groups"][group]["r_mean"]
            cells.append(
                notes.missing("fewer than two clusters")
                if found is None
                else f"{number(found['estimate'])}<br/>{interval(found['interval'])}"
            )
        for group in ("early", "mid", "higher"):
            cells.append(number(said.groups[group]) if said else "–")
        cells.append(number(said.clusters.r) if said else "–")
        rows.append(cells)
    names = [GROUPS.get(group, "all") for group in groups]
    columns = [
        Column("Streams", "left", wraps=True),
        Column("Trained so", "left"),
        *(Column(name, wraps=True) for name in names),
        *(Column(name) for name in ("early", "mid", "higher", "all")),
    ]
    caption = "Correlation of clusters by cortical group, beside Table 4 of the publication."
    if evidence.encoder_backend != "dinov2":
        caption += NOT_COMPARABLE.format(backend=evidence.encoder_backend)
    above = [("", 2), ("Here", len(names)), ("Published", 4)]
    return tables.table(table, caption, columns, rows, notes, groups=above, sizes=SIZES)


def _drops(data: dict[str, Any], table: int) -> list[Flowable]:
    notes, labels = Notes(), {row["row"]: row["label"] for row in data["rows"]}
    rows = [
        [
            labels[found["row"]],
            *(
                notes.missing(found["reason"]) if found[key] is None else value(found[key])
                for key in ("early", "higher", "difference", "ratio")
            ),
        ]
        for found in data["asymmetry"]
    ]
    columns = [Column("Streams", "left")]
    columns += [Column(name) for name in ("Early", "Higher", "Early − higher", "Early / higher")]
    caption = (
        "Share of the correlation that is lost, 1 − r/r(both). The published asymmetry of 1.9 is"
        " the ratio of the row “Swap”."
    )
    return tables.table(table, caption, columns, rows, notes)
