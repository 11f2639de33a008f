"""Ridge regression and probes: on planted features, and on simulated NSD with its ceiling."""

from __future__ import annotations

import dataclasses

import fitting
import numpy as np
import pytest

from brainworth.encoder import linear, linear_features, predictions, targets
from brainworth.encoder.features import backends, store
from brainworth.errors import BrainworthError
from brainworth.nsd import betas, design, registry, stimuli
from brainworth.nsd.simulate import paths, truth
from brainworth.results import to_plain

RIDGE = {"n_folds": 4, "token_features": 64, "n_alphas": 8, "alpha_range": [1e-4, 1e2]}
SETTINGS = {
    "ridge": RIDGE,
    "cluster_settings": {"kind": "sequential", "size": 5, "top": 0.7, "atlas": None},
    "score_settings": {"n_bootstrap": 200, "min_ceiling": 0.05},
    "interval": 0.95,
    "seed": 5,
}


@pytest.fixture(scope="module")
def subject():
    features, responses = fitting.subject()
    layers = {
        "layer 3": (features.global_[:, :2], features.tokens[:, 0]),
        "layer 12": (features.global_, features.tokens.mean(axis=1)),
    }
    return dataclasses.replace(features, layers=layers), responses


@pytest.fixture(scope="module")
def analysed(subject):
    return linear.analyse(*subject, **SETTINGS)


def by_name(data):
    return {row["row"]: row for row in data["rows"]}


def test_rows_are_there_and_fit_for_json(analysed, subject):
    data, _ = analysed
    assert to_plain(data, "data")
    rows = by_name(data)
    assert list(rows) == ["zero", "mean", "global_only", "probe_layer_3", "probe_layer_12", "ridge"]
    assert rows["ridge"]["n_features"] == fitting.G + fitting.C + fitting.P * fitting.C
    assert rows["probe_layer_3"]["n_features"] == 2 + fitting.C
    assert rows["ridge"]["parameters"] == (rows["ridge"]["n_features"] + 1) * fitting.V
    assert {each["second"] for each in data["differences"]} == set(rows) - {"ridge"}


def test_ridge_finds_what_was_planted_and_constants_find_nothing(analysed):
    rows = by_name(analysed[0])
    error = {name: row["voxels"]["mse"]["estimate"] for name, row in rows.items()}
    # The noise has variance 0.09; places of tokens matter, and only `ridge` sees them
    assert 0.09 < error["ridge"] < 0.3
    assert error["ridge"] < 0.6 * min(error["global_only"], error["probe_layer_12"])
    for name in ("zero", "mean"):
        assert rows[name]["voxels"]["r_mean"]["estimate"] == 0
        assert rows[name]["stage1"]["r_mean"]["estimate"] == 0
    assert error["zero"] == pytest.approx(rows["ridge"]["voxels"]["mse_zero"]["estimate"])
    assert rows["ridge"]["stage1"]["r_mean"]["estimate"] > 0.7
    difference = next(each for each in analysed[0]["differences"] if each["second"] == "mean")
    assert difference["voxels"]["mse"]["interval"][1] < 0


def test_test_images_are_not_fitted(analysed, subject):
    """Other responses to test images change no prediction, other training responses do."""
    features, responses = subject
    values = responses.values.copy()
    values[responses.rows(targets.TEST)] += np.random.default_rng(0).standard_normal(
        (30, fitting.V)
    )
    _, other = linear.analyse(features, dataclasses.replace(responses, values=values), **SETTINGS)
    np.testing.assert_array_equal(other.predicted, analysed[1].predicted)
    values[responses.rows(targets.TRAIN)[:10]] += 1
    _, other = linear.analyse(features, dataclasses.replace(responses, values=values), **SETTINGS)
    assert np.abs(other.predicted - analysed[1].predicted).max() > 0.01


def test_other_images_are_refused(subject):
    features, responses = subject
    with pytest.raises(BrainworthError, match="same order"):
        linear.analyse(
            store.Features(**vars(features) | {"nsd_id": features.nsd_id[::-1]}),
            responses,
            **SETTINGS,
        )


def test_predictions_survive_a_file(analysed, tmp_path):
    path = tmp_path / "ridge.h5"
    predictions.write(path, "subj01", {"ridge": analysed[1]})
    back = predictions.read(path, "ridge")
    for name, values in vars(analysed[1]).items():
        np.testing.assert_array_equal(getattr(back, name), values)
    with pytest.raises(BrainworthError, match="no model 'chasm'"):
        predictions.read(path, "chasm")
    damaged = bytearray(path.read_bytes())
    place = damaged.find(analysed[1].predicted.tobytes()[:32])
    damaged[place] ^= 1
    path.write_bytes(bytes(damaged))
    with pytest.raises(BrainworthError, match="cannot be read"):
        predictions.read(path, "ridge")


