"""The encoder in the workflow: what runs, what runs again, what is left out."""

import copy
import json
import re
import shutil
import textwrap

import h5py
import numpy as np
import pytest
import yaml
from project import ROOT, TINY, Project, copy_project
from test_docs import blocks

from brainworth import codehash, config, crate, timing, verify
from brainworth.cli import main
from brainworth.encoder import checkpoints, torch_files

pytestmark = pytest.mark.workflow

SHORT = {"batch": 32, "epochs": 2}
MAMBA = {"d_state": 8, "headdim": 16}
#: All parts of the encoder, at sizes that say nothing.
SMALL = TINY | {
    "study": "encoded",
    "subjects": ["subj01", "subj02", "subj05", "subj07"],
    "erosion": TINY["erosion"] | {"tests": ["rsa"]},
    "encoder": {
        "run": True,
        "subjects": ["subj01", "subj05"],
        "features": {"grid": 2, "gabor": {"scales": 2, "orientations": 2, "image_size": 32}},
        "clusters": {"size": 5},
        "stage1": {
            **{"d_model": 16, "local_blocks": 1, "mamba": MAMBA, "head_hidden": 16},
            **{"gate_hidden": 8, "contrast_hidden": 8, "embedding": 8},
        },
        "stage2": {
            **{"d_model": 16, "mamba": MAMBA, "latent": 8, "queries": 4, "residual_hidden": 8},
        },
        "train_stage1": SHORT,
        "train_stage2": SHORT,
        "diffusion": {"steps": 20, "sampling_steps": 5, "samples": 2, "hidden": 16},
        "ablations": {
            **{"max_train_images": 200, "cluster_sizes": [5, 10], "tops": [0.7]},
            **{"cluster_kinds": ["sequential"], "stage1": ["dual_mamba", "mlp"]},
            "stage2": ["dual_vae", "dual_diffusion"],
        },
        "transfer": {"sources": [["subj01"]], "fractions": [1.0], "head": {"epochs": 2}},
        "scores": {"n_bootstrap": 100},
    },
}
DATA = {"simulate_experiment", "simulate", "match_stimuli", "extract_betas"}
FEATURES, TARGETS = {"encoder_features"}, {"encoder_targets"}
#: Networks that are trained on features and targets alone; `chasm` reads what ridge predicts, and
#: `stage2` and `streams` the stage 1 that `chasm` trained.
FROM_CHASM = {"encoder_chasm", "encoder_stage2", "encoder_streams"}
NETWORKS = FROM_CHASM | {"encoder_stage1", "encoder_clusters", "encoder_transfer"}
PARTS = NETWORKS | {"encoder_linear"}
OF_STAGE2 = FROM_CHASM | {"encoder_clusters"}

