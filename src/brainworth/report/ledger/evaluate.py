"""Holding each published statement to the results of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brainworth.errors import BrainworthError
from brainworth.report.ledger import comparable
from brainworth.report.ledger.claims_file import Check, ClaimEntry

OTHER_DATA = {"simulated": "simulated", "rdms": "other data", "roi_means": "other data"}
#: By rule, its results: one, or one a subject.
Results = Mapping[str, Sequence[dict[str, Any]]]


@dataclass(frozen=True)
class _Place:
    """Where keys are looked up.

    Attributes
    ----------
    region : str or None
        What a number may be published for: a region, or a row of a table.
    subject : str or None
        Of a test with a result a subject.
    found, planted : dict
        Where keys of the result, and of the planted truth, are looked up.
    """

    region: str | None
    subject: str | None
    found: dict[str, Any]
    planted: dict[str, Any]


def evaluate(claims: Sequence[ClaimEntry], results: Results, source: str) -> list[dict[str, Any]]:
    """Answer every claim from the results.

    Parameters
    ----------
    claims : sequence of ClaimEntry
    results : mapping from rule to sequence of result envelopes
        Tests of the study; ``planted`` for the truth of simulated data. Rules that run once a
        subject have several.
    source : {"simulated", "local", "s3", "roi_means", "rdms"}
        Where the data came from: only those of the claim can give a verdict.

    Returns
    -------
    list of dict
        JSON-ready, one entry a claim: the statement, ``rows`` over regions (or rows of a table, and
        subjects) with published, as-published and sound numbers and the planted truth, counts,
        ``verdict``, ``reason``.

    Raises
    ------
    BrainworthError
        If a key of a claim does not exist in the result it names.
    """
    return [_answer(claim, results, source) for claim in claims]


def _answer(claim: ClaimEntry, results: Results, source: str) -> dict[str, Any]:
    entry = {
        "id": claim.id,
        "source": claim.source,
        "place": claim.place,
        "statement": claim.statement,
        "short": claim.short,
        "published": claim.published,
        "test": claim.test,
        "scope": claim.scope,
        "contradicts": list(claim.contradicts),
        "remark": claim.remark,
        "rows": [],
        "n": 0,
        "n_agree": 0,
        "n_explained": 0,
    }
    if claim.test is None:
        return entry | {"verdict": "not testable here", "reason": claim.not_testable}
    if missing := _missing(claim, results):
        return entry | {"verdict": "not testable here", "reason": f"this study has no {missing}"}
    if claim.as_published is None:
        return entry | {"verdict": "answered in words", "reason": claim.answered_in}
    envelope = results[claim.test][0]
    level = envelope["data"].get("interval")
    places = _places(claim, results)
    rows = [_row(claim, place, level) for place in places]
    if claim.as_published.agrees.relation == "equals_published" and claim.scope == "rows":
        rows = _with_means(claim, rows)
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
    verdict = _verdict(claim, len(held), n_agree, n_explained, source)
    unlike = comparable.why_not(claim, results)
    if unlike and verdict["verdict"] not in (*OTHER_DATA.values(), "not testable here"):
        verdict = {"verdict": "not testable here", "reason": unlike}
    return entry | verdict


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


def _missing(claim: ClaimEntry, results: Results) -> str | None:
    """Say what a claim needs and the study has not, or return None."""
    envelopes = _of_subject(claim, results.get(claim.test, []))
    if not envelopes:
        of = f" for {claim.subject}" if claim.subject else ""
        return f"result of {claim.test}{of}"
    named = list(claim.published) if isinstance(claim.published, dict) else [claim.row]
    for data in (each["data"] for each in envelopes):
        there = {row["row"] for row in data.get("rows", [])}
        if claim.scope == "rows" and not there.intersection(named):
            return f"row {', '.join(map(str, named))} of {claim.test}"
        if absent := [name for name in claim.needs if name not in there]:
            return f"row {', '.join(absent)} of {claim.test}"
        if claim.reference and data["differences"]["reference"] != claim.reference:
            return f"differences from the row {claim.reference} of {claim.test}"
    return None


def _of_subject(claim: ClaimEntry, envelopes: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    if claim.subject is None:
        return envelopes
    return [each for each in envelopes if _subject(each) == claim.subject]


def _places(claim: ClaimEntry, results: Results) -> list[_Place]:
    """Return where the keys of a claim are looked up."""
    envelopes = _of_subject(claim, results[claim.test])
    planted = results["planted"][0]["data"] if "planted" in results else {}
    known = planted.get(claim.test, [])
    if claim.scope == "whole":
        truth = known if isinstance(known, dict) else {}
        return [_Place(None, _subject(each), each["data"], truth) for each in envelopes]
    if claim.scope == "rows":
        names = [claim.row] if claim.row else list(claim.published)
        return [
            _Place(name, _subject(envelope), row, _true_features(results, _subject(envelope)))
            for name in names
            for envelope in envelopes
            for row in envelope["data"]["rows"]
            if row["row"] == name
        ]
    truths = {row["region"]: row for row in known}
    places = []
    for row in envelopes[0]["data"]["regions"]:
        region = row.get("region", row.get("label"))
        places.append(_Place(region, None, row, truths.get(region, {})))
    return places


def _subject(envelope: dict[str, Any]) -> str | None:
    return envelope["data"].get("subject")


def _true_features(results: Results, subject: str | None) -> dict[str, Any]:
    """Return the regression of a subject from the features that its responses were made of."""
    for envelope in results.get("encoder_linear", []):
        if _subject(envelope) == subject:
            for row in envelope["data"]["rows"]:
                if row["row"] == "true_features":
                    return row
    return {}


def _row(claim: ClaimEntry, place: _Place, level: float | None) -> dict[str, Any]:
    published, found = claim.published, place.found
    if isinstance(published, dict):
        published = published.get(place.region)
    as_published, sound = claim.as_published, claim.sound
    agrees = None
    if not (isinstance(claim.published, dict) and published is None):
        agrees = _check(as_published.agrees, claim, found, published, level)
    truth = _look(place.planted, claim.planted, claim) if claim.planted and place.planted else None
    bounds = _look(found, sound.interval, claim) if sound and sound.interval else None
    # What true features give is what a model may reach, not what this one estimates.
    tested = truth is not None and bounds is not None and claim.scope != "rows"
    return {
        "region": place.region,
        "subject": place.subject,
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
        "planted_inside": bounds[0] <= truth <= bounds[1] if tested else None,
    }


def _with_means(claim: ClaimEntry, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold means over subjects, where there are several, to published means; show each subject."""
    answer = []
    for name in dict.fromkeys(row["region"] for row in rows):
        of_row = [row for row in rows if row["region"] == name]
        values = [row["as_published"] for row in of_row if row["as_published"] is not None]
        if len(of_row) > 1 and values:
            mean = sum(values) / len(values)
            published = of_row[0]["published"]
            answer.append(
                dict.fromkeys(of_row[0])
                | {
                    "region": name,
                    "subject": f"mean of {len(values)}",
                    "published": published,
                    "as_published": mean,
                    "agrees": _equals(claim.as_published.agrees, mean, published),
                }
            )
            of_row = [row | {"agrees": None} for row in of_row]
        answer += of_row
    return answer


def _equals(check: Check, value: float, published: float) -> bool:
    return abs(value - published) <= check.tolerance + 1e-12


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
            return _equals(check, value, published)
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
        case "wholly_above":
            return value[0] > check.value
        case "wholly_below":
            return value[1] < check.value
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
