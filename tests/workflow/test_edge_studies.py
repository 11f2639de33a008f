"""Studies at the edge, through the workflow: one subject, three sessions, means of regions."""

import numpy as np
import pytest
from project import TINY

pytestmark = [pytest.mark.workflow, pytest.mark.drills]


def overlay(*tests, **changes):
    return TINY | {"erosion": TINY["erosion"] | {"tests": list(tests)}} | changes


def refusal(project) -> str:
    done = project.snakemake("--cores", "1", "-n", check=False)
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_one_subject(project):
    project.write_study(overlay("heteroscedasticity", study="one", subjects=["subj03"]))
    project.snakemake("--cores", "2")
    found = project.data("one")["erosion/heteroscedasticity.json"]
    assert [row["n_subjects"] for row in found["regions"]] == [1, 1]
    assert (project.folder / "paper/one.pdf").stat().st_size > 0


def test_three_sessions(project):
    changes = {
        "subjects": ["subj01", "subj04"],
        "simulation": {"scale": "small"},
        "data": {"sessions": 3},
        "design": {"min_repetitions": 1},
    }
    project.write_study(overlay("rdm_gap", "heteroscedasticity", **changes))
    project.snakemake("--cores", "2", "results")
    data = project.data()
    assert {row["sessions"] for row in data["data/matching.json"]["subjects"]} == {3}
    n_matched = data["data/matching.json"]["n_matched"]
    assert data["erosion/rdm_gap.json"]["n_stimuli"] == n_matched
    twice = data["data/matching.json"]["shared_in_all_subjects"]["at_least_2"]
    assert data["erosion/heteroscedasticity.json"]["n_stimuli"] == twice < n_matched
    for row in data["erosion/rdm_gap.json"]["regions"]:
        assert row["noise_free"] is None
        assert row["noise_free_reason"]


def test_means_of_regions(project):
    names = ["V1", "PPA", "FFA", "EBA", "LO"]
    rng = np.random.default_rng(3)
    folder = project.folder / "means"
    folder.mkdir()
    drive = rng.standard_normal((30, 5))
    for subject in TINY["subjects"]:
        nsd_id = np.concatenate([rng.permutation(30) for _ in range(4)])
        np.savez(
            folder / f"{subject}.npz",
            responses=drive[nsd_id] + rng.standard_normal((120, 5)),
            rois=names,
            session=np.repeat([1, 2], 60),
            nsd_id=nsd_id,
        )
    means = {"study": "means", "rois": names, "roi_means": {"dir": "means"}}
    project.write_study(overlay("rdm_gap", "heteroscedasticity", **means))
    project.snakemake("--cores", "2")
    assert project.planned() == set()
    data = project.data("means")
    assert data["data/matching.json"]["n_matched"] == 30
    assert not data["data/matching.json"]["simulated"]
    assert [row["region"] for row in data["erosion/rdm_gap.json"]["regions"]] == ["ROI means"]
    rows = data["erosion/heteroscedasticity.json"]["regions"]
    assert [row["region"] for row in rows] == names
    assert not (project.folder / "data").exists()
    assert (project.folder / "paper/means.pdf").stat().st_size > 0


def test_what_cannot_be_is_said_before_the_first_job(project):
    project.write_study(TINY | {"subjects": ["subj03"]})
    assert "fingerprinting and rdm_gap and rsa compare subjects" in refusal(project)
    means = {"study": "means", "roi_means": {"dir": "roi_means"}}
    project.write_study(TINY | means)
    assert "roi_means.dir: roi_means is not a folder" in refusal(project)
    (project.folder / "roi_means").mkdir()
    (project.folder / "roi_means/subj01.h5").write_text("nothing")
    assert "has no file for subj03" in refusal(project)
