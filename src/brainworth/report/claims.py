"""What is claimed, what the same estimator gives here, what a sound one gives, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import GLUE, count, number, things


@dataclass(frozen=True)
class Claim:
    """One row of the table of claims.

    Attributes
    ----------
    published : str
        The claim in the words of its source.
    as_published : str
        What its estimator gives on these data.
    sound : str
        The estimate to quote, with its interval and null.
    verdict : str
        What the finding makes of the claim, in a word, if the data are those of the claim.
    finding : str
        What these data say about the claim.
    planted : str
        How the sound estimate compares with the planted truth, if the data are simulated.
    """

    published: str
    as_published: str
    sound: str
    verdict: str
    finding: str
    planted: str


def judged(claim: Claim, evidence: Evidence) -> str:
    """Return the last cell of a row: a verdict only where the data can give one."""
    if evidence.simulated:
        return f"simulated. {claim.planted}"
    if evidence.source in ("rdms", "roi_means"):
        return f"other data, no verdict. Here: {claim.finding}"
    return f"<b>{layout.sentence_case(claim.verdict)}</b>: {claim.finding}"


def alpha(level: float) -> str:
    """Return the significance level that goes with an interval."""
    return f"{1 - level:.2g}"


def significant(values: Iterable[float | None], level: float) -> int:
    """Count the p-values that reach the significance level."""
    return sum(p is not None and p <= round(1 - level, 12) for p in values)


def inside(value: float | None, bounds: Sequence[float] | None) -> bool:
    """Say whether an interval holds a value."""
    return value is not None and bounds is not None and bounds[0] <= value <= bounds[1]


def covered(pairs: Iterable[tuple[float | None, Sequence[float] | None]]) -> str:
    """Say in how many regions the planted value lies within the interval."""
    known = [(value, bounds) for value, bounds in pairs if value is not None and bounds is not None]
    if not known:
        return "no region has both a planted value and an interval"
    hits = sum(inside(value, bounds) for value, bounds in known)
    return f"inside the interval in {count(hits, len(known))} regions"


def where(labels: Sequence[str]) -> str:
    """Return ``over 13 regions``, or ``in V1`` if there is one."""
    return f"in {labels[0]}" if len(labels) == 1 else f"over {things(len(labels), 'region')}"


def listed(names: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def signed_span(values: Sequence[float], decimals: int) -> str:
    """Return the widest of several symmetric bands, as ``low to high``."""
    low, high = number(min(values), decimals), number(max(values), decimals)
    return f"{low}{GLUE}to{GLUE}{high}"
