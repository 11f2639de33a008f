"""The worth of brain samples in the workflow: what runs, what runs again, what is left out."""

import copy
import json

import pytest
from project import TINY, Project, copy_project

pytestmark = pytest.mark.workflow

FEW = {"n_replicates": 2, "n_trials": 5, "n_bootstrap": 100}
SMALL = {
    "study": "worth",
    "befs": {
        "fmri": {"inputs": 100, "latents": 10, "channels": 150, "samples_per_hour": 50.0},
        "curves": {
            "points": 5,
            "latents": [5, 10],
            "task_range": [150.0, 5000.0],
            "break_even_n_task": [150, 1000],
        },
        "verification": FEW | {"brain_points": 3, "task_points": 3, "kappa_points": 20},
        "breakdown": FEW | {"points": 4},
        "shift": FEW,
        "budget": {"budget_range": [200.0, 10000.0], "budget_points": 3},
        "estimators": FEW | {"task_points": 3},
    },
}
PARTS = ("curves", "verification", "breakdown", "shift", "budget", "estimators")
RULES = {f"befs_{part}" for part in PARTS}

EDITS = {
    "seed": ({"seed": 9}, RULES),
    "interval": ({"interval": 0.9}, RULES - {"befs_curves", "befs_budget"}),
    "befs.fmri": (
        {"befs": {"fmri": {"inputs": 120}}},
        {"befs_curves", "befs_shift", "befs_budget"},
    ),
    "befs.small": (
        {"befs": {"small": {"channels": 30}}},
        RULES - {"befs_curves", "befs_budget"},
    ),
    "befs.shift": ({"befs": {"shift": {"n_trials": 6}}}, {"befs_shift"}),
    "befs.parts": ({"befs": {"parts": ["curves", "budget"]}}, set()),
    "rois": ({"rois": ["V1"]}, set()),
}
MODULES = {
    "befs/stage1.py": RULES,
    "befs/sample_stage2.py": RULES - {"befs_curves", "befs_budget"},
    "befs/shift.py": {"befs_shift"},
    "befs/calculator.py": set(),
    "befs/reference.py": set(),
    "erosion/rsa.py": set(),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Project:
    project = copy_project(tmp_path_factory.mktemp("befs"))
    project.write_study(SMALL)
    project.snakemake("befs", "--cores", "2")
    return project


def laid_over(base: dict, changes: dict) -> dict:
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = laid_over(merged[key], value) if both else value
    return merged


def test_each_part_has_its_result(ran):
    folder = ran.folder / "results/worth/befs"
    assert {path.stem for path in folder.glob("*.json")} == set(PARTS)
    shift = json.loads((folder / "shift.json").read_text())
    assert shift["rule"] == "befs_shift"
    assert set(shift["params"]) == {"befs.fmri", "befs.small", "befs.shift", "interval", "seed"}
    assert shift["inputs"] == {}
    assert shift["seed"] == 20260101


def test_no_data_are_touched(ran):
    assert not (ran.folder / "data").exists()
    assert not (ran.folder / "results/worth/data").exists()


def test_one_core_gives_the_same_results(ran, tmp_path):
    other = copy_project(tmp_path)
    other.write_study(SMALL)
    other.snakemake("befs", "--cores", "1")
    assert other.data("worth") == ran.data("worth")


@pytest.mark.parametrize("place", EDITS)
def test_one_configuration_key(ran, place):
    changes, expected = EDITS[place]
    ran.write_study(laid_over(SMALL, changes))
    assert ran.planned("befs") - {"befs"} == expected


@pytest.mark.parametrize("module", MODULES)
def test_one_line_of_a_module(ran, module):
    ran.write_study(SMALL)
    path = ran.folder / "src/brainworth" / module
    text = path.read_text()
    try:
        path.write_text(f"{text}\nUNUSED = 1\n")
        assert ran.planned("befs") - {"befs"} == MODULES[module]
    finally:
        path.write_text(text)


def test_it_can_be_switched_off(project):
    assert not any(name.startswith("befs") for name in project.planned("results"))
    project.write_study(TINY | {"befs": {"run": True, "parts": ["curves"]}})
    assert "befs_curves" in project.planned("results")


def test_studies_on_measured_rdms_leave_it_out(project):
    (project.folder / "measured.npz").touch()
    measured = {
        "study": "measured",
        "rdms": {"file": "measured.npz"},
        "erosion": {"tests": ["rsa"]},
    }
    project.write_study(measured)
    assert not any(name.startswith("befs") for name in project.planned())


def test_the_size_of_fmri_is_a_study_of_its_own(project):
    done = project.snakemake("befs", "--cores", "1", "-n", study="studies/befs-paper-scale.yaml")
    assert "befs_paper_scale" in done.stdout
    assert "befs_curves" not in done.stdout
    assert "simulate_experiment" not in done.stdout
    default = project.snakemake("--cores", "1", "-n", study=None)
    assert "befs_curves" in default.stdout
    assert "befs_paper_scale" not in default.stdout


def test_settings_that_do_not_fit_stop_before_the_first_job(project):
    project.write_study({"study": "wrong", "befs": {"small": {"latents": 60}}})
    done = project.snakemake("--cores", "1", check=False)
    assert done.returncode == 1
    assert "befs.small: latents must be fewer than inputs" in done.stdout + done.stderr
