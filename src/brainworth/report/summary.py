"""The first page: title, abstract, and the table of claims."""

from __future__ import annotations

from html import escape
from types import ModuleType

from reportlab.platypus import Flowable, Spacer

from brainworth.report import layout, methods, overview_figure
from brainworth.report.befs import befs_chapter
from brainworth.report.bridges import bridges_chapter
from brainworth.report.encoder import encoder_chapter
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.ledger import table as ledger
from brainworth.report.numbers import whole
from brainworth.report.published import cite


def title(evidence: Evidence, text: str) -> list[Flowable]:
    """Return the head of the first page."""
    return [
        layout.text(escape(text), layout.TITLE),
        layout.text(
            f"Study <b>{escape(evidence.study)}</b>, brainworth {escape(evidence.version)}",
            layout.BYLINE,
        ),
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
    findings = [sections[test].abstract(evidence) for test in evidence.tests]
    if evidence.befs:
        findings.append(befs_chapter.abstract(evidence))
    if evidence.encoder:
        findings.append(encoder_chapter.abstract(evidence))
    if evidence.bridges:
        findings += bridges_chapter.abstract(evidence)
    return [
        layout.heading("Abstract"),
        layout.text(" ".join(sentences), layout.ABSTRACT),
        Spacer(1, 4),
        *layout.items(findings),
        Spacer(1, 4),
    ]


def overview(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the figure of the three answers, if there are all three."""
    if overview_figure.NAME not in evidence.figures:
        return []
    picture = evidence.figures[overview_figure.NAME]
    base = evidence.befs["curves"]["base"]
    caption = (
        "<b>The three answers.</b> a: as published, noise pulls the similarity of subjects down;"
        " corrected for reliability it should hold the planted truth, where there is one. b: what"
        f" is saved in theory of {whole(base['n_task'])} task samples (signal-to-noise ratio"
        f" {base['task_snr']:g}) beside least squares without brain data, by the share of the task"
        " that the brain does not see; below the dashed line a tuned ridge saves more without brain"
        " data. c: a model at 1 reaches the noise ceiling. Intervals are over stimuli (a) and test"
        " images (c)."
    )
    return [layout.figure(picture, number_of.figure(), caption)]


def claims(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the table of claims."""
    return ledger.table(list(evidence.claims.values()), number_of.table(), evidence.simulated)


def _first(evidence: Evidence) -> str:
    if evidence.simulated and evidence.source == "roi_means":
        return (
            "<b>All data in this report are simulated</b>: mean responses of regions, taken from a"
            " simulated study; nothing here is evidence about brains."
        )
    if evidence.simulated:
        return (
            "<b>All data in this report are simulated</b>, after the Natural Scenes Dataset and"
            " from a known truth, so that every estimate stands beside what was planted; nothing"
            " here is evidence about brains."
        )
    if evidence.source == "rdms":
        return "This report is about dissimilarity matrices (RDMs) that were measured elsewhere."
    if evidence.source == "roi_means":
        return (
            "This report is about mean responses of regions to stimuli of the Natural Scenes"
            " Dataset, as they were given."
        )
    sessions = methods.sessions(evidence)
    return (
        "This report is about the Natural Scenes Dataset"
        f"{f' ({sessions} a subject)' if sessions else ''}."
    )
