"""Reading ``paper/claims.yaml``: every published statement, and the keys that answer it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from brainworth import strict_yaml
from brainworth.errors import BrainworthError
from brainworth.sections.base import Section

Relation = Literal[
    "equals_published",
    "in_published_range",
    "is_true",
    "significant",
    "not_significant",
    "contains",
    "excludes",
    "above",
    "below",
    "wholly_above",
    "wholly_below",
    "inside_bound",
]


class Check(Section):
    """A question with a yes-or-no answer in every region.

    ``significant`` compares a p-value with 1 minus the study's interval; ``contains`` and
    ``excludes`` look for `value` in an interval, ``wholly_above`` and ``wholly_below`` ask whether
    all of it lies on one side; ``inside_bound`` asks whether a whole interval lies within plus or
    minus `value`, so that little data do not pass for no effect.
    """

    key: str
    relation: Relation
    value: float = 0.0
    tolerance: Annotated[float, Field(ge=0)] = 0.0


class Explanation(Check):
    """What makes a reproduced number mean less than it says."""

    because: str


class AsPublished(Section):
    """What the published estimator gives here."""

    label: str
    key: str
    decimals: int = 3
    agrees: Check


class Sound(Section):
    """The estimate to quote, with what decides whether it means something.

    Keys of the estimate, its interval, its p-value (``draws`` is the key of the number of draws
    behind it, ``sides`` 2 if it is two-sided) and the mean of its null.
    """

    label: str
    estimate: str
    interval: str | None = None
    p: str | None = None
    draws: str | None = None
    sides: Literal[1, 2] = 1
    null_mean: str | None = None
    decimals: int = 3


class ClaimEntry(Section):
    """One published statement."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    source: Literal["prasad", "befs", "chasm", "scaling", "aligned"]
    place: str
    statement: str
    #: The same in a few words, where the statement is longer than a line of the page of verdicts.
    short: Annotated[str, Field(max_length=52)] | None = None
    #: The result that answers it (the name of its rule), or null.
    test: str | None = None
    #: Whether keys are looked up in every region of the result, once in the whole of it, or in rows
    #: of its table. Of a test with a result a subject, the last two look in each of them.
    scope: Literal["regions", "whole", "rows"] = "regions"
    #: The row of the table, where `published` does not name rows.
    row: str | None = None
    #: Only the result of this subject answers it.
    subject: str | None = None
    #: Rows that the table must have, and the row that its differences must be from.
    needs: list[str] = Field(default_factory=list)
    reference: str | None = None
    #: A number, a number for each region or row, or a range; null for a statement in words.
    published: (
        float | dict[str, float] | Annotated[list[float], Field(min_length=2, max_length=2)] | None
    ) = None
    as_published: AsPublished | None = None
    sound: Sound | None = None
    #: If this holds too, what was reproduced is explained by the null.
    explained: Explanation | None = None
    #: Key of the planted truth of the sound estimate; of `rows`, what a regression from the
    #: features that the responses were made of has there.
    planted: str | None = None
    #: Other statements of the same source that cannot be true together with this one.
    contradicts: list[str] = Field(default_factory=list)
    #: What to say instead of "reproduced" of what is true by definition or under assumptions.
    holds_as: str | None = None
    #: Why no result can answer it.
    not_testable: str | None = None
    #: The chapter that answers it in words, where no single number does.
    answered_in: str | None = None
    #: What to keep in mind.
    remark: str | None = None

    @model_validator(mode="after")
    def _answerable(self) -> ClaimEntry:
        ways = (self.as_published, self.not_testable, self.answered_in)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("needs one of `as_published`, `not_testable` and `answered_in`")
        if (self.test is None) != (self.not_testable is not None):
            raise ValueError("needs a `test`, unless it is `not_testable`")
        named = isinstance(self.published, dict)
        if self.scope == "rows" and named == (self.row is not None):
            raise ValueError("scope rows needs a `row`, or a `published` number for each row")
        if self.as_published is None:
            return self
        relation = self.as_published.agrees.relation
        if relation == "equals_published" and not isinstance(self.published, int | float | dict):
            raise ValueError("equals_published needs a `published` number, or one a region")
        if relation == "in_published_range" and not isinstance(self.published, list):
            raise ValueError("in_published_range needs a `published` range [low, high]")
        return self


class Ledger(Section):
    """The whole file."""

    claims: Annotated[list[ClaimEntry], Field(min_length=1)]

    @model_validator(mode="after")
    def _references(self) -> Ledger:
        ids = [claim.id for claim in self.claims]
        twice = {name for name in ids if ids.count(name) > 1}
        if twice:
            raise ValueError(f"more than one claim is called {', '.join(sorted(twice))}")
        for claim in self.claims:
            unknown = set(claim.contradicts) - set(ids)
            if unknown:
                raise ValueError(f"{claim.id} contradicts {', '.join(sorted(unknown))}: no such id")
        return self


def read(path: str | Path) -> list[ClaimEntry]:
    """Read the ledger.

    Raises
    ------
    BrainworthError
        If the file is missing, is not YAML, or a claim is not complete; the message names it.
    """
    try:
        content = strict_yaml.read(Path(path))
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; expected the claims ledger") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise BrainworthError(f"{path} is not readable as YAML: {error}") from None
    try:
        return Ledger.model_validate(content).claims
    except ValidationError as error:
        lines = [f"  {_place(problem, content)}: {problem['msg']}" for problem in error.errors()]
        raise BrainworthError(f"{path} is not a claims ledger:\n" + "\n".join(lines)) from None


def _place(problem: dict, content: object) -> str:
    place = list(problem["loc"])
    if len(place) > 1 and place[0] == "claims" and isinstance(place[1], int):
        claim = content["claims"][place[1]] if isinstance(content, dict) else {}
        name = claim.get("id", f"number {place[1] + 1}") if isinstance(claim, dict) else "?"
        return ".".join([f"claim {name}", *map(str, place[2:])])
    return ".".join(map(str, place)) or "the file"
