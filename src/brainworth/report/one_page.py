"""The first page: each published claim and the verdict, one line each."""

from __future__ import annotations

from html import escape
from typing import Any

from reportlab.platypus import Flowable, PageBreak

from brainworth.report import layout, tables
from brainworth.report.befs import befs_chapter
from brainworth.report.blocks import from_results
from brainworth.report.bridges import bridges_chapter
from brainworth.report.encoder import encoder_chapter
from brainworth.report.evidence import Evidence
from brainworth.report.ledger import table as ledger
from brainworth.report.ledger.evaluate import OTHER_DATA
from brainworth.report.numbers import GLUE, count, things
from brainworth.report.published import cite
from brainworth.report.tables import Column

TITLE = "Claims and verdicts"
#: What a chapter is called here, where its key would not be read.
NAMES = {
    "rsa": "Cross-subject RSA",
    "rdm_gap": "Gap of RDMs",
    "variance_reliability": "Reliable variance",
    "variance_predictability": "Predictable variance",
    "direction_erosion": "Theorem 1",
    "variance_blindness": "Theorem 2",
    "match_stimuli": "Stimuli",
    "bridge_averaging": "Encoders of an average",
}
SIZES = (7.5, 7.0, 6.5, 6.0)
#: Parts on the worth of brain samples that are answered on this page; all are after the claims.
BEFS = ("curves", "verification", "shift", "budget")
#: Letters of a statement without short words of its own; it ends between words.
LETTERS = 52


def page(evidence: Evidence) -> list[Flowable]:
    """Return the page without its title; what follows starts on a new one."""
    parts = [layout.heading(TITLE), layout.body(*_opening(evidence))]
    for size in SIZES:
        # flowables remember how they were set, so each try gets its own
        found = [
            *_erosion(evidence, size),
            *_befs(evidence, size),
            *_encoder(evidence),
            *_bridges(evidence, size),
        ]
        if _height([*parts, *found]) <= layout.HEIGHT - TITLE_HEIGHT:
            break
    return [*parts, *found, PageBreak()]


#: What the title of the report takes of the first page.
TITLE_HEIGHT = 76.0


def _height(flowables: list[Flowable]) -> float:
    total = 0.0
    for flowable in flowables:
        total += flowable.wrap(layout.WIDTH, layout.HEIGHT)[1]
        total += flowable.getSpaceBefore() + flowable.getSpaceAfter()
    return total


def _opening(evidence: Evidence) -> list[str]:
    answers = list(evidence.claims.values())
    shown = _shown(answers)
    words = [each for each in answers if each["verdict"] == "answered in words"]
    befs = [each for each in words if each["source"] == "befs"]
    untested = [each for each in answers if each["verdict"] == "not testable here"]
    texts = [
        f"{things(len(answers), 'published statement')} are held to the results:"
        f" {len(shown)} by numbers, {len(words)} in words"
        + (f" ({len(befs)} of them on the worth of brain samples)" if evidence.befs else "")
        + f", and {len(untested)} that nothing here can answer (Limitations). Statements are"
        " shortened; they stand in full, with what decides each verdict, in the table of claims."
    ]
    if evidence.simulated:
        texts.append(
            "<b>All data are simulated and give no verdict about brains</b>: what counts is whether"
            " the sound estimate finds what was planted."
        )
    return texts


def _shown(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in answers if each["verdict"] not in ledger.UNANSWERED]


