"""The variance over repetitions: estimates against plain loops and against planted values."""

import numpy as np
import pytest

from brainworth.erosion import variance


def draw(rng, n_stimuli=60, n_voxels=30, rank=8, log_sd=0.0, counts=None):
    """Draw trials whose noise has a voxel covariance and a stimulus-dependent variance."""
    counts = rng.integers(2, 4, n_stimuli) if counts is None else counts
    stimulus = rng.permutation(np.repeat(np.arange(n_stimuli), counts))
    mixing = rng.normal(size=(rank, n_voxels))
    noise = rng.normal(size=(stimulus.size, rank)) @ mixing
    noise += 0.5 * rng.normal(size=noise.shape)
    sigma = np.exp(log_sd * rng.normal(size=n_stimuli) / 2)
    signal = 3 * rng.normal(size=(n_stimuli, n_voxels))
    return signal[stimulus] + sigma[stimulus, None] * noise, stimulus, sigma**2


def test_profile_equals_plain_variance():
    rng = np.random.default_rng(1)
    values, stimulus, _ = draw(rng)
    contrasts = variance.contrasts_of(values, stimulus, 60)
    expected = [values[stimulus == i].var(axis=0, ddof=1).mean() for i in range(60)]
    np.testing.assert_allclose(variance.variance_profile(contrasts), expected, rtol=1e-12)
    products = variance.products_of(contrasts)
    np.testing.assert_allclose(variance.variance_profile(products), expected, rtol=1e-12)


def test_contrasts_are_orthonormal_and_free_of_the_mean():
    rng = np.random.default_rng(2)
    stimulus = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    identity = np.eye(stimulus.size)
    contrasts = variance.contrasts_of(identity, stimulus, 3)
    np.testing.assert_allclose(contrasts.values @ contrasts.values.T, np.eye(6), atol=1e-15)
    for row, owner in zip(contrasts.values, contrasts.stimulus, strict=True):
        assert abs(row.sum()) < 1e-15
        assert not row[stimulus != owner].any()
    shuffled = rng.permutation(stimulus)
    np.testing.assert_array_equal(
        variance.contrasts_of(identity, shuffled, 3).degrees, np.array([2, 1, 3])
    )


def test_spread_equals_numpy():
    rng = np.random.default_rng(3)
    profile = rng.gamma(2, size=50)
    found = variance.spread(profile)
    assert found["cv"] == pytest.approx(np.std(profile) / np.mean(profile))
    assert found["ratio"] == pytest.approx(np.percentile(profile, 75) / np.percentile(profile, 25))


def test_noise_concentration_is_unbiased_with_few_trials():
    rng = np.random.default_rng(4)
    n_voxels = 40
    spectrum = np.exp(-np.arange(n_voxels) / 8)
    truth = (spectrum**2).sum() / spectrum.sum() ** 2
    found, naive = [], []
    for _ in range(200):
        noise = rng.normal(size=(60, n_voxels)) * np.sqrt(spectrum)
        contrasts = variance.contrasts_of(noise, np.repeat(np.arange(20), 3), 20)
        found.append(variance.noise_concentration(variance.products_of(contrasts)))
        sample = np.linalg.eigvalsh(np.cov(contrasts.values.T))
        naive.append((sample**2).sum() / sample.sum() ** 2)
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - truth) < 4 * error + 0.01 * truth
    # what the estimator is for: the spectrum of the sample covariance is far off here
    assert np.mean(naive) > 1.2 * truth


@pytest.mark.parametrize("log_sd", [0.0, 0.5])
def test_true_cv2_recovers_the_planted_value(log_sd):
    rng = np.random.default_rng(5)
    found, planted = [], []
    for _ in range(150):
        values, stimulus, truth = draw(rng, log_sd=log_sd)
        contrasts = variance.contrasts_of(values, stimulus, 60)
        profile = variance.variance_profile(contrasts)
        ones = np.ones((1, 60))
        concentration = variance.noise_concentration(variance.products_of(contrasts))
        found.append(variance.true_cv2(profile, contrasts.degrees, concentration, ones)[0])
        planted.append(variance.true_cv2(truth, np.ones(60), 0.0, ones)[0])
    difference = np.array(found) - np.array(planted)
    error = difference.std() / np.sqrt(difference.size)
    assert abs(difference.mean()) < 3 * error + 0.02 * np.mean(planted)


def test_true_cv2_with_weights_equals_explicit_resampling():
    rng = np.random.default_rng(6)
    profile, degrees = rng.gamma(5, size=30), rng.integers(1, 3, 30)
    weights = np.bincount(rng.integers(0, 30, 30), minlength=30)
    found = variance.true_cv2(profile, degrees, 0.1, weights[None].astype(float))[0]
    chosen = np.repeat(np.arange(30), weights)
    s, f = profile[chosen], degrees[chosen]
    fourth = np.mean(s**2 / (1 + 0.2 / f))
    pairs = [s[i] * s[j] for i in range(30) for j in range(30) if chosen[i] != chosen[j]]
    assert found == pytest.approx(fourth / np.mean(pairs) - 1, rel=1e-10)


def test_slopes_are_changes_of_the_squared_cv_with_weights():
    rng = np.random.default_rng(3)
    profile, degrees = rng.lognormal(0, 0.4, 2000), rng.integers(1, 3, 2000)
    weights = rng.integers(0, 3, (2, 2000)).astype(float)
    found = variance.cv2_slopes(profile, degrees, 0.1, weights)
    for place in (0, 7, 1999):
        more, less = weights.copy(), weights.copy()
        more[:, place] += 0.5
        less[:, place] -= 0.5
        change = variance.true_cv2(profile, degrees, 0.1, more)
        change -= variance.true_cv2(profile, degrees, 0.1, less)
        # but for the products of a stimulus with itself, which 2000 stimuli make negligible
        np.testing.assert_allclose(found[:, place], change, atol=2e-6)
    assert np.abs(found).max() > 1e-4
