"""`brainworth verify` on a finished study: silent if all is well, and one sentence a problem."""

import json

import pytest

from brainworth import verify
from brainworth.cli import main
from brainworth.errors import BrainworthError

pytestmark = pytest.mark.workflow


def look(project):
    return verify.look(project.folder / "results/tiny")


def test_a_finished_study_holds_together(finished, capsys):
    found = look(finished)
    assert found.problems == []
    assert found.unchecked == 0
    assert found.n_inputs > 50
    assert main(["verify", str(finished.folder / "results")]) == 0
    assert "tiny" in capsys.readouterr().out


def test_a_number_changed_by_hand(editable):
    path = editable.folder / "results/tiny/erosion/rsa.json"
    content = json.loads(path.read_text())
    content["data"]["n_stimuli"] += 1
    path.write_text(json.dumps(content))
    problems = look(editable).problems
    assert any("rsa.json was changed after it was written" in text for text in problems)
    assert any("rsa.png was not drawn from these results" in text for text in problems)
    for paper in ("tiny.pdf", "tiny.html"):
        assert any(f"{paper} was not set from these results" in text for text in problems)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("results/tiny/erosion/rdms.h5", "rsa.json was computed from another version of rdms"),
        ("results/tiny/data/betas_subj01.h5", "another version of betas/betas_subj01.h5"),
        ("data/tiny/nsddata/experiments/nsd/nsd_expdesign.mat", "another version of expdesign"),
        ("figures/tiny/rsa.png", "rsa.png was not drawn"),
        ("paper/tiny.pdf", "tiny.pdf is truncated"),
        ("paper/tiny.html", "tiny.html is truncated"),
        ("paper/claims.yaml", "another version of ledger"),
    ],
)
def test_another_version_of_a_file(editable, file, words, capsys):
    path = editable.folder / file
    path.write_bytes(path.read_bytes()[:-200])
    assert any(words in text for text in look(editable).problems)
    assert main(["verify", str(editable.folder / "results/tiny")]) == 1
    assert words in capsys.readouterr().out


def test_session_files_may_be_gone(editable):
    for path in (editable.folder / "data/tiny").rglob("betas_session*.hdf5"):
        path.unlink()
    found = look(editable)
    assert found.problems == []
    assert found.unchecked > 0


@pytest.mark.parametrize("kind", ["pdf", "html"])
def test_a_paper_that_is_not_there(editable, kind):
    (editable.folder / f"paper/tiny.{kind}").unlink()
    problems = look(editable).problems
    assert ["does not exist" in text for text in problems] == [True]
    assert f"tiny.{kind}" in problems[0]


def test_a_folder_without_results_is_refused(tmp_path, capsys):
    with pytest.raises(BrainworthError, match="holds no results"):
        verify.studies_in(tmp_path)
    assert main(["verify", str(tmp_path)]) == 1
    assert "holds no results" in capsys.readouterr().err