#: A change, and the rules of `snakemake encoder` that run again.
EDITS = {
    "seed": ({"seed": 9}, DATA | FEATURES | TARGETS | PARTS),
    "interval": ({"interval": 0.9}, PARTS),
    "rois": ({"rois": ["V1", "V2"]}, {"extract_betas"} | TARGETS | PARTS),
    "encoder.device": ({"encoder": {"device": "auto"}}, NETWORKS),
    # without the transfer, subj07 would not be described any more
    "encoder.parts": ({"encoder": {"parts": ["linear", "transfer"]}}, set()),
    # a subject that only the transfer needed; its images are described already
    "encoder.subjects": (
        {"encoder": {"subjects": ["subj01", "subj07"]}},
        FEATURES | PARTS,
    ),
    "encoder.features": ({"encoder": {"features": {"grid": 4}}}, FEATURES | PARTS),
    "encoder.targets": ({"encoder": {"targets": {"repeat_target": "mean_z"}}}, TARGETS | PARTS),
    "encoder.clusters": ({"encoder": {"clusters": {"size": 6}}}, PARTS),
    "encoder.stage1": ({"encoder": {"stage1": {"head_hidden": 17}}}, NETWORKS),
    "encoder.stage2": ({"encoder": {"stage2": {"latent": 9}}}, OF_STAGE2),
    "encoder.train_stage1": ({"encoder": {"train_stage1": {"epochs": 3}}}, NETWORKS),
    "encoder.train_stage2": ({"encoder": {"train_stage2": {"epochs": 3}}}, OF_STAGE2),
    "encoder.loss_stage1": ({"encoder": {"loss_stage1": {"pearson": 0.4}}}, NETWORKS),
    "encoder.loss_stage2": ({"encoder": {"loss_stage2": {"kl": 0.01}}}, OF_STAGE2),
    "encoder.ridge": (
        {"encoder": {"ridge": {"n_alphas": 8}}},
        {"encoder_linear", "encoder_transfer"} | FROM_CHASM,
    ),
    "encoder.diffusion": ({"encoder": {"diffusion": {"samples": 3}}}, {"encoder_stage2"}),
    "encoder.ablations": (
        {"encoder": {"ablations": {"max_train_images": 210}}},
        {"encoder_stage1", "encoder_stage2", "encoder_clusters", "encoder_transfer"},
    ),
    "encoder.ablations.rows": (
        {"encoder": {"ablations": {"stage1": ["dual_mamba"], "single_streams": False}}},
        {"encoder_stage1", "encoder_streams"},
    ),
    "encoder.transfer": (
        {"encoder": {"transfer": {"fractions": [0.5, 1.0]}}},
        {"encoder_transfer"},
    ),
    "encoder.scores": ({"encoder": {"scores": {"min_ceiling": 0.06}}}, PARTS),
}
#: A module of the library, and the scripts whose code it is part of.
MODULES = {
    "features/gabor.py": FEATURES,
    "features/dinov2.py": FEATURES,
    "features/store.py": FEATURES | PARTS,
    "images.py": set(),
    "targets.py": TARGETS | PARTS,
    "kfold_ridge.py": {"encoder_linear", "encoder_transfer"},
    "clusters.py": PARTS,
    "mamba.py": NETWORKS,
    "stage1.py": NETWORKS,
    "train.py": NETWORKS,
    "chasm_results.py": {"encoder_chasm"},
    "voxel_files.py": {"encoder_chasm"},
    "stage1_table.py": {"encoder_stage1"},
    "networks/diffusion.py": {"encoder_stage2"},
    "stage2_table.py": {"encoder_stage2"},
    "cluster_table.py": {"encoder_clusters"},
    "stream_table.py": {"encoder_streams"},
    "transfer.py": {"encoder_transfer"},
    "backbone.py": {"encoder_transfer"},
    "scores.py": PARTS,
    "predict.py": set(),
}


@pytest.fixture(scope="module")
def encoded(tmp_path_factory) -> Project:
    """Return a copy in which the study has run to its PDF; tests must leave it as it was."""
    made = copy_project(tmp_path_factory.mktemp("encoded"))
    made.write_study(SMALL)
    made.snakemake("--cores", "2")
    return made


@pytest.fixture
def changed(encoded, tmp_path) -> Project:
    return encoded.copy(tmp_path / "project")


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
    said_of = ("subj01", "subj05")
    for subject in said_of:
        with h5py.File(folder / f"targets_{subject}.h5") as file:
            assert np.isin(file["nsd_id"][:], ids).all()
            assert np.isfinite(file["values"][:]).all()
            group = file["group"][:]
        said = json.loads((folder / f"targets_{subject}.json").read_text())["data"]
        assert [row["n_voxels"] for row in said["groups"]] == np.bincount(
            group, minlength=4
        ).tolist()
    assert not (folder / "targets_subj02.json").exists()
    parts = {"stage1", "stage2", "clusters", "streams", "transfer"}
    parts |= {f"{part}_{subject}" for part in ("linear", "chasm") for subject in said_of}
    assert parts <= {path.stem for path in folder.glob("*.json")}
    assert list((folder / ".checkpoints").iterdir()) == []
    assert encoded.planned() == set()


