"""The worth of brain samples in the workflow: what runs, what runs again, what is left out."""

import copy
import json
import re

import pytest
from project import TINY, Project, copy_project

pytestmark = pytest.mark.workflow

FEW = {"n_replicates": 2, "n_trials": 5, "n_bootstrap": 100}
SMALL = TINY | {
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
DRAWN = {*PARTS, "ridge"}
SIMULATED = {"verification", "breakdown", "shift", "estimators"}

#: A change, and the parts that run again.
EDITS = {
    "seed": ({"seed": 9}, set(PARTS)),
    "interval": ({"interval": 0.9}, SIMULATED),
    "befs.fmri": ({"befs": {"fmri": {"inputs": 120}}}, {"curves", "shift", "budget"}),
    "befs.small": ({"befs": {"small": {"channels": 30}}}, SIMULATED),
    "befs.shift": ({"befs": {"shift": {"n_trials": 6}}}, {"shift"}),
    "befs.verification": ({"befs": {"verification": {"n_trials": 6}}}, {"verification"}),
    "befs.breakdown": ({"befs": {"breakdown": {"n_trials": 6}}}, {"breakdown"}),
    "befs.estimators": ({"befs": {"estimators": {"n_trials": 6}}}, {"estimators"}),
    "befs.budget": ({"befs": {"budget": {"budget_points": 4}}}, {"budget"}),
    "befs.paper_scale": ({"befs": {"paper_scale": {"n_replicates": 20}}}, set()),
    "befs.curves": ({"befs": {"curves": {"points": 6}}}, {"curves"}),
    "befs.parts": ({"befs": {"parts": ["curves", "budget"]}}, set()),
    "erosion.rsa": ({"erosion": {"rsa": {"n_bootstrap": 110}}}, set()),
    "report.title": ({"report": {"title": "Another title"}}, set()),
}
#: Changes of which nothing in the paper of this study depends.
NOT_PRINTED = {"befs.paper_scale"}
#: A module, the parts that run again, and the figures that are drawn again.
MODULES = {
    "befs/stage1.py": (set(PARTS), DRAWN),
    "befs/sample_stage2.py": (SIMULATED, SIMULATED),
    "befs/shift.py": ({"shift"}, {"shift"}),
    "befs/calculator.py": (set(), set()),
    "befs/reference.py": (set(), set()),
    "erosion/rsa.py": (set(), set()),
    "report/erosion/rsa_figure.py": (set(), set()),
    "report/figures.py": (set(), set()),
    "report/befs/budget_section.py": (set(), set()),
    "report/befs/befs_figure.py": (set(), DRAWN),
    "report/style.py": (set(), DRAWN),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Project:
    """Return a study that has been run to its PDF."""
    project = copy_project(tmp_path_factory.mktemp("befs"))
    project.write_study(SMALL)
    project.snakemake("--cores", "2")
    return project


def outdated(project: Project, *targets: str) -> tuple[set[str], set[str], bool]:
    """Return the parts, the figures of parts, and whether the paper, would be made again.

    The paper is a PDF and a web page, which are always made together.
    """
    done = project.snakemake("--cores", "1", "-n", *targets)
    outputs = " ".join(re.findall(r"^ +output: (.*)$", done.stdout + done.stderr, re.MULTILINE))
    parts = set(re.findall(r"results/worth/befs/(\w+)\.json", outputs))
    drawn = set(re.findall(r"figures/worth/befs_(\w+)\.png", outputs))
    set_again = [f"paper/worth.{kind}" in outputs for kind in ("pdf", "html")]
    assert set_again[0] == set_again[1]
    return parts, drawn, set_again[0]


def figures_of(parts: set[str]) -> set[str]:
    return parts | ({"ridge"} if "curves" in parts else set())


def laid_over(base: dict, changes: dict) -> dict:
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = laid_over(merged[key], value) if both else value
    return merged


def test_each_part_has_its_result_and_figures(ran):
    folder = ran.folder / "results/worth/befs"
    assert {path.stem for path in folder.glob("*.json")} == set(PARTS)
    shift = json.loads((folder / "shift.json").read_text())
    assert shift["rule"] == "befs_shift"
    assert set(shift["params"]) == {"befs.fmri", "befs.small", "befs.shift", "interval", "seed"}
    assert shift["inputs"] == {}
    assert shift["seed"] == SMALL["seed"]
    for suffix in ("png", "pdf"):
        drawn = (ran.folder / "figures/worth").glob(f"befs_*.{suffix}")
        assert {path.stem.removeprefix("befs_") for path in drawn} == DRAWN


def test_no_data_are_touched(project):
    project.write_study(SMALL)
    assert project.planned("befs") == {"befs", "figure_befs"} | RULES


def test_one_core_gives_the_same_results(ran, tmp_path):
    other = copy_project(tmp_path)
    other.write_study(SMALL)
    other.snakemake("befs", "--cores", "1")
    before = {name: data for name, data in ran.data("worth").items() if name.startswith("befs/")}
    assert other.data("worth") == before


@pytest.mark.parametrize("place", EDITS)
def test_one_configuration_key(ran, place):
    changes, parts = EDITS[place]
    ran.write_study(laid_over(SMALL, changes))
    assert outdated(ran) == (parts, figures_of(parts), place not in NOT_PRINTED)
    assert outdated(ran, "befs") == (parts, figures_of(parts), False)


@pytest.mark.parametrize("module", MODULES)
def test_one_line_of_a_module(ran, module):
    ran.write_study(SMALL)
    path = ran.folder / "src/brainworth" / module
    text = path.read_text()
    try:
        path.write_text(f"{text}\nUNUSED = 1\n")
        assert outdated(ran, "befs")[:2] == MODULES[module]
    finally:
        path.write_text(text)


def test_an_edited_result_is_refused_by_its_figure(ran, tmp_path):
    project = ran.copy(tmp_path / "copy")
    project.write_study(SMALL)
    path = project.folder / "results/worth/befs/budget.json"
    envelope = json.loads(path.read_text())
    envelope["data"]["rules"][0]["favourability"] = 99.0
    path.write_text(json.dumps(envelope))
    done = project.snakemake("--cores", "1", check=False)
    assert "budget.json was changed after it was written" in done.stdout + done.stderr


def test_it_can_be_switched_off(project):
    assert not any("befs" in name for name in project.planned())
    project.write_study(TINY | {"befs": {"run": True, "parts": ["curves"]}})
    assert "befs_curves" in project.planned("results")
    text = project.snakemake("--cores", "1", "-n").stdout
    assert set(re.findall(r"output: figures/tiny/befs_(\w+)\.png", text)) == {"curves", "ridge"}


def test_studies_on_measured_rdms_leave_it_out(project):
    (project.folder / "measured.npz").touch()
    measured = {
        "study": "measured",
        "rdms": {"file": "measured.npz"},
        "erosion": {"tests": ["rsa"]},
    }
    project.write_study(measured)
    assert not any("befs" in name for name in project.planned())


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
