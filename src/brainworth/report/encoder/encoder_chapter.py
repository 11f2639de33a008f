"""The chapter on how far an image-to-fMRI encoder gets."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout, tables
from brainworth.report.blocks import from_results
from brainworth.report.encoder import (
    chasm_section,
    clusters_section,
    encoder_methods,
    linear_section,
    stage1_section,
    stage2_section,
    streams_section,
    transfer_section,
)
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.ledger import table as ledger
from brainworth.report.published import cite
from brainworth.report.tables import Column

TITLE = "How far does an image-to-fMRI encoder get?"
SECTIONS = {
    "linear": linear_section,
    "chasm": chasm_section,
    "stage1": stage1_section,
    "stage2": stage2_section,
    "clusters": clusters_section,
    "streams": streams_section,
    "transfer": transfer_section,
}
IN_ABSTRACT = ("linear", "chasm")
CAPTIONS = {
    "encoder_models": "<b>Models of the encoder.</b> Left: error, beside predicting zero, a model"
    " without error, and the least error that r allows. Right: correlation. Intervals are over test"
    " images. A network that adds to ridge regression would lie to the right of it there.",
    "encoder_training": "<b>Training.</b> What training is stopped by, on validation images: mean"
    " squared error, in stage 1 with the weighted correlation loss, for diffusion its own loss."
    " Points: the epoch whose weights are kept; at the last epoch, more might help.",
}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about the encoder."""
    parts = [part for part in evidence.encoder if part in IN_ABSTRACT] or list(evidence.encoder)
    said = "; ".join(SECTIONS[part].abstract(evidence) for part in parts)
    return (
        f"<b>Image-to-fMRI encoder</b> {cite('chasm')}, on features of the backend"
        f" {evidence.encoder_backend}: {said}."
    )


def glance(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the table of what is asked and what is found here."""
    rows = [
        [question, layout.sentence_case(SECTIONS[part].glance(evidence, name))]
        for part in evidence.encoder
        for name, question in SECTIONS[part].QUESTIONS.items()
    ]
    columns = [Column("Question", "left", wraps=True), Column("Here", "left", wraps=True)]
    caption = f"{TITLE} The answers of the chapter of this name at one glance."
    return tables.table(number_of.table(), caption, columns, rows, sizes=(8.0,), split=True)


def chapter(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return methods and a section a part; the figures of several parts come first and last."""

    def figure(name: str) -> list[Flowable]:
        if name not in evidence.figures:
            return []
        return [layout.figure(evidence.figures[name], number_of.figure(), CAPTIONS[name])]

    claims = ledger.table(
        list(evidence.claims.values()), number_of.table(), evidence.simulated, "chasm"
    )
    return [
        layout.heading(TITLE),
        *encoder_methods.methods(evidence),
        *from_results(claims, evidence.names("claims")),
        *figure("encoder_models"),
        *[
            flowable
            for part in evidence.encoder
            for flowable in from_results(
                SECTIONS[part].results(evidence, number_of), evidence.names(f"encoder_{part}")
            )
        ],
        *figure("encoder_training"),
    ]
