"""The web page in a real browser: opens without a network, sorts, enlarges, prints."""

import base64
import io
import os

import chromium
import pypdf
import pytest
from test_paper import write

from brainworth.report import webpage

pytestmark = pytest.mark.browser

ORDER = (
    "[...document.querySelectorAll('table')[{table}].tBodies[0].rows]"
    ".map((row) => row.cells[{column}].textContent)"
)


@pytest.fixture(scope="module")
def page(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return write(finished, folder / "tiny.html", setter=webpage.write)


@pytest.fixture
def tab(page, tmp_path):
    with chromium.tab(tmp_path) as opened:
        opened.open(page)
        yield opened
        assert opened.complaints == []


def click_header(tab, table, column):
    tab.run(
        f"document.querySelectorAll('table')[{table}].tHead.rows[document.querySelectorAll('table')"
        f"[{table}].tHead.rows.length - 1].cells[{column}].querySelector('button').click()"
    )


def test_it_opens_and_asks_for_nothing_else(tab, page):
    assert [url for url in tab.requests if not url.startswith("data:")] == [page.as_uri()]
    assert tab.run("document.fonts.status") == "loaded"
    assert tab.run("[...document.images].slice(0, -1).every((i) => i.naturalWidth > 1000)")
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")


def test_it_fits_a_narrow_screen(tab):
    tab.call(
        "Emulation.setDeviceMetricsOverride",
        width=390,
        height=800,
        deviceScaleFactor=2,
        mobile=True,
    )
    assert tab.run("document.documentElement.scrollWidth") <= 390


def test_a_table_is_sorted_by_a_click_on_its_header(tab):
    table, column = tab.run(
        "(() => { const tables = [...document.querySelectorAll('table')];"
        " const first = (t) => t.querySelector('button').textContent;"
        " return [tables.findIndex((t) => first(t) === 'Region'), 2]; })()"
    )
    printed = tab.run(ORDER.format(table=table, column=column))
    tab.run(f"document.querySelectorAll('table')[{table}].dataset.here = ''")
    header = f"table[data-here] thead tr:last-child th:nth-child({column + 1})"
    tab.click(f"{header} button")
    upwards = tab.run(ORDER.format(table=table, column=column))
    numbers = [float(text.split()[0].replace("−", "-")) for text in upwards]
    assert numbers == sorted(numbers)
    assert tab.run(f"document.querySelector('{header}').ariaSort") == "ascending"
    tab.click(f"{header} button")
    assert tab.run(ORDER.format(table=table, column=column)) == upwards[::-1]
    tab.click(f"{header} button")
    assert tab.run(ORDER.format(table=table, column=column)) == printed


def test_every_column_of_every_table_keeps_its_rows(tab):
    rows = "[...document.querySelectorAll('table')[{}].tBodies[0].rows].map((r) => r.textContent)"
    n = tab.run("document.querySelectorAll('table').length")
    assert n > 20
    for table in range(n):
        before = tab.run(rows.format(table))
        width = tab.run(
            f"document.querySelectorAll('table')[{table}].tBodies[0].rows[0].cells.length"
        )
        for column in range(width):
            click_header(tab, table, column)
            assert sorted(tab.run(rows.format(table))) == sorted(before)
        click_header(tab, table, width - 1)
        click_header(tab, table, width - 1)
        assert tab.run(rows.format(table)) == before


def test_numbers_are_sorted_as_numbers_and_what_is_missing_stays_below(tab):
    tab.run(
        "(() => { const rows = document.querySelectorAll('table')[0].tBodies[0].rows;"
        " ['−1.5', '10', '9', '1,200', '–', '< 0.01', '0.2 to 3'].forEach("
        "(text, i) => { rows[i].cells[2].textContent = text; });"
        " while (rows.length > 7) rows[7].remove(); })()"
    )
    # the script keeps the printed rows, so those removed come back, below or above
    click_header(tab, 0, 2)
    shown = tab.run(ORDER.format(table=0, column=2))
    kept = [text for text in shown if text in ("−1.5", "10", "9", "1,200", "< 0.01", "0.2 to 3")]
    assert kept == ["−1.5", "< 0.01", "0.2 to 3", "9", "10", "1,200"]
    assert shown[-1] == "–"
    click_header(tab, 0, 2)
    assert tab.run(ORDER.format(table=0, column=2))[-1] == "–"


def test_a_figure_is_enlarged_by_a_click(tab):
    width = tab.run("document.querySelector('figure img').getBoundingClientRect().width")
    tab.click("figure img")
    assert tab.run("document.querySelector('dialog').open")
    assert tab.run("document.querySelector('dialog img').src") == tab.run(
        "document.querySelector('figure img').src"
    )
    wide = tab.run("document.querySelector('dialog img').getBoundingClientRect().width")
    assert wide > width
    tab.click("dialog img")
    assert tab.run(
        "(() => { const i = document.querySelector('dialog img');"
        " return i.getBoundingClientRect().width === i.naturalWidth; })()"
    )
    tab.press("Escape", 27)
    assert not tab.run("document.querySelector('dialog').open")
    tab.click("figure img")
    tab.click("dialog button")
    assert not tab.run("document.querySelector('dialog').open")


def test_links_go_somewhere(tab, page):
    assert (
        tab.run(
            "[...document.querySelectorAll('a[href^=\"#\"]')].filter("
            "(a) => !document.getElementById(a.getAttribute('href').slice(1))).length"
        )
        == 0
    )
    files = tab.run(
        "[...document.querySelectorAll('a:not([href^=\"#\"])')].map((a) => a.getAttribute('href'))"
    )
    assert len(files) > 50
    for file in set(files):
        assert os.path.exists(page.parent / file), file


def test_it_is_printed_without_what_only_works_on_a_screen(tab):
    printed = tab.call("Page.printToPDF", preferCSSPageSize=True)["data"]
    pages = pypdf.PdfReader(io.BytesIO(base64.b64decode(printed))).pages
    assert 10 < len(pages) < 60
    text = pages[0].extract_text()
    assert "What averaging brains loses" in text
    assert "Contents" not in text


def test_a_complaint_would_be_noticed(tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text("<!DOCTYPE html><script>console.error('no'); nothing()</script>")
    profile = tmp_path / "profile"
    profile.mkdir()
    with chromium.tab(profile) as tab:
        tab.open(broken)
        assert len(tab.complaints) == 2
