"""What a user sees when something is wrong, and what is left on disk."""

import json

import pytest
from project import TINY

pytestmark = pytest.mark.workflow


def failure(project, *arguments) -> str:
    done = project.snakemake("--cores", "2", *arguments, check=False)
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_a_misspelt_key(project):
    project.write_study(TINY | {"erosion": {"rsa": {"n_permuations": 5}}})
    text = failure(project)
    assert "erosion.rsa.n_permuations: unknown key; did you mean 'n_permutations'?" in text


def test_nested_values_from_the_command_line_are_strings_and_refused(project):
    text = failure(project, "--config", "erosion={rsa: {n_bootstrap: 500}}")
    assert "erosion.rsa.n_bootstrap: Input should be a valid integer (got '500')" in text


def test_a_key_that_stands_twice(project):
    (project.folder / "study.yaml").write_text("study: one\nseed: 1\nseed: 2\n")
    text = failure(project)
    assert "study.yaml" in text
    assert "the key 'seed' stands twice, in line 2 and in line 3" in text


def test_missing_rdms(project):
    tests = {"tests": ["rsa"]}
    project.write_study({"study": "rdms", "rdms": {"file": "absent.mat"}, "erosion": tests})
    assert "rdms.file: absent.mat does not exist; put the file there" in failure(project)


@pytest.mark.parametrize("source", ["local", "s3"])
def test_terms_come_first(project, source):
    project.write_study(TINY | {"data": {"source": source, "local_dir": "/nowhere"}})
    text = failure(project)
    assert "NSD's terms have not been accepted" in text
    assert "data.accept_nsd_terms" in text
    assert "Traceback" not in text
    assert project.planned(), "a dry run still shows what would be fetched"


def test_a_truncated_session_stops_its_subject_and_leaves_nothing(editable, finished):
    folder = editable.folder
    session = next((folder / "data/tiny/nsddata_betas").glob("**/subj03/**/betas_session02.hdf5"))
    session.write_bytes(session.read_bytes()[:100_000])
    text = failure(editable, "--keep-going")
    assert "extract_betas" in text
    assert "betas_session02.hdf5 cannot be read" in text
    assert "delete it and fetch or simulate it again" in text
    left = [path.name for path in (folder / "results/tiny/data").iterdir() if "subj03" in path.name]
    assert left == []
    # the advice helps: with the damaged file gone, the same command finishes with the same results
    before = {name: data for name, data in finished.data().items() if "befs" not in name}
    session.unlink()
    editable.snakemake("--cores", "2")
    assert editable.data() == before


@pytest.mark.parametrize("product", ["erosion/rdms.h5", "data/betas_subj01.json"])
def test_a_missing_product_is_made_again(editable, finished, product):
    (editable.folder / "results/tiny" / product).unlink()
    editable.snakemake("--cores", "2")
    assert (editable.folder / "results/tiny" / product).exists()
    assert editable.data() == finished.data()


def test_a_tree_of_the_users_inside_the_study_is_not_touched(project):
    mine = project.folder / "data/tiny/nsddata/mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("irreplaceable")
    local = {"source": "local", "local_dir": "data/tiny", "accept_nsd_terms": True}
    project.write_study(TINY | {"data": local})
    assert "lies in the study's own folder data/tiny" in failure(project)
    assert mine.read_text() == "irreplaceable"


def test_leftover_environment_variables_are_not_believed(finished, monkeypatch, tmp_path):
    """Only jobs read what their main process left; a new run starts from config.yaml."""
    (tmp_path / "old.yaml").write_text("study: old\n")
    environment = {"BRAINWORTH_FROZEN_CONFIG": str(tmp_path / "old.yaml")}
    done = finished.snakemake("--cores", "1", "-n", environment=environment)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_an_edited_result_is_refused_by_the_report(editable):
    path = editable.folder / "results/tiny/erosion/rsa.json"
    envelope = json.loads(path.read_text())
    envelope["data"]["regions"][0]["similarity"]["estimate"] = 0.99
    path.write_text(json.dumps(envelope))
    text = failure(editable)
    assert "rsa.json was changed after it was written" in text
    assert not (editable.folder / "figures/tiny/rsa.png").exists()
