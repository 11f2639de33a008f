"""The encoder in the workflow: what runs, what runs again, what is left out."""

import copy
import json
import shutil

import h5py
import numpy as np
import pytest
from project import TINY, Project, copy_project

from brainworth import config

pytestmark = pytest.mark.workflow

SMALL = TINY | {
    "study": "encoded",
    "encoder": {
        "run": True,
        "parts": ["linear"],
        "subjects": ["subj01", "subj05"],
        "features": {
            "grid": 2,
            "gabor": {"scales": 2, "orientations": 2, "image_size": 32},
        },
    },
}
FEATURES, TARGETS = {"encoder_features"}, {"encoder_targets"}
DATA = {"simulate_experiment", "simulate", "match_stimuli", "extract_betas"}

#: A change, and the rules of `snakemake encoder` that run again. Rows of the parts' own sections
#: belong here too.
EDITS = {
    "seed": ({"seed": 9}, DATA | FEATURES | TARGETS),
    "interval": ({"interval": 0.9}, set()),
    "encoder.features": ({"encoder": {"features": {"grid": 4}}}, FEATURES),
    "encoder.features.gabor": ({"encoder": {"features": {"gabor": {"scales": 3}}}}, FEATURES),
    "encoder.targets": ({"encoder": {"targets": {"repeat_target": "mean_z"}}}, TARGETS),
    "encoder.device": ({"encoder": {"device": "auto"}}, set()),
    # subj03 is new: it was not even simulated.
    "encoder.subjects": (
        {"encoder": {"subjects": ["subj01", "subj03"]}},
        {"simulate", "extract_betas"} | FEATURES | TARGETS,
    ),
    "rois": ({"rois": ["V1", "V2"]}, {"extract_betas"} | TARGETS),
    "design": (
        {"design": {"min_repetitions": 3}},
        {"match_stimuli", "extract_betas"} | FEATURES | TARGETS,
    ),
    "erosion.rsa": ({"erosion": {"rsa": {"n_bootstrap": 110}}}, set()),
}
MODULES = {
    "encoder/features/gabor.py": FEATURES,
    "encoder/features/dinov2.py": FEATURES,
    "encoder/features/store.py": FEATURES,
    "encoder/targets.py": TARGETS,
    "nsd/stimuli.py": FEATURES,
    "nsd/betas.py": {"extract_betas"} | TARGETS,
    "cli.py": set(),
}


@pytest.fixture(scope="module")
def encoded(tmp_path_factory) -> Project:
    """Return a copy in which the encoder has run; tests must not change it."""
    made = copy_project(tmp_path_factory.mktemp("encoded"))
    made.write_study(SMALL)
    made.snakemake("encoder", "--cores", "2")
    return made


@pytest.fixture
def changed(encoded, tmp_path) -> Project:
    folder = tmp_path / "project"
    shutil.copytree(encoded.folder, folder, symlinks=True)
    return Project(folder)


def merged(change: dict) -> dict:
    return config.merge(copy.deepcopy(SMALL), change)


def test_what_there_is(encoded):
    folder = encoded.folder / "results/encoded/encoder"
    data = json.loads((folder / "features.json").read_text())["data"]
    # 25 shared images, and 225 of each subject's own, in three sessions
    with h5py.File(encoded.folder / "results/encoded/encoder/features.h5") as file:
        assert file["tokens"].shape == (data["n_images"], 4, 4 + 2 + 64)
        assert file.attrs["backend"] == data["backend"] == "gabor"
        ids = file["nsd_id"][:]
    assert np.all(np.diff(ids) > 0)
    for subject in ("subj01", "subj05"):
        with h5py.File(folder / f"targets_{subject}.h5") as file:
            assert np.isin(file["nsd_id"][:], ids).all()
            assert np.isfinite(file["values"][:]).all()
            group = file["group"][:]
        said = json.loads((folder / f"targets_{subject}.json").read_text())["data"]
        assert [row["n_voxels"] for row in said["groups"]] == np.bincount(
            group, minlength=4
        ).tolist()
    assert not (folder / "targets_subj03.json").exists()
    assert encoded.planned("encoder") == set()


