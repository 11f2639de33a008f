"""Tables: as wide as they need to be, with the reasons for what is missing below them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_LEFT, TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    KeepTogether,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from brainworth.report import blocks
from brainworth.report.layout import (
    BOLD,
    CAPTION,
    NOTE,
    RULE,
    SERIF,
    WIDTH,
    sentence,
    style_of,
    typeset,
)
from brainworth.report.numbers import GLUE

TABLE_SIZES = (8.5, 8.0, 7.5, 7.0)
PADDING = 2.6
#: A table leaving more than this share of the page free is not stretched.
SPARSE = 0.45
#: A table that may split starts on a page with room for its caption, its header and some rows.
START = 45 * mm


@dataclass
class Column:
    """One column of a table.

    Attributes
    ----------
    header : str
    align : {"left", "right", "center"}
    wraps : bool
        Text that may break into lines; numbers may not, but where ``<br/>`` says so.
    """

    header: str
    align: str = "right"
    wraps: bool = False


@dataclass
class Notes:
    """Why numbers are missing: the footnotes of one table."""

    reasons: list[str] = field(default_factory=list)

    def missing(self, reason: str | None) -> str:
        """Return an en dash with the mark of its reason."""
        reason = reason or "not in the results"
        if reason not in self.reasons:
            self.reasons.append(reason)
        return f"–{self._raised(self.reasons.index(reason))}"

    def text(self) -> str:
        """Return all footnotes, or nothing."""
        return " ".join(
            f"{self._raised(i)}{GLUE}{sentence(escape(reason))}"
            for i, reason in enumerate(self.reasons)
        )

    @staticmethod
    def _raised(number: int) -> str:
        mark = chr(ord("a") + number) if number < 26 else str(number + 1)
        return f'<super rise="2.5" size="6">{mark}</super>'


def table(
    number: int | None,
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    notes: Notes | None = None,
    *,
    groups: Sequence[tuple[str, int]] = (),
    sizes: Sequence[float] = TABLE_SIZES,
    split: bool = False,
) -> list[Flowable]:
    """Return a table with its caption above and its notes below.

    Columns that do not wrap are as wide as what they hold; the others share the rest. The largest
    of `sizes` at which the table fits the page is taken.

    Parameters
    ----------
    number : int or None
        None for a table without number.
    groups : sequence of (str, int)
        Headings above the header, each with the number of columns it covers; they may be empty.
    split : bool
        Let the table run over the page; its header is repeated either way.
    """
    size, widths = _fit(columns, rows, sizes)
    above, lines = _group_row(groups, size)
    top = len(above)
    cells = [
        *above,
        [Paragraph(column.header, _cell(column.align, size, BOLD)) for column in columns],
        *(
            [
                Paragraph(text, _cell(column.align, size, SERIF))
                for column, text in zip(columns, row, strict=True)
            ]
            for row in rows
        ),
    ]
    grid = Table(cells, colWidths=widths, repeatRows=top + 1, hAlign="LEFT")
    grid.setStyle(
        TableStyle(
            [
                ("LEFTPADDING", (0, 0), (-1, -1), PADDING),
                ("RIGHTPADDING", (0, 0), (-1, -1), PADDING),
                ("TOPPADDING", (0, 0), (-1, -1), 0.9),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1.4),
                ("VALIGN", (0, 0), (-1, top), "BOTTOM"),
                ("VALIGN", (0, top + 1), (-1, -1), "TOP"),
                ("LINEABOVE", (0, 0), (-1, 0), 0.9, RULE),
                ("LINEBELOW", (0, top), (-1, top), 0.5, RULE),
                *lines,
                ("LINEBELOW", (0, -1), (-1, -1), 0.9, RULE),
                *(
                    [("LINEBELOW", (0, top + 1), (-1, -2), 0.25, colors.HexColor("#CCCCCC"))]
                    if any(column.wraps for column in columns)
                    else []
                ),
            ]
        )
    )
    label = "" if number is None else f"<b>Table {number}.</b> "
    head = Paragraph(f"{label}{typeset(caption)}", CAPTION)
    below = "" if notes is None else notes.text()
    tail = [Spacer(1, 2), Paragraph(below, NOTE)] if below else []
    for part in (head, *tail):
        blocks.says(part, None)
    blocks.says(grid, blocks.Table(number, typeset(caption), columns, rows, below, groups))
    parts = [Spacer(1, 4), head, grid, *tail, Spacer(1, 8)]
    if split:
        return [CondPageBreak(START), *parts]
    return [KeepTogether(parts)]


def in_columns(texts: Sequence[str], n: int, style: ParagraphStyle) -> Table:
    """Return short texts in columns, read line by line."""
    padded = [*texts, *[""] * (-len(texts) % n)]
    cells = [
        [Paragraph(text, style) for text in padded[start : start + n]]
        for start in range(0, len(padded), n)
    ]
    grid = Table(cells, colWidths=[WIDTH / n] * n, hAlign="LEFT")
    padding = [(side, (0, 0), (-1, -1), 0) for side in ("LEFTPADDING", "TOPPADDING")]
    padding += [("BOTTOMPADDING", (0, 0), (-1, -1), 0), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    grid.setStyle(TableStyle(padding))
    return blocks.says(grid, blocks.Listing(texts))


def _group_row(groups: Sequence[tuple[str, int]], size: float) -> tuple[list, list]:
    """Return the row above the header, if there is one, and what joins its cells."""
    if not groups:
        return [], []
    row, commands, place = [], [], 0
    for text, n in groups:
        row += [Paragraph(text, _cell("center", size, BOLD)), *[""] * (n - 1)]
        if n > 1:
            commands.append(("SPAN", (place, 0), (place + n - 1, 0)))
        if text:
            commands.append(("LINEBELOW", (place, 0), (place + n - 1, 0), 0.3, RULE))
        place += n
    return [row], commands


def _cell(align: str, size: float, font: str) -> ParagraphStyle:
    alignment = {"left": TA_LEFT, "right": TA_RIGHT, "center": TA_CENTER}[align]
    return style_of("cell", fontName=font, fontSize=size, leading=size * 1.2, alignment=alignment)


def _fit(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], sizes: Sequence[float]
) -> tuple[float, list[float]]:
    for size in sizes:
        least = [
            _least_width(column, [row[place] for row in rows], size)
            for place, column in enumerate(columns)
        ]
        free = WIDTH - sum(least)
        if free >= 0:
            break
    wrapping = [place for place, column in enumerate(columns) if column.wraps]
    if not wrapping:
        # A table that nearly fills the page is stretched over it, a narrow one is not.
        air = max(0.0, free / len(columns))
        if free > SPARSE * WIDTH:
            air = min(air, 9.0)
        return size, [width + air for width in least]
    whole = {
        place: _least_width(
            replace(columns[place], wraps=False), [row[place] for row in rows], size
        )
        for place in wrapping
    }
    spare = free - sum(max(0.0, width - least[place]) for place, width in whole.items())
    if spare > 0:
        # Every text fits one line: what is left is for all columns.
        return size, [
            max(width, whole.get(place, 0.0)) + spare / len(columns)
            for place, width in enumerate(least)
        ]
    wanted = [sum(len(_plain(row[place])) for row in rows) ** 0.5 for place in wrapping]
    for place, weight in zip(wrapping, wanted, strict=True):
        least[place] += max(0.0, free) * weight / sum(wanted)
    return size, least


def _least_width(column: Column, texts: list[str], size: float) -> float:
    """Return the width of the longest text, or of the longest word where lines may break."""
    widths = [pdfmetrics.stringWidth(word, BOLD, size) for word in _words(column.header)]
    for text in texts:
        pieces = _words(text) if column.wraps else [_plain(line) for line in text.split("<br/>")]
        font = BOLD if "<b>" in text else SERIF
        widths += [pdfmetrics.stringWidth(piece, font, size) for piece in pieces]
    return max(widths) + 2 * PADDING + 0.5


def _words(text: str) -> list[str]:
    return _plain(text.replace("<br/>", " ")).split(" ") or [""]


def _plain(text: str) -> str:
    """Strip the mark-up of a cell."""
    answer, inside = [], False
    for character in text:
        if character == "<":
            inside = True
        if not inside:
            answer.append(character)
        if character == ">":
            inside = False
    return "".join(answer).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
