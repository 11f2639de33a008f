"""How a page looks: fonts, paragraphs, tables, figures, footers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import matplotlib as mpl
from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY, TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    Flowable,
    Image,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from brainworth.report.style import WIDTH_MM

MARGIN = (A4[0] - WIDTH_MM * mm) / 2
WIDTH = WIDTH_MM * mm
SERIF, BOLD, ITALIC, BOTH, MONO = "Serif", "Serif-Bold", "Serif-Italic", "Serif-BoldItalic", "Mono"
#: Fonts that come with Matplotlib, so that every machine sets the same page.
FONTS = {
    SERIF: "STIXGeneral.ttf",
    BOLD: "STIXGeneralBol.ttf",
    ITALIC: "STIXGeneralItalic.ttf",
    BOTH: "STIXGeneralBolIta.ttf",
    MONO: "DejaVuSansMono.ttf",
}
TABLE_SIZES = (8.5, 8.0, 7.5, 7.0)
PADDING = 2.6
INK, RULE = colors.HexColor("#222222"), colors.HexColor("#444444")


def _style(name: str, **keys) -> ParagraphStyle:
    defaults = {"fontName": SERIF, "fontSize": 10, "leading": 13, "textColor": INK}
    return ParagraphStyle(name, **(defaults | keys))


TITLE = _style("title", fontName=BOLD, fontSize=20, leading=24, alignment=TA_LEFT, spaceAfter=4)
BYLINE = _style("byline", fontSize=11, leading=14, spaceAfter=2)
ABSTRACT = _style("abstract", alignment=TA_JUSTIFY, leftIndent=8 * mm, rightIndent=8 * mm)
HEADING = _style("heading", fontName=BOLD, fontSize=13, leading=16, spaceBefore=12, spaceAfter=4)
SUBHEADING = _style(
    "subheading", fontName=BOLD, fontSize=10.5, leading=13, spaceBefore=8, spaceAfter=2
)
BODY = _style("body", alignment=TA_JUSTIFY, spaceAfter=5)
ITEM = _style("item", parent=BODY, leftIndent=5 * mm, bulletIndent=1.5 * mm, spaceAfter=2.5)
CAPTION = _style("caption", fontSize=9, leading=11, spaceBefore=2, spaceAfter=4)
NOTE = _style("note", fontSize=8, leading=9.6)
CODE = _style("code", fontName=MONO, fontSize=6.2, leading=8)


@dataclass
class Column:
    """One column of a table.

    Attributes
    ----------
    header : str
    align : {"left", "right", "center"}
    wraps : bool
        Text that may break into lines; numbers may not.
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
        return f"–<super>{self._mark(self.reasons.index(reason))}</super>"

    def text(self) -> str:
        """Return all footnotes, or nothing."""
        return " ".join(
            f"<super>{self._mark(i)}</super>{GLUED}{sentence(escape(reason))}"
            for i, reason in enumerate(self.reasons)
        )

    @staticmethod
    def _mark(number: int) -> str:
        return chr(ord("a") + number) if number < 26 else str(number + 1)


@dataclass
class Numbering:
    """Numbers figures and tables in the order in which they are asked for."""

    figures: int = 0
    tables: int = 0

    def figure(self) -> int:
        """Return the number of the next figure."""
        self.figures += 1
        return self.figures

    def table(self) -> int:
        """Return the number of the next table."""
        self.tables += 1
        return self.tables


GLUED = "\N{NO-BREAK SPACE}"


def sentence(text: str) -> str:
    """Start with a capital and end with a full stop."""
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")


def register_fonts() -> None:
    """Make the fonts known."""
    folder = Path(mpl.get_data_path(), "fonts", "ttf")
    for name, file in FONTS.items():
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(folder / file)))
    pdfmetrics.registerFontFamily(SERIF, normal=SERIF, bold=BOLD, italic=ITALIC, boldItalic=BOTH)


