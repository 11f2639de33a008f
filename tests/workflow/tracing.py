"""Every printed number of a report, and where it stands in the JSON of the study.

Numbers of tables of the web page are looked for in the results that the table names, all others in
all results of the study. What may stand in a report without a key is declared in `DECLARED`.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pypdf
import yaml

from brainworth.report import published

NUMBER = re.compile(r"(?<![\w.,/])[−-]?\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|\.\d|,\d)")
COUNT = re.compile(r"(?<![\w.,])(\d+) of (\d+)(?![\w.,]\d)")
#: What stands in a report without a key in the JSON, and why it may.
DECLARED: tuple[tuple[str, str], ...] = (
    (r"page \d+ of \d+", "pages count themselves"),
    (r"\b(?:Table|Figure)s?\s\d+(?:(?:,| and| to)\s\d+)*", "tables and figures count themselves"),
    (r"\[\d+\]", "numbers of references"),
    (r"\b(?:T|t)heorems?\s\d", "names of the source's theorems"),
    (r"\b[0-9a-f]{12,64}\b", "digests; a test of their own holds them against the results"),
    (r"SHA-256", "the name of a digest"),
    (r"\b\d+(?:\.\d+){2,}\w*", "versions of software"),
    (r"\b7T\b|\b1\.8-mm\b|\b73K\b|\b10K\b", "names of NSD's own: field, volume, ids"),
)


@dataclass
class Known:
    """All numbers of some results, to be asked for one.

    Parameters
    ----------
    envelopes : sequence of dict
    """

    envelopes: Sequence[dict[str, Any]]
    values: list[float] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)
    samples: list[float] = field(default_factory=list)
    words: set[str] = field(default_factory=set)
    sizes: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        found: set[float] = set()
        for envelope in self.envelopes:
            found.update(self._numbers({key: envelope[key] for key in ("data", "params", "seed")}))
        found |= set(self._sums())
        self.samples = sorted(
            each
            for envelope in self.envelopes
            if envelope["rule"].startswith("befs_")
            for each in self._numbers(envelope["data"])
        )
        levels = {value for value in found if 0.5 < value < 1}
        found |= {round(1 - value, 12) for value in levels}
        self.values = sorted(found)
        draws = {value for value in found if value >= 1 and value == int(value)}
        self.bounds = sorted({sides / (n + 1) for n in draws for sides in (1, 2)})

    def _sums(self) -> Iterator[float]:
        """Add up counts: of each key over the subjects, of each key over the regions of a test."""
        rules: dict[str, list[dict[str, Any]]] = {}
        for envelope in self.envelopes:
            rules.setdefault(envelope["rule"], []).append(envelope["data"])
            rules[f"regions of {envelope['digest']}"] = envelope["data"].get("regions", [])
        for entries in rules.values():
            totals: dict[str, int] = {}
            for entry in entries:
                for key, count in _counts(entry):
                    totals[key] = totals.get(key, 0) + count
            yield from totals.values()

    def _numbers(self, value: Any) -> Iterator[float]:
        if isinstance(value, dict):
            for each in value.values():
                yield from self._numbers(each)
        elif isinstance(value, list):
            self.sizes |= {len(value), _size(value)}
            for each in value:
                yield from self._numbers(each)
        elif isinstance(value, str):
            self.words.update(match.group() for match in NUMBER.finditer(value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield float(value)

    def has(self, word: str) -> bool:
        """Say whether a printed number is one of these, to the precision it is printed with."""
        text = word.replace("−", "-").replace(",", "")
        if word in self.words or text in self.words:
            return True
        decimals = len(text.partition(".")[2])
        value, near = float(text), 0.5000001 * 10**-decimals
        if decimals == 0:
            # samples, and errors of a thousand percent, are rounded to whole ones; other whole
            # numbers are whole in the JSON
            return (
                value in self.sizes
                or self._near(self.values, value, 1e-9)
                or self._near(self.samples, value, near)
                or self._near(self.values, value / 100, 0.0005001)
                or (value > 1000 and self._near(self.samples, value / 100, near / 100))
            )
        if self._near(self.values, value, near):
            return True
        if decimals <= 2 and self._near(self.values, value / 100, near / 100):
            return True  # a percentage
        return 0 < value < 0.5 and any(0 <= value - each <= 2 * near for each in self.bounds)

    @staticmethod
    def _near(values: list[float], value: float, near: float) -> bool:
        place = bisect.bisect_left(values, value - near)
        return place < len(values) and values[place] <= value + near


def _size(value: Any) -> int:
    return sum(map(_size, value)) if isinstance(value, list) else 1


def _counts(value: Any, key: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _counts(each, f"{key}.{name}")
    elif isinstance(value, int) and not isinstance(value, bool):
        yield key, value


def published_words(root: Path) -> set[str]:
    """Return the numbers of the source: those of the ledger, and of the list of references."""
    ledger = yaml.safe_load((root / "paper/claims.yaml").read_text(encoding="utf-8"))
    texts = [json.dumps(ledger, ensure_ascii=False), *published.REFERENCES.values()]
    texts.append(published.NSD_ACKNOWLEDGEMENT)
    return {match.group() for text in texts for match in NUMBER.finditer(text)}


def without_declared(text: str) -> str:
    """Blank what may stand in a report without a key."""
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    for pattern, _ in DECLARED:
        text = re.sub(pattern, " ", text)
    return text


def untraced(text: str, known: Known, published_numbers: Iterable[str]) -> list[str]:
    """Return the numbers of a text that are nowhere, each with some of the text around it.

    Of ``n of N``, which the report counts itself, N must be known and n no more than that.
    """
    text = without_declared(text)
    wrong = [match[0] for match in COUNT.finditer(text) if int(match[1]) > int(match[2])]
    text = COUNT.sub(r"\2", text)
    allowed = set(published_numbers)
    return wrong + [
        text[max(0, match.start() - 50) : match.end() + 20].replace("\n", " ")
        for match in NUMBER.finditer(text)
        if match.group() not in allowed and not known.has(match.group())
    ]


def text_of_pdf(path: Path) -> str:
    """Return the text of a PDF without its last list, that of digests, which break in lines."""
    text = "\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    return text[: text.rindex("Input files")]


@dataclass
class Table:
    """The cells of a table, and the names of the results it says they are from."""

    results: list[str]
    cells: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """The text of a web page outside its tables, and the tables."""

    def __init__(self, html: str):
        super().__init__()
        self.text, self.tables = "", []
        self._hidden, self._cell, self._results = 0, False, []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in ("style", "script", "nav", "title"):
            self._hidden += 1
        if tag == "div" and "data-results" in given:
            self._results = given["data-results"].split()
        if tag == "table":
            self.tables.append(Table(self._results))
        if tag in ("td", "th"):
            self.tables[-1].cells.append("")
            self._cell = True
        if tag not in ("b", "i", "a"):
            self._add(" ")

    def handle_endtag(self, tag):
        if tag in ("style", "script", "nav", "title"):
            self._hidden -= 1
        if tag in ("td", "th"):
            self._cell = False
        if tag not in ("b", "i", "a"):
            self._add(" ")

    def handle_data(self, data):
        self._add(data)

    def _add(self, data: str) -> None:
        if self._hidden:
            return
        if self._cell:
            self.tables[-1].cells[-1] += data
        else:
            self.text += data


@dataclass
class Study:
    """All that is needed to hold a report of a study against its results.

    Parameters
    ----------
    results : sequence of path
        Of the study; results of validity are in a folder of this name.
    root : path
        The checkout, with the ledger of claims.
    """

    results: Sequence[Path]
    root: Path

    def __post_init__(self) -> None:
        self.envelopes = {
            f"validity/{path.name}" if path.parent.name == "validity" else path.name: json.loads(
                path.read_text(encoding="utf-8")
            )
            for path in self.results
        }
        self.published = published_words(self.root)
        self.known = Known(list(self.envelopes.values()))

    def of(self, names: Sequence[str]) -> Known:
        """Return the numbers of some results, of all of them if none is named."""
        return Known([self.envelopes[name] for name in names]) if names else self.known

    def untraced_text(self, text: str) -> list[str]:
        """Return what is nowhere of the numbers of a text."""
        return untraced(text, self.known, self.published)

    def untraced_tables(self, page: Page) -> list[str]:
        """Return what is not in the results that a table names of its numbers."""
        return [
            f"{' '.join(table.results)}: {found}"
            for table in page.tables
            for known in [self.of(table.results)]
            for cell in table.cells
            for found in untraced(cell, known, self.published)
        ]
