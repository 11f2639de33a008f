"""Phrases about scores that the sections of the encoder share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from brainworth.report.numbers import GLUE, estimate, number


def row_of(data: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return the row of this name, if the study has it."""
    return next((row for row in data["rows"] if row["row"] == name), None)


def value(found: dict[str, Any], decimals: int = 3) -> str:
    """Return an estimate with its interval."""
    return estimate(found["estimate"], found["interval"], decimals)


def difference(found: dict[str, Any] | None) -> str:
    """Return a paired difference with its interval, and whether that includes zero."""
    if found is None:
        return "not compared"
    low, high = found["interval"]
    verdict = "" if low > 0 or high < 0 else f" (includes{GLUE}0)"
    return f"{value(found)}{verdict}"


def ranked(rows: Iterable[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    """Return the rows that have these scores, the largest correlation first."""
    known = [row for row in rows if row[what] is not None]
    return sorted(known, key=lambda row: -row[what]["r_mean"]["estimate"])


def against_zero(scores: dict[str, Any]) -> str:
    """Return an error beside that of predicting zero and of a model without error."""
    oracle = scores["mse_oracle"]["estimate"]
    known = "" if oracle is None else f", {number(oracle)} without error"
    return f"{value(scores['mse'])} (zero: {number(scores['mse_zero']['estimate'])}{known})"


def compared(data: dict[str, Any], name: str, key: str) -> dict[str, Any] | None:
    """Return the paired difference of a row from the table's reference, if there is one."""
    return data["differences"]["rows"].get(name, {}).get(key)
