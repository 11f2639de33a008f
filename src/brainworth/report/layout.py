"""How a page looks: fonts, paragraphs, tables, figures, footers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from reportlab.lib import colors
from reportlab.lib.enums import TA_JUSTIFY, TA_LEFT
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
)

from brainworth.report import blocks
from brainworth.report.style import WIDTH_MM

MARGIN = (A4[0] - WIDTH_MM * mm) / 2
WIDTH = WIDTH_MM * mm
#: Of the text; the frame of a page keeps 6 points above and below it.
HEIGHT = A4[1] - 2 * 20 * mm - 12
SERIF, BOLD, ITALIC, BOTH, MONO = "Serif", "Serif-Bold", "Serif-Italic", "Serif-BoldItalic", "Mono"
#: Fonts that come with Matplotlib, so that every machine sets the same page.
FONTS = {
    SERIF: "STIXGeneral.ttf",
    BOLD: "STIXGeneralBol.ttf",
    ITALIC: "STIXGeneralItalic.ttf",
    BOTH: "STIXGeneralBolIta.ttf",
    MONO: "DejaVuSansMono.ttf",
}
INK, RULE = colors.HexColor("#222222"), colors.HexColor("#444444")


def style_of(name: str, **keys) -> ParagraphStyle:
    """Return a style that differs from the text in some keys."""
    defaults = {"fontName": SERIF, "fontSize": 10, "leading": 13, "textColor": INK}
    return ParagraphStyle(name, **(defaults | keys))


TITLE = style_of("title", fontName=BOLD, fontSize=20, leading=24, alignment=TA_LEFT, spaceAfter=4)
BYLINE = style_of("byline", fontSize=11, leading=14, spaceAfter=2)
ABSTRACT = style_of("abstract", alignment=TA_JUSTIFY, leftIndent=8 * mm, rightIndent=8 * mm)
HEADING = style_of("heading", fontName=BOLD, fontSize=13, leading=16, spaceBefore=12, spaceAfter=4)
SUBHEADING = style_of(
    "subheading", fontName=BOLD, fontSize=10.5, leading=13, spaceBefore=8, spaceAfter=2
)
BODY = style_of("body", alignment=TA_JUSTIFY, spaceAfter=5)
ITEM = style_of("item", parent=BODY, leftIndent=5 * mm, bulletIndent=1.5 * mm, spaceAfter=2.5)
CAPTION = style_of("caption", fontSize=9, leading=11, spaceBefore=2, spaceAfter=4)
NOTE = style_of("note", fontSize=8, leading=9.6)
NOTE_HEAD = style_of("note head", fontSize=8.5, leading=11)
CODE = style_of("code", fontName=MONO, fontSize=6.2, leading=8, splitLongWords=1)
REFERENCE = style_of(
    "reference",
    fontSize=9,
    leading=11,
    leftIndent=8 * mm,
    spaceAfter=2,
    bulletFontName=SERIF,
    bulletFontSize=9,
)


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


def sentence(text: str) -> str:
    """Start with a capital and end with a full stop."""
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")


def typeset(text: str) -> str:
    """Give apostrophes the shape they have in print."""
    return text.replace("'", "’")


def sentence_case(text: str) -> str:
    """Start with a capital."""
    return f"{text[:1].upper()}{text[1:]}"


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
    return blocks.says(paragraph, blocks.Heading(text, level))


def text(markup: str, style: ParagraphStyle, bullet: str = "") -> Paragraph:
    """Return a paragraph in one of the styles of this module."""
    paragraph = Paragraph(markup, style, bulletText=bullet or None)
    return blocks.says(paragraph, blocks.Text(markup, style.name, bullet))


def body(*sentences: str) -> Paragraph:
    """Return a paragraph made of sentences; empty ones are left out."""
    return text(typeset(" ".join(each for each in sentences if each)), BODY)


def items(texts: Sequence[str]) -> list[Paragraph]:
    """Return a list with bullets."""
    return [text(typeset(each), ITEM, "•") for each in texts]


def figure(path: Path, number: int, caption: str) -> Flowable:
    """Return a figure at its own size, with its caption."""
    width, height = ImageReader(str(path)).getSize()
    image = Image(str(path), width=WIDTH, height=WIDTH * height / width)
    below = Paragraph(f"<b>Figure {number}.</b> {typeset(caption)}", CAPTION)
    parts = KeepTogether([Spacer(1, 4), image, below, Spacer(1, 4)])
    return blocks.says(parts, blocks.Figure(path, number, typeset(caption)))


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

    def beforePage(self) -> None:
        """Draw the foot of the page."""
        total = "" if self.n_pages is None else f" of {self.n_pages}"
        self.canv.setFont(SERIF, 8.5)
        self.canv.setFillColor(RULE)
        self.canv.drawString(MARGIN, 11 * mm, f"brainworth · study {self.study}")
        self.canv.drawRightString(
            A4[0] - MARGIN, 11 * mm, f"page {self.canv.getPageNumber()}{total}"
        )

    def afterFlowable(self, flowable: Flowable) -> None:
        """Turn headings into bookmarks."""
        bookmark = getattr(flowable, "bookmark", None)
        if bookmark is None:
            return
        text, level = bookmark
        key = f"heading{self._bookmarks}"
        self._bookmarks += 1
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(text, key, level, closed=False)
