"""The bridges in the workflow: what runs, what runs again, what is left out."""

import copy
import json
import re
import shutil

import pytest
from project import ROOT, TINY, Project, copy_project

from brainworth import codehash, config, timing, verify

pytestmark = pytest.mark.workflow

#: All bridges, at sizes that say nothing; images are described, but no encoder is trained.
SMALL = TINY | {
    "study": "bridged",
    "subjects": ["subj01", "subj02", "subj05", "subj07"],
    "simulation": {"scale": "tiny", "shared_features": 8, "individual_features": 2},
    "erosion": TINY["erosion"] | {"tests": ["rsa", "alignment"]},
    "encoder": {
        "run": False,
        "features": {"grid": 2, "gabor": {"scales": 2, "orientations": 2, "image_size": 32}},
        "scores": {"n_bootstrap": 100},
    },
    "bridges": {
        "run": True,
        "subjects": ["subj01", "subj05", "subj07"],
        "calibration": {
            "dimensions": 24,
            "rois": ["all"],
            "misalignments": [0.0, 0.5],
            "task_images": 600,
            "test_images": 300,
            "brain_fractions": [0.25, 0.5, 1.0],
            "task_multiples": [1.5],
            "n_subsets": 1,
            "n_draws": 2,
            "n_shuffles": 2,
        },
        "decoding": {
            "regions": ["V1", "faces"],
            "smallest": 30,
            "n_subsets": 1,
            "n_subjects": [1, 2, 3],
            "n_components": 4,
            "n_bootstrap": 100,
            "n_permutations": 99,
        },
        "feature_spaces": {
            "subjects": ["subj01", "subj05"],
            "n_components": 8,
            "dimensions": [2, 4],
            "sizes": [2, 5],
            "n_permutations": 100,
            "n_bootstrap": 100,
        },
        "averaging": {
            "n_dimensions": 3,
            "n_features": 20,
            "token_features": 64,
            "n_bootstrap": 100,
            "n_permutations": 100,
            "variance": {
                "n_features": 4,
                "n_components": 2,
                "n_surrogates": 100,
                "power_log_sds": [0.0, 0.4],
                "power_replicates": 20,
            },
        },
    },
}
DATA = {"simulate_experiment", "simulate", "match_stimuli", "extract_betas"}
FEATURES, TARGETS = {"encoder_features"}, {"encoder_targets"}
CALIBRATION, DECODING = {"bridge_calibration"}, {"bridge_decoding"}
SPACES, AVERAGING = {"bridge_feature_spaces"}, {"bridge_averaging"}
OF_FEATURES = DECODING | SPACES | AVERAGING
BRIDGES = CALIBRATION | OF_FEATURES
FIGURES = {"figure_bridge"}

#: A change, and the rules of `snakemake bridges` that run again.
EDITS = {
    "interval": ({"interval": 0.9}, {"alignment"} | BRIDGES | FIGURES),
    "bridges.run": ({"bridges": {"run": False}}, set()),
    "bridges.parts": ({"bridges": {"parts": ["decoding"]}}, set()),
    "bridges.subjects": (
        {"bridges": {"subjects": ["subj01", "subj05"]}},
        FEATURES | BRIDGES | FIGURES,
    ),
    "bridges.calibration": ({"bridges": {"calibration": {"n_draws": 3}}}, CALIBRATION | FIGURES),
    "bridges.decoding": ({"bridges": {"decoding": {"n_subsets": 2}}}, DECODING | FIGURES),
    "bridges.feature_spaces": (
        {"bridges": {"feature_spaces": {"dimensions": [2]}}},
        SPACES | FIGURES,
    ),
    "bridges.averaging": (
        {"bridges": {"averaging": {"variance": {"power_replicates": 21}}}},
        AVERAGING | FIGURES,
    ),
    "encoder.features": (
        {"encoder": {"features": {"grid": 4}}},
        FEATURES | OF_FEATURES | FIGURES,
    ),
    "encoder.targets": (
        {"encoder": {"targets": {"validation": 0.2}}},
        TARGETS | SPACES | AVERAGING | FIGURES,
    ),
    "encoder.ridge": ({"encoder": {"ridge": {"n_folds": 4}}}, SPACES | FIGURES),
    "encoder.stage1": ({"encoder": {"stage1": {"head_hidden": 17}}}, set()),
    "erosion.alignment": (
        {"erosion": {"alignment": {"n_folds": 4}}},
        {"alignment"} | AVERAGING | FIGURES,
    ),
}
#: A module of the library, and the rules of `snakemake bridges` that run again.
MODULES = {
    "bridges/calibration/students.py": CALIBRATION | FIGURES,
    "bridges/decoding/decoder.py": DECODING | FIGURES,
    "bridges/feature_spaces/retrieval.py": SPACES | FIGURES,
    "bridges/averaging/variance_head.py": AVERAGING | FIGURES,
    "report/bridges/decoding_figure.py": FIGURES,
    "report/bridges/decoding_section.py": set(),
    "befs/stage2.py": CALIBRATION | FIGURES,
    "encoder/features/gabor.py": FEATURES | OF_FEATURES | FIGURES,
    "encoder/targets.py": TARGETS | SPACES | AVERAGING | FIGURES,
    "encoder/stage1.py": AVERAGING | FIGURES,
    "encoder/transfer.py": set(),
    "erosion/alignment_folds.py": {"alignment"} | AVERAGING | FIGURES,
    "sections/bridges.py": set(),
}


