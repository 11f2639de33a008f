"""The backbone of other subjects."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.encoder import encoder_published as published
from brainworth.report.encoder import encoder_tables
from brainworth.report.encoder.encoder_figure_ablations import backbone_label
from brainworth.report.encoder.encoder_words import difference
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering

QUESTIONS = {"transfer": "Does a backbone carry over?"}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says."""
    return f"transfer: {glance(evidence, 'transfer')}"


def glance(evidence: Evidence, _question: str) -> str:
    """Return the answer to the question of the table at a glance."""
    data = evidence.encoder["transfer"][0]
    return "; ".join(
        f"{backbone_label(row['backbone'], data)}: r minus that of the subject's own backbone"
        f" {difference(row['against'].get('within', {}).get('r_mean'))}, minus that of an untrained"
        f" one {difference(row['against'].get('random', {}).get('r_mean'))}"
        for row in _largest(data)
    )


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return reading, tables and the figure."""
    data = evidence.encoder["transfer"][0]
    most = max(row["fraction"] for row in data["rows"])
    rows = [row for row in data["rows"] if row["fraction"] == most]
    lines = [encoder_tables.Line(data["subject"], _label(row, data), row["voxels"]) for row in rows]
    pairs = [(row | {"label": _label(row, data)}, _published(row, data)) for row in rows]
    said = [(row, each) for row, each in pairs if each is not None and row["readout"] == "head"]
    return [
        layout.heading(f"Transfer to {data['subject']}", 2),
        layout.body(
            f"With a linear head and all images: {glance(evidence, 'transfer')}. A backbone is"
            " worth something if it beats one that was not trained at all, and features without"
            " any; nearness to the subject's own backbone alone does not show that."
        ),
        *encoder_tables.scores(
            numbering.table(),
            f"Transfer to {data['subject']} with {rows[0]['n_images']:,} training images: voxels of"
            " the test images, by backbone and readout.",
            lines,
        ),
        *encoder_tables.beside(
            numbering,
            "Transfer, linear head, beside Table 5 of the publication; parameters are those of the"
            " head.",
            said,
            evidence.encoder_backend,
        ),
        layout.figure(
            evidence.figures["encoder_transfer"],
            numbering.figure(),
            f"<b>Transfer to {data['subject']}</b> over the number of its training images, with a"
            " linear head trained by gradient descent (above) and by ridge regression (below)."
            " Intervals are over test images. A shared representation would put transferred"
            " backbones above the untrained one, most with few images; lines that coincide say that"
            " the map, not the backbone, does the work.",
        ),
    ]


def _largest(data: dict[str, Any]) -> list[dict[str, Any]]:
    most = max(row["fraction"] for row in data["rows"])
    kinds = {each["backbone"]: each["kind"] for each in data["backbones"]}
    return [
        row
        for row in data["rows"]
        if row["fraction"] == most
        and row["readout"] == "head"
        and kinds.get(row["backbone"]) == "transfer"
    ]


def _label(row: dict[str, Any], data: dict[str, Any]) -> str:
    name = backbone_label(row["backbone"], data)
    return f"{name}; {'linear head' if row['readout'] == 'head' else 'ridge'}"


def _published(row: dict[str, Any], data: dict[str, Any]) -> published.Row | None:
    name = f"{row['backbone']}>{data['subject']}"
    if row["backbone"] == "within":
        name = f"within_{data['subject']}"
    return published.find("5", name)
