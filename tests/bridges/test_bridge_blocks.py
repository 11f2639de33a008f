"""What is worked on in blocks, for the memory, is what it would be in one piece."""

from types import SimpleNamespace

import numpy as np
import pytest

from brainworth.bridges.averaging import region_responses
from brainworth.bridges.averaging.region_responses import Split
from brainworth.bridges.calibration import brain_inputs, brain_moments, brain_noise
from brainworth.bridges.calibration.brain_inputs import ImageFeatures
from brainworth.bridges.calibration.calibration_study import Study
from brainworth.bridges.decoding import decoder
from brainworth.encoder import linear_features
from brainworth.errors import BrainworthError


def described(n=300, n_features=40):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(n, 12)) @ rng.normal(size=(12, n_features)) + 3
    values += 0.5 * rng.normal(size=values.shape)
    values[:, -1] = 2.0  # does not vary
    return ImageFeatures(np.arange(n), values.astype(np.float32), "gabor")


def unsigned(found):
    """Inputs do not depend on which way their axes point."""
    turn = np.sign(found.transform.sum(axis=0))
    return found.x * turn, found.transform * turn, found.covariance * turn


@pytest.mark.parametrize("small", [0, 1000])
def test_inputs_in_blocks(monkeypatch, small):
    features, fitted = described(), np.arange(300) % 5 > 0
    expected = brain_inputs.whiten(features, fitted, 9)
    monkeypatch.setattr(brain_inputs, "_BLOCK", 40 * 7)
    monkeypatch.setattr(brain_inputs, "_SMALL", small)
    found = brain_inputs.whiten(features, fitted, 9)
    for ours, theirs in zip(unsigned(found), unsigned(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.kurtosis, expected.kurtosis, rtol=1e-6)
    assert found.share == pytest.approx(expected.share)
    assert found.n_fitted == expected.n_fitted == 240
    np.testing.assert_allclose(found.x[fitted].T @ found.x[fitted] / 240, np.eye(9), atol=1e-9)


def test_leading_inputs_of_features_that_are_copies(monkeypatch):
    """The last layer of a network stands twice among the features."""
    few = described(n_features=6)
    twice = ImageFeatures(few.nsd_id, np.hstack([few.values] * 3), "dinov2")
    monkeypatch.setattr(brain_inputs, "_SMALL", 0)
    found = brain_inputs.whiten(twice, np.arange(300), 15)
    assert found.x.shape[1] == 5
    assert found.share == pytest.approx(1)
    with pytest.raises(BrainworthError, match="make no inputs of 15 dimensions"):
        brain_inputs.whiten(twice, np.arange(8), 15)


def test_noise_in_blocks(monkeypatch):
    rng = np.random.default_rng(2)
    x, shared = rng.normal(size=(400, 4)), rng.normal(size=(2, 60))
    r = x @ rng.normal(size=(4, 60)) + 2 * rng.normal(size=(400, 2)) @ shared
    r = (r + rng.normal(size=r.shape)).astype(np.float32)
    fit = brain_moments.fit(brain_moments.of_samples(x, r))
    monkeypatch.setattr(brain_noise, "MOST_ROWS", 300)

    def white():
        left = brain_noise.residuals(fit, x, r)
        return left, brain_noise.whiten(left, fit.degrees)

    left, expected = white()
    assert len(expected.gain) >= 2
    monkeypatch.setattr(brain_noise, "_BLOCK", 64)
    in_blocks, found = white()
    np.testing.assert_allclose(in_blocks, left, atol=1e-5)
    np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-5)
    np.testing.assert_allclose(found.gain, expected.gain, rtol=1e-4)
    values = rng.normal(size=(5, 60))
    np.testing.assert_allclose(found.apply(values), expected.apply(values), rtol=1e-4, atol=1e-4)


def test_mean_responses_in_blocks(monkeypatch):
    rng = np.random.default_rng(3)
    ids = rng.permutation(np.repeat(np.arange(40), 3))
    values = rng.normal(size=(120, 11)).astype(np.float32)
    split = Split(np.arange(10, 35), np.arange(35, 40), np.arange(10), np.arange(10))
    expected = region_responses.reduce(values, ids, split, 3, "subj01", "V1")
    monkeypatch.setattr(region_responses, "_COLUMNS", 4)
    found = region_responses.reduce(values, ids, split, 3, "subj01", "V1")
    for name in ("axes", "train", "test", "train_squares"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_recordings_of_all_voxels_are_not_copied():
    values = np.random.default_rng(4).normal(size=(6, 5))

    def recordings(rows, voxels):
        study = SimpleNamespace(samples=SimpleNamespace(values=values), rows=np.array(rows))
        return Study.recordings(study, np.array(voxels))

    assert recordings(range(6), range(5)) is values
    for rows, voxels in (([0, 2, 5], range(5)), (range(6), [1, 4]), (range(5, -1, -1), range(5))):
        expected = [[values[row, voxel] for voxel in voxels] for row in rows]
        np.testing.assert_array_equal(recordings(rows, voxels), expected)


def test_a_decoder_leaves_responses_as_they_are():
    rng = np.random.default_rng(5)
    x, image = rng.normal(size=(40, 6)) + 2, np.repeat(np.arange(20), 2)
    y, before = rng.normal(size=(40, 2)), x.copy()
    decoder.fit(x, y, image, np.array([0.1, 1.0]))
    np.testing.assert_array_equal(x, before)


def test_features_side_by_side():
    rng = np.random.default_rng(6)
    blocks = [3 * rng.normal(size=(50, 4)).astype(np.float32), np.ones((50, 2), dtype=np.float32)]
    train = np.arange(30)
    found = linear_features.join(blocks, train)
    assert found.dtype == np.float32
    assert found[train, :4].var(axis=0, dtype=float).mean() == pytest.approx(1)
    np.testing.assert_allclose(found[:, :4] / blocks[0], found[0, 0] / blocks[0][0, 0], rtol=1e-6)
    assert not found[:, 4:].any()
