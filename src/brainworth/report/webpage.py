"""The web page: the story of the PDF as one file that opens without a network."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from html import escape, unescape
from pathlib import Path

from PIL import Image

from brainworth import files, verify
from brainworth.errors import BrainworthError
from brainworth.report import blocks, evidence, layout, paper, webpage_look

#: The mark-up of texts, and what it becomes.
TAGS = {"b": "b", "i": "i", "br": "br", "super": "sup", "sub": "sub"}
TAG = re.compile(r"<(/?)([a-z]+)\b[^<>]*?/?>")
MENTION = re.compile(r"\b(Table|Figure)([ \N{NO-BREAK SPACE}])(\d+)\b|\[(\d+)\]")
#: Nothing is loaded from anywhere; only the page's own style and script count.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
PARAGRAPHS = {
    "title": ("h1", ""),
    "note head": ("p", "note"),
    "body": ("p", ""),
}


def write(
    html: str | Path,
    *,
    results: Sequence[str | Path],
    figures: Sequence[str | Path],
    study: str,
    title: str,
    source: str,
) -> None:
    """Set the results of a study as a web page; the same results give the same bytes.

    Figures are inside the page. Tables and figures link to the results their numbers come from, by
    the way from the page to the files.

    Parameters
    ----------
    html : path
        Where it goes; it appears whole or not at all.
    results, figures, study, title, source
        As for `paper.write`.

    Raises
    ------
    BrainworthError
        As `paper.write` does.
    """
    found = evidence.gather(results, figures, study=study, source=source)
    layout.register_fonts()
    folder = Path(html).resolve().parent
    links = {
        name: Path(os.path.relpath(Path(path).resolve(), folder)).as_posix()
        for name, path in found.paths.items()
    }
    page = Page(list(blocks.walk(paper.story(found, title))), found, links)
    with files.whole(html) as part:
        part.write_text(page.text(title), encoding="utf-8", newline="\n")


class Page:
    """A story as HTML.

    Parameters
    ----------
    story : list of blocks.Said
    found : Evidence
    links : dict from str to str
        Where the result of each name lies, seen from the page.
    """

    def __init__(self, story: list[blocks.Said], found: evidence.Evidence, links: dict[str, str]):
        self.story, self.found, self.links = story, found, links
        self.by_digest = {e["digest"]: name for name, e in found.envelopes.items()}
        self.targets = set()
        for block in (said.block for said in story):
            if isinstance(block, blocks.Figure | blocks.Table) and block.number is not None:
                self.targets.add(f"{type(block).__name__.lower()}-{block.number}")
            elif isinstance(block, blocks.Text) and block.kind == "reference":
                self.targets.add(f"reference-{block.bullet.strip('[]')}")
        self._complete_results()

    def text(self, title: str) -> str:
        """Return the page."""
        keywords = verify.keywords(each["digest"] for each in self.found.envelopes.values())
        return "\n".join(
            [
                "<!DOCTYPE html>",
                '<html lang="en-GB">',
                "<head>",
                '<meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                f'<meta name="generator" content="brainworth {escape(self.found.version)}">',
                f'<meta name="keywords" content="{keywords}">',
                f"<title>{escape(title)} · study {escape(self.found.study)}</title>",
                f"<style>{webpage_look.STYLE}</style>",
                "</head>",
                "<body>",
                *self._contents(),
                "<main>",
                *self._body(),
                "</main>",
                '<dialog aria-label="Enlarged figure"><button type="button">Close</button>'
                '<img alt=""></dialog>',
                f"<script>{webpage_look.SCRIPT}</script>",
                "</body>",
                "</html>",
                "",
            ]
        )

    def _complete_results(self) -> None:
        """Let a figure say what it was drawn from, and tables without a word take it over.

        Such tables stand in the same section as the figure.
        """
        section: list[blocks.Said] = []
        for said in [*self.story, blocks.Said(blocks.Heading("", 1))]:
            if not isinstance(said.block, blocks.Heading):
                section.append(said)
                continue
            drawn: list[str] = []
            for each in section:
                if isinstance(each.block, blocks.Figure):
                    each.results = self._drawn_from(each.block.path)
                    drawn += [name for name in each.results if name not in drawn]
            for each in section:
                if isinstance(each.block, blocks.Table):
                    each.results = each.results or drawn
            section = []

    def _drawn_from(self, path: Path) -> list[str]:
        with Image.open(path) as image:
            digests = image.info.get("Source", "").split()
        return [self.by_digest[digest] for digest in digests if digest in self.by_digest]

    def _contents(self) -> list[str]:
        lines = ['<nav aria-label="Contents">', "<details><summary>Contents</summary>", "<ul>"]
        headings = [each.block for each in self.story if isinstance(each.block, blocks.Heading)]
        inside = False
        for place, heading in enumerate(headings):
            if heading.level == 1 and inside:
                lines.append("</ul></li>")
                inside = False
            after = headings[place + 1] if place + 1 < len(headings) else None
            link = f'<li><a href="#heading-{place}">{self._inline(heading.text)}</a>'
            if heading.level == 1 and after is not None and after.level > 1:
                lines.append(f"{link}<ul>")
                inside = True
            else:
                lines.append(f"{link}</li>")
        return [*lines, *(["</ul></li>"] if inside else []), "</ul></details>", "</nav>"]

    def _body(self) -> list[str]:
        lines: list[str] = []
        n_headings, listing = 0, False
        for said in self.story:
            block = said.block
            item = isinstance(block, blocks.Text) and block.kind == "item"
            if item != listing:
                lines.append("<ul>" if item else "</ul>")
                listing = item
            match block:
                case blocks.Heading():
                    tag = f"h{block.level + 1}"
                    text = self._inline(block.text)
                    lines.append(f'<{tag} id="heading-{n_headings}">{text}</{tag}>')
                    n_headings += 1
                case blocks.Text():
                    lines.append(self._paragraph(block))
                case blocks.Figure():
                    lines += self._figure(block, said.results)
                case blocks.Table():
                    lines += self._table(block, said.results)
                case blocks.Listing():
                    entries = "".join(f"<li>{self._inline(text)}</li>" for text in block.texts)
                    lines.append(f'<ul class="listing">{entries}</ul>')
        return [*lines, *(["</ul>"] if listing else [])]

    def _paragraph(self, block: blocks.Text) -> str:
        text = self._inline(block.text, linked=block.kind != "reference")
        if block.kind == "item":
            return f"<li>{text}</li>"
        if block.kind == "reference":
            number = block.bullet.strip("[]")
            head = f'<p class="reference" id="reference-{number}">'
            return f"{head}<span>{escape(block.bullet)}</span>{text}</p>"
        tag, name = PARAGRAPHS.get(block.kind, ("p", block.kind))
        return f"<{tag}{_class(name)}>{text}</{tag}>"

    def _figure(self, block: blocks.Figure, results: list[str]) -> list[str]:
        with Image.open(block.path) as image:
            width, height = image.size
        data = base64.b64encode(block.path.read_bytes()).decode()
        alt = escape(f"Figure {block.number}. {plain(block.caption)}")
        return [
            f'<figure id="figure-{block.number}">',
            f'<button type="button" title="Enlarge figure {block.number}">'
            f'<img width="{width}" height="{height}" alt="{alt}" '
            f'src="data:image/png;base64,{data}"></button>',
            f"<figcaption><b>Figure {block.number}.</b> {self._inline(block.caption)}</figcaption>",
            *self._source("Drawn from", results),
            "</figure>",
        ]

    def _table(self, block: blocks.Table, results: list[str]) -> list[str]:
        known = "" if block.number is None else f' id="table-{block.number}"'
        label = "" if block.number is None else f"<b>Table {block.number}.</b> "
        name = f"Table {block.number}" if block.number else plain(block.caption) or "Table"
        named = f' aria-label="{escape(name)}"'
        lines = [f'<div class="table"{known} data-results="{escape(" ".join(results))}">']
        if block.number is not None or block.caption:
            lines.append(f'<p class="caption">{label}{self._inline(block.caption)}</p>')
        lines += ['<div class="wide">', f"<table{named}>", "<thead>"]
        if block.groups:
            cells = "".join(
                f'<th class="group" colspan="{n}">{self._inline(text)}</th>'
                for text, n in block.groups
            )
            lines.append(f"<tr>{cells}</tr>")
        cells = "".join(
            f'<th scope="col"{_class("" if column.align == "right" else column.align)}>'
            f'<button type="button" title="Sort">{self._inline(column.header, linked=False)}'
            "</button></th>"
            for column in block.columns
        )
        lines += [f"<tr>{cells}</tr>", "</thead>", "<tbody>"]
        lines += [self._row(block.columns, row) for row in self_contained(block)]
        lines += ["</tbody>", "</table>", "</div>"]
        if block.notes:
            lines.append(f'<p class="note">{self._inline(block.notes)}</p>')
        return [*lines, *self._source("Numbers from", results), "</div>"]

    def _row(self, columns: Sequence, row: Sequence[tuple[str, bool]]) -> str:
        cells = []
        for column, (text, again) in zip(columns, row, strict=True):
            names = ["" if column.align == "right" else column.align]
            names += ["wraps" if column.wraps else "whole", "again" if again else ""]
            inner = self._link(text) if text in self.links else self._inline(text)
            cells.append(f"<td{_class(' '.join(filter(None, names)))}>{inner}</td>")
        return f"<tr>{''.join(cells)}</tr>"

    def _source(self, says: str, results: list[str]) -> list[str]:
        if not results:
            return []
        return [f'<p class="source">{says} {", ".join(map(self._link, results))}</p>']

    def _link(self, name: str) -> str:
        return f'<a href="{escape(self.links[name])}">{escape(name)}</a>'

    def _inline(self, markup: str, *, linked: bool = True) -> str:
        """Turn a text with reportlab's mark-up into HTML."""
        answer, place = [], 0
        for tag in TAG.finditer(markup):
            answer.append(self._characters(markup[place : tag.start()], linked))
            if tag[2] not in TAGS:
                raise BrainworthError(f"there is no HTML for the mark-up {tag[0]}; add it to TAGS")
            answer.append(f"<{tag[1]}{TAGS[tag[2]]}>")
            place = tag.end()
        return "".join([*answer, self._characters(markup[place:], linked)])

    def _characters(self, text: str, linked: bool) -> str:
        plain_text = escape(unescape(text), quote=False)
        return MENTION.sub(self._mention, plain_text) if linked else plain_text

    def _mention(self, found: re.Match) -> str:
        kind, number = (found[1] or "reference").lower(), found[3] or found[4]
        target = f"{kind}-{number}"
        return f'<a href="#{target}">{found[0]}</a>' if target in self.targets else found[0]


def self_contained(table: blocks.Table) -> list[list[tuple[str, bool]]]:
    """Return rows that may be sorted: names left out since they stand above are repeated.

    Each cell comes with whether it repeats the one above it.
    """
    heads = 0
    while heads < len(table.columns) and table.columns[heads].align == "left":
        heads += 1
    rows: list[list[tuple[str, bool]]] = []
    for row in table.rows:
        cells = [(text, False) for text in row]
        if rows and heads and row[0] == "":
            for place in range(heads):
                if row[place] != "":
                    break
                cells[place] = (rows[-1][place][0], True)
        rows.append(cells)
    return rows


def plain(markup: str) -> str:
    """Return a text without its mark-up."""
    return unescape(TAG.sub("", markup))


def _class(names: str) -> str:
    return f' class="{names}"' if names else ""
