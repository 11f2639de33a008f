"""The claims ledger: read strictly, evaluated by its rules, complete."""

import copy

import pytest
import yaml

from brainworth.errors import BrainworthError
from brainworth.report import published
from brainworth.report.ledger import claims_file, evaluate, table

CLAIM = {
    "id": "a-claim",
    "source": "prasad",
    "place": "table",
    "statement": "“it is 0.5”",
    "test": "toy",
    "published": 0.5,
    "as_published": {
        "label": "value",
        "key": "value.estimate",
        "agrees": {"key": "value.estimate", "relation": "equals_published", "tolerance": 0.1},
    },
    "sound": {
        "label": "better value",
        "estimate": "better.estimate",
        "interval": "better.interval",
        "p": "better.p",
        "draws": "n_draws",
        "null_mean": "better.null_mean",
    },
    "explained": {"key": "better.p", "relation": "not_significant", "because": "as the null"},
    "planted": "truth",
}


def row(region, value, p, estimate=0.4):
    better = {"estimate": estimate, "interval": [0.3, 0.6], "p": p, "null_mean": 0.01}
    return {"region": region, "value": {"estimate": value, "flag": value > 0}, "better": better}


def envelope(*rows, interval=0.95):
    data = {"interval": interval, "n_draws": 999, "regions": list(rows), "whole": {"number": 766}}
    return {"rule": "toy", "digest": "0" * 64, "data": data}


def read(tmp_path, *claims):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"claims": list(claims)}))
    return claims_file.read(path)


def answer(tmp_path, changes, results, source="local"):
    claim = copy.deepcopy(CLAIM) | changes
    several = {rule: each if isinstance(each, list) else [each] for rule, each in results.items()}
    return evaluate.evaluate(read(tmp_path, claim), several, source)[0]


@pytest.mark.parametrize(
    ("rows", "verdict", "reason"),
    [
        ([("V1", 0.45, 0.01), ("V2", 0.55, 0.02)], "reproduced", None),
        (
            [("V1", 0.45, 0.2), ("V2", 0.55, 0.3)],
            "reproduced but explained by the null",
            "as the null",
        ),
        ([("V1", 0.45, 0.2), ("V2", 0.55, 0.01)], "reproduced", "as the null in 1 of 2"),
        ([("V1", 0.45, 0.01), ("V2", 0.9, 0.01)], "reproduced in 1 of 2", None),
        ([("V1", 0.2, 0.01), ("V2", 0.9, 0.01)], "not reproduced", None),
    ],
)
def test_verdicts(tmp_path, rows, verdict, reason):
    found = answer(tmp_path, {}, {"toy": envelope(*(row(*each) for each in rows))})
    assert (found["verdict"], found["reason"]) == (verdict, reason)


@pytest.mark.parametrize(
    ("check", "holds"),
    [
        ({"key": "value.estimate", "relation": "equals_published", "tolerance": 0.04}, False),
        ({"key": "value.estimate", "relation": "equals_published", "tolerance": 0.05}, True),
        ({"key": "value.flag", "relation": "is_true"}, True),
        ({"key": "better.p", "relation": "significant"}, True),
        ({"key": "better.p", "relation": "not_significant"}, False),
        ({"key": "better.interval", "relation": "contains", "value": 0.3}, True),
        ({"key": "better.interval", "relation": "excludes", "value": 0.7}, True),
        ({"key": "better.interval", "relation": "excludes", "value": 0.5}, False),
        ({"key": "value.estimate", "relation": "above", "value": 0.45}, False),
        ({"key": "better.interval", "relation": "inside_bound", "value": 0.6}, True),
        ({"key": "better.interval", "relation": "inside_bound", "value": 0.5}, False),
        ({"key": "value.estimate", "relation": "below", "value": 0.46}, True),
    ],
)
def test_relations(tmp_path, check, holds):
    changes = {"as_published": CLAIM["as_published"] | {"agrees": check}, "explained": None}
    found = answer(tmp_path, changes, {"toy": envelope(row("V1", 0.45, 0.05))})
    assert found["rows"][0]["agrees"] is holds
    assert found["verdict"] == ("reproduced" if holds else "not reproduced")


def test_ranges_and_significance_follow_the_interval(tmp_path):
    check = {"key": "value.estimate", "relation": "in_published_range", "tolerance": 0.01}
    changes = {"published": [0.4, 0.44], "as_published": CLAIM["as_published"] | {"agrees": check}}
    found = answer(tmp_path, changes, {"toy": envelope(row("V1", 0.45, 0.07), interval=0.9)})
    assert found["n_agree"] == 1
    assert found["n_explained"] == 0  # 0.07 is significant at 1 - 0.9


def test_only_regions_with_a_published_number_count(tmp_path):
    results = {"toy": envelope(row("V1", 0.45, 0.01), row("V9", 0.9, 0.01))}
    found = answer(tmp_path, {"published": {"V1": 0.45}}, results)
    assert (found["n"], found["verdict"]) == (1, "reproduced")
    assert [each["agrees"] for each in found["rows"]] == [True, None]


