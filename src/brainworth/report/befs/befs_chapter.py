"""The chapter on what one more brain sample is worth."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import blocks, layout, tables
from brainworth.report.befs import (
    befs_methods,
    breakdown_section,
    budget_section,
    curves_section,
    estimators_section,
    paper_scale_section,
    shift_section,
    verification_section,
)
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.published import cite
from brainworth.report.tables import Column

TITLE = "What is one more brain sample worth?"
SECTIONS = {
    "curves": curves_section,
    "verification": verification_section,
    "breakdown": breakdown_section,
    "shift": shift_section,
    "budget": budget_section,
    "estimators": estimators_section,
    "paper_scale": paper_scale_section,
}
#: The parts that the abstract speaks of.
IN_ABSTRACT = ("curves", "verification", "breakdown")


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says about the worth of brain samples."""
    parts = [part for part in evidence.befs if part in IN_ABSTRACT] or list(evidence.befs)
    said = "; ".join(SECTIONS[part].abstract(evidence) for part in parts)
    return (
        "<b>Worth of brain samples</b> for learning a task (a linear-Gaussian model"
        f" {cite('befs')}, no data of brains): {said}."
    )


def glance(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the table of what the source says and what is found here."""
    rows = [
        [
            question,
            evidence.statement(f"befs-{said}"),
            layout.sentence_case(SECTIONS[part].glance(evidence, said)),
        ]
        for part in evidence.befs
        for said, question in SECTIONS[part].QUESTIONS.items()
    ]
    columns = [
        Column("Question", "left", wraps=True),
        Column(f"Source {cite('befs')}", "left", wraps=True),
        Column("Here", "left", wraps=True),
    ]
    caption = (
        f"{TITLE} The answers of the chapter of this name at one glance; all are about a"
        " linear-Gaussian model, none about measured brains."
    )
    return tables.table(number_of.table(), caption, columns, rows, sizes=(8.0,), split=True)


def chapter(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return model and methods, and a section a part."""
    return [
        layout.heading(TITLE),
        *befs_methods.methods(evidence),
        *[
            flowable
            for part in evidence.befs
            for flowable in blocks.from_results(
                SECTIONS[part].results(evidence, number_of), evidence.names(f"befs_{part}")
            )
        ],
    ]
