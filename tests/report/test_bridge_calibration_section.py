"""The section on the worth of brain samples: true to its result, whole without what may lack."""

import copy
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typeset
from typeset import plain

from brainworth import results
from brainworth.report.bridges import calibration_section
from brainworth.report.ledger import claims_file, evaluate
from brainworth.report.numbers import estimate, number

sys.path.append(str(Path(__file__).parents[1] / "bridges"))
sys.path.append(str(Path(__file__).parents[1] / "workflow"))
import test_bridge_calibration as planted
import tracing

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data():
    return results.to_plain(planted.analyse(planted.SUBJECTS[:3]), "data")


@pytest.fixture(scope="module")
def write(finished, tmp_path_factory):
    """Return the function that sets a result as a PDF, and returns its path and results."""

    def make(found):
        folder = tmp_path_factory.mktemp("bridge")
        return typeset.with_bridge(finished, folder, "calibration", found, planted.SETTINGS)

    return make


@pytest.fixture(scope="module")
def written(write, data):
    return write(data)


@pytest.fixture(scope="module")
def text(written):
    return typeset.text_of(written[0])


def untraced(pdf, shown):
    """Return numbers that are in no result, but for the counts of claims on the first page."""
    said = re.sub(r"\d+ by numbers.*?nothing", "", tracing.text_of_pdf(pdf), flags=re.DOTALL)
    return tracing.Study(shown, ROOT).untraced_text(said)


def evidence(data):
    return SimpleNamespace(bridges={"calibration": data})


def test_it_is_there_with_its_tables(text):
    for part in (
        *calibration_section.QUESTIONS.values(),
        "What these subjects’ brain samples are worth",
        "The calibrated brains:",
        "What all brain samples of a subject are worth",
        "Measured over predicted:",
        "What brain samples are worth.",
    ):
        assert part in text
    assert "None" not in text
    assert "nan" not in text.lower().replace("fernandes", "").split()


def test_numbers_are_those_of_the_json(data, text):
    ratio = data["summary"]["overall"]["ratio"]
    assert plain(estimate(ratio["estimate"], ratio["interval"], 3)) in text
    for subject in data["subjects"]:
        roi = subject["rois"][0]
        assert plain(estimate(roi["gamma"]["estimate"], roi["gamma"]["interval"], 2)) in text
        for task in roi["tasks"]:
            last = task["predictions"][-1]["by_task_samples"][-1]
            assert number(last["value"]["estimate"], 1) in text
            assert number(task["misalignment"]["planted"], 2) in text


def test_every_number_is_in_the_results(written):
    pdf, shown = written
    assert untraced(pdf, shown) == []


def test_answers_at_a_glance_are_short_and_follow_the_result(data):
    for name in calibration_section.QUESTIONS:
        assert len(calibration_section.glance(evidence(data), name)) <= 110
    verdicts = copy.deepcopy(data)
    for verdict in ("holds", "undecided", "fails"):
        verdicts["summary"]["overall"]["verdict"] = verdict
        said = calibration_section.glance(evidence(verdicts), "prediction")
        assert said.endswith(f": {verdict}")


def test_a_brain_that_tells_nothing_is_said_so(write):
    found = planted.analyse(planted.SUBJECTS[:2], shuffled=True)
    pdf, shown = write(results.to_plain(found, "data"))
    said = typeset.text_of(pdf)
    assert "inputs predict no recordings" in said
    assert "not tested: no half of the images shows latents" in said.lower()
    assert untraced(pdf, shown) == []


def test_one_subject_without_a_truth(write):
    found = planted.analyse(planted.SUBJECTS[:1], planted=False, left_out=["hV5"])
    pdf, shown = write(results.to_plain(found, "data"))
    said = typeset.text_of(pdf)
    assert "one subject has no spread" in said.lower()
    assert "Not in this study: hV5." in said
    assert "term that the source does not have" in said
    assert "after the oblique" not in said
    assert untraced(pdf, shown) == []


def test_claims_find_their_keys(data):
    claims = [
        claim
        for claim in claims_file.read(ROOT / "paper" / "claims.yaml")
        if claim.test == "bridge_calibration"
    ]
    assert len(claims) == 2
    for share, bounds, verdict in (
        (0.3, [-0.1, 0.05], "reproduced"),
        (0.1, [0.1, 0.3], "not reproduced"),
    ):
        found = copy.deepcopy(data)
        found["summary"]["stimulus_share"]["estimate"] = share
        found["summary"]["overall"]["deviation"]["interval"] = bounds
        envelope = {"data": found, "rule": "bridge_calibration"}
        answers = evaluate.evaluate(claims, {"bridge_calibration": [envelope]}, "local")
        assert {answer["verdict"] for answer in answers} == {verdict}
