"""CHASMBrain fitted to a small subject: it learns, and can be killed, saved and applied."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import fitting
import numpy as np
import pytest
import torch

from brainworth.encoder import chasm, chasm_results, saved
from brainworth.encoder.cluster_noise import noise_of_clusters
from brainworth.errors import BrainworthError

LONG = fitting.configurations.TRAINING | {"epochs": 25, "patience": 10, "lr": 0.01}


@pytest.fixture(scope="module")
def found():
    return fitting.fit(train_stage1=LONG, train_stage2=LONG)


@pytest.fixture(scope="module")
def data():
    features, responses = fitting.subject()
    return chasm.prepare(features, responses, fitting.SETTINGS["clusters"], seed=5)


def r2(predicted, observed):
    return 1 - ((predicted - observed) ** 2).mean() / observed.var(axis=0).mean()


def test_it_learns_clusters_and_voxels(found):
    test = found.data.parts["test"]
    assert r2(found.rois["test"].numpy(), test["rois"].numpy()) > 0.2
    assert r2(found.voxels["test"].numpy(), test["voxels"].numpy()) > 0.1


def test_the_parts_fit_together(found):
    part = found.data.parts["test"]
    rois = found.stage1.eval()(part["global"], part["tokens"]).rois
    assert torch.equal(rois, found.rois["test"])
    voxels = found.stage2.eval()(part["global"], part["mean_token"], rois).voxels
    torch.testing.assert_close(voxels, found.voxels["test"])
    assert {name: len(each) for name, each in found.voxels.items()} == {
        "train": 100,
        "validation": 30,
        "test": 30,
    }


def test_features_are_standardised_by_training_images(data):
    train = data.parts["train"]
    np.testing.assert_allclose(train["global"].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(train["global"].std(0, correction=0), 1, atol=1e-4)
    flat = train["tokens"].flatten(0, 1)
    np.testing.assert_allclose(flat.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(flat.std(0, correction=0), 1, atol=1e-4)
    assert abs(data.parts["test"]["global"].mean(0)).max() > 0.01
    features = fitting.subject()[0]
    rows = data.rows["test"]
    for name, raw in (("global", features.global_), ("tokens", features.tokens)):
        centre, gain = data.scaling[name]
        again = (torch.from_numpy(raw[rows]) - centre) * gain
        torch.testing.assert_close(again, data.parts["test"][name], atol=1e-4, rtol=1e-4)


def test_test_images_are_not_looked_at_in_training(data):
    features, responses = fitting.subject()
    test = responses.rows(2)
    responses.values[test] = 77
    features.global_[test] += 5
    other = chasm.prepare(features, responses, fitting.SETTINGS["clusters"], seed=5)
    for part in ("train", "validation"):
        for name, each in data.parts[part].items():
            assert torch.equal(each, other.parts[part][name])


def test_half_precision_and_the_order_of_rows_change_nothing():
    features, responses = fitting.subject()
    half = replace(features, tokens=features.tokens.astype(np.float16))
    single = replace(features, tokens=half.tokens.astype(np.float32))
    settings = fitting.SETTINGS["clusters"]
    wanted = chasm.prepare(single, responses, settings, seed=5)
    found = chasm.prepare(half, responses, settings, seed=5)
    # Parts that are not one block are copied, and hold the same images.
    mixed = np.random.default_rng(1).permutation(len(responses.split))
    of_rows = {name: getattr(responses, name)[mixed] for name in ("nsd_id", "split", "values")}
    again = chasm.prepare(
        replace(
            half, **{name: getattr(half, name)[mixed] for name in ("nsd_id", "global_", "tokens")}
        ),
        replace(responses, **of_rows),
        settings,
        seed=5,
    )
    for part, tensors in wanted.parts.items():
        order = np.argsort(mixed[again.rows[part]])
        for name, each in tensors.items():
            assert torch.equal(each, found.parts[part][name])
            torch.testing.assert_close(each, again.parts[part][name][order], atol=1e-5, rtol=1e-5)
    for name, scaling in wanted.scaling.items():
        for each, other in zip(scaling, found.scaling[name], strict=True):
            assert torch.equal(each, other)


def test_channels_that_do_not_vary_are_zero():
    features, responses = fitting.subject()
    features.global_[:, 2] = 7
    data = chasm.prepare(features, responses, fitting.SETTINGS["clusters"], seed=5)
    assert not data.parts["test"]["global"][:, 2].any()
    assert [each[2].item() for each in data.scaling["global"]] == [0, 0]


def test_bad_input_is_one_sentence():
    features, responses = fitting.subject()
    settings = fitting.SETTINGS["clusters"]
    with pytest.raises(BrainworthError, match="not of the same images in the same order"):
        chasm.prepare(replace(features, nsd_id=features.nsd_id[::-1]), responses, settings, seed=5)
    none = replace(responses, split=np.minimum(responses.split, 1))
    with pytest.raises(BrainworthError, match="subj01 has 0 test images"):
        chasm.prepare(features, none, settings, seed=5)


def start(*arguments):
    command = [sys.executable, fitting.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_killed_and_resumed_gives_the_same_json(tmp_path):
    whole, again = tmp_path / "whole.json", tmp_path / "again.json"
    done = start(tmp_path / "a", whole, -1)
    assert done.returncode == 0, done.stderr
    killed = start(tmp_path / "b", again, 17)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "b/stage1.pt").exists()
    assert (tmp_path / "b/stage2.pt").exists()
    assert not again.exists()
    assert start(tmp_path / "b", again, -1).returncode == 0
    assert again.read_bytes() == whole.read_bytes()
    row = json.loads(whole.read_text())["rows"][0]
    assert len(row["curve"]) == 4


def test_the_json_says_what_was_found(found):
    data = fitting.describe(found)
    (row,) = data["rows"]
    assert data["n_images"] == {"train": 100, "validation": 30, "test": 30}
    assert data["sizes"]["n_rois"] == 4
    test = found.data.parts["test"]
    error = ((found.voxels["test"] - test["voxels"]) ** 2).mean().item()
    assert row["voxels"]["mse"]["estimate"] == pytest.approx(error, rel=1e-5)
    assert row["voxels"]["mse"]["estimate"] < row["voxels"]["mse_zero"]["estimate"]
    assert row["stage1"]["n_voxels"] == 4
    assert row["parameters"] == sum(
        each.numel() for model in (found.stage1, found.stage2) for each in model.parameters()
    )
    assert row["curve"] == row["stages"]["stage2"]["epochs"]
    assert 0 < row["learned"]["share_of_global_stream"] < 1
    assert "seconds" not in row["curve"][0]


def test_saved_stages_predict_new_images(found, tmp_path):
    features, responses = fitting.subject()
    for stage in ("stage1", "stage2"):
        saved.save(
            tmp_path / f"{stage}.pt",
            stage,
            getattr(found, stage),
            found.data,
            fitting.SETTINGS[stage],
            backend="gabor",
            weights_sha256="",
        )
    stages = [saved.load(tmp_path / f"{stage}.pt", stage) for stage in ("stage1", "stage2")]
    test = responses.rows(2)
    rois, voxels = saved.predict_new(*stages, features.global_[test], features.tokens[test])
    np.testing.assert_allclose(rois, found.rois["test"], atol=1e-3)
    np.testing.assert_allclose(voxels, found.voxels["test"], atol=1e-3)
    with pytest.raises(BrainworthError, match="features have"):
        saved.predict_new(*stages, features.global_[:, :3], features.tokens)
    other = replace(stages[1], subject="subj02")
    with pytest.raises(BrainworthError, match="not of the same fit"):
        saved.predict_new(stages[0], other, features.global_, features.tokens)
    with pytest.raises(BrainworthError, match="holds stage1, and stage2 is needed"):
        saved.load(tmp_path / "stage1.pt", "stage2")
    with pytest.raises(BrainworthError, match="does not exist"):
        saved.load(tmp_path / "none.pt", "stage1")
    (tmp_path / "bad.pt").write_bytes(b"bad")
    with pytest.raises(BrainworthError, match="is damaged, or no file of PyTorch"):
        saved.load(tmp_path / "bad.pt", "stage1")


def test_another_model_is_compared_image_by_image(found):
    mine = chasm_results.predictions_of(found, fitting.subject()[1])
    worse = replace(mine, predicted=mine.predicted + 0.2)
    data = fitting.describe(found, {"ridge": worse})
    (difference,) = data["differences"]
    assert (difference["first"], difference["second"]) == ("chasm", "ridge")
    # the same images in both: an added constant moves no correlation, and the error in every sample
    assert difference["voxels"]["r_mean"]["interval"] == pytest.approx([0, 0], abs=1e-5)
    error = ((worse.predicted - mine.observed) ** 2).mean()
    expected = data["rows"][0]["voxels"]["mse"]["estimate"] - error
    assert difference["voxels"]["mse"]["estimate"] == pytest.approx(expected, rel=1e-4)
    alone = data["rows"][0]["voxels"]["mse"]["interval"]
    assert np.ptp(difference["voxels"]["mse"]["interval"]) < np.ptp(alone)
    for change in ({"observed": mine.observed + 1}, {"validation_observed": mine.observed}):
        with pytest.raises(BrainworthError, match="other images or responses"):
            fitting.describe(found, {"ridge": replace(mine, **change)})


def test_clusters_have_their_own_ceiling(found):
    row = fitting.describe(found)["rows"][0]
    responses = fitting.subject()[1]
    top = fitting.SETTINGS["clusters"]["top"]
    noise, ncsnr = noise_of_clusters(responses, found.data.labels, top)
    assert row["stage1"]["mse_oracle"]["estimate"] == pytest.approx(noise.mean() / 3)
    share = row["stage1"]["share_of_ceiling"]
    assert share["n_voxels"] == 4
    observed, predicted = found.data.parts["test"]["rois"].numpy(), found.rois["test"].numpy()
    r = np.array([np.corrcoef(*pair)[0, 1] for pair in zip(observed.T, predicted.T, strict=True)])
    ceiling = ncsnr**2 / (ncsnr**2 + 1 / 3)
    assert share["unclipped"]["estimate"] == pytest.approx(np.mean(r**2 / ceiling), rel=1e-4)
