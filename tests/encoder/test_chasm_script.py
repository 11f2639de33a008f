"""The script of the rule: all of its files, from files, and twice the same."""

import csv
import gzip
import json
import runpy
import types
from dataclasses import replace
from pathlib import Path

import fitting
import h5py
import nibabel as nib
import numpy as np
import pytest

from brainworth import results
from brainworth.encoder import predictions, saved, targets, voxel_files
from brainworth.encoder.features import store
from brainworth.encoder.features.block import Block
from brainworth.errors import BrainworthError
from brainworth.nsd import betas

SHORT = fitting.configurations.TRAINING | {"epochs": 2}
CONFIG = {
    "study": "test",
    "seed": 5,
    "interval": 0.95,
    "encoder.device": "cpu",
    "encoder.scores": {"n_bootstrap": 100, "min_ceiling": 0.05},
    **{f"encoder.{name}": each for name, each in fitting.SETTINGS.items()},
    "encoder.train_stage1": SHORT,
    "encoder.train_stage2": SHORT,
}
AFFINE = np.array([[1.8, 0, 0, -40], [0, 1.8, 0, 3], [0, 0, 1.8, 7], [0, 0, 0, 1.0]])


class Files(dict):
    __getattr__ = dict.__getitem__


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    features, responses = fitting.subject()
    order = np.argsort(features.nsd_id)
    origin = store.Origin("gabor", "", {}, [])

    def describe(ids):
        rows = order[np.searchsorted(features.nsd_id[order], ids)]
        return Block(features.global_[rows], features.tokens[rows], {})

    store.write(
        folder / "features.h5",
        features.nsd_id[order],
        describe,
        origin,
        batch=50,
        checkpoints=folder / "batches",
        say=lambda line: None,
    )
    targets.write(folder / "targets.h5", responses)
    test = responses.rows(targets.TEST)
    values = responses.values[test]
    held = responses.values[responses.rows(targets.VALIDATION)]
    ridge = predictions.Predictions(responses.nsd_id[test], 0 * values, values, 0 * held, held)
    predictions.write(folder / "ridge.h5", "subj01", {"ridge": ridge})
    write_extract(folder / "betas.h5", responses.ijk)
    volume = nib.Nifti1Image(np.zeros(responses.volume_shape, dtype=np.int16), AFFINE)
    nib.save(volume, folder / "streams.nii.gz")
    files = {name: f"{name}.h5" for name in ("features", "targets", "ridge", "betas")}
    return Files(
        {name: str(folder / each) for name, each in files.items()},
        streams=str(folder / "streams.nii.gz"),
    )


def write_extract(path, ijk):
    """Write what is read of an extract: voxels 0 to 9 are V1, 8 to 12 are V2."""
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = betas.SCHEMA
        file["voxels/ijk"] = ijk
        number = np.arange(len(ijk))
        file["voxels/region/V1"], file["voxels/region/V2"] = (
            number < 10,
            (number > 7) & (number < 13),
        )


def run(repository, inputs, folder):
    names = {
        "json": "chasm_subj01.json",
        "stage1": "stage1_subj01.pt",
        "stage2": "stage2_subj01.pt",
        "predictions": "predictions_subj01.h5",
        "scores": "scores_subj01.nii.gz",
        "voxels": "voxels_subj01.csv",
    }
    workflow = types.SimpleNamespace(
        rule="encoder_chasm",
        log=[str(folder / "chasm.log")],
        params=types.SimpleNamespace(
            config=json.dumps(CONFIG), checkpoints=str(folder / ".checkpoints")
        ),
        input=inputs,
        output=Files({name: str(folder / each) for name, each in names.items()}),
    )
    runpy.run_path(str(repository / "scripts/encoder_chasm.py"), {"snakemake": workflow})
    return workflow.output


@pytest.fixture(scope="module")
def output(repository, inputs, tmp_path_factory):
    return run(repository, inputs, tmp_path_factory.mktemp("output"))


