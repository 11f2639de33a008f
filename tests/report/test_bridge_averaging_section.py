"""The section on averaging: true to its result, whole without what a study may lack."""

import copy
import sys
from pathlib import Path

import pytest
import typeset
from typeset import plain

from brainworth import results
from brainworth.report.bridges import averaging_section
from brainworth.report.bridges import averaging_words as words
from brainworth.report.ledger import claims_file, evaluate
from brainworth.report.numbers import estimate, number

sys.path.append(str(Path(__file__).parents[1] / "bridges"))
sys.path.append(str(Path(__file__).parents[1] / "workflow"))
import averaging_study
import tracing

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tiny, tmp_path_factory):
    study = averaging_study.make(tiny, tmp_path_factory.mktemp("averaging"))
    return results.to_plain(averaging_study.analyse(study), "data")


@pytest.fixture(scope="module")
def write(finished, tmp_path_factory):
    """Return the function that sets the result as a PDF, and returns its path and results."""

    def make(found):
        folder = tmp_path_factory.mktemp("bridge")
        return typeset.with_bridge(finished, folder, "averaging", found, averaging_study.SETTINGS)

    return make


@pytest.fixture(scope="module")
def written(write, data):
    return write(data)


@pytest.fixture(scope="module")
def text(written):
    return typeset.text_of(written[0])


def test_it_is_there_with_its_tables(text):
    for part in (
        *averaging_section.QUESTIONS.values(),
        "Encoders of one subject, of pooled subjects and of the average",
        "Relative cost of averaging:",
        "Cost of averaging against shared fraction",
        "Heads for the log variance over trials",
        "What the head from image features would find",
        "Averaging and the encoder.",
    ):
        assert part in text
    assert "None" not in text
    assert "nan" not in text.lower().replace("fernandes", "").split()


def test_numbers_are_those_of_the_json(data, text):
    row = words.cost(data)
    assert plain(estimate(row["estimate"], row["interval_subjects"], 2)) in text
    for each in data["costs"]:
        if each["encoder"] == "average_of_others":
            for subject in each["subjects"]:
                if subject["estimate"] is not None:
                    assert plain(estimate(subject["estimate"], subject["interval"], 2)) in text
    for each in data["variance"]["heads"]:
        assert number(each["mean"]["gain"]["estimate"], 4) in text


def test_every_number_is_in_the_results(written):
    pdf, shown = written
    assert tracing.Study(shown, ROOT).untraced_text(tracing.text_of_pdf(pdf)) == []


def test_the_first_page_has_its_line(data, text):
    line = averaging_section.glance(_evidence(data), "cost")
    assert len(line) <= 110
    assert plain(line).split(":")[0] in text[: text.index("Abstract")].lower()


def test_verdicts_follow_the_intervals(data):
    for bounds, verdict in (([0.1, 0.3], "yes"), ([-0.3, -0.1], "no"), ([-0.1, 0.1], "not beyond")):
        changed = copy.deepcopy(data)
        words.cost(changed)["interval_subjects"] = bounds
        assert averaging_section.glance(_evidence(changed), "cost").startswith(verdict)
    changed = copy.deepcopy(data)
    for p, verdict in ((0.01, "yes from image"), (0.2, "no from image")):
        for null in words.NULLS:
            words.head(changed, "images")["mean"]["gain"][null]["p"] = p
        assert averaging_section.glance(_evidence(changed), "variance").startswith(verdict)
    # both nulls are needed
    words.head(changed, "images")["mean"]["gain"]["rotation"]["p"] = 0.01
    assert averaging_section.glance(_evidence(changed), "variance").startswith("no from image")


def test_it_is_whole_on_real_data_where_little_is_known(data, write):
    changed = copy.deepcopy(data)
    changed["relations"] = []
    changed["shared_fraction"] = {"alignment": []}
    changed["variance"]["planted"] = None
    changed["costs"] = [row for row in changed["costs"] if row["inputs"] == "images"]
    changed["encoders"] = [row for row in changed["encoders"] if row["inputs"] == "images"]
    changed["variance"]["heads"] = [
        row for row in changed["variance"]["heads"] if row["predictors"] != "true"
    ]
    changed["missing"] = [{"subject": "subj03", "region": "words", "min_voxels": 5}]
    row = words.cost(changed)
    row |= {"estimate": None, "interval": None, "interval_subjects": None}
    for each in row["subjects"]:
        each |= {"estimate": None, "interval": None}
    text = typeset.text_of(write(changed)[0])
    assert "not measurable here" in text
    assert "words of subj03" in text
    assert "planted truth" not in text[text.index("Averaging and the encoder.") :][:1500]


def test_claims_are_answered(data):
    claims = [
        each
        for each in claims_file.read(ROOT / "paper/claims.yaml")
        if each.test == "bridge_averaging"
    ]
    assert {each.id for each in claims} == {"population-encoders", "blind-encoders"}
    envelope = {"rule": "bridge_averaging", "data": data, "digest": "0" * 64}
    answers = {
        each["id"]: each
        for each in evaluate.evaluate(claims, {"bridge_averaging": [envelope]}, "local")
    }
    population = answers["population-encoders"]
    assert population["rows"][0]["sound"]["estimate"] == words.cost(data)["estimate"]
    negative = copy.deepcopy(envelope)
    negative["data"]["summary"]["share_of_others"]["interval_subjects"] = [-0.5, -0.1]
    for each, verdict in ((envelope, "not reproduced"), (negative, "reproduced")):
        (answer,) = evaluate.evaluate([claims[0]], {"bridge_averaging": [each]}, "local")
        assert answer["verdict"] == verdict
    assert answers["blind-encoders"]["rows"][0]["sound"]["p"] is not None


class _evidence:
    def __init__(self, data):
        self.bridges = {"averaging": data}
