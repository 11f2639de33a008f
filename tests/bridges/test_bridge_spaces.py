"""Where feature spaces come from: components, parts of features, files, planted spaces."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
import space_study
from scipy import stats as scipy_stats
from sklearn.decomposition import PCA

from brainworth.bridges.feature_spaces import ideal_observer, planted_spaces, space_sources, spaces
from brainworth.bridges.feature_spaces.ideal_observer import Generator
from brainworth.bridges.feature_spaces.planted_spaces import Knowledge
from brainworth.encoder import linear_features
from brainworth.encoder.features import store
from brainworth.encoder.features.store import Features
from brainworth.errors import BrainworthError

TRAIN = np.arange(40)


def features_of(n=60, seed=0):
    rng = np.random.default_rng(seed)
    global_, tokens = rng.normal(3, 2, (n, 5)), rng.normal(0, 1, (n, 4, 3))
    layers = {"layer 1": (global_[:, :2], tokens.mean(1)), "layer 2": (global_, tokens[:, 0])}
    as_single = {name: tuple(np.float32(each) for each in pair) for name, pair in layers.items()}
    return Features(
        np.arange(n), np.float32(global_), np.float32(tokens), as_single, "gabor", "digest"
    )


@pytest.mark.parametrize("n_channels", [9, 70])
def test_components_are_those_of_a_reference_and_of_training_images_only(n_channels):
    rng = np.random.default_rng(1)
    values = rng.standard_normal((60, n_channels)) * np.linspace(1, 3, n_channels) + 5
    found = spaces.reduce(values, TRAIN, 6, "x")
    reference = PCA(6, svd_solver="full").fit(values[TRAIN])
    expected = reference.transform(values)
    scale = expected[TRAIN].std(axis=0)
    for k in range(6):
        sign = np.sign(found.whitened[:, k] @ expected[:, k])
        np.testing.assert_allclose(
            found.whitened[:, k], sign * expected[:, k] / scale[k], rtol=1e-3, atol=1e-4
        )
    np.testing.assert_allclose(found.whitened[TRAIN].std(axis=0), 1, rtol=1e-4)
    assert found.scores[TRAIN].var(axis=0).mean() == pytest.approx(1, rel=1e-4)
    variances = PCA().fit(values[TRAIN]).explained_variance_
    assert found.kept == pytest.approx(variances[:6].sum() / variances.sum(), rel=1e-6)
    effective = variances.sum() ** 2 / np.sum(variances**2)
    assert found.effective_dimension == pytest.approx(effective, rel=1e-6)
    assert found.n_dimensions == n_channels
    # other test images change nothing of the training images
    other = values.copy()
    other[40:] = rng.standard_normal((20, n_channels)) * 100
    again = spaces.reduce(other, TRAIN, 6, "x")
    np.testing.assert_array_equal(again.scores[TRAIN], found.scores[TRAIN])


def test_a_space_of_few_dimensions_keeps_them_and_rotations_change_nothing():
    rng = np.random.default_rng(2)
    values = rng.standard_normal((60, 4)) * [3, 2, 1, 0.5]
    wide = values @ np.linalg.qr(rng.standard_normal((30, 30)))[0][:4]
    found, turned = (spaces.reduce(each, TRAIN, 12, "x") for each in (values, wide))
    assert found.n_components == turned.n_components == 4
    assert turned.n_dimensions == 30
    np.testing.assert_allclose(np.abs(turned.whitened), np.abs(found.whitened), atol=1e-4)
    assert found.kept == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: np.ones_like(x), "all training images have the same features"),
        (lambda x: np.where(np.arange(60)[:, None] < 40, 2.0, x), "the same features"),
        (lambda x: np.where(x == x[3, 2], np.nan, x), "a feature is not finite"),
    ],
)
def test_spaces_without_anything_in_them_are_refused(change, words):
    values = np.random.default_rng(3).standard_normal((60, 4))
    with pytest.raises(BrainworthError, match=f"bridges.feature_spaces.spaces, mine: .*{words}"):
        spaces.reduce(change(values), TRAIN, 3, "mine")


def test_parts_are_those_of_the_encoders_ridge():
    features = features_of()
    scaled = store.standardise(replace(features, tokens=features.tokens[:, :0]), TRAIN)
    whole = linear_features.everything(replace(scaled, tokens=features.tokens), TRAIN, 8)
    asked = {"token_features": 8, "name": "x"}
    np.testing.assert_array_equal(spaces.part_of(features, "all", TRAIN, **asked), whole)
    np.testing.assert_array_equal(
        spaces.part_of(features, "global", TRAIN, **asked), scaled.global_
    )
    np.testing.assert_array_equal(
        spaces.part_of(features, "layer 2", TRAIN, **asked),
        linear_features.overview(scaled, TRAIN, "layer 2"),
    )
    with pytest.raises(BrainworthError, match="no part 'layer 3'; choose one of all, global, lay"):
        spaces.part_of(features, "layer 3", TRAIN, **asked)


# --- files of somebody's own ------------------------------------------------------------------


def write_file(path, *, tokens=True, **changes):
    rng = np.random.default_rng(4)
    data = {
        "nsd_id": np.array([7, 3, 9, 1, 5]),
        "global": rng.standard_normal((5, 6)),
        "tokens": rng.standard_normal((5, 16, 3)),
        "layers/a/global": rng.standard_normal((5, 2)),
        "layers/a/mean_token": rng.standard_normal((5, 3)),
    }
    if not tokens:
        del data["tokens"]
    data |= changes
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            file[name] = values
    return data


def read(path, ids=(9, 1, 9), part="global", grid=2):
    return spaces.read_file(path, np.array(ids), part=part, grid=grid, name="mine")


def test_a_file_is_read_in_the_order_of_the_images(tmp_path):
    path = tmp_path / "f.h5"
    data = write_file(path)
    rows = [2, 3, 2]
    whole = read(path, part="all")
    np.testing.assert_allclose(whole.global_, data["global"][rows], rtol=1e-6)
    pooled = data["tokens"].reshape(5, 2, 2, 2, 2, 3).mean(axis=(2, 4)).reshape(5, 4, 3)
    np.testing.assert_allclose(whole.tokens, pooled[rows], rtol=1e-5, atol=1e-6)
    layer = read(path, part="a")
    np.testing.assert_allclose(layer.layers["a"][1], data["layers/a/mean_token"][rows], rtol=1e-6)
    assert layer.tokens.shape[1] == 0


def test_a_file_of_vectors_needs_no_tokens_unless_all_of_it_is_asked_for(tmp_path):
    path = tmp_path / "f.h5"
    write_file(path, tokens=False)
    assert read(path).global_.shape == (3, 6)
    with pytest.raises(BrainworthError, match="has no numbers 'tokens'"):
        read(path, part="all")


NAN = np.ones((5, 6))
NAN[3, 2] = np.nan


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nsd_id": np.array([7, 3, 9, 2, 5])}, "lacks 1 of the 2 images .* nsd_id 1 "),
        ({"nsd_id": np.array([7, 3, 9, 1, 7])}, "an nsd_id occurs twice"),
        ({"nsd_id": np.arange(5.0)}, "has no vector nsd_id of integers"),
        ({"global": np.ones((4, 6))}, "has no numbers 'global' of shape images x channels, 5 im"),
        ({"global": np.ones(5)}, "has no numbers 'global' of shape"),
        ({"global": np.full((5, 6), b"x")}, "has no numbers 'global'"),
        ({"global": NAN}, "a feature of the image of nsd_id 1 .from 0. that is not a number"),
    ],
)
def test_files_that_hold_something_else_are_refused(tmp_path, changes, words):
    path = tmp_path / "f.h5"
    write_file(path, **changes)
    with pytest.raises(BrainworthError, match=words):
        read(path)


def test_files_that_are_no_files_are_refused_by_the_key_that_names_them(tmp_path):
    key = "bridges.feature_spaces.spaces, mine"
    with pytest.raises(BrainworthError, match=f"{key}: .* does not exist"):
        read(tmp_path / "none.h5")
    text = tmp_path / "text.h5"
    text.write_text("features")
    with pytest.raises(BrainworthError, match=f"{key}: .* cannot be read as HDF5"):
        read(text)
    cut = tmp_path / "cut.h5"
    write_file(cut)
    cut.write_bytes(cut.read_bytes()[:-700])
    with pytest.raises(BrainworthError, match=f"{key}: .* cannot be read as HDF5"):
        read(cut)
    path = tmp_path / "f.h5"
    write_file(path)
    with pytest.raises(BrainworthError, match="no part 'b'; choose one of all, global, a"):
        read(path, part="b")
    with pytest.raises(BrainworthError, match="cannot be averaged to 8 x 8"):
        read(path, part="all", grid=8)


# --- planted spaces ---------------------------------------------------------------------------


def plant(features, **changes):
    settings = {"alignment": 1.0, "snr": 3.0, "dimension": 12, "seed": 1, "name": "x"}
    return planted_spaces.plant(features, **(settings | changes))


@pytest.fixture(scope="module")
def phi():
    return np.random.default_rng(5).standard_normal((20000, 8)).astype(np.float32)


@pytest.mark.parametrize("dimension", [12, 8, 5])
@pytest.mark.parametrize("alignment", [0.0, 0.5, 1.0])
def test_a_planted_space_has_the_snr_and_the_alignment_that_are_asked_for(
    phi, alignment, dimension
):
    space = plant(phi, alignment=alignment, dimension=dimension)
    assert space.values.shape == (20000, dimension)
    assert len(space.encoded) == round(8 * alignment)
    total = space.loadings @ space.loadings.T + space.noise
    np.testing.assert_allclose(np.cov(space.values.T), total, atol=0.05)
    # signals and noise have variances of 3 to 1, whatever is encoded of them
    signal = min(dimension, 8)
    assert np.trace(total) == pytest.approx(signal * 4 / 3)
    assert np.trace(space.loadings @ space.loadings.T) == pytest.approx(
        np.sum(space.loadings[:, space.encoded] ** 2)
    )
    found, *_ = np.linalg.lstsq(phi, space.values, rcond=None)
    np.testing.assert_allclose(found.T, space.loadings, atol=0.04)


def test_what_a_space_says_is_what_regression_finds(phi):
    space = plant(phi, alignment=0.5, dimension=10)
    known = space.knowledge(np.arange(20000), 4)
    fitted, *_ = np.linalg.lstsq(space.values, phi, rcond=None)
    np.testing.assert_allclose(known.mean[:, :8], space.values @ fitted, atol=0.1)
    assert not known.mean[:, 8:].any()
    left = np.cov((phi - space.values @ fitted).T)
    np.testing.assert_allclose(known.covariance[:8, :8], left, atol=0.03)
    np.testing.assert_array_equal(known.covariance[8:, 8:], np.eye(4))
    # of a voxel, as much as a regression on the space explains
    weights = np.random.default_rng(6).standard_normal((3, 12))
    own = np.random.default_rng(7).standard_normal((20000, 4))
    responses = np.hstack([phi, own]) @ weights.T
    coefficients, *_ = np.linalg.lstsq(space.values, responses, rcond=None)
    shares = 1 - (responses - space.values @ coefficients).var(axis=0) / responses.var(axis=0)
    np.testing.assert_allclose(known.explained(weights), shares, atol=0.02)
    assert known.explained(np.zeros((2, 12))).tolist() == [0, 0]


def test_planted_spaces_differ_by_name_and_not_by_what_was_read_before(phi):
    one, other, again = (plant(phi, name=name) for name in ("x", "y", "x"))
    np.testing.assert_array_equal(one.values, again.values)
    assert np.abs(np.corrcoef(one.values[:, 0], other.values[:, 0])[0, 1]) < 0.99


# --- the best retrieval -----------------------------------------------------------------------


def small_generator(rng, n_voxels=6, n_features=3):
    return Generator(
        rng.standard_normal((n_voxels, n_features)),
        0.5 * rng.standard_normal((n_voxels, 2)),
        rng.uniform(0.5, 1, n_voxels),
    )


def test_log_densities_against_the_normal_distribution():
    rng = np.random.default_rng(8)
    how = small_generator(rng)
    root = rng.standard_normal((3, 3))
    known = Knowledge(rng.standard_normal((5, 3)), root @ root.T)
    responses, n_repeats = rng.standard_normal((4, 6)), np.array([3, 1, 3, 2])
    found = ideal_observer.log_densities(responses, n_repeats, known, how)
    slow = np.array(
        [
            [
                scipy_stats.multivariate_normal.logpdf(
                    response,
                    how.weights @ mean,
                    how.weights @ known.covariance @ how.weights.T
                    + (how.common @ how.common.T + np.diag(how.own_variance)) / n,
                )
                for mean in known.mean
            ]
            for response, n in zip(responses, n_repeats, strict=True)
        ]
    )
    np.testing.assert_allclose(found - found[:, :1], slow - slow[:, :1], rtol=1e-9, atol=1e-9)


def test_voxels_are_matched_by_their_place():
    made = space_study.study(1)
    targets, truth = made.targets["subj01"], made.truths["subj01"]
    how = ideal_observer.generator(truth, targets.ijk, space_study.SIMULATION)
    np.testing.assert_allclose(how.weights, truth.weights[::-1])
    # signal, shared noise and own noise make a variance of 1
    total = np.sum(how.weights**2, axis=1) + np.sum(how.common**2, axis=1) + how.own_variance
    np.testing.assert_allclose(total, 1, rtol=1e-6)
    with pytest.raises(BrainworthError, match="3 voxels of the targets are not in the truth"):
        ideal_observer.generator(
            replace(truth, ijk=truth.ijk[3:], weights=truth.weights[3:]),
            targets.ijk,
            space_study.SIMULATION,
        )
    silent = replace(how, own_variance=np.zeros_like(how.own_variance))
    known = Knowledge(np.zeros((2, 12)), np.eye(12))
    with pytest.raises(BrainworthError, match="noise of their own"):
        ideal_observer.log_densities(targets.values[:2], np.full(2, 3), known, silent)


# --- what a study says ------------------------------------------------------------------------


def sources(tmp_path, entries, **changes):
    settings = {
        "features": tmp_path / "features.h5",
        "grid": 2,
        "token_features": 8,
        "image_truth": None,
        "simulation": None,
        "seed": 1,
    }
    return space_sources.Sources(entries, **(settings | changes))


def test_planted_spaces_are_refused_without_a_truth(tmp_path):
    entry = {"name": "p", "source": "planted", "alignment": 1.0, "snr": 1.0, "dimension": 4}
    with pytest.raises(BrainworthError, match="spaces, p: it is planted, and only simulated"):
        sources(tmp_path, [entry])


def test_spaces_of_a_study_come_from_the_encoder_from_files_and_from_the_truth(tmp_path):
    made = space_study.study(3)
    targets = made.targets["subj01"]
    n = len(targets.nsd_id)
    features = features_of(n)
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file.attrs.update(schema=store.SCHEMA, backend="gabor", weights_sha256="")
        file.attrs["layer_names"] = ["layer 1"]
        file["nsd_id"] = np.arange(n)
        file["global"], file["tokens"] = features.global_, features.tokens
        for name, values in zip(("global", "mean_token"), features.layers["layer 1"], strict=True):
            file[f"layers/layer 1/{name}"] = values
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        file["nsd_id"], file["global"] = np.arange(n), features.global_
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["features"], file["log_variance"] = made.features, np.zeros((8, n), dtype="f4")
    with h5py.File(tmp_path / "subject.h5", "w") as file:
        for name, values in vars(made.truths["subj01"]).items():
            file[name] = values
    entries = [
        {"name": "e", "source": "encoder", "part": "all"},
        {"name": "g", "source": "encoder", "part": "global"},
        {"name": "l", "source": "encoder", "part": "layer 1"},
        {"name": "f", "source": "file", "file": str(tmp_path / "mine.h5"), "part": "global"},
        {"name": "p", "source": "planted", "alignment": 1.0, "snr": 1.0, "dimension": 9},
    ]
    asked = sources(
        tmp_path,
        entries,
        image_truth=tmp_path / "images.h5",
        simulation=space_study.SIMULATION,
    )
    found = asked.read(targets, 6)
    assert list(found) == ["e", "g", "l", "f", "p"]
    assert {name: space.n_dimensions for name, space in found.items()} == {
        "e": 5 + 3 + 8,
        "g": 5,
        "l": 2 + 3,
        "f": 5,
        "p": 9,
    }
    # the file holds what the encoder's global vector is
    np.testing.assert_allclose(found["f"].scores, found["g"].scores, atol=1e-3)
    known = asked.truth(targets, tmp_path / "subject.h5")
    assert known.features.shape == (space_study.N_TEST, 12)
    np.testing.assert_array_equal(
        known.features, made.features[targets.nsd_id[targets.rows(2)]][:, :12]
    )
    assert list(known.spaces) == ["p"]
    described = {entry["space"]: entry for entry in asked.describe()}
    assert described["e"]["backend"] == "gabor"
    assert len(described["f"]["sha256"]) == 64
    assert described["p"]["alignment"] == 1
