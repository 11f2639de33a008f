"""Other networks in the place of stage 2."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.encoder import encoder_published as published
from brainworth.report.encoder import encoder_tables
from brainworth.report.encoder.encoder_words import (
    against_zero,
    compared,
    difference,
    ranked,
    row_of,
    value,
)
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import number, percent

QUESTIONS = {"vae": "VAE, or diffusion?"}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says."""
    return f"stage 2: {glance(evidence, 'vae')}"


def glance(evidence: Evidence, _question: str) -> str:
    """Return the answer to the question of the table at a glance."""
    data = evidence.encoder["stage2"][0]
    best = ranked(data["rows"], "voxels")[0]
    texts = [f"largest r of voxels: {best['label']}, {value(best['voxels']['r_mean'])}"]
    row = row_of(data, "dual_diffusion")
    if row is not None:
        texts.append(
            f"diffusion: error of one sample {number(row['samples']['one']['mse']['estimate'])}, of"
            f" the mean of {row['samples']['n']} {number(row['voxels']['mse']['estimate'])}"
        )
        if data["differences"]["reference"]:
            texts.append(f"mean minus VAE {difference(compared(data, 'dual_diffusion', 'mse'))}")
    return "; ".join(texts)


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return reading and tables."""
    data = evidence.encoder["stage2"][0]
    lines = []
    for row in data["rows"]:
        label = row["label"]
        scored = [(label, row["voxels"], compared(data, row["row"], "mse"))]
        if "samples" in row:
            scored[0] = (f"{label}, mean of {row['samples']['n']}", *scored[0][1:])
            scored.append((f"{label}, one sample", row["samples"]["one"], None))
            scored.append((f"{label}, its decoders", row["samples"]["decoders"], None))
        lines += [encoder_tables.Line(data["subject"], *each) for each in scored]
    return [
        layout.heading("Other networks in the place of stage 2", 2),
        layout.body(
            f"All get what the same frozen stage 1 predicts ({data['subject']},"
            f" {data['n_images']['train']:,} training images): {glance(evidence, 'vae')}. A single"
            " sample adds the variance it is drawn with to the error of any model: that is no"
            " evidence against diffusion. The posterior of the published VAE never sees fMRI; the"
            " conditional VAE's does, in training.",
            *_head(data),
        ),
        *encoder_tables.scores(
            numbering.table(),
            "Networks of stage 2, voxels of the test images.",
            lines,
            against="MSE − VAE" if data["differences"]["reference"] else None,
        ),
        *encoder_tables.beside(
            numbering,
            "Networks of stage 2 beside Table 2 (b) of the publication.",
            [(row, published.find("2b", row["row"])) for row in data["rows"]],
            evidence.encoder_backend,
        ),
    ]


def _head(data: dict[str, Any]) -> list[str]:
    row = row_of(data, "dual_gaussian")
    if row is None:
        return []
    found = row["calibration"]
    return [
        f"The variance head covers {percent(found['coverage']['estimate'])} % of the responses by"
        f" what should be {percent(found['coverage']['nominal'])} % intervals; its negative log"
        f" likelihood is {number(found['nll'])}, with one variance a voxel"
        f" {number(found['nll_constant'])}; error {against_zero(row['voxels'])}."
    ]