def _erosion(evidence: Evidence, size: float) -> list[Flowable]:
    """Return a line a statement, grouped by the test that answers it."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for answer in _shown(list(evidence.claims.values())):
        if answer["source"] != "prasad":
            continue
        groups.setdefault(answer["test"], []).append(answer)
    if not groups:
        return []
    rows = [
        [
            f"<b>{escape(_name(test))}</b>" if place == 0 else "",
            escape(short(answer)),
            ledger.as_published(answer),
            ledger.sound(answer),
            _verdict(answer),
        ]
        for test, answers in groups.items()
        for place, answer in enumerate(answers)
    ]
    columns = [
        Column("Test", "left"),
        Column(f"Published claim {cite('prasad')}", "left"),
        Column("As published, here"),
        Column("Sound"),
        Column("Verdict, planted truth" if evidence.simulated else "Verdict", "left", wraps=True),
    ]
    caption = (
        "<b>What averaging loses.</b> As published: what the published estimator gives here; sound:"
        " the estimate to quote, where there is one. Ranges are over regions."
    )
    if evidence.simulated:
        caption += (
            " Planted truth is found where it lies inside the interval of the sound estimate."
        )
    found = tables.table(None, caption, columns, rows, sizes=(size,), split=True)
    return from_results(found, evidence.names("claims"))


def _befs(evidence: Evidence, size: float) -> list[Flowable]:
    if not set(BEFS) & set(evidence.befs):
        return []
    rows = [
        [
            f"<b>{question}</b>",
            layout.sentence_case(befs_chapter.SECTIONS[part].glance(evidence, said)),
        ]
        for part in evidence.befs
        if part in BEFS
        for said, question in befs_chapter.SECTIONS[part].QUESTIONS.items()
    ]
    columns = [Column("Question", "left"), Column("Answer in theory and simulation", "left", True)]
    caption = (
        f"<b>{befs_chapter.TITLE}</b> A linear-Gaussian model {cite('befs')}; no data of brains."
        " The table after that of the claims sets the words of the source beside each answer."
    )
    found = tables.table(None, caption, columns, rows, sizes=(size,), split=True)
    return from_results(found, evidence.names(*(f"befs_{part}" for part in evidence.befs)))


def _encoder(evidence: Evidence) -> list[Flowable]:
    """Return a sentence; what its chapter is asked has a table of its own after the claims."""
    if "chasm" not in evidence.encoder:
        return []
    said = encoder_chapter.SECTIONS["chasm"].abstract(evidence)
    found = [layout.body(f"<b>{encoder_chapter.TITLE}</b> {said}.")]
    return from_results(found, evidence.names("encoder_chasm"))


def _bridges(evidence: Evidence, size: float) -> list[Flowable]:
    """Return a line a bridge: the first of the questions that it answers."""
    if not evidence.bridges:
        return []
    rows = []
    for part in evidence.bridges:
        section = bridges_chapter.SECTIONS[part]
        name, question = next(iter(section.QUESTIONS.items()))
        answer = layout.sentence_case(section.glance(evidence, name))
        rows.append([f"<b>{question}</b>", answer])
    columns = [Column("Question", "left"), Column("Answer", "left", True)]
    caption = f"<b>{bridges_chapter.TITLE}</b>"
    # Its few lines are the last of the page: they need not be kept from its end.
    _page_break, *found = tables.table(None, caption, columns, rows, sizes=(size,), split=True)
    return from_results(found, evidence.names(*(f"bridge_{part}" for part in evidence.bridges)))


def _name(test: str) -> str:
    return NAMES.get(test, layout.sentence_case(test.replace("_", " ")))


def short(answer: dict[str, Any]) -> str:
    """Return a statement in the short words of the ledger, or its beginning."""
    if answer["short"]:
        return answer["short"]
    statement = answer["statement"]
    if len(statement) <= LETTERS:
        return statement
    return statement[: LETTERS - 2].rsplit(" ", 1)[0].rstrip(" ,;:.") + " …"


def _verdict(answer: dict[str, Any]) -> str:
    """Return the verdict in a few words; of simulated data, whether the truth was found."""
    if answer["verdict"] not in OTHER_DATA.values():
        return f"<b>{escape(layout.sentence_case(answer['verdict']))}</b>"
    if answer["verdict"] != OTHER_DATA["simulated"]:
        return "Other data"
    agrees = f"agrees in {count(answer['n_agree'], answer['n'])}"
    truth = ledger.planted(answer)
    if not truth:
        return f"Simulated: {agrees}"
    inside = [row["planted_inside"] for row in answer["rows"]]
    known = [hit for hit in inside if hit is not None]
    found = f", found in {count(sum(known), len(known))}" if known else ""
    return f"Planted {truth.replace(' ', GLUE)}{found}"
