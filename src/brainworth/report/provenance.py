"""Where every number comes from: results, their inputs, parameters, seeds and software."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from reportlab.platypus import Flowable, Spacer

from brainworth.report import layout, tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.tables import Column

DIGEST = 16
INPUT = 12
COLUMNS = 3


def chapter(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return the whole chapter."""
    return [
        layout.heading("Provenance"),
        layout.body(
            "All numbers of this report were read from the results below, which were checked"
            " against their digests. A digest is the SHA-256 of a result without its time of"
            f" writing; digests of results are shortened to {DIGEST} hexadecimal digits, those of"
            f" input files to {INPUT}."
        ),
        *_results(evidence, number_of.table()),
        *_software(evidence),
        *_parameters(evidence),
        *_inputs(evidence),
    ]


def _results(evidence: Evidence, table: int) -> list[Flowable]:
    rows = [
        [
            escape(name),
            escape(envelope["rule"]),
            envelope["digest"][:DIGEST],
            "–" if envelope["seed"] is None else str(envelope["seed"]),
            _commit(envelope["git_commit"]),
        ]
        for name, envelope in evidence.envelopes.items()
    ]
    columns = [
        Column("Result", "left"),
        Column("Rule", "left"),
        Column("Digest", "left"),
        Column("Seed"),
        Column("Commit", "left"),
    ]
    caption = "Results; a dash stands where no random number is drawn, or no commit is known."
    return tables.table(table, caption, columns, rows, split=True)


def _software(evidence: Evidence) -> list[Flowable]:
    answer: list[Flowable] = [layout.heading("Software", 2)]
    for software, names in _grouped(evidence, "software"):
        listed = ", ".join(f"{escape(name)} {escape(v)}" for name, v in software.items())
        who = "all results" if len(names) == len(evidence.envelopes) else ", ".join(names)
        answer.append(layout.body(f"{listed} ({escape(who)})."))
    return answer


def _parameters(evidence: Evidence) -> list[Flowable]:
    answer: list[Flowable] = [layout.heading("Parameters", 2)]
    answer.append(layout.body("What each rule was given of the configuration, and nothing else."))
    for params, names in _grouped(evidence, "params"):
        lines = "<br/>".join(
            f"{escape(key)}: {escape(line)}" for key, line in _flattened(params).items()
        )
        answer.append(layout.text(f"<b>{escape(', '.join(names))}</b>", layout.NOTE_HEAD))
        answer.append(layout.text(lines, layout.CODE))
        answer.append(Spacer(1, 4))
    return answer


def _inputs(evidence: Evidence) -> list[Flowable]:
    answer: list[Flowable] = [layout.heading("Input files", 2)]
    for name, envelope in evidence.envelopes.items():
        entries = [
            f"{escape(file)}&nbsp;&nbsp;{digest[:INPUT]}"
            for file, digest in envelope["inputs"].items()
        ]
        answer.append(layout.text(f"<b>{escape(name)}</b>", layout.NOTE_HEAD))
        if not entries:
            answer.append(layout.text("no files", layout.CODE))
        else:
            answer.append(tables.in_columns(entries, COLUMNS, layout.CODE))
        answer.append(Spacer(1, 4))
    return answer


def _grouped(evidence: Evidence, key: str) -> list[tuple[dict[str, Any], list[str]]]:
    """Join the results that agree in an entry."""
    groups: dict[str, list[str]] = {}
    for name, envelope in evidence.envelopes.items():
        groups.setdefault(json.dumps(envelope[key], sort_keys=True), []).append(name)
    return [(json.loads(text), names) for text, names in groups.items()]


def _flattened(params: dict[str, Any], before: str = "") -> dict[str, str]:
    """Return dotted keys and their values as JSON."""
    answer: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            answer |= _flattened(value, f"{before}{key}.")
        else:
            answer[f"{before}{key}"] = json.dumps(value, ensure_ascii=False)
    return answer


def _commit(commit: str | None) -> str:
    if commit is None:
        return "–"
    changed = " (edited)" if commit.endswith("-dirty") else ""
    return commit.removesuffix("-dirty")[:INPUT] + changed
