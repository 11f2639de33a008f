"""Ridge regression and linear probes."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.encoder import encoder_published as published
from brainworth.report.encoder import encoder_tables
from brainworth.report.encoder.encoder_words import against_zero, ranked, row_of, value
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import number
from brainworth.report.published import cite

QUESTIONS = {"linear": "How far does ridge regression get?"}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says."""
    return glance(evidence, "linear")


def glance(evidence: Evidence, _question: str) -> str:
    """Return the answer to the question of the table at a glance."""
    texts = []
    for data in evidence.encoder["linear"]:
        ridge, true = row_of(data, "ridge"), row_of(data, "true_features")
        text = f"in {data['subject']} ridge r {value(ridge['voxels']['r_mean'])}"
        if true is not None:
            reach = true["voxels"]["r_mean"]["estimate"]
            text += f" (from the features that were simulated {number(reach)})"
        texts.append(text)
    return "; ".join(texts)


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return reading and tables."""
    found = evidence.encoder["linear"]
    texts = []
    for data in found:
        ridge = row_of(data, "ridge")["voxels"]
        probes = ranked([r for r in data["rows"] if r["row"].startswith("probe_")], "voxels")
        best = f"; the best probe is “{probes[0]['label']}”" if probes else ""
        texts.append(f"In {data['subject']} the error of ridge is {against_zero(ridge)}{best}.")
    lines = [
        encoder_tables.Line(data["subject"], row["label"], row["voxels"])
        for data in found
        for row in data["rows"]
        if row["row"] != "zero"
    ]
    pairs = [(row, published.find("1", row["row"])) for row in found[0]["rows"]]
    said = [(row, each) for row, each in pairs if each is not None]
    return [
        layout.heading("Ridge regression and linear probes", 2),
        layout.body(
            f"What networks have to beat is not the mean but ridge regression {cite('chasm')}: here"
            " with a penalty for each voxel, chosen by cross-validation over training images.",
            *texts,
        ),
        *encoder_tables.scores(
            numbering.table(),
            "Linear models, voxels of the test images. Bound: the least error that each voxel's own"
            " r allows; NC: noise ceiling.",
            lines,
        ),
        *encoder_tables.beside(
            numbering,
            f"Linear models of {found[0]['subject']} beside Table 1 of the publication.",
            said,
            evidence.encoder_backend,
        ),
    ]
