"""Every number of the PDF and of the web page is in the JSON; a changed one would be noticed."""

import copy
import random
import re
from pathlib import Path

import pytest
import tracing
from test_paper import write

from brainworth.report import webpage

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def study(finished):
    return tracing.Study(finished.results, ROOT)


@pytest.fixture(scope="module")
def page(finished, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "tiny.html"
    return tracing.Page(write(finished, path, setter=webpage.write).read_text())


@pytest.fixture(scope="module")
def pdf(finished, tmp_path_factory):
    return tracing.text_of_pdf(write(finished, tmp_path_factory.mktemp("pdf") / "tiny.pdf"))


def changed(word, rng):
    """Change one digit."""
    place = rng.choice([i for i, letter in enumerate(word) if letter.isdigit()])
    digit = rng.choice([d for d in "0123456789" if d != word[place]])
    return word[:place] + digit + word[place + 1 :]


def test_every_number_of_the_pdf(study, pdf):
    assert len(tracing.NUMBER.findall(pdf)) > 2000
    assert study.untraced_text(pdf) == []


def test_every_number_of_the_web_page(study, page):
    assert len(tracing.NUMBER.findall(page.text)) > 800
    assert study.untraced_text(page.text) == []


def test_every_number_of_a_table_is_in_the_results_it_names(study, page):
    assert len(page.tables) > 30
    assert sum(not table.results for table in page.tables) == 1  # the list of all results
    assert study.untraced_tables(page) == []


def test_a_changed_number_is_found_in_both(study, page, pdf):
    similarity = study.envelopes["rsa.json"]["data"]["regions"][0]["similarity"]["estimate"]
    word = f"{similarity:.3f}"
    assert word in pdf
    other = next(
        f"{similarity + step / 1000:.3f}"
        for step in range(1, 500)
        if not study.known.has(f"{similarity + step / 1000:.3f}")
    )
    assert any(other in found for found in study.untraced_text(pdf.replace(word, other)))
    for table in page.tables:
        table = copy.deepcopy(table)
        if word in " ".join(table.cells):
            table.cells = [cell.replace(word, other) for cell in table.cells]
            broken = copy.copy(page)
            broken.tables = [table]
            assert any(other in found for found in study.untraced_tables(broken))


def test_a_changed_result_is_found(study, page):
    """The report stays as it is; a number of the JSON behind it is another."""
    other = copy.deepcopy(study)
    data = other.envelopes["rsa.json"]["data"]
    for region in data["regions"]:
        region["corrected"]["estimate"] += 0.3217
    assert other.untraced_tables(page)


def test_most_single_digits_matter(study, page):
    """In tables, where a number is looked for in the results of one test only."""
    rng, hits, n = random.Random(1), 0, 0
    for table in page.tables:
        known = study.of(table.results)
        for cell in table.cells:
            for word in tracing.NUMBER.findall(tracing.without_declared(cell)):
                if "." in word:
                    n += 1
                    hits += not known.has(changed(word, rng))
    assert n > 1000
    assert hits > 0.5 * n


def test_whole_numbers_and_counts(study):
    assert study.untraced_text("2 of 3 regions; 4 subjects") == []
    assert study.untraced_text("in 5 of 3 regions") != []
    assert study.untraced_text("of 98,765 trials") != []
    assert study.untraced_text("p < 0.000321") != []


def test_what_is_declared_has_a_reason_and_is_narrow():
    assert all(reason for _, reason in tracing.DECLARED)
    for text in ("0.345", "12,345 trials", "2 of 13 regions", "[0.1, 0.2]", "98.7 %"):
        assert tracing.without_declared(text) == text
    assert not re.search(r"\d", tracing.without_declared("Table 3, page 4 of 50 [12]"))