def heading(text: str, level: int = 1) -> Paragraph:
    """Return a heading, which also becomes a bookmark."""
    paragraph = Paragraph(text, HEADING if level == 1 else SUBHEADING)
    paragraph.bookmark = (text, level - 1)
    paragraph.keepWithNext = True
    return paragraph


def body(*sentences: str) -> Paragraph:
    """Return a paragraph made of sentences; empty ones are left out."""
    return Paragraph(" ".join(text for text in sentences if text), BODY)


def items(texts: Sequence[str]) -> list[Paragraph]:
    """Return a list with bullets."""
    return [Paragraph(text, ITEM, bulletText="•") for text in texts]


def figure(path: Path, number: int, caption: str) -> Flowable:
    """Return a figure at its own size, with its caption."""
    width, height = ImageReader(str(path)).getSize()
    image = Image(str(path), width=WIDTH, height=WIDTH * height / width)
    text = Paragraph(f"<b>Figure {number}.</b> {caption}", CAPTION)
    return KeepTogether([Spacer(1, 4), image, text, Spacer(1, 4)])


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
                ("TOPPADDING", (0, 0), (-1, -1), 1.2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1.8),
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
    head = Paragraph(f"{label}{caption}", CAPTION)
    tail = []
    if notes is not None and notes.text():
        tail = [Spacer(1, 2), Paragraph(notes.text(), NOTE)]
    parts = [Spacer(1, 4), head, grid, *tail, Spacer(1, 8)]
    if split:
        head.keepWithNext = True
        return parts
    return [KeepTogether(parts)]


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
    return _style("cell", fontName=font, fontSize=size, leading=size * 1.2, alignment=alignment)


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
        # A little air between columns, but no table is stretched over the page.
        air = max(0.0, min(free / len(columns), 9.0))
        return size, [width + air for width in least]
    wanted = [sum(len(_plain(row[place])) for row in rows) ** 0.5 for place in wrapping]
    for place, weight in zip(wrapping, wanted, strict=True):
        least[place] += max(0.0, free) * weight / sum(wanted)
    return size, least


def _least_width(column: Column, texts: list[str], size: float) -> float:
    """Return the width of the longest text, or of the longest word where lines may break."""
    widths = [pdfmetrics.stringWidth(word, BOLD, size) for word in _words(column.header)]
    for text in texts:
        pieces = _words(text) if column.wraps else [_plain(text)]
        widths += [pdfmetrics.stringWidth(piece, SERIF, size) for piece in pieces]
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


class Document(SimpleDocTemplate):
    """A4 pages with the study and the page number at the foot, and bookmarks.

    Parameters
    ----------
    path : path or file
    study : str
    n_pages : int or None
        Pages in all; None while they are being counted.
    **metadata
        ``title``, ``author``, ``subject``.
    """

    def __init__(self, path, study: str, n_pages: int | None, **metadata):
        super().__init__(
            path,
            pagesize=A4,
            leftMargin=MARGIN - 6,
            rightMargin=MARGIN - 6,
            topMargin=20 * mm,
            bottomMargin=20 * mm,
            invariant=1,
            lang="en-GB",
            creator="brainworth",
            **metadata,
        )
        self.study, self.n_pages = study, n_pages
        self._bookmarks = 0

    def beforePage(self) -> None:  # noqa: N802
        """Draw the foot of the page."""
        total = "" if self.n_pages is None else f" of {self.n_pages}"
        self.canv.setFont(SERIF, 8.5)
        self.canv.setFillColor(RULE)
        self.canv.drawString(MARGIN, 11 * mm, f"brainworth · study {self.study}")
        self.canv.drawRightString(A4[0] - MARGIN, 11 * mm, f"page {self.canv.getPageNumber()}{total}")

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802
        """Turn headings into bookmarks."""
        bookmark = getattr(flowable, "bookmark", None)
        if bookmark is None:
            return
        text, level = bookmark
        key = f"heading{self._bookmarks}"
        self._bookmarks += 1
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(text, key, level, closed=False)
