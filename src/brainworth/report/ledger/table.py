"""The table of claims: what is published, what comes out here, and the verdict."""

from __future__ import annotations

from html import escape
from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout, tables
from brainworth.report.ledger.evaluate import OTHER_DATA
from brainworth.report.numbers import count, number, p_value, span, with_sign
from brainworth.report.published import cite
from brainworth.report.tables import Column

UNANSWERED = ("not testable here", "answered in words")


def table(
    answers: list[dict[str, Any]], number_of_table: int, simulated: bool, source: str = "prasad"
) -> list[Flowable]:
    """Return the table of the claims of a source that results of this study answer."""
    shown = answered(answers, source)
    if not shown:
        return []
    rows = [
        [_statement(answer), _as_published(answer), _sound(answer), _verdict(answer)]
        for answer in shown
    ]
    columns = [
        Column(f"Claim as published {cite(source)}", "left", wraps=True),
        Column("As-published estimator here", "left", wraps=True),
        Column("Sound estimate", "left", wraps=True),
        Column("Verdict, planted truth" if simulated else "Verdict", "left", wraps=True),
    ]
    caption = (
        f"The claims at one glance. Ranges are over {_over(shown)}; intervals are in the tables"
        " below. The rules behind the verdicts are in paper/claims.yaml, their answers in"
        " claims.json."
    )
    if simulated:
        caption += (
            " <b>Simulated data give no verdict on a claim about brains</b>; they show whether the"
            " estimators find what was planted."
        )
        if any(answer["scope"] == "rows" for answer in shown):
            caption += (
                " Planted stands for what a ridge regression from the features that responses were"
                " made of predicts: no model of the images gets further."
            )
    return tables.table(number_of_table, caption, columns, rows, sizes=(8.0,), split=True)


def answered(answers: list[dict[str, Any]], source: str) -> list[dict[str, Any]]:
    """Return the claims of a source that the table shows."""
    return [answer for answer in answers if answer["source"] == source and _is_shown(answer)]


def unanswered(answers: list[dict[str, Any]], source: str = "prasad") -> list[str]:
    """Return the statements of a source that no result of this study answers, and why."""
    return [
        f"{answer['statement']} ({escape(answer['place'])}): {escape(answer['reason'])}"
        for answer in answers
        if answer["source"] == source
        and answer["verdict"] == "not testable here"
        and not answer["n"]
    ]


def _is_shown(answer: dict[str, Any]) -> bool:
    """Say whether there is an answer, or numbers beside the published ones that give none."""
    return answer["verdict"] not in UNANSWERED or answer["n"] > 0


def _over(answers: list[dict[str, Any]]) -> str:
    of_rows = any(answer["scope"] == "rows" for answer in answers)
    return "rows and subjects" if of_rows else "regions"


def as_published(answer: dict[str, Any]) -> str:
    """Return the range of the published estimator here."""
    return _span([row["as_published"] for row in answer["rows"]], answer, "as_published")


def sound(answer: dict[str, Any]) -> str:
    """Return the range of the sound estimate; an en dash if there is none."""
    found = [row["sound"]["estimate"] for row in answer["rows"] if row["sound"]]
    return _span(found, answer, "sound")


def planted(answer: dict[str, Any]) -> str:
    """Return the range of the planted truth, or nothing."""
    known = [row["planted"] for row in answer["rows"] if row["planted"] is not None]
    return _span(known, answer, "sound") if known else ""


def _statement(answer: dict[str, Any]) -> str:
    place = layout.sentence_case(escape(answer["place"]))
    remark = f"<br/><i>{escape(answer['remark'])}</i>" if answer["remark"] else ""
    return f"{place}: {escape(answer['statement'])}{remark}"


def _as_published(answer: dict[str, Any]) -> str:
    values = [row["as_published"] for row in answer["rows"]]
    text = f"{escape(answer['labels']['as_published'])} {_span(values, answer, 'as_published')}"
    if answer["verdict"] in (*OTHER_DATA.values(), "not testable here"):
        return text
    return f"{text}; agrees in {count(answer['n_agree'], answer['n'])}{_regions(answer)}"


def _sound(answer: dict[str, Any]) -> str:
    found = [row["sound"] for row in answer["rows"] if row["sound"]]
    estimates = [row["estimate"] for row in found if row["estimate"] is not None]
    if not estimates:
        return "–"
    parts = [f"{escape(answer['labels']['sound'])} {_span(estimates, answer, 'sound')}"]
    p = [row["p"] for row in found if row["p"] is not None]
    if p:
        largest = p_value(max(p), answer["draws"], sides=answer["sides"])
        parts.append(f"{'largest ' if len(p) > 1 else ''}{escape(with_sign(largest))}")
    null = [row["null"] for row in found if row["null"] is not None]
    if null:
        parts.append(f"null {_span(null, answer, 'sound')}")
    return "; ".join(parts)


def _verdict(answer: dict[str, Any]) -> str:
    text = f"<b>{escape(layout.sentence_case(answer['verdict']))}</b>"
    if answer["contradicts"] and "contradictory" not in answer["verdict"]:
        text += "; contradictory in the source"
    if answer["reason"]:
        text += f": {escape(answer['reason'])}"
    planted = [row["planted"] for row in answer["rows"] if row["planted"] is not None]
    if planted:
        inside = [row["planted_inside"] for row in answer["rows"]]
        known = [hit for hit in inside if hit is not None]
        text += f". Planted {_span(planted, answer, 'sound')}"
        if known:
            text += f", inside the interval in {count(sum(known), len(known))}{_regions(answer)}"
    return text


def _span(values: list, answer: dict[str, Any], side: str) -> str:
    decimals = answer["decimals"][side]
    known = [value for value in values if value is not None]
    if len(known) == 1:
        return number(known[0], decimals)
    return span(known, decimals)


def _regions(answer: dict[str, Any]) -> str:
    if answer["scope"] == "whole":
        return "" if answer["n"] == 1 else " subjects"
    return f" {answer['scope']}"
