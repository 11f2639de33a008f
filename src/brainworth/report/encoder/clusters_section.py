"""Size and kind of the clusters, and the share of voxels they keep."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.encoder import encoder_published as published
from brainworth.report.encoder import encoder_tables
from brainworth.report.encoder.encoder_words import compared, ranked, row_of, value
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import number, span

QUESTIONS = {"clusters": "Which clusters?", "top": "All voxels, or the most active?"}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says."""
    return f"clusters: {glance(evidence, 'clusters')}"


def glance(evidence: Evidence, question: str) -> str:
    """Return the answer to a question of the table at a glance."""
    data = evidence.encoder["clusters"][0]
    if question == "top":
        pairs = _top_pairs(data)
        if not pairs:
            return "one share only in this study"
        errors = [b["voxels"]["mse"]["estimate"] - a["voxels"]["mse"]["estimate"] for a, b in pairs]
        return (
            f"error of voxels, all minus the most active: {span(errors)}, over {len(pairs)} pairs"
        )
    best = ranked(data["rows"], "voxels")[0]
    return (
        f"largest r of voxels: {best['label']}, {value(best['voxels']['r_mean'])}; over all rows"
        f" {span([row['voxels']['r_mean']['estimate'] for row in data['rows']])}"
    )


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return reading, tables and the figure."""
    data = evidence.encoder["clusters"][0]
    reference = row_of(data, data["differences"]["reference"])
    rows = [(row, _published(row)) for row in data["rows"]]
    biased = [
        row["selection_bias"][-1]["estimate"]
        for row in data["rows"]
        if row["top"] < 1 and row["selection_bias"]
    ]
    return [
        layout.heading("Clusters", 2),
        layout.body(
            f"{layout.sentence_case(glance(evidence, 'clusters'))}; {glance(evidence, 'top')}"
            f" ({data['subject']}, {data['n_images']['train']:,} training images). Correlations of"
            " clusters rise with their size because noise averages out: they are of other targets"
            " in each row, and only those of voxels compare."
        ),
        layout.body(
            "<b>The most active voxels</b> of an image are chosen by its own noisy response."
            + (
                f" Noise that is selected so adds {span(biased)} to the mean of a target"
                " (measured between repetitions)."
                if biased
                else ""
            ),
        ),
        *encoder_tables.scores(
            numbering.table(),
            "Clusters: scores of voxels of the test images."
            + (f" Differences are from the row “{reference['label']}”." if reference else ""),
            [
                encoder_tables.Line(
                    data["subject"], row["label"], row["voxels"], compared(data, row["row"], "mse")
                )
                for row in data["rows"]
            ],
            against="MSE" if reference else None,
        ),
        *encoder_tables.beside(
            numbering,
            "Clusters beside Table 3 of the publication (sequential clusters, most active 70 %).",
            [(row, said) for row, said in rows if said is not None],
            evidence.encoder_backend,
        ),
        layout.figure(
            evidence.figures["encoder_clusters"],
            numbering.figure(),
            "<b>Clusters.</b> Both stages were trained for the study's own clusters, and for"
            " others that differ from them in one respect. Intervals are over test images. A best"
            " size in b and c whose interval leaves out the others would support the published"
            " optimum; a flat line says that the size does not matter.",
        ),
    ]


def _top_pairs(data: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return (most active, all voxels) of the same kind and size."""
    whole = {(row["kind"], row["size"]): row for row in data["rows"] if row["top"] == 1}
    return [
        (row, whole[row["kind"], row["size"]])
        for row in data["rows"]
        if row["top"] < 1 and (row["kind"], row["size"]) in whole
    ]


def _published(row: dict[str, Any]) -> published.Row | None:
    if row["kind"] == "atlas":
        return published.find("3", "atlas")
    if row["kind"] != "sequential":
        return None
    if row["top"] == 1 and row["size"] == 30:
        return published.find("text", "top_1")
    return published.find("3", str(row["size"])) if number(row["top"], 2) == "0.70" else None