def test_a_finished_study_holds_together(encoded):
    found = verify.look(encoded.folder / "results/encoded")
    assert found.problems == []
    assert found.unchecked == 0
    text = timing.summary("encoded", encoded.folder)
    for part in PARTS:
        assert re.search(rf"^{part} ", text, re.MULTILINE), part


def test_the_claims_on_the_encoder(encoded):
    envelope = json.loads((encoded.folder / "results/encoded/claims.json").read_text())
    assert {"results/chasm_subj05.json", "results/stage2.json"} <= set(envelope["inputs"])
    answers = {each["id"]: each for each in envelope["data"]["claims"]}
    error = answers["chasm-mse"]
    assert error["verdict"] == "simulated"
    assert error["contradicts"] == ["chasm-r"]
    assert [row["subject"] for row in error["rows"]] == ["mean of 2", "subj01", "subj05"]
    # the regression from what responses were made of is nearer than two epochs of training
    assert all(row["planted"] < row["as_published"] for row in error["rows"][1:])


def test_the_report_and_the_crate_have_the_encoder(changed, monkeypatch):
    changed.snakemake("--report", "report.html")
    page = (changed.folder / "report.html").read_text()
    assert "encoder_models.png" in page
    assert "Image-to-fMRI encoder" in page
    for name in ("CITATION.cff", "LICENSE", "README.md", "constraints.txt"):
        shutil.copy(ROOT / name, changed.folder)
    monkeypatch.chdir(changed.folder)
    assert main(["crate", "study.yaml"]) == 0
    graph = json.loads((changed.folder / crate.NAME).read_text())["@graph"]
    described = {entity["@id"] for entity in graph}
    for name in ("chasm_subj01.json", "stage1_subj01.pt", "scores_subj05.nii.gz", "transfer.json"):
        assert f"results/encoded/encoder/{name}" in described
    assert main(["verify", "results"]) == 0


@pytest.mark.parametrize("key", EDITS)
def test_one_configuration_key(encoded, key):
    change, expected = EDITS[key]
    try:
        encoded.write_study(merged(change))
        assert encoded.planned("encoder") - {"encoder"} == expected
    finally:
        encoded.write_study(SMALL)


def test_what_is_printed_follows(encoded):
    try:
        encoded.write_study(merged({"encoder": {"diffusion": {"samples": 3}}}))
        assert encoded.planned() == {
            "encoder_stage2",
            "figure_encoder",
            "claims",
            "paper",
            "paper_html",
        }
    finally:
        encoded.write_study(SMALL)


@pytest.mark.parametrize("module", MODULES)
def test_scripts_that_a_module_is_part_of(module):
    """What is hashed decides what runs again; `test_one_line_of_a_module` asks Snakemake."""
    path = ROOT / "src/brainworth/encoder" / module
    scripts = (ROOT / "scripts").glob("encoder_*.py")
    reached = {script.stem for script in scripts if path in codehash.files_of(script, ROOT / "src")}
    assert reached == MODULES[module]


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("encoder/scores.py", PARTS),
        ("encoder/networks/diffusion.py", {"encoder_stage2"}),
        ("encoder/chasm_results.py", FROM_CHASM),
        ("nsd/betas.py", {"extract_betas"} | TARGETS | PARTS),
        ("cli.py", set()),
    ],
)
def test_one_line_of_a_module(encoded, module, expected):
    path = encoded.folder / "src/brainworth" / module
    text = path.read_text()
    try:
        path.write_text(text + "\nUNUSED = 1\n")
        assert encoded.planned("encoder") - {"encoder"} == expected
    finally:
        path.write_text(text)


