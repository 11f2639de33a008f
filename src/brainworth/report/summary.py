"""The first page: title, abstract, and the table of claims."""

from __future__ import annotations

from html import escape
from types import ModuleType

from reportlab.platypus import Flowable, Paragraph, Spacer

from brainworth.report import layout, methods, tables
from brainworth.report.befs import befs_chapter
from brainworth.report.claims import judged
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.published import cite
from brainworth.report.tables import Column


def title(evidence: Evidence, text: str) -> list[Flowable]:
    """Return the head of the first page."""
    return [
        Paragraph(escape(text), layout.TITLE),
        Paragraph(f"Study <b>{escape(evidence.study)}</b>", layout.BYLINE),
        Paragraph(f"brainworth {escape(evidence.version)}", layout.BYLINE),
        Spacer(1, 8),
    ]


def abstract(evidence: Evidence, sections: dict[str, ModuleType]) -> list[Flowable]:
    """Return the abstract, its numbers and its sentences from the results."""
    sentences = [_first(evidence)]
    sentences.append(
        "Analyses published as evidence that averaging brains loses what is individual"
        f" {cite('prasad')} are repeated with the published estimators and, beside each, with the"
        " null, the ceiling or the correction that decides what its number means"
        f" ({methods.overview(evidence)})."
    )
    sentences += [sections[test].abstract(evidence) for test in evidence.tests]
    if evidence.befs:
        sentences.append(befs_chapter.abstract(evidence))
    heading = layout.heading("Abstract")
    return [heading, Paragraph(" ".join(sentences), layout.ABSTRACT), Spacer(1, 8)]


def claims(
    evidence: Evidence, sections: dict[str, ModuleType], number_of: Numbering
) -> list[Flowable]:
    """Return the table of claims."""
    rows = [
        [claim.published, claim.as_published, claim.sound, judged(claim, evidence)]
        for test in evidence.tests
        if hasattr(sections[test], "claims")
        for claim in sections[test].claims(evidence)
    ]
    if not rows:
        return []
    rows = [[layout.sentence_case(cell) for cell in row] for row in rows]
    last = "Verdict, planted truth" if evidence.simulated else "Verdict"
    columns = [
        Column(f"Claim as published {cite('prasad')}", "left", wraps=True),
        Column("As-published estimator here", "left", wraps=True),
        Column("Sound estimate", "left", wraps=True),
        Column(last, "left", wraps=True),
    ]
    caption = (
        "The claims at one glance. Ranges are over regions; intervals are in the tables below."
    )
    if evidence.simulated:
        caption += (
            " <b>Simulated data give no verdict on a claim about brains</b>; they show whether the"
            " estimators find what was planted."
        )
    return tables.table(number_of.table(), caption, columns, rows, sizes=(8.0,), split=True)


def _first(evidence: Evidence) -> str:
    if evidence.simulated:
        return (
            "<b>All data in this report are simulated</b>, after the Natural Scenes Dataset and"
            " from a known truth, so that every estimate stands beside what was planted; nothing"
            " here is evidence about brains."
        )
    if evidence.source == "rdms":
        return "This report is about dissimilarity matrices (RDMs) that were measured elsewhere."
    sessions = methods.sessions(evidence)
    return (
        "This report is about the Natural Scenes Dataset"
        f"{f' ({sessions} a subject)' if sessions else ''}."
    )
