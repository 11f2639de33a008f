"""What an examination found, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "note", "PROBLEM"]


@dataclass(frozen=True)
class Finding:
    """One line: how bad it is, and what it is."""

    level: Level
    text: str


def good(text: str) -> Finding:
    """Make a finding that is as it should be."""
    return Finding("good", text)


def note(text: str) -> Finding:
    """Make a finding that is worth knowing and stops nothing."""
    return Finding("note", text)


def problem(text: str) -> Finding:
    """Make a finding that stops a run, or makes it wrong."""
    return Finding("PROBLEM", text)


def report(findings: Sequence[Finding]) -> str:
    """Write findings as lines, with a summary as the last one."""
    lines = [f"{finding.level:<8} {finding.text}" for finding in findings]
    n = sum(finding.level == "PROBLEM" for finding in findings)
    notes = sum(finding.level == "note" for finding in findings)
    verdict = f"{n} problems" if n != 1 else "1 problem"
    lines.append(f"{verdict}, {notes} notes, {len(findings) - n - notes} checks passed")
    return "\n".join(lines)
