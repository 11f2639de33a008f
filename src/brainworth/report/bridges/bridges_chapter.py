"""The chapter on what the stages answer together."""

from __future__ import annotations

from reportlab.platypus import Flowable

from brainworth.report import layout, tables
from brainworth.report.blocks import from_results
from brainworth.report.bridges import (
    averaging_section,
    calibration_section,
    decoding_section,
    feature_spaces_section,
)
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.ledger import table as ledger
from brainworth.report.tables import Column

TITLE = "What do the three answer together?"
SECTIONS = {
    "calibration": calibration_section,
    "decoding": decoding_section,
    "feature_spaces": feature_spaces_section,
    "averaging": averaging_section,
}
#: Sources whose statements the bridges answer.
SOURCES = ("scaling", "aligned")


def abstract(evidence: Evidence) -> list[str]:
    """Return what the abstract says, one text a bridge."""
    return [SECTIONS[part].abstract(evidence) for part in evidence.bridges]


def glance(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the table of what is asked and what is found here."""
    rows = [
        [question, layout.sentence_case(SECTIONS[part].glance(evidence, name))]
        for part in evidence.bridges
        for name, question in SECTIONS[part].QUESTIONS.items()
    ]
    columns = [Column("Question", "left", wraps=True), Column("Here", "left", wraps=True)]
    caption = f"{TITLE} The answers of the chapter of this name at one glance."
    return tables.table(number_of.table(), caption, columns, rows, sizes=(8.0,), split=True)


def chapter(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the claims of other sources that bridges answer, then methods and results of each."""
    answers = list(evidence.claims.values())
    claims = [
        flowable
        for source in SOURCES
        if ledger.answered(answers, source)
        for flowable in ledger.table(answers, number_of.table(), evidence.simulated, source)
    ]
    return [
        layout.heading(TITLE),
        *from_results(claims, evidence.names("claims")),
        *[
            flowable
            for part in evidence.bridges
            for flowable in from_results(
                [
                    *SECTIONS[part].methods(evidence),
                    *SECTIONS[part].results(evidence, number_of),
                ],
                evidence.names(f"bridge_{part}"),
            )
        ],
    ]
