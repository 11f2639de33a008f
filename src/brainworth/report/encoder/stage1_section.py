"""Other networks in the place of stage 1."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.encoder import encoder_published as published
from brainworth.report.encoder import encoder_tables
from brainworth.report.encoder.encoder_words import compared, difference, ranked, row_of, value
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering

QUESTIONS = {"mamba": "Two Mamba streams, or a Transformer?", "size": "At which size?"}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says."""
    return f"stage 1: {glance(evidence, 'mamba')}"


def glance(evidence: Evidence, question: str) -> str:
    """Return the answer to a question of the table at a glance."""
    data = evidence.encoder["stage1"][0]
    if question == "size":
        return "; ".join(
            f"{row['label']}: {encoder_tables.millions(row['parameters'])} million parameters,"
            f" {encoder_tables.millions(row['macs'])} million multiply-accumulates"
            for name in ("dual_mamba", "transformer")
            if (row := row_of(data, name)) is not None
        )
    best = ranked(data["rows"], "stage1")[0]
    texts = [f"largest r of clusters: {best['label']}, {value(best['stage1']['r_mean'])}"]
    for name in ("transformer", "transformer_small", "single_mamba"):
        row = row_of(data, name)
        if row is not None and data["differences"]["reference"]:
            found = difference(compared(data, name, "r_mean"))
            texts.append(f"{row['label']} minus two Mamba streams {found}")
    return "; ".join(texts)


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return reading and tables."""
    data = evidence.encoder["stage1"][0]
    said = {row.row: row for row in published.rows("2a")}
    one_table = {row.row: row for row in published.rows("1")}
    return [
        layout.heading("Other networks in the place of stage 1", 2),
        layout.body(
            f"All networks of {data['subject']} have the same {data['n_clusters']:,} clusters,"
            f" losses, stopping rule and {data['n_images']['train']:,} training images:"
            f" {glance(evidence, 'mamba')}. Each was trained once: intervals are over test images,"
            " and do not hold what another seed would change.",
            "The publication compares with a Transformer that is larger; here another is as large"
            " as the two streams.",
        ),
        *encoder_tables.scores(
            numbering.table(),
            "Networks of stage 1, clusters of the test images.",
            [
                encoder_tables.Line(
                    data["subject"],
                    row["label"],
                    row["stage1"],
                    compared(data, row["row"], "r_mean"),
                )
                for row in data["rows"]
            ],
            against="r − two streams" if data["differences"]["reference"] else None,
        ),
        *encoder_tables.beside(
            numbering,
            "Networks of stage 1 beside Table 2 (a) of the publication; MLP, GRU and LSTM, which"
            " predict voxels there, beside Table 1.",
            [(row, said.get(row["row"], one_table.get(row["row"]))) for row in data["rows"]],
            evidence.encoder_backend,
        ),
    ]
