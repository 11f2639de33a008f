"""The web page: one file, the same content as the PDF, the same bytes for the same results."""

import base64
import json
import re
from html.parser import HTMLParser

import pypdf
import pytest
from reportlab.platypus import Paragraph
from test_paper import write

from brainworth import results, verify
from brainworth.errors import BrainworthError
from brainworth.report import blocks, evidence, layout, paper, webpage
from brainworth.report.tables import Column

#: Elements that have no end.
VOID = {"meta", "img", "br"}


class Outline(HTMLParser):
    """The elements of a page, and whether each is closed in turn."""

    def __init__(self, html):
        super().__init__()
        self.open, self.wrong, self.found = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append((tag, self.getpos()))

    def values(self, attribute):
        return [given[attribute] for _, given in self.found if attribute in given]


@pytest.fixture(scope="module")
def page(finished, tmp_path_factory):
    return write(finished, tmp_path_factory.mktemp("page") / "tiny.html", setter=webpage.write)


@pytest.fixture(scope="module")
def html(page):
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outline(html):
    return Outline(html)


@pytest.fixture(scope="module")
def told(finished):
    found = evidence.gather(finished.results, finished.figures, study="tiny", source="simulated")
    layout.register_fonts()
    return list(blocks.walk(paper.story(found, "A title")))


def bare(found=None):
    """A page without a story, to set a piece of one."""
    nothing = type("Nothing", (), {"envelopes": {}})()
    return webpage.Page([], found or nothing, {})


def test_same_results_give_the_same_bytes_whenever_they_were_written(finished, page, tmp_path):
    first = write(finished, tmp_path / "tiny.html", setter=webpage.write).read_bytes()
    later = tmp_path / "later"
    moved = []
    for path in finished.results:
        envelope = json.loads(path.read_text()) | {"created": "2031-01-01T00:00:00+00:00"}
        new = later / path.relative_to(finished.folder)
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(envelope))
        moved.append(new)
    assert write(finished, tmp_path / "tiny.html", setter=webpage.write).read_bytes() == first
    # the way to the results is part of the page, so it is taken out before they are compared
    again = write(finished, tmp_path / "b.html", setter=webpage.write, results=moved)
    without = re.compile(rb'href="[^"#]*"')
    assert without.sub(b"", again.read_bytes()) == without.sub(b"", first)


def test_it_is_well_formed(outline):
    assert outline.wrong == []
    assert outline.open == []
    ids = outline.values("id")
    assert len(ids) == len(set(ids))
    assert sum(tag == "h1" for tag, _ in outline.found) == 1
    assert all(given.get("alt") is not None for tag, given in outline.found if tag == "img")


def test_nothing_is_loaded_from_anywhere(outline, html):
    assert all(source.startswith("data:image/png;base64,") for source in outline.values("src"))
    assert {tag for tag, _ in outline.found}.isdisjoint({"link", "iframe", "object", "base"})
    without_pictures = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    for way in ("@import", "url(", "fetch(", "XMLHttpRequest", "import("):
        assert way not in without_pictures


def test_links_lead_to_a_place_in_the_page_or_to_a_result(outline, page, finished):
    ids, files = set(outline.values("id")), set()
    for link in outline.values("href"):
        if link.startswith("#"):
            assert link[1:] in ids
        else:
            files.add((page.parent / link).resolve())
    assert files == {path.resolve() for path in finished.results}


def test_all_that_is_told_is_there_in_order(told, html):
    body = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    body = webpage.plain(re.sub(r"(?s)<(style|script|nav)\b.*?</\1>", "", body))
    place = 0
    for said in told:
        block = said.block
        texts = {
            blocks.Heading: lambda b: [b.text],
            blocks.Text: lambda b: [b.text] if b.kind != "title" else [],
            blocks.Figure: lambda b: [b.caption],
            blocks.Table: lambda b: [b.caption, *(cell for row in b.rows for cell in row)],
            blocks.Listing: lambda b: b.texts,
        }[type(block)](block)
        for text in texts:
            text = webpage.plain(text)
            # a sorted table repeats names, so its cells stand somewhere after its caption
            where = body.find(text, place)
            assert where >= 0, text
            place = max(place, where)


