"""The section on feature spaces: true to its JSON, and whole where something is missing."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import typeset
from typeset import plain

from brainworth import results
from brainworth.bridges.feature_spaces import space_group
from brainworth.report.bridges import bridges_figures
from brainworth.report.ledger import claims_file, evaluate
from brainworth.report.numbers import interval, number, p_value

sys.path.append(str(Path(__file__).parents[1] / "bridges"))
import space_study

LEDGER = Path(__file__).parents[2] / "paper/claims.yaml"
HEADING = "Feature spaces side by side"
GIVEN = {"n_components": 12, "max_voxels": 1000}


@pytest.fixture(scope="module")
def found():
    """Return the data of two subjects; tests must not change it."""
    made = space_study.study(31, ("subj01", "subj05"))
    planted = space_study.plant(made, 31)
    subjects = [space_study.analyse(31, name, made=made, planted=planted) for name in made.targets]
    described = [
        {
            "space": name,
            "source": "planted",
            "part": None,
            "alignment": alignment,
            "snr": 3.0,
            "backend": None,
            "sha256": None,
        }
        for name, alignment in zip(planted, (1.0, 0.5, 0.0), strict=True)
    ]
    described[1] |= {"source": "file", "part": "global", "backend": "file", "sha256": "ab" * 32}
    return space_group.data(subjects, described, space_study.plan())


@pytest.fixture(scope="module")
def write(finished, tmp_path_factory):
    """Return the function that sets the data as a PDF, and returns its text, blanks joined."""

    def make(data):
        folder = tmp_path_factory.mktemp("spaces")
        pdf, _ = typeset.with_bridge(finished, folder, "feature_spaces", data, GIVEN)
        return typeset.text_of(pdf)

    return make


def cell(entry):
    return plain(f"{number(entry['estimate'])} {interval(entry['interval'])}")


@pytest.fixture(scope="module")
def text(found, write):
    return write(found)


def test_the_section_has_all_its_parts(text):
    for words in (
        HEADING,
        "Methods of the comparison of feature spaces",
        "Encoding and retrieval by subject and space",
        "Differences of spaces: means over 2 subjects",
        "r²/NC by region and space",
        "Top-1 accuracy, ranges over subjects",
        "would have refuted that alignment is what helps",
    ):
        assert words in text
    assert "None" not in text
    assert "nan" not in text.lower().replace("fernandes", "").split()


def test_numbers_are_those_of_the_json(found, text):
    for subject in found["subjects"]:
        for row in subject["spaces"]:
            for name in ("share", "explained"):
                assert cell(row["encoding"][name]) in text
            for name in ("top1", "top5"):
                assert cell(row["retrieval"][name]) in text
            assert cell(row["evidence"]["top1"]) in text
            p = plain(p_value(row["retrieval"]["top1"]["p_familywise"], found["n_permutations"]))
            assert p in text
    for each in found["group"]["differences"]:
        said = f"{each['first']} minus {each['second']} {cell(each['explained'])}"
        assert plain(said) in text
        assert cell(each["top1"]) in text
        assert cell(each["evidence"]) in text


def test_the_first_page_has_its_sentence(found, text):
    first = text[: text.index("Abstract")]
    top1 = found["pair"]["group"]["top1"]
    said = plain(
        f"top-1, aligned minus misaligned: {number(top1['estimate'], 2)}"
        f" {interval(top1['interval'], 2)}"
    )
    assert said.lower() in first.lower()


def test_a_study_without_pair_truth_or_common_images_is_told_too(found, write):
    less = copy.deepcopy(found)
    less["pair"] = None
    less["group"] |= {"differences": None, "reason": "no common images"}
    gone = {"top1": None, "reason": "a reason that was given"}
    for subject in less["subjects"]:
        subject["ideal"] = gone
        subject["unique"] = []
        for row in subject["spaces"]:
            row["best"] = gone
            row["encoding"]["planted"] = None
            row["encoding"]["explained"] |= {"estimate": None, "interval": None, "reason": "few"}
            row["encoding"]["share"] |= {"estimate": None, "interval": None, "reason": "no ceiling"}
            row["regions"][0] |= {"share": None}
    told = write(less)
    assert "A reason that was given" in told
    assert "No ceiling" in told
    assert "Differences of spaces" not in told
    assert "None" not in told


def test_a_pair_without_common_images_is_told_by_subject(found, write):
    less = copy.deepcopy(found)
    less["group"] |= {"differences": None, "reason": "no common images"}
    less["pair"]["group"] = None
    assert "above 0 in 2 of 2 subjects" in write(less)


@pytest.mark.parametrize("claim", ["aligned-retrieval", "aligned-consistent"])
def test_the_published_statements_are_held_to_the_pair(found, claim):
    entry = next(each for each in claims_file.read(LEDGER) if each.id == claim)
    data = results.to_plain(found, "data")

    def verdict(data, source="local"):
        envelope = {"rule": "bridge_feature_spaces", "data": data}
        given = {"bridge_feature_spaces": [envelope]}
        return evaluate.evaluate([entry], given, source)[0]["verdict"]

    assert verdict(data) == "reproduced"
    assert verdict(data, "simulated") == "simulated"
    turned = copy.deepcopy(data)
    turned["pair"]["group"]["top1"]["interval"] = [-0.2, 0.1]
    turned["pair"]["in_every_subject"] = False
    assert verdict(turned) == "not reproduced"
    assert verdict(data | {"pair": None}) == "not testable here"


def test_the_figure_is_the_same_for_the_same_result(found, finished, tmp_path):
    path = typeset.keep(tmp_path, "feature_spaces", found, GIVEN, finished.study)
    for name in "ab":
        files = (tmp_path / f"{name}.png", tmp_path / f"{name}.pdf")
        bridges_figures.draw("feature_spaces", path, *files)
    for kind in ("png", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
