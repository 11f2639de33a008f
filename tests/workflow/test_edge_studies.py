"""Studies at the edge, through the workflow: one subject, three sessions, means of regions."""

import pytest
from project import TINY

from brainworth.cli import main

pytestmark = pytest.mark.workflow

WITHOUT_SUBJECTS = {"erosion": TINY["erosion"] | {"tests": ["heteroscedasticity"]}}


def test_one_subject(project):
    project.write_study(TINY | WITHOUT_SUBJECTS | {"study": "one", "subjects": ["subj03"]})
    project.snakemake("--cores", "2")
    found = project.data("one")["erosion/heteroscedasticity.json"]
    assert [row["n_subjects"] for row in found["regions"]] == [1, 1]
    assert (project.folder / "paper/one.pdf").stat().st_size > 0


def test_one_subject_is_refused_by_tests_between_subjects(project):
    project.write_study(TINY | {"subjects": ["subj03"]})
    done = project.snakemake("--cores", "2", check=False)
    assert "fingerprinting and rdm_gap and rsa compare subjects" in done.stdout + done.stderr


def test_three_sessions(project):
    changes = {
        "study": "three",
        "subjects": ["subj01", "subj04"],
        "simulation": {"scale": "small"},
        "data": {"sessions": 3},
        "design": {"min_repetitions": 1},
    }
    project.write_study(TINY | changes)
    project.snakemake("--cores", "2")
    data = project.data("three")
    assert {row["sessions"] for row in data["data/matching.json"]["subjects"]} == {3}
    n_matched = data["data/matching.json"]["n_matched"]
    assert data["erosion/rsa.json"]["n_stimuli"] == n_matched
    assert data["erosion/rdm_gap.json"]["n_stimuli"] == n_matched
    twice = data["data/matching.json"]["shared_in_all_subjects"]["at_least_2"]
    assert data["erosion/heteroscedasticity.json"]["n_stimuli"] == twice < n_matched
    for row in data["erosion/rdm_gap.json"]["regions"]:
        assert row["noise_free"] is None
        assert row["noise_free_reason"]


MEANS = {"study": "means", "roi_means": {"dir": "roi_means"}, "rois": ["V1", "V2", "LO", "TO"]}


def test_means_of_regions(project, monkeypatch, capsys):
    """From voxels to files of means and back through all tests, to a PDF."""
    names = ["V1", "V2", "LO", "TO", "faces", "words"]
    project.write_study(TINY | WITHOUT_SUBJECTS | {"rois": names})
    project.snakemake("--cores", "2", "data")
    monkeypatch.chdir(project.folder)
    assert main(["export-roi-means", "results/tiny", "roi_means"]) == 0
    assert "roi_means/subj03.h5" in capsys.readouterr().out
    project.write_study(TINY | MEANS | {"rois": names})
    project.snakemake("--cores", "2")
    assert project.planned() == set()
    data = project.data("means")
    assert data["data/matching.json"]["simulated"]
    assert (
        data["data/matching.json"]["n_matched"] == project.data()["data/matching.json"]["n_matched"]
    )
    for test in ("rsa", "rdm_gap", "fingerprinting"):
        (row,) = data[f"erosion/{test}.json"]["regions"]
        assert row.get("label", row.get("region")) == "ROI means"
    rows = data["erosion/heteroscedasticity.json"]["regions"]
    assert [row["region"] for row in rows] == names
    assert not (project.folder / "data/means").exists()
    assert (project.folder / "paper/means.pdf").stat().st_size > 0


def test_means_of_regions_that_are_not_there(project):
    project.write_study(TINY | MEANS)
    done = project.snakemake("--cores", "1", "-n", check=False)
    assert "roi_means.dir: roi_means is not a folder" in done.stdout + done.stderr
    (project.folder / "roi_means").mkdir()
    (project.folder / "roi_means/subj01.h5").write_text("nothing")
    done = project.snakemake("--cores", "1", "-n", check=False)
    assert "has no file for subj03" in done.stdout + done.stderr
    project.write_study(TINY | {"rois": ["V1", "V9"]})
    done = project.snakemake("--cores", "1", "-n", check=False)
    assert "rois: V9 is not known; choose from V1, V2" in done.stdout + done.stderr