@pytest.mark.parametrize("key", EDITS)
def test_one_configuration_key(changed, key):
    change, expected = EDITS[key]
    changed.write_study(merged(change))
    assert changed.planned("encoder") - {"encoder"} == expected


@pytest.mark.parametrize("module", MODULES)
def test_one_line_of_a_module(changed, module):
    path = changed.folder / "src/brainworth" / module
    path.write_text(path.read_text() + "\nUNUSED = 1\n")
    assert changed.planned("encoder") - {"encoder"} == MODULES[module]


def test_a_run_that_was_killed_goes_on_to_the_same_features(changed):
    """Features go on from the batches that are there."""
    whole = (changed.folder / "results/encoded/encoder/features.h5").read_bytes()
    changed.write_study(merged({"encoder": {"features": {"batch": 20}}}))
    module = changed.folder / "src/brainworth/encoder/features/gabor.py"
    text = module.read_text()
    # After some batches, a job that is killed.
    killer = (
        "\n\n_plain, _count = describe, []\n\n\ndef describe(images, **options):\n"
        "    _count.append(1)\n"
        "    if len(_count) == 6:\n"
        "        import os\n\n        os.kill(os.getpid(), 9)\n"
        "    return _plain(images, **options)\n"
    )
    module.write_text(text + killer)
    target = "results/encoded/encoder/features.json"
    assert changed.snakemake(target, "--cores", "1", check=False).returncode
    folder = changed.folder / "results/encoded/encoder"
    assert not (folder / "features.h5").exists()
    assert len(list((folder / ".checkpoints/features").glob("*.h5"))) == 5
    module.write_text(text)
    changed.snakemake(target, "--cores", "1")
    log = (changed.folder / "logs/encoded/encoder_features.log").read_text()
    assert "100 of " in log
    assert "images were described before, by a job that did not end" in log
    with h5py.File(folder / "features.h5") as file:
        resumed = {name: file[name][:] for name in ("nsd_id", "global", "tokens")}
    (folder / "before.h5").write_bytes(whole)
    with h5py.File(folder / "before.h5") as file:
        np.testing.assert_array_equal(file["nsd_id"][:], resumed["nsd_id"])
        # Another number of images at a time may round otherwise, in half precision.
        for name in ("global", "tokens"):
            np.testing.assert_allclose(file[name][:], resumed[name], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"encoder": {"subjects": ["subj02"]}},
            "the encoder needs subj02 (encoder.subjects, or encoder.transfer",
        ),
        (
            {"encoder": {"parts": ["transfer"]}},
            "the encoder needs subj02 and subj07 (encoder.subjects, or encoder.transfer",
        ),
        (
            {"encoder": {"features": {"backend": "file", "file": "nowhere.h5"}}},
            "encoder.features.file: nowhere.h5 does not exist",
        ),
        (
            {"encoder": {"features": {"backend": "dinov2", "weights": "nowhere"}}},
            "encoder.features.weights: no weights of DINOv2 at nowhere",
        ),
    ],
)
def test_what_cannot_run_says_so_before_the_first_job(project, change, sentence):
    project.write_study(merged(change))
    done = project.snakemake("encoder", "--cores", "1", check=False)
    assert done.returncode
    assert sentence in done.stdout + done.stderr
    assert not (project.folder / "logs/encoded").exists()


@pytest.mark.parametrize(
    ("source", "change", "fetched"),
    [
        ("s3", {}, True),
        ("local", {"local_dir": "tree"}, True),
        ("s3", {"download": "files", "keep_sessions": False}, True),
    ],
)
def test_images_are_fetched_for_the_encoder_only(project, source, change, fetched):
    data = {"data": {"source": source, "accept_nsd_terms": True, "sessions": 1, **change}}
    (project.folder / "tree").mkdir()
    project.write_study(merged(data))
    assert ("fetch_encoder" in project.planned()) is fetched
    project.write_study(merged(data | {"encoder": {"run": False}}))
    planned = project.planned()
    assert not {rule for rule in planned if "encoder" in rule}
    assert "fetch" in planned