@pytest.fixture(scope="module")
def bridged(tmp_path_factory) -> Project:
    """Return a copy in which the study has run to its PDF; tests must leave it as it was."""
    made = copy_project(tmp_path_factory.mktemp("bridged"))
    made.write_study(SMALL)
    made.snakemake("--cores", "2")
    return made


@pytest.fixture
def changed(bridged, tmp_path) -> Project:
    return bridged.copy(tmp_path / "project")


def merged(change: dict) -> dict:
    return config.merge(copy.deepcopy(SMALL), change)


def test_what_there_is(bridged):
    made = {path.stem for path in (bridged.folder / "results/bridged/bridges").glob("*.json")}
    assert {f"bridge_{part}" for part in made} == BRIDGES
    for part in made:
        assert (bridged.folder / f"figures/bridged/bridge_{part}.pdf").exists()
    # described for the bridges, though no encoder runs
    targets = (bridged.folder / "results/bridged/encoder").glob("targets_*.json")
    assert {path.stem for path in targets} == {f"targets_subj0{n}" for n in (1, 5, 7)}
    assert bridged.planned() == set()


def test_a_finished_study_holds_together(bridged):
    found = verify.look(bridged.folder / "results/bridged")
    assert found.problems == []
    assert found.unchecked == 0
    text = timing.summary("bridged", bridged.folder)
    for rule in BRIDGES:
        assert re.search(rf"^{rule} ", text, re.MULTILINE), rule


def test_the_claims_that_bridges_answer(bridged):
    envelope = json.loads((bridged.folder / "results/bridged/claims.json").read_text())
    answers = {each["id"]: each for each in envelope["data"]["claims"]}
    for name in ("scaling-log-linear", "scaling-no-plateau", "aligned-retrieval"):
        assert answers[name]["verdict"] == "simulated"
        assert answers[name]["n"] == 1


@pytest.mark.parametrize("key", EDITS)
def test_one_configuration_key(bridged, key):
    change, expected = EDITS[key]
    try:
        bridged.write_study(merged(change))
        assert bridged.planned("bridges") - {"bridges"} == expected
    finally:
        bridged.write_study(SMALL)


@pytest.mark.parametrize("module", MODULES)
def test_one_line_of_a_module(bridged, module):
    path = bridged.folder / "src/brainworth" / module
    text = path.read_text()
    try:
        path.write_text(f"{text}\nUNUSED = 1\n")
        assert bridged.planned("bridges") - {"bridges"} == MODULES[module]
    finally:
        path.write_text(text)


def test_what_is_printed_follows(bridged):
    try:
        bridged.write_study(merged({"bridges": {"decoding": {"n_subsets": 2}}}))
        assert bridged.planned() == DECODING | FIGURES | {"claims", "paper", "paper_html"}
    finally:
        bridged.write_study(SMALL)


def test_stages_do_not_depend_on_bridges():
    for script in (ROOT / "scripts").glob("*.py"):
        if not script.stem.startswith(("bridge_", "figure_bridge", "paper", "claims", "figure")):
            reached = codehash.files_of(script, ROOT / "src")
            own = [path.relative_to(ROOT / "src/brainworth") for path in reached[1:]]
            assert not [path for path in own if path.parts[0] == "bridges"], script.stem


def test_one_core_gives_the_same(bridged, changed):
    shutil.rmtree(changed.folder / "results/bridged/bridges")
    changed.snakemake("--cores", "1", "bridges")
    assert changed.data("bridged") == bridged.data("bridged")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"bridges": {"subjects": ["subj01", "subj03"]}},
            "subjects: bridges.subjects names subj03; add them to subjects",
        ),
        ({"bridges": {"parts": ["none"]}}, "bridges.parts"),
    ],
)
def test_a_study_that_is_wrong_is_refused(bridged, change, said):
    try:
        bridged.write_study(merged(change))
        found = bridged.snakemake("-n", check=False)
        assert found.returncode != 0
        assert said in found.stdout + found.stderr
    finally:
        bridged.write_study(SMALL)