def test_blocks_of_features_weigh_the_same():
    rng = np.random.default_rng(0)
    small, large = rng.standard_normal((50, 3)) / 100, 100 * rng.standard_normal((50, 8))
    rows = np.arange(40)
    joined = linear_features.join([small, large, np.ones((50, 2))], rows)
    assert joined[rows, :3].var(axis=0).mean() == pytest.approx(1, rel=1e-5)
    assert joined[rows, 3:11].var(axis=0).mean() == pytest.approx(1, rel=1e-5)
    assert (joined[:, 11:] == 0).all()


def test_tokens_are_reduced_to_their_leading_channels():
    """Tokens of rank 2 lose nothing by it, and test images are not looked at."""
    rng = np.random.default_rng(0)
    tokens = (rng.standard_normal((30, 4, 2)) @ rng.standard_normal((2, 7))).astype(np.float32)
    rows = np.arange(20)
    reduced = linear_features.reduced_tokens(tokens, rows, 8)
    assert reduced.shape == (30, 8)
    distances = [
        np.linalg.norm(each[:, None] - each[None], axis=2)
        for each in (tokens.reshape(30, -1), reduced)
    ]
    np.testing.assert_allclose(*distances, atol=1e-4)
    tokens[20:] = rng.standard_normal((10, 4, 7))
    again = linear_features.reduced_tokens(tokens, rows, 8)
    np.testing.assert_allclose(again[:20], reduced[:20], atol=1e-5)
    assert linear_features.reduced_tokens(tokens, rows, 28).shape == (30, 28)
    assert linear_features.reduced_tokens(tokens, rows, 2).shape == (30, 4)


@pytest.fixture(scope="module")
def simulated(tiny, default_config, tmp_path_factory):
    """Features by Gabor filters and targets of one subject of simulated NSD."""
    folder = tmp_path_factory.mktemp("encoder")
    trials = design.match(design.read_expdesign(tiny.root / registry.EXPDESIGN), tiny.sessions, 2)
    mine = trials[trials["subject"] == "subj01"]
    extract = folder / "betas.h5"
    betas.extract(tiny.root, "subj01", ["V1", "faces"], mine, extract)
    responses = targets.make(
        extract,
        tiny.root / registry.roi_key("subj01", registry.STREAMS),
        tiny.root / registry.label_table_key("subj01", registry.STREAMS),
        **default_config.encoder.targets.model_dump(),
        common_sessions=None,
        seed=tiny.seed,
    )
    settings = default_config.encoder.features.model_dump()
    describer = backends.open_describer(settings | {"grid": 4})
    ids, back = np.unique(responses.nsd_id, return_inverse=True)
    block = describer.describe(stimuli.read_images(tiny.root / registry.STIMULI, ids))
    features = store.Features(
        responses.nsd_id,
        *(each[back].astype(np.float32) for each in (block.global_, block.tokens)),
        {name: tuple(part[back] for part in pair) for name, pair in block.layers.items()},
        "gabor",
        "",
    )
    images = truth.read_images(tiny.root / paths.IMAGE_TRUTH)
    columns = truth.own_features("subj01", tiny.simulation)
    return features, responses, images.features[responses.nsd_id][:, columns]


def test_true_features_reach_the_ceiling_of_simulated_nsd(simulated):
    """In voxels with half signal or more: 600 images for 32 weights cost the others more."""
    features, responses, phi = simulated
    settings = SETTINGS | {"score_settings": {"n_bootstrap": 200, "min_ceiling": 0.5}}
    data, _ = linear.analyse(features, responses, true_features=phi, **settings)
    rows = by_name(data)
    found = rows["true_features"]["voxels"]["share_of_ceiling"]
    assert found["n_voxels"] >= 20
    assert 0.9 <= found["unclipped"]["estimate"] <= 1.1
    error = {name: row["voxels"]["mse"]["estimate"] for name, row in rows.items()}
    oracle = rows["zero"]["voxels"]["mse_oracle"]["estimate"]
    assert oracle < error["true_features"] < error["ridge"] < error["mean"]
    assert rows["ridge"]["voxels"]["r_mean"]["estimate"] > 0.05


def test_wrong_truth_is_noticed(simulated):
    """The features of other images reach no ceiling."""
    features, responses, phi = simulated
    data, _ = linear.analyse(features, responses, true_features=np.roll(phi, 1, axis=0), **SETTINGS)
    row = by_name(data)["true_features"]["voxels"]
    assert row["share_of_ceiling"]["unclipped"]["estimate"] < 0.1
