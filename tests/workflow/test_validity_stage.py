"""How often the tests are right, in the workflow: what runs, and what runs again."""

import json
import re

import pytest
from project import TINY, Project, copy_project

from brainworth.sections.erosion import VALIDATED

pytestmark = pytest.mark.workflow

FEW = {
    "run": True,
    "n_replicates": 2,
    "n_subjects": 3,
    "n_stimuli": 20,
    "n_voxels": 10,
    "n_draws": 100,
    "n_bootstrap": 100,
}
SMALL = TINY | {"study": "right", "erosion": TINY["erosion"] | {"validity": FEW}}
TESTS = set(VALIDATED)

MODULES = {
    "erosion/validity/rsa.py": {"rsa"},
    "erosion/validity/plant.py": TESTS,
    "erosion/validity/alignment.py": {"alignment"},
    "erosion/calibration.py": {"encoding_gap"},
    "erosion/rdm_gap_labels.py": {"rdm_gap"},
    "erosion/shared_variance.py": {"variance_reliability", "variance_predictability"},
    "erosion/predicted_variance.py": {"variance_blindness"},
    "erosion/fingerprinting.py": {"fingerprinting"},
    "report/validity/chapter.py": set(),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Project:
    """Return a project in which validity has been measured, and nothing else run."""
    project = copy_project(tmp_path_factory.mktemp("right"))
    project.write_study(SMALL)
    project.snakemake("validity_table", "--cores", "2")
    return project


def outdated(project: Project) -> set[str]:
    done = project.snakemake("validity_table", "--cores", "1", "-n")
    text = done.stdout + done.stderr
    return set(re.findall(r"output: results/right/validity/(\w+)\.json", text))


def test_each_test_has_its_result_and_no_data_are_touched(ran):
    folder = ran.folder / "results/right"
    assert {path.stem for path in (folder / "validity").glob("*.json")} == TESTS
    envelope = json.loads((folder / "validity/rsa.json").read_text())
    assert envelope["rule"] == "validity"
    assert set(envelope["params"]) == {"erosion.validity", "interval", "seed"}
    assert envelope["data"]["n_replicates"] == 2
    assert (ran.folder / "figures/right/validity.png").stat().st_size > 0
    assert not (folder / "data").exists()


@pytest.mark.parametrize("module", MODULES)
def test_one_line_of_a_module(ran, module):
    path = ran.folder / "src/brainworth" / module
    text = path.read_text()
    try:
        path.write_text(f"{text}\nUNUSED = 1\n")
        assert outdated(ran) == MODULES[module]
    finally:
        path.write_text(text)


def test_it_can_be_switched_off_and_follows_the_tests(project):
    assert "validity" not in project.planned()
    tests = SMALL["erosion"] | {"tests": ["rsa", "direction_erosion"]}
    project.write_study(SMALL | {"erosion": tests})
    assert {"validity", "figure_validity"} <= project.planned()
    assert outdated(project) == {"rsa"}
