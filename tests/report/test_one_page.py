"""The first page: every published claim and its verdict, one line each."""

import dataclasses

import pypdf
import pytest
import yaml
from reportlab.platypus import Table
from test_paper import write

from brainworth import results
from brainworth.report import evidence, layout, one_page
from brainworth.report.ledger.table import UNANSWERED
from brainworth.report.numbers import GLUE


@pytest.fixture(scope="module")
def lines(finished, tmp_path_factory):
    pdf = write(finished, tmp_path_factory.mktemp("pdf") / "tiny.pdf")
    return [page.extract_text() for page in pypdf.PdfReader(pdf).pages[:2]]


def shown(answers):
    return [answer for answer in answers if answer["verdict"] not in UNANSWERED]


def gathered(made, source):
    layout.register_fonts()
    return evidence.gather(made.results, made.figures, study="tiny", source=source)


def claims_of(found):
    """The table of claims, set as on the page."""
    grids = [part for part in one_page.page(found) if isinstance(part, Table)]
    grids[0].wrap(layout.WIDTH, layout.HEIGHT)
    return grids[0]


def test_it_is_one_page_and_the_article_starts_on_the_next(lines):
    assert lines[0].index(one_page.TITLE) < lines[0].index("Question")
    assert "Abstract" not in lines[0]
    # the foot of a page comes first in its text
    assert "Abstract" in lines[1].splitlines()[:3]


def test_every_claim_that_numbers_answer_is_on_it(finished, lines):
    answers = shown(finished.answers())
    assert len(answers) > 20
    page = " ".join(lines[0].split())
    for answer in answers:
        assert " ".join(one_page.short(answer).split()) in page


def test_one_line_a_claim(finished):
    grid = claims_of(gathered(finished, "simulated"))
    heights = grid._rowHeights[1:]
    assert len(heights) == len(shown(finished.answers()))
    assert max(heights) < 1.5 * min(heights)


@pytest.mark.parametrize("source", ["local", "s3"])
def test_data_of_brains_get_verdicts_in_one_line(finished, answer, draw, tmp_path, source):
    paths = [path for path in finished.results if path not in (finished.claims, finished.planted)]
    made = dataclasses.replace(
        finished,
        claims=answer(tmp_path, "tiny", source, paths),
        planted=None,
        figures=draw(tmp_path, finished.tests, None) + finished.figures[len(finished.tests) :],
    )
    found = gathered(made, source)
    grid = claims_of(found)
    assert max(grid._rowHeights[1:]) < 1.5 * min(grid._rowHeights[1:])
    verdicts = [row[-1] for row in grid.said.block.rows]
    expected = [layout.sentence_case(each["verdict"]) for each in shown(made.answers())]
    assert sorted(verdicts) == sorted(f"<b>{text}</b>" for text in expected)
    assert not any("imulated" in text for text in verdicts)
    text = " ".join(each.text for each in one_page.page(found)[:2])
    assert "simulated" not in text


def test_statements_are_counted_once(finished):
    answers = finished.answers()
    found = gathered(finished, "simulated")
    opening = one_page._opening(found)[0].replace(GLUE, " ")
    in_words = [each for each in answers if each["verdict"] == "answered in words"]
    untested = [each for each in answers if each["verdict"] == "not testable here"]
    assert len(shown(answers)) + len(in_words) + len(untested) == len(answers)
    assert opening.startswith(f"{len(answers)} published statements are held to the results:")
    assert f"{len(shown(answers))} by numbers, {len(in_words)} in words" in opening
    assert f"{len(untested)} that nothing here can answer" in opening


def test_a_statement_without_short_words_ends_between_words():
    said = "“Brains encode the same stimuli using entirely different geometries”, it says"
    answer = {"short": None, "statement": said}
    text = one_page.short(answer)
    assert len(text) <= one_page.LETTERS
    assert text.endswith(" …")
    assert said.startswith(text.removesuffix(" …"))
    assert said[len(text) - 2] == " "
    assert one_page.short({"short": None, "statement": "Zero"}) == "Zero"


def test_short_words_use_no_number_of_their_own(repository):
    """What is shortened is said in full in the same entry."""
    for claim in yaml.safe_load((repository / "paper/claims.yaml").read_text())["claims"]:
        for word in (claim.get("short") or "").replace(",", " ").split():
            if any(letter.isdigit() for letter in word):
                whole = " ".join([claim["statement"], claim["place"], str(claim.get("published"))])
                assert word.strip("“”:") in whole, claim["id"]


def test_planted_truth_is_found_as_often_as_the_ledger_says(finished):
    for answer in shown(results.read(finished.claims)["data"]["claims"]):
        inside = [row["planted_inside"] for row in answer["rows"]]
        known = [hit for hit in inside if hit is not None]
        if known and answer["verdict"] == "simulated":
            verdict = one_page._verdict(answer).replace(GLUE, " ")
            assert verdict.endswith(f", found in {sum(known)} of {len(known)}")
