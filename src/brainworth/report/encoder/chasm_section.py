"""The two stages of CHASMBrain."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.encoder import encoder_published as published
from brainworth.report.encoder import encoder_tables
from brainworth.report.encoder.encoder_words import against_zero, difference, row_of, value
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import number, percent
from brainworth.report.published import cite

QUESTIONS = {
    "headline-r": "Correlation of voxels",
    "headline-mse": "Error of voxels",
    "ridge": "Better than ridge and probes?",
}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says."""
    return f"CHASMBrain: {_against_ridge(evidence)}"


def glance(evidence: Evidence, question: str) -> str:
    """Return the answer to a question of the table at a glance."""
    if question == "ridge":
        return _against_ridge(evidence)
    texts = []
    for data in evidence.encoder["chasm"]:
        scores = data["rows"][0]["voxels"]
        what = value(scores["r_mean"]) if question == "headline-r" else against_zero(scores)
        texts.append(f"in {data['subject']} {what}")
    return "; ".join(texts)


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return reading, tables and figures."""
    found = evidence.encoder["chasm"]
    said = published.find("1", "chasm").voxels
    verdict = published.judge(said.mse, said.r)
    table, voxels, coarse = numbering.table(), [], []
    for data in found:
        subject, row = data["subject"], data["rows"][0]
        ridge, paired = _ridge(evidence, subject), _paired(data)
        against = paired and paired["r_mean"]
        voxels.append(encoder_tables.Line(subject, row["label"], row["voxels"], against))
        coarse.append(encoder_tables.Line(subject, row["label"], row["stage1"]))
        if ridge is not None:
            voxels.append(encoder_tables.Line(subject, ridge["label"], ridge["voxels"]))
            coarse.append(encoder_tables.Line(subject, ridge["label"], ridge["stage1"]))
    return [
        layout.heading("CHASMBrain, both stages", 2),
        layout.body(
            f"{layout.sentence_case(_against_ridge(evidence))} (Table {table}).",
            *(_learned(data) for data in found),
        ),
        layout.body(
            "<b>The published numbers.</b> An error cannot be below Var(y)(1 − r²) in any voxel."
            " With the published noise ceiling, targets have a variance of"
            f" {_range(verdict.zero)}, r = {number(said.r)} allows errors from"
            f" {_range(verdict.bound)} on, and a model without error has {_range(verdict.oracle)}."
            f" The published {number(said.mse)} {cite('chasm')} is below both: it violates the"
            " bound and cannot be on the scale of the linear rows of the same table, which keep to"
            " it.",
        ),
        *encoder_tables.scores(
            table, "CHASMBrain, voxels of the test images.", voxels, against="r − ridge"
        ),
        *encoder_tables.scores(
            numbering.table(), "CHASMBrain, clusters (stage 1) of the test images.", coarse
        ),
        *encoder_tables.beside(
            numbering,
            "CHASMBrain beside the publication, which averages over four subjects.",
            [
                (data["rows"][0] | {"label": data["subject"]}, published.find("1", "chasm"))
                for data in found
            ],
            evidence.encoder_backend,
        ),
    ]


def _range(bounds: tuple[float, float]) -> str:
    low, high = (number(each) for each in bounds)
    return low if low == high else f"{low}–{high}"


def _ridge(evidence: Evidence, subject: str) -> dict[str, Any] | None:
    for data in evidence.encoder.get("linear", []):
        if data["subject"] == subject:
            return row_of(data, "ridge")
    return None


def _paired(data: dict[str, Any]) -> dict[str, Any] | None:
    """Return the differences from ridge over the same test images."""
    found = (each["voxels"] for each in data["differences"] if each["second"] == "ridge")
    return next(found, None)


def _against_ridge(evidence: Evidence) -> str:
    texts = []
    for data in evidence.encoder["chasm"]:
        text = f"in {data['subject']} r {value(data['rows'][0]['voxels']['r_mean'])}"
        paired = _paired(data)
        if paired is not None:
            text += f", minus ridge {difference(paired['r_mean'])}"
        texts.append(text)
    return "; ".join(texts)


def _learned(data: dict[str, Any]) -> str:
    learned = data["rows"][0]["learned"]
    return (
        f"In {data['subject']} the gate gives the global stream"
        f" {percent(learned['share_of_global_stream'])} % of the weight on average; in stage 2 the"
        f" holistic decoder has {percent(learned['share_of_holistic_decoder'])} %."
    )