def test_the_files_agree(output, inputs):
    data = results.read(output.json)["data"]
    row = data["rows"][0]
    responses = targets.read(inputs.targets)
    test = responses.rows(targets.TEST)
    with h5py.File(output.predictions) as file:
        assert set(file) == {"chasm", "ridge"}
        assert file["chasm/nsd_id"][:].tolist() == responses.nsd_id[test].tolist()
        predicted, observed = file["chasm/predicted"][:], file["chasm/observed"][:]
    np.testing.assert_array_equal(observed, responses.values[test])
    r = [np.corrcoef(p, y)[0, 1] for p, y in zip(predicted.T, observed.T, strict=True)]
    assert row["voxels"]["r_mean"]["estimate"] == pytest.approx(np.mean(r), abs=1e-5)
    # what is beside it as `ridge` predicts zero, which has no correlation
    (difference,) = data["differences"]
    assert difference["second"] == "ridge"
    assert difference["voxels"]["r_mean"]["estimate"] == pytest.approx(np.mean(r), abs=1e-5)

    image = nib.load(output.scores)
    np.testing.assert_allclose(image.affine, AFFINE)
    assert image.shape == (23, 1, 1, 6)
    names = image.header["descrip"].item().decode()
    assert names == "r,r2,mse,noise_ceiling,share_of_ceiling,voxel"
    np.testing.assert_allclose(image.get_fdata()[:, 0, 0, 0], r, atol=1e-5)
    ceiling = 1 / (1 + 1 / 3)
    np.testing.assert_allclose(image.get_fdata()[..., 3].ravel(), ceiling, rtol=1e-5)
    share = np.array(r) * np.abs(r) / ceiling
    np.testing.assert_allclose(image.get_fdata()[..., 4].ravel(), share, atol=1e-5)

    with open(output.voxels, newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 23
    assert [int(each["i"]) for each in table] == list(range(23))
    assert {each["group"] for each in table} == {"early"}
    assert [each["regions"] for each in table] == (
        ["V1"] * 8 + ["V1;V2"] * 2 + ["V2"] * 3 + [""] * 10
    )
    assert [int(each["cluster"]) for each in table] == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 8
    np.testing.assert_allclose([float(each["r"]) for each in table], r, atol=1e-5)


def test_the_stages_can_be_loaded(output, inputs):
    stages = [saved.load(output[stage], stage) for stage in ("stage1", "stage2")]
    responses = targets.read(inputs.targets)
    test = responses.rows(targets.TEST)
    features = store.read(inputs.features, responses.nsd_id[test])
    _, voxels = saved.predict_new(*stages, features.global_, features.tokens)
    with h5py.File(output.predictions) as file:
        np.testing.assert_allclose(voxels, file["chasm/predicted"][:], atol=1e-3)


def test_the_same_again_and_no_checkpoints_left(repository, inputs, output, tmp_path):
    again = run(repository, inputs, tmp_path)
    assert results.read(again.json)["digest"] == results.read(output.json)["digest"]
    for name in ("scores", "voxels"):
        assert Path(again[name]).read_bytes() == Path(output[name]).read_bytes()
    assert not list((tmp_path / ".checkpoints").iterdir())


def test_voxels_lie_where_they_are(tmp_path):
    shape = (4, 5, 6)
    flat = np.random.default_rng(0).choice(np.prod(shape), fitting.V, replace=False)
    ijk = np.column_stack(np.unravel_index(flat, shape)).astype(np.int32)
    moved = replace(fitting.subject()[1], ijk=ijk, volume_shape=shape)
    expected = np.zeros(shape)
    for voxel, (i, j, k) in enumerate(ijk):
        expected[i, j, k] = voxel
    found = {"r": np.arange(float(fitting.V)), "gone": np.full(fitting.V, np.nan)}
    voxel_files.write_volume(tmp_path / "v.nii.gz", moved, found, AFFINE)
    volumes = nib.load(tmp_path / "v.nii.gz").get_fdata()
    np.testing.assert_array_equal(volumes[..., 0], expected)
    np.testing.assert_array_equal(volumes[..., 1], 0)
    assert np.argwhere(volumes[..., 2]).tolist() == sorted(ijk.tolist())
    voxel_files.write_table(tmp_path / "v.csv", moved, ["V1"] * fitting.V, found)
    with open(tmp_path / "v.csv", newline="") as file:
        for row in csv.DictReader(file):
            assert expected.ravel(order="F")[int(row["flat"])] == int(row["voxel"])
            assert row["gone"] == ""


def test_an_extract_of_other_voxels_is_an_error(tmp_path):
    responses = fitting.subject()[1]
    write_extract(tmp_path / "betas.h5", responses.ijk + 1)
    with pytest.raises(BrainworthError, match="other voxels than the targets"):
        voxel_files.regions_of(tmp_path / "betas.h5", responses)


def test_a_damaged_volume_is_an_error(tmp_path):
    path = tmp_path / "streams.nii.gz"
    path.write_bytes(gzip.compress(b"nothing"))
    with pytest.raises(BrainworthError, match="cannot be read as NIfTI"):
        voxel_files.affine_of(path)