def test_a_training_that_was_killed_goes_on_to_the_same_result(changed):
    """kill -9 after three epochs of five: the next run takes up the checkpoint."""
    folder = changed.folder / "results/encoded/encoder"
    target = "results/encoded/encoder/chasm_subj01.json"
    before = changed.data("encoded")["encoder/chasm_subj01.json"]
    script = changed.folder / "scripts/encoder_chasm.py"
    text = script.read_text()
    killer = (
        "import os\n\nfrom brainworth.encoder import checkpoints\n\n"
        "_save, _count = checkpoints.save, []\n\n\n"
        "def save(*given):\n    _save(*given)\n    _count.append(1)\n"
        "    if len(_count) == 3:\n        os.kill(os.getpid(), 9)\n\n\n"
        "checkpoints.save = save\n\n"
    )
    script.write_text(text.replace("with job(", killer + "with job(", 1))
    assert changed.snakemake(target, "--cores", "1", check=False).returncode
    assert not (changed.folder / target).exists()
    # stage 1 is done, and the first epoch of stage 2
    left = sorted((folder / ".checkpoints/chasm_subj01").glob("*.pt"))
    assert len(left) == 2
    states = [torch_files.load(path, checkpoints.SCHEMA) for path in left]
    assert sorted(len(state["epochs"]) for state in states) == [1, 2]
    # What was trained is not trained again: its seconds are those of the job that was killed.
    seconds = [row["seconds"] for state in states for row in state["epochs"]]
    assert all(each > 0 for each in seconds)
    script.write_text(text)
    changed.snakemake(target, "--cores", "1")
    assert changed.data("encoded")["encoder/chasm_subj01.json"] == before
    assert not (folder / ".checkpoints/chasm_subj01").exists()


def test_a_damaged_checkpoint_is_one_sentence(changed):
    """It stops the job that reads it, names the file, and says what to do."""
    (changed.folder / "results/encoded/encoder/chasm_subj01.json").unlink()
    folder = changed.folder / "results/encoded/encoder/.checkpoints/chasm_subj01"
    folder.mkdir(parents=True)
    for name in ("stage1", "stage2"):
        (folder / f"{name}.pt").write_bytes(b"PK damaged")
    target = "results/encoded/encoder/chasm_subj01.json"
    done = changed.snakemake(target, "--cores", "1", check=False)
    text = done.stdout + done.stderr
    assert done.returncode
    assert "is damaged, or no file of PyTorch" in text
    assert "delete it and run again" in text
    assert "Traceback" not in text


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
            {"encoder": {"subjects": ["subj03"], "transfer": {"target": "subj08"}}},
            "the encoder needs subj03 and subj08 (encoder.subjects, or encoder.transfer",
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


def test_adding_a_baseline(changed):
    """docs/adding-an-encoder-baseline.md, as written."""
    page = "adding-an-encoder-baseline.md"
    (module,) = blocks(page, "python")
    name, label, case, imported = blocks(page, "text")
    (study,) = blocks(page, "yaml")
    library = changed.folder / "src/brainworth"
    (library / "encoder/networks/linear_map.py").write_text(textwrap.dedent(module))
    insert(library / "sections/encoder.py", "Stage1Row = Literal[\n", name)
    rows = library / "encoder/networks/stage1_rows.py"
    insert(rows, "LABELS: dict[str, str] = {\n", label)
    insert(rows, "    match name:\n", case, indent=8)
    insert(rows, "from torch import nn\n\n", imported, indent=0)
    changed.write_study(merged(yaml.safe_load(study)))
    target = "results/encoded/encoder/stage1.json"
    assert changed.planned(target) == {"encoder_stage1"}
    changed.snakemake(target, "--cores", "1")
    found = changed.data("encoded")["encoder/stage1.json"]
    assert [row["row"] for row in found["rows"]] == ["dual_mamba", "linear_map"]
    assert found["rows"][1]["label"] == "Linear map of the global vector"
    n_global = 14
    assert found["rows"][1]["macs"] == n_global * found["n_clusters"]
    assert set(found["differences"]["rows"]) == {"linear_map"}


def insert(path, after: str, text: str, indent: int = 4) -> None:
    """Put lines behind a line of a file."""
    content = path.read_text()
    assert content.count(after) == 1, (path, after)
    lines = textwrap.indent(textwrap.dedent(text), " " * indent)
    path.write_text(content.replace(after, after + lines))