def test_pdf_and_web_page_have_the_same_headings(finished, told, tmp_path):
    titles = []

    def collect(entries):
        for entry in entries:
            if isinstance(entry, list):
                collect(entry)
            else:
                titles.append(entry.title)

    collect(pypdf.PdfReader(write(finished, tmp_path / "tiny.pdf")).outline)
    headings = [each.block.text for each in told if isinstance(each.block, blocks.Heading)]
    assert [webpage.plain(text) for text in headings] == titles


def test_figures_are_those_that_were_drawn(outline, finished):
    held = {base64.b64decode(source.split(",", 1)[1]) for source in outline.values("src")}
    assert held == {path.read_bytes() for path in finished.figures}


def test_it_names_its_results_as_the_pdf_does(finished, html):
    digests = (results.read(path)["digest"] for path in finished.results)
    expected = verify.keywords(digests)
    assert f'<meta name="keywords" content="{expected}">' in html


def test_names_that_look_like_markup_are_escaped(external, tmp_path):
    made = external(4, 2, label="IT & <V4>")
    html = write(made, tmp_path / "p.html", setter=webpage.write).read_text()
    assert "IT &amp; &lt;V4&gt;" in html
    assert "<V4>" not in html
    assert Outline(html).wrong == []


def test_a_subset_of_tests_makes_a_page(finished, tmp_path):
    chosen = [*finished.data, finished.tests["fingerprinting"], finished.planted]
    page = write(finished, tmp_path / "p.html", setter=webpage.write, results=chosen)
    html = page.read_text()
    assert "Identifiability" in html
    assert "Cross-subject RSA</h3>" not in html


def test_another_study_is_refused_and_leaves_no_page(finished, tmp_path):
    with pytest.raises(BrainworthError, match="belongs to study tiny, expected other"):
        write(finished, tmp_path / "p.html", setter=webpage.write, study="other")
    assert list(tmp_path.iterdir()) == []


def test_rows_that_may_be_sorted_repeat_the_names_above():
    columns = [Column("Condition", "left"), Column("Planted", "left"), Column("Rate")]
    rows = [["a", "x", "1"], ["", "", "2"], ["", "y", "3"], ["b", "", "4"]]
    found = webpage.self_contained(blocks.Table(1, "", columns, rows))
    assert [[text for text, _ in row] for row in found] == [
        ["a", "x", "1"],
        ["a", "x", "2"],
        ["a", "y", "3"],
        ["b", "", "4"],
    ]
    assert [[again for _, again in row] for row in found][1] == [True, True, False]


def test_markup_becomes_html_and_what_has_none_is_refused():
    said = bare()._inline('a <b>b</b> <super rise="2.5" size="6">c</super> R&amp;D &lt; 2<br/>')
    assert said == "a <b>b</b> <sup>c</sup> R&amp;D &lt; 2<br>"
    with pytest.raises(BrainworthError, match="no HTML for the mark-up <font"):
        bare()._inline('<font color="red">a</font>')


def test_only_tables_and_figures_that_are_there_are_linked():
    text = blocks.Said(blocks.Text("A. B. (2020).", "reference", "[3]"))
    nothing = type("Nothing", (), {"envelopes": {}})()
    page = webpage.Page([text], nothing, {})
    assert page._inline("as shown [3], not [4] or Table 9") == (
        'as shown <a href="#reference-3">[3]</a>, not [4] or Table 9'
    )


def test_parts_that_say_nothing_are_refused():
    with pytest.raises(TypeError, match="cannot be set as a web page"):
        list(blocks.walk([Paragraph("made by hand")]))


def test_results_of_a_part_are_not_overwritten_by_those_of_the_whole():
    inner = blocks.from_results([layout.body("a")], ["rsa.json"])
    blocks.from_results([*inner, layout.body("b")], ["claims.json"])
    assert inner[0].said.results == ["rsa.json"]