def test_planted_truth_stands_where_data_give_no_verdict(tmp_path):
    planted = {"rule": "planted", "data": {"toy": [{"region": "V1", "truth": 0.35}]}}
    results = {"toy": envelope(row("V1", 0.45, 0.01)), "planted": planted}
    found = answer(tmp_path, {}, results, "simulated")
    assert found["verdict"] == "simulated"
    assert found["rows"][0]["planted"] == 0.35
    assert found["rows"][0]["planted_inside"] is True
    assert answer(tmp_path, {}, results, "rdms")["verdict"] == "other data"


def test_a_contradiction_in_the_source_is_said(tmp_path):
    other = copy.deepcopy(CLAIM) | {"id": "other", "contradicts": ["a-claim"]}
    claims = read(tmp_path, CLAIM, other)
    found = evaluate.evaluate(claims, {"toy": [envelope(row("V1", 0.45, 0.01))]}, "s3")[1]
    assert found["verdict"] == "contradictory in the source; reproduced"


def test_keys_of_the_whole_result(tmp_path):
    check = {"key": "whole.number", "relation": "equals_published"}
    changes = {"scope": "whole", "published": 766, "sound": None, "explained": None}
    changes["as_published"] = {"label": "n", "key": "whole.number", "agrees": check}
    assert answer(tmp_path, changes, {"toy": envelope()})["verdict"] == "reproduced"


def test_an_entry_of_a_list_is_chosen_by_its_name(tmp_path):
    check = {"key": "cases.second.value", "relation": "equals_published"}
    changes = {"scope": "whole", "published": 2.0, "sound": None, "explained": None}
    changes["as_published"] = {"label": "n", "key": "cases.second.value", "agrees": check}
    found = envelope()
    found["data"]["cases"] = [{"case": "first", "value": 1.0}, {"case": "second", "value": 2.0}]
    assert answer(tmp_path, changes, {"toy": found})["verdict"] == "reproduced"
    changes["as_published"]["key"] = "cases.third.value"
    with pytest.raises(BrainworthError, match=r"no key cases\.third\.value"):
        answer(tmp_path, changes, {"toy": found})


def test_what_cannot_be_answered_says_why(tmp_path):
    assert answer(tmp_path, {}, {})["reason"] == "this study has no result of toy"
    missing = row("V1", 0.45, 0.01)
    missing["value"] = None
    found = answer(tmp_path, {}, {"toy": envelope(missing)})
    assert found["verdict"] == "not testable here"


def test_significance_needs_a_level(tmp_path):
    results = {"toy": envelope(row("V1", 0.45, 0.01), interval=None)}
    with pytest.raises(BrainworthError, match="asks for significance"):
        answer(tmp_path, {}, results)


def test_a_key_that_is_not_there_is_refused(tmp_path):
    changes = {"planted": None, "sound": CLAIM["sound"] | {"estimate": "better.nothing"}}
    with pytest.raises(BrainworthError, match=r"claim a-claim.*no key better\.nothing"):
        answer(tmp_path, changes, {"toy": envelope(row("V1", 0.45, 0.01))})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"statment": "x"}, "claim a-claim.statment"),
        ({"test": None}, "needs a `test`"),
        ({"not_testable": "why"}, "needs one of"),
        ({"published": None}, "equals_published needs"),
        ({"published": [1.0, 2.0, 3.0]}, "claim a-claim.published"),
        ({"contradicts": ["nobody"]}, "no such id"),
        ({"source": "someone"}, "claim a-claim.source"),
    ],
)
def test_incomplete_claims_are_refused(tmp_path, changes, words):
    with pytest.raises(BrainworthError) as error:
        read(tmp_path, copy.deepcopy(CLAIM) | changes)
    assert words in str(error.value)


def test_two_claims_of_one_name_are_refused(tmp_path):
    with pytest.raises(BrainworthError, match="more than one claim is called a-claim"):
        read(tmp_path, CLAIM, CLAIM)


@pytest.mark.parametrize("content", ["{", "- 1", "", "claims: []", "\0"])
def test_files_that_are_no_ledger_are_refused(tmp_path, content):
    path = tmp_path / "claims.yaml"
    path.write_text(content)
    with pytest.raises(BrainworthError, match=r"claims\.yaml"):
        claims_file.read(path)


def test_a_missing_ledger_is_named(tmp_path):
    with pytest.raises(BrainworthError, match="does not exist"):
        claims_file.read(tmp_path / "nowhere.yaml")


def test_the_ledger_of_the_project(repository, finished):
    """Every claim with a test is answered by the finished study, and every key exists."""
    claims = claims_file.read(repository / "paper/claims.yaml")
    assert {claim.source for claim in claims} <= set(published.REFERENCES)
    found = {each["id"]: each for each in finished.answers()}
    unanswered = {
        claim.id
        for claim in claims
        if claim.test is not None
        and claim.source != "chasm"  # test_ledger_of_encoder.py: this study has no encoder
        and not claim.test.startswith("bridge_")  # test_bridge_*_section.py: nor any bridge
        and found[claim.id]["verdict"] == "not testable here"
        and claim.id != "heteroscedasticity-ips-vo"  # regions that this study leaves out
    }
    assert unanswered == set()
    assert table.unanswered(list(found.values()))


def test_numbers_of_figures_are_those_of_the_ledger(repository):
    claims = {each.id: each for each in claims_file.read(repository / "paper/claims.yaml")}
    for name, value in published.NUMBERS.items():
        held = claims[name].published
        assert value == (tuple(held) if isinstance(held, list) else held)
