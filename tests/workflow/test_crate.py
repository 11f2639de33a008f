"""`brainworth crate`: a finished study as an RO-Crate, and `brainworth verify` with it."""

import hashlib
import json
import shutil

import pytest
import yaml
from project import ROOT, TINY

from brainworth import crate, verify
from brainworth.cli import main

pytestmark = pytest.mark.workflow


@pytest.fixture
def described(editable, monkeypatch):
    """Return a finished study with its crate."""
    for name in ("CITATION.cff", "LICENSE", "README.md", "constraints.txt"):
        shutil.copy(ROOT / name, editable.folder)
    monkeypatch.chdir(editable.folder)
    assert main(["crate", "study.yaml"]) == 0
    return editable


def graph_of(project) -> dict[str, dict]:
    graph = json.loads((project.folder / crate.NAME).read_text())["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    assert len(found) == len(graph), "an @id stands twice"
    return found


def references(value):
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        else:
            for item in value.values():
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_what_the_crate_says(described):
    graph = graph_of(described)
    descriptor = graph["ro-crate-metadata.json"]
    assert descriptor["about"] == {"@id": "./"}
    assert {"@id": "https://w3id.org/ro/crate/1.1"} in descriptor["conformsTo"]
    root = graph["./"]
    for key in ("name", "description", "datePublished", "license", "author", "hasPart"):
        assert root[key], key
    authors = yaml.safe_load((ROOT / "CITATION.cff").read_text())["authors"]
    assert [graph[each["@id"]]["name"] for each in root["author"]] == [
        author["name"] for author in authors
    ]
    assert graph[root["license"]["@id"]]["name"] == "MIT License"
    workflow = graph[root["mainEntity"]["@id"]]
    assert "ComputationalWorkflow" in workflow["@type"]
    run = graph[root["mentions"][0]["@id"]]
    assert run["instrument"] == {"@id": "Snakefile"}
    assert run["startTime"] <= run["endTime"]
    names = {graph[each["@id"]]["name"] for each in workflow["softwareRequirements"]}
    assert {"python", "numpy", "snakemake"} <= names
    # nothing refers to what the graph does not hold, but the web
    known = {*graph}
    for entity in graph.values():
        missing = [at for at in references(entity) if at not in known and "://" not in at]
        assert not missing, entity["@id"]


def test_every_file_is_described_by_its_bytes(described):
    graph = graph_of(described)
    run = graph["#run"]
    products = {each["@id"] for each in run["result"]}
    expected = {
        path.relative_to(described.folder).as_posix()
        for top in ("results", "figures", "paper")
        for path in (described.folder / top).rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.parts)
    } - {"paper/claims.yaml"}
    assert products == expected
    assert products <= {each["@id"] for each in graph["./"]["hasPart"]}
    for name in products:
        content = (described.folder / name).read_bytes()
        assert graph[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert graph[name]["contentSize"] == str(len(content))
    inputs = [graph[each["@id"]] for each in run["object"]]
    sessions = [each for each in inputs if each["name"].startswith("betas_session")]
    real = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (described.folder / "data/tiny").rglob("betas_session*.hdf5")
    }
    assert {each["sha256"] for each in sessions} == real
    # data are named, never part of what is handed on
    assert not [name for name in graph if name.startswith("data/")]


def test_verify_holds_products_against_the_crate(described):
    look = verify.look
    folder = described.folder / "results/tiny"
    assert look(folder).problems == []
    # its metadata are intact, so only the digest can tell
    picture = described.folder / "figures/tiny/rsa.pdf"
    picture.write_bytes(picture.read_bytes() + b"\n")
    assert ["rsa.pdf is not the file that" in text for text in look(folder).problems] == [True]
    picture.unlink()
    assert ["rsa.pdf is in ro-crate" in text for text in look(folder).problems] == [True]
    (described.folder / crate.NAME).write_text("{}")
    assert ["is not an RO-Crate of" in text for text in look(folder).problems] == [True]


def test_what_was_not_run_is_refused(described, capsys):
    described.write_study(TINY | {"interval": 0.9})
    assert main(["crate", "study.yaml"]) == 1
    assert "was not run here with this configuration" in capsys.readouterr().err


def test_results_of_another_configuration_are_refused(described, capsys):
    described.write_study(TINY | {"interval": 0.9})
    described.snakemake("--cores", "1", "results/tiny/.run/nothing", check=False)
    assert main(["crate", "study.yaml"]) == 1
    assert "was computed with another interval" in capsys.readouterr().err


def test_a_study_that_does_not_hold_together_is_refused(described, capsys):
    (described.folder / "paper/tiny.pdf").write_bytes(b"%PDF")
    assert main(["crate", "study.yaml"]) == 1
    assert "does not hold together" in capsys.readouterr().err
