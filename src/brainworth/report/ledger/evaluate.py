"""Holding each published statement to the results of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brainworth.errors import BrainworthError
from brainworth.report.ledger.claims_file import Check, ClaimEntry

OTHER_DATA = {"simulated": "simulated", "rdms": "other data", "roi_means": "other data"}


def evaluate(
    claims: Sequence[ClaimEntry], results: Mapping[str, dict[str, Any]], source: str
) -> list[dict[str, Any]]:
    """Answer every claim from the results.

    Parameters
    ----------
    claims : sequence of ClaimEntry
    results : mapping from rule to result envelope
        Tests of the study; ``planted`` for the truth of simulated data.
    source : {"simulated", "local", "s3", "roi_means", "rdms"}
        Where the data came from: only those of the claim can give a verdict.

    Returns
    -------
    list of dict
        JSON-ready, one entry a claim: the statement, ``rows`` over regions with published,
        as-published and sound numbers and the planted truth, counts, ``verdict``, ``reason``.

    Raises
    ------
    BrainworthError
        If a key of a claim does not exist in the result it names.
    """
    return [_answer(claim, results, source) for claim in claims]


def _answer(
    claim: ClaimEntry, results: Mapping[str, dict[str, Any]], source: str
) -> dict[str, Any]:
    entry = {
        "id": claim.id,
        "source": claim.source,
        "place": claim.place,
        "statement": claim.statement,
        "short": claim.short,
        "published": claim.published,
        "test": claim.test,
        "contradicts": list(claim.contradicts),
        "remark": claim.remark,
        "rows": [],
        "n": 0,
        "n_agree": 0,
        "n_explained": 0,
    }
    if claim.test is None:
        return entry | {"verdict": "not testable here", "reason": claim.not_testable}
    if claim.test not in results:
        reason = f"this study has no result of {claim.test}"
        return entry | {"verdict": "not testable here", "reason": reason}
    if claim.as_published is None:
        return entry | {"verdict": "answered in words", "reason": claim.answered_in}
    envelope = results[claim.test]
    level = envelope["data"].get("interval")
    rows = [_row(claim, *place, level) for place in _places(claim, envelope, results)]
    held = [row for row in rows if row["agrees"] is not None]
    n_agree = sum(row["agrees"] for row in held)
    n_explained = sum(bool(row["agrees"] and row["explained"]) for row in held)
    entry |= {
        "keys": _keys(claim),
        "labels": _labels(claim),
        "decimals": _decimals(claim),
        "interval": level,
        "draws": _draws(claim, envelope["data"]),
        "sides": claim.sound.sides if claim.sound else 1,
        "rows": rows,
        "n": len(held),
        "n_agree": n_agree,
        "n_explained": n_explained,
    }
    return entry | _verdict(claim, len(held), n_agree, n_explained, source)


def _verdict(
    claim: ClaimEntry, n: int, n_agree: int, n_explained: int, source: str
) -> dict[str, str | None]:
    if not n:
        return {"verdict": "not testable here", "reason": "nothing here answers it"}
    if source in OTHER_DATA and claim.test not in THEORY:
        return {"verdict": OTHER_DATA[source], "reason": None}
    if n_agree == n:
        verdict = claim.holds_as or "reproduced"
        if n_explained == n:
            verdict = "reproduced but explained by the null"
    elif n_agree == 0:
        verdict = "not reproduced"
    else:
        verdict = f"reproduced in {n_agree} of {n}"
    reason = None
    if n_explained:
        where = "" if n_explained == n_agree else f" in {n_explained} of {n_agree}"
        reason = f"{claim.explained.because}{where}"
    if claim.contradicts:
        verdict = f"contradictory in the source; {verdict}"
    return {"verdict": verdict, "reason": reason}


#: Results that do not depend on where the data came from.
THEORY = ("direction_erosion", "variance_blindness")


def _places(
    claim: ClaimEntry, envelope: dict[str, Any], results: Mapping[str, dict[str, Any]]
) -> list[tuple[str | None, dict[str, Any], dict[str, Any]]]:
    """Return (region or None, where keys are looked up, where planted keys are)."""
    known = results.get("planted", {}).get("data", {}).get(claim.test, [])
    if claim.scope == "whole":
        return [(None, envelope["data"], known if isinstance(known, dict) else {})]
    planted = {row["region"]: row for row in known}
    places = []
    for row in envelope["data"]["regions"]:
        region = row.get("region", row.get("label"))
        places.append((region, row, planted.get(region, {})))
    return places


def _row(
    claim: ClaimEntry,
    region: str | None,
    found: dict[str, Any],
    planted: dict[str, Any],
    level: float | None,
) -> dict[str, Any]:
    published = claim.published
    if isinstance(published, dict):
        published = published.get(region)
    as_published, sound = claim.as_published, claim.sound
    agrees = None
    if not (isinstance(claim.published, dict) and published is None):
        agrees = _check(as_published.agrees, claim, found, published, level)
    truth = _look(planted, claim.planted, claim) if claim.planted and planted else None
    bounds = _look(found, sound.interval, claim) if sound and sound.interval else None
    return {
        "region": region,
        "published": published,
        "as_published": _look(found, as_published.key, claim),
        "agrees": agrees,
        "sound": {
            "estimate": _look(found, sound.estimate, claim),
            "interval": bounds,
            "p": _look(found, sound.p, claim) if sound.p else None,
            "null": _look(found, sound.null_mean, claim) if sound.null_mean else None,
        }
        if sound
        else None,
        "explained": _check(claim.explained, claim, found, published, level)
        if claim.explained
        else None,
        "planted": truth,
        "planted_inside": bounds[0] <= truth <= bounds[1] if truth is not None and bounds else None,
    }


def _check(
    check: Check, claim: ClaimEntry, found: dict[str, Any], published: Any, level: float | None
) -> bool | None:
    """Answer a check; None where the number is missing."""
    value = _look(found, check.key, claim)
    if value is None:
        return None
    slack = check.tolerance + 1e-12
    match check.relation:
        case "equals_published":
            return abs(value - published) <= slack
        case "in_published_range":
            return published[0] - slack <= value <= published[1] + slack
        case "is_true":
            return bool(value)
        case "significant":
            return value <= _alpha(level, claim)
        case "not_significant":
            return value > _alpha(level, claim)
        case "contains":
            return value[0] <= check.value <= value[1]
        case "excludes":
            return not value[0] <= check.value <= value[1]
        case "above":
            return value > check.value
        case "below":
            return value < check.value
        case "inside_bound":
            return -check.value <= value[0] and value[1] <= check.value


def _alpha(level: float | None, claim: ClaimEntry) -> float:
    if level is None:
        raise BrainworthError(
            f"claim {claim.id} asks for significance, but the result of {claim.test} has no"
            " `interval`; use another relation in paper/claims.yaml"
        )
    return 1 - level + 1e-12


def _look(found: Any, key: str, claim: ClaimEntry) -> Any:
    """Follow a dotted key; None if something on the way is null.

    In a list, a part of the key chooses the first entry that has it as a text, such as
    ``convergence.independent.slope``.

    Raises
    ------
    BrainworthError
        If there is no such key.
    """
    value = found
    for part in key.split("."):
        if value is None:
            return None
        if isinstance(value, list):
            named = [each for each in value if isinstance(each, dict) and part in each.values()]
            value = {part: named[0]} if named else {}
        if not isinstance(value, dict) or part not in value:
            raise BrainworthError(
                f"claim {claim.id}: the result of {claim.test} has no key {key}; correct "
                "paper/claims.yaml"
            )
        value = value[part]
    return value


def _keys(claim: ClaimEntry) -> dict[str, str | None]:
    sound = claim.sound
    return {
        "as_published": claim.as_published.key,
        "agrees": claim.as_published.agrees.key,
        "sound": sound.estimate if sound else None,
        "interval": sound.interval if sound else None,
        "p": sound.p if sound else None,
        "planted": claim.planted,
    }


def _labels(claim: ClaimEntry) -> dict[str, str | None]:
    return {
        "as_published": claim.as_published.label,
        "sound": claim.sound.label if claim.sound else None,
    }


def _decimals(claim: ClaimEntry) -> dict[str, int]:
    return {
        "as_published": claim.as_published.decimals,
        "sound": claim.sound.decimals if claim.sound else 3,
    }


def _draws(claim: ClaimEntry, data: dict[str, Any]) -> int | None:
    if claim.sound is None or claim.sound.draws is None:
        return None
    return _look(data, claim.sound.draws, claim)
