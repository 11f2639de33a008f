"""The JSON envelope: what goes in comes out, and what was damaged is noticed."""

from __future__ import annotations

import datetime
import json
import os
import re

import numpy as np
import pytest

from brainworth import files, results
from brainworth.errors import BrainworthError

DATA = {"estimate": {"value": 0.25, "n": 8, "interval": [0.1, 0.4]}, "regions": ["V1", "hV4"]}


@pytest.fixture(autouse=True)
def _known_commit(monkeypatch):
    monkeypatch.setenv("BRAINWORTH_GIT_COMMIT", "abc")


@pytest.fixture
def write(tmp_path):
    """Write a result with these data and return its path."""

    def function(data=DATA, name="r.json", **changes):
        source = tmp_path / "input.txt"
        source.write_text("input")
        about = {
            "study": "simulated",
            "rule": "rsa",
            "params": {"erosion.rsa": {"n_permutations": 100}},
            "inputs": {"betas": source},
            "seed": 1,
        }
        results.write(tmp_path / name, data, **(about | changes))
        return tmp_path / name

    return function


def test_round_trip(write):
    envelope = results.read(write())
    assert tuple(envelope) == results.KEYS
    assert envelope["data"] == DATA
    assert envelope["params"] == {"erosion.rsa": {"n_permutations": 100}}
    # SHA-256 of b"input"
    assert envelope["inputs"] == {
        "betas": "c96c6d5be8d08a12e7b5cdc1b207fa6b2430974c86803d8891675e76fd992c20"
    }
    assert (envelope["study"], envelope["rule"], envelope["seed"]) == ("simulated", "rsa", 1)
    assert envelope["git_commit"] == "abc"
    assert envelope["software"]["numpy"] == np.__version__
    assert set(envelope["software"]) == {"python", "brainworth", *results.SOFTWARE}


def test_created_is_last_and_a_time_with_zone(write):
    envelope = json.loads(write().read_text())
    assert list(envelope)[-1] == "created"
    created = datetime.datetime.fromisoformat(envelope["created"])
    age = datetime.datetime.now(datetime.UTC) - created
    assert datetime.timedelta(seconds=-2) < age < datetime.timedelta(minutes=5)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(-1.5), -1.5),
        (np.int16(-3), -3),
        (np.uint64(2**63), 2**63),
        (np.bool_(True), True),
        (np.str_("V1"), "V1"),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array(2.5), 2.5),
        (np.array([True, False]), [True, False]),
        ((1, 2.5, None), [1, 2.5, None]),
        ({"a": {1: np.float32(2)}}, {"a": {"1": 2.0}}),
        (True, True),
        (10**30, 10**30),
        ("Übung σ", "Übung σ"),
        ([], []),
    ],
)
def test_numpy_and_plain_values(given, kept, write):
    read = results.read(write({"x": given}))["data"]["x"]
    assert read == kept
    assert type(read) is type(kept)


def test_numbers_keep_12_significant_digits(write):
    given = [np.pi, np.pi * 1e-200, -np.pi * 1e200, 1 / 3, 123456789012345.6, 0.1 + 0.2, 5e-324]
    read = results.read(write({"x": given}))["data"]["x"]
    assert read[:2] == [3.14159265359, 3.14159265359e-200]
    assert read[4] == 123456789012000.0
    assert read[5] == 0.3  # rounding noise is gone
    np.testing.assert_allclose(read, given, rtol=5e-12)


def test_rounding_makes_last_bit_differences_equal(write):
    value = 0.7123456789
    first = results.read(write({"x": value}, name="a.json"))
    second = results.read(write({"x": np.nextafter(value, 1)}, name="b.json"))
    assert first["digest"] == second["digest"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, np.float32("nan")])
@pytest.mark.parametrize(
    ("place", "wrap"),
    [
        ("data.rsa.p", lambda bad: {"rsa": {"p": bad}}),
        ("data.rsa[1].p", lambda bad: {"rsa": [{"p": 0.5}, {"p": bad}]}),
        ("data.null[1][0]", lambda bad: {"null": np.array([[0.0, 1.0], [bad, 0.0]])}),
        ("data.interval[1]", lambda bad: {"interval": (0.0, bad)}),
    ],
)
def test_numbers_that_are_none_are_refused_with_their_place(bad, place, wrap, write, tmp_path):
    with pytest.raises(BrainworthError, match=re.escape(f"{place} is ")) as caught:
        write(wrap(bad))
    assert "must be written as null" in str(caught.value)
    assert not (tmp_path / "r.json").exists()


