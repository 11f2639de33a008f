"""The section on the scaling of decoding: true to the result, whole without some of it."""

import copy
import sys
from pathlib import Path

import pytest
import typeset
from typeset import plain

from brainworth.bridges.decoding import decoding
from brainworth.nsd.simulate import truth
from brainworth.report.bridges import decoding_section as section
from brainworth.report.ledger import claims_file, evaluate
from brainworth.report.numbers import interval, number, whole

sys.path.append(str(Path(__file__).parents[1] / "bridges"))
import decoding_planted as planted

SETTINGS = planted.SETTINGS | {"n_subjects": [1, 2], "n_bootstrap": 100}


def run(folder, n_subjects):
    extracts, truths = {}, {}
    for number_of in range(1, n_subjects + 1):
        subject = f"subj0{number_of}"
        extracts[subject], truths[subject] = folder / f"{subject}.h5", folder / f"t{subject}.h5"
        known = planted.write_subject(extracts[subject], 1, number_of, n_images=260)
        truth.write_subject(truths[subject], known)
    values = planted.features(10_000, 1)
    spaces = [
        decoding.Space("true", "true features", lambda ids: values[ids], True),
        decoding.Space("encoder", "global vectors", lambda ids: values[ids] ** 3),
    ]
    return decoding.analyse(
        extracts,
        spaces,
        settings=SETTINGS,
        min_repetitions=2,
        interval=0.95,
        seed=1,
        known=decoding.Truth(truths, planted.SIMULATION),
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return the data of two subjects; tests must not change it."""
    return run(tmp_path_factory.mktemp("two"), 2)


@pytest.fixture(scope="module")
def write(finished, tmp_path_factory):
    """Return the function that sets a result as a PDF, and returns its text, blanks joined."""

    def make(data):
        folder = tmp_path_factory.mktemp("paper")
        return typeset.text_of(typeset.with_bridge(finished, folder, "decoding", data, SETTINGS)[0])

    return make


def cell(entry, decimals=3):
    return plain(f"{number(entry['estimate'], decimals)} {interval(entry['interval'], decimals)}")


@pytest.fixture(scope="module")
def text(found, write):
    return write(found)


def test_questions_and_numbers_are_in_the_paper(found, text):
    for question in section.QUESTIONS.values():
        assert question in text
    assert "Scaling of decoding" in text
    for space in found["spaces"]:
        assert space["label"] in text
        for test in space["tests"]:
            for name in ("slope", "last_doubling", "bend"):
                assert cell(test[name]) in text
            assert cell(test["saturating"]["ceiling"]) in text
        for row in space["brains"]:
            assert cell(row["points"][-1]) in text
    single = found["spaces"][0]["tests"][0]
    assert number(single["planted"]["ceiling"]) in text
    for row in single["subjects"]:
        assert row["subject"] in text
        for point in row["points"]:
            assert number(point["estimate"]) in text
    for space in found["spaces"]:
        pooled = space["pooled"]
        for place in range(len(found["sizes"]) - 1):
            assert cell(pooled["curves"][0]["points"][place]) in text
            assert cell(pooled["gains"][0]["points"][place], 4) in text
            assert cell(pooled["doubling"]["sizes"][place]["trials"], 4) in text
    assert whole(found["n_test_images"]) in text


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        ([-0.05, -0.01], "the curve levels off"),
        ([-0.05, 0.01], "a log-linear law is not refuted"),
        ([0.01, 0.05], "the curve gets steeper"),
    ],
)
def test_words_follow_the_numbers(found, write, bend, says):
    data = copy.deepcopy(found)
    for space in data["spaces"]:
        for test in space["tests"]:
            test["bend"]["interval"] = bend
    assert says in write(data)


def test_one_subject_and_no_truth(tmp_path, write):
    data = run(tmp_path, 1)
    for space in data["spaces"]:
        for test in space["tests"]:
            test["planted"] = None
    data["headline"]["planted_ceiling"] = None
    text = write(data)
    assert "not asked with one subject" in text
    assert "Brains to decode from" not in text
    assert "known from the simulation" not in text


def test_claims_are_answered(found, repository):
    claims = [
        claim
        for claim in claims_file.read(repository / "paper" / "claims.yaml")
        if claim.source == "scaling"
    ]
    assert len(claims) == 3
    envelope = {"data": found, "params": {}, "rule": "bridge_decoding"}
    head = copy.deepcopy(found)
    head["headline"]["bend"]["interval"] = [-0.2, -0.1]
    head["headline"]["last_doubling"]["interval"] = [0.01, 0.02]
    head["headline"]["doubling_difference"]["interval"] = [0.01, 0.02]
    answers = evaluate.evaluate(claims, {"bridge_decoding": [envelope | {"data": head}]}, "local")
    verdicts = {answer["id"]: answer["verdict"] for answer in answers}
    assert verdicts == {
        "scaling-log-linear": "not reproduced",
        "scaling-no-plateau": "reproduced",
        "scaling-trials-not-subjects": "reproduced",
    }
    head["headline"]["doubling_difference"] = None
    head["headline"]["doubling_subjects"] = None
    answers = evaluate.evaluate(claims, {"bridge_decoding": [envelope | {"data": head}]}, "local")
    assert answers[2]["verdict"] == "not testable here"
