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
        texts.append(f"{data['subject']} {what}")
    return "; ".join(texts)


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return reading, tables and figures."""
    found = evidence.encoder["chasm"]
    said = published.find("1", "chasm").voxels
    verdict = published.judge(said.mse, said.r)
    table, rows, coarse = numbering.table(), [], []
    for data in found:
        row, ridge = data["rows"][0], _ridge(evidence, data["subject"])
        rows.append((f"{data['subject']}: {row['label']}", row["voxels"]))
        coarse.append((f"{data['subject']}: {row['label']}", row["stage1"]))
        if ridge is not None:
            rows.append((f"{data['subject']}: {ridge['label']}", ridge["voxels"]))
            coarse.append((f"{data['subject']}: {ridge['label']}", ridge["stage1"]))
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
        *encoder_tables.scores(table, "CHASMBrain, voxels of the test images.", rows),
        *encoder_tables.scores(
            numbering.table(), "CHASMBrain, clusters (stage 1) of the test images.", coarse
        ),
        *encoder_tables.beside(
            numbering.table(),
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


def _against_ridge(evidence: Evidence) -> str:
    texts = []
    for data in evidence.encoder["chasm"]:
        scores, ridge = data["rows"][0]["voxels"], _ridge(evidence, data["subject"])
        text = f"{data['subject']} r {value(scores['r_mean'])}"
        paired = next(
            (each for each in data.get("differences", []) if each["second"] == "ridge"), None
        )
        if ridge is not None:
            beside = ridge["voxels"]["r_mean"]
            if paired is not None:
                text += f", minus ridge {difference(paired['voxels']['r_mean'])}"
            else:
                below = scores["r_mean"]["estimate"] < beside["estimate"]
                text += f", {'below' if below else 'not below'} ridge ({value(beside)})"
        texts.append(text)
    return "; ".join(texts)


def _learned(data: dict[str, Any]) -> str:
    learned = data["rows"][0]["learned"]
    return (
        f"In {data['subject']} the gate gives the global stream"
        f" {percent(learned['share_of_global_stream'])} % of the weight on average; in stage 2 the"
        f" holistic decoder has {percent(learned['share_of_holistic_decoder'])} %."
    )
