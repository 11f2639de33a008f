"""What a report consists of, whether it is set as a PDF or as a web page.

The functions of `layout` and `tables` return flowables for the PDF and leave with each what it
says, as one of these. `webpage` sets the same story from them, so that no chapter is written twice.
Texts carry the mark-up of reportlab's paragraphs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reportlab.platypus import Flowable, KeepTogether, PageBreak, Spacer

Kind = Literal[
    *("title", "byline", "abstract", "body", "item", "caption"),
    *("note", "note head", "code", "reference"),
]


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is a chapter."""

    text: str
    level: int


@dataclass(frozen=True)
class Text:
    """A paragraph, with what stands before it (a bullet, the number of a reference)."""

    text: str
    kind: Kind
    bullet: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture with its caption."""

    path: Path
    number: int
    caption: str


@dataclass(frozen=True)
class Table:
    """A table with its caption and the notes below it.

    Attributes
    ----------
    columns : sequence of tables.Column
    groups : sequence of (str, int)
        Headings above the header, each with the number of columns it covers.
    """

    number: int | None
    caption: str
    columns: Sequence[Any]
    rows: Sequence[Sequence[str]]
    notes: str = ""
    groups: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class Listing:
    """Short texts, set in columns where there is room."""

    texts: Sequence[str]


Block = Heading | Text | Figure | Table | Listing


@dataclass
class Said:
    """A block, and the names of the results that its numbers come from, as far as known."""

    block: Block
    results: list[str] = field(default_factory=list)


def says(flowable: Flowable, block: Block | None) -> Flowable:
    """Leave with a flowable what it says; None where its neighbour says it (a table's caption)."""
    flowable.said = None if block is None else Said(block)
    return flowable


def from_results(flowables: Iterable[Flowable], names: Sequence[str]) -> list[Flowable]:
    """Say which results the numbers of these come from, where that is not said yet."""
    answer = list(flowables)
    for said in walk(answer):
        said.results = said.results or list(names)
    return answer


def walk(flowables: Iterable[Flowable]) -> Iterator[Said]:
    """Give what a story says, in order.

    Raises
    ------
    TypeError
        If a part of it was not made by the functions of `layout` and `tables`.
    """
    for flowable in flowables:
        if hasattr(flowable, "said"):
            if flowable.said is not None:
                yield flowable.said
        elif isinstance(flowable, KeepTogether):
            yield from walk(flowable._content)
        elif not isinstance(flowable, Spacer | PageBreak):
            raise TypeError(
                f"{flowable!r:.200} cannot be set as a web page; make it with the functions of "
                "brainworth.report.layout and .tables"
            )