def test_bad_params_are_refused_too(write, tmp_path):
    with pytest.raises(BrainworthError, match=r"params\.x is nan"):
        write(params={"x": np.nan})
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    ("value", "name"),
    [(1 + 2j, "complex"), ({1, 2}, "set"), (b"x", "bytes"), (np.datetime64("2020"), "date")],
)
def test_types_without_a_json_word_are_refused(value, name, write):
    with pytest.raises(BrainworthError, match=rf"data\.a has type {name}"):
        write({"a": value})


def test_digest_leaves_out_only_the_time(write):
    envelope = results.read(write())
    assert results.digest(envelope | {"created": "another time"}) == envelope["digest"]
    for key in set(results.KEYS) - {"created", "digest"}:
        assert results.digest(envelope | {key: "other"}) != envelope["digest"], key


def test_same_result_written_twice_has_the_same_digest(write):
    first = json.loads(write(name="a.json").read_text())
    second = json.loads(write(name="b.json").read_text())
    del first["created"], second["created"]
    assert first == second


@pytest.mark.parametrize("key", [key for key in results.KEYS if key not in ("created", "schema")])
def test_edited_file_is_refused(key, write):
    path = write()
    envelope = json.loads(path.read_text())
    envelope[key] = {"value": 0.999}
    path.write_text(json.dumps(envelope))
    with pytest.raises(BrainworthError, match="was changed after it was written") as caught:
        results.read(path)
    assert str(path) in str(caught.value)
    assert "delete it and run again" in str(caught.value)


def test_one_changed_digit_deep_inside_is_noticed(write):
    path = write()
    text = path.read_text()
    assert text.count("0.25") == 1
    path.write_text(text.replace("0.25", "0.26"))
    with pytest.raises(BrainworthError, match="digest does not match"):
        results.read(path)


def test_other_layout_of_the_same_values_is_accepted(write):
    path = write()
    envelope = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(envelope.items())), indent=8))
    assert results.read(path)["data"] == DATA


def test_missing_file(tmp_path):
    with pytest.raises(BrainworthError, match=r"none\.json does not exist; run the rule"):
        results.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[1, 2]", "is not a result of schema brainworth-result/1"),
        (b"null", "is not a result of schema"),
        (b'{"a": 1}', "is not a result of schema"),
        (b'{"schema": "brainworth-result/0"}', "is not a result of schema"),
        (b'{"schema": "brainworth-result/1"}', "lacks study, rule, params"),
    ],
)
def test_foreign_content_is_refused(content, said, tmp_path):
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(BrainworthError, match=said) as caught:
        results.read(path)
    assert str(path) in str(caught.value)
    assert "delete it and run again" in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_file_is_refused(share, write):
    path = write()
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BrainworthError, match="is not JSON"):
        results.read(path)


@pytest.mark.parametrize("key", [key for key in results.KEYS if key != "schema"])
def test_every_missing_part_is_named(key, write):
    path = write()
    envelope = json.loads(path.read_text())
    del envelope[key]
    path.write_text(json.dumps(envelope))
    with pytest.raises(BrainworthError, match=f"lacks {key};"):
        results.read(path)


def test_failed_write_leaves_the_old_result(write, tmp_path, monkeypatch):
    path = write()
    before = path.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write({"other": 1})
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["input.txt", "r.json"]


def test_commit_comes_from_the_workflow_if_it_says(monkeypatch):
    assert results.git_commit() == "abc"
    monkeypatch.setenv("BRAINWORTH_GIT_COMMIT", "")
    assert results.git_commit() is None


def test_commit_is_asked_of_git_otherwise(monkeypatch, repository):
    monkeypatch.delenv("BRAINWORTH_GIT_COMMIT")
    if not (repository / ".git").exists():
        assert results.git_commit() is None
    else:
        assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", results.git_commit())
    monkeypatch.setenv("PATH", "")
    assert results.git_commit() is None


def test_an_input_that_is_a_result_is_known_by_its_own_digest(tmp_path):
    """So that writing it again, at another time, changes nothing behind it."""
    path = tmp_path / "first.json"
    keys = {"study": "s", "rule": "r", "params": {}, "inputs": {}, "seed": None}
    results.write(path, {"x": 1}, **keys)
    assert results.input_digest(path) == results.read(path)["digest"]
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert results.input_digest(other) == files.sha256(other)
