"""Reading brain samples from an extract, and inputs from features."""

import h5py
import numpy as np
import pytest

from brainworth.bridges.calibration import brain_inputs, brain_samples
from brainworth.errors import BrainworthError
from brainworth.nsd import betas

T, V = 120, 6


def extract(path, image, shared=(3,)):
    """Write an extract of 3 sessions; voxel v of trial t has the value 10 t + v."""
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = betas.SCHEMA
        file.attrs["subject"] = "subj02"
        file["betas"] = (10.0 * np.arange(T)[:, None] + np.arange(V)).astype(np.float32)
        file["trials/session"] = np.repeat([1, 2, 3], T // 3)
        file["trials/nsd_id"] = image
        file["trials/repetition"] = np.zeros(T, dtype=int)
        file["trials/shared"] = np.isin(image, shared)
        file["voxels/ijk"] = np.arange(3 * V).reshape(V, 3)
        file["voxels/region/V1"] = np.arange(V) % 2 == 0
    return path


def test_first_trials_are_samples_and_others_tell_the_noise(tmp_path):
    image = np.random.default_rng(1).permutation(np.arange(T) % 50)
    found = brain_samples.read(extract(tmp_path / "b.h5", image), ["V1", "all"])
    assert found.subject == "subj02"
    np.testing.assert_array_equal(found.nsd_id, np.delete(np.arange(50), 3))
    np.testing.assert_array_equal(found.shared, [3])
    first = np.array([np.flatnonzero(image == each)[0] for each in found.nsd_id])
    np.testing.assert_array_equal(found.values, 10.0 * first[:, None] + np.arange(V))
    np.testing.assert_array_equal(found.regions["V1"], [0, 2, 4])
    np.testing.assert_array_equal(found.regions["all"], np.arange(V))
    squares = []
    for each, start in zip(found.nsd_id, first, strict=True):
        squares += [(10.0 * (t - start)) ** 2 / 2 for t in np.flatnonzero(image == each)[1:]]
    weights = found.n_repeated
    assert weights.sum() == len(squares)
    mean = np.average(found.trial_noise, axis=0, weights=weights)
    np.testing.assert_allclose(mean, np.mean(squares))


def test_missing_regions_and_repetitions_are_told(tmp_path):
    path = extract(tmp_path / "b.h5", np.arange(T))
    with pytest.raises(BrainworthError, match=r"rois names hV4, which .* does not have \(V1\)"):
        brain_samples.read(path, ["hV4"])
    with pytest.raises(BrainworthError, match="subj02: 0 trials repeat an image"):
        brain_samples.read(path, ["V1"])


def test_inputs_are_white_over_the_fitted_images_alone():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(400, 9)) @ rng.normal(size=(9, 12)) + 5
    values[:, 3] = 1.0  # never varies
    features = brain_inputs.ImageFeatures(np.arange(400), values.astype(np.float32), "file")
    fitted = np.arange(400) < 300
    found = brain_inputs.whiten(features, fitted, 6)
    np.testing.assert_allclose(np.cov(found.x[fitted].T, bias=True), np.eye(6), atol=1e-4)
    changed = features.values.copy()
    changed[~fitted] *= 7
    again = brain_inputs.whiten(
        brain_inputs.ImageFeatures(features.nsd_id, changed, "file"), fitted, 6
    )
    np.testing.assert_array_equal(found.transform, again.transform)
    assert found.x.shape == (400, 6)
    assert 0.5 < found.share < 1
    # the covariance of features and inputs is what regresses features on inputs
    direct = np.linalg.lstsq(
        found.x[fitted], values[fitted] - values[fitted].mean(axis=0), rcond=None
    )[0]
    np.testing.assert_allclose(found.covariance.T, direct, atol=1e-3)
    assert brain_inputs.whiten(features, fitted, 50).x.shape == (400, 9)


def test_kurtosis_tells_inputs_that_are_not_gaussian():
    rng = np.random.default_rng(3)
    for draw, kurtosis in ((rng.normal, 0.0), (rng.laplace, 3.0)):
        values = draw(size=(20_000, 4)).astype(np.float32)
        found = brain_inputs.whiten(brain_inputs.of_truth(values), np.arange(20_000), 4)
        # principal components of equal variance mix features, and are nearer to Gaussian
        assert found.kurtosis.mean() == pytest.approx(kurtosis, abs=0.1 + 0.8 * kurtosis)
        assert (found.kurtosis.mean() > 0.3) == (kurtosis > 0)
