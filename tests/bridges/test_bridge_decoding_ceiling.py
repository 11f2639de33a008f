"""The planted ceiling of decoding, against regressions on so many trials that they are exact."""

import decoding_planted as planted
import numpy as np
import pytest

from brainworth.bridges.decoding import decoding_ceiling
from brainworth.errors import BrainworthError
from brainworth.nsd.simulate.truth import SubjectTruth

N = 60_000


def regression(x, y):
    """Fit least squares; the error of correlations is of the order of 1 / sqrt(N)."""
    x, y = x - x.mean(0), y - y.mean(0)
    return np.linalg.solve(x.T @ x, x.T @ y)


def correlations(a, b):
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a.T, b.T, strict=True)])


def subject(seed, **changes):
    return planted.draw(np.random.default_rng([seed, 9]), n_voxels=12, **changes)


@pytest.mark.parametrize("log_sd", [0.0, 0.6])
def test_ceiling_is_what_endless_training_comes_to(log_sd):
    rng = np.random.default_rng(3)
    weights, loadings = subject(1, ncsnr=0.8)
    phi = rng.normal(size=(N, weights.shape[1]))
    found = decoding_ceiling.best_decoder(weights, loadings, planted.SIMULATION, planted.N_SHARED)
    first, second = (planted.respond(rng, weights, loadings, phi, log_sd) for _ in range(2))
    truth = phi[:, : planted.N_SHARED]
    slope = regression(first, truth)
    np.testing.assert_allclose(correlations(second @ slope, truth), found.ceiling, atol=0.015)
    np.testing.assert_allclose(found.correlation(), found.ceiling, rtol=1e-10)
    # the same decoder on means of two trials, and of three
    third = planted.respond(rng, weights, loadings, phi, log_sd)
    for trials in ([second, third], [first, second, third]):
        decoded = np.mean(trials, axis=0) @ slope
        expected = found.correlation(1 / len(trials))
        np.testing.assert_allclose(correlations(decoded, truth), expected, atol=0.015)
    # no linear decoder of means does better than the best for them
    best = decoding_ceiling.best_decoder(
        weights, loadings, planted.SIMULATION, planted.N_SHARED, noise_share=1 / 3
    )
    assert np.all(best.ceiling >= found.correlation(1 / 3) - 1e-12)
    mean = np.mean([first, second, third], axis=0)
    decoded = mean @ regression(mean, truth)
    np.testing.assert_allclose(correlations(decoded, truth), best.ceiling, atol=0.015)


def test_ceiling_of_several_brains():
    rng = np.random.default_rng(4)
    shared = rng.normal(size=(N, planted.N_SHARED))
    each, decoded = [], []
    for seed in (1, 2, 3):
        weights, loadings = subject(seed, ncsnr=0.3 * seed)
        phi = np.hstack([shared, rng.normal(size=(N, planted.N_OWN))])
        first, second = (planted.respond(rng, weights, loadings, phi) for _ in range(2))
        decoded.append(second @ regression(first, shared))
        each.append(
            decoding_ceiling.best_decoder(weights, loadings, planted.SIMULATION, planted.N_SHARED)
        )
    expected = decoding_ceiling.averaged(each, [1.0] * 3, planted.N_SHARED)
    np.testing.assert_allclose(correlations(np.mean(decoded, axis=0), shared), expected, atol=0.015)
    assert np.all(expected > np.min([one.ceiling for one in each], axis=0))


def test_woodbury_against_the_covariance_of_all_voxels():
    weights, loadings = subject(5)
    scale = np.sqrt(1 - np.sum(weights**2, axis=1))
    noise = 0.7 * np.eye(12) + 0.25 * loadings @ loadings.T + 0.05
    covariance = weights @ weights.T + scale[:, None] * noise * scale
    known = weights[:, : planted.N_SHARED]
    explained = np.sum(known * np.linalg.solve(covariance, known), axis=0)
    found = decoding_ceiling.best_decoder(weights, loadings, planted.SIMULATION, planted.N_SHARED)
    np.testing.assert_allclose(found.ceiling, np.sqrt(explained), rtol=1e-9)
    slope = np.linalg.solve(covariance, known)
    np.testing.assert_allclose(found.signal, slope.T @ weights, atol=1e-10)
    own = slope.T @ (scale[:, None] * noise * scale) @ slope
    np.testing.assert_allclose(found.noise, own, atol=1e-10)


def test_voxels_are_found_by_their_place():
    rng = np.random.default_rng(6)
    ijk = rng.permutation(np.argwhere(np.ones((3, 4, 5))))[:30]
    weights, loadings = rng.normal(size=(30, 7)), rng.normal(size=(30, 2))
    known = SubjectTruth(ijk, weights, loadings, np.ones(30), np.ones(30))
    rows = rng.permutation(30)[:8]
    found = decoding_ceiling.of_voxels(known, ijk[rows], (3, 4, 5))
    np.testing.assert_array_equal(found[0], weights[rows])
    np.testing.assert_array_equal(found[1], loadings[rows])
    known = SubjectTruth(ijk[:20], weights[:20], loadings[:20], np.ones(20), np.ones(20))
    with pytest.raises(BrainworthError, match="lacks voxels of an extract"):
        decoding_ceiling.of_voxels(known, ijk[15:25], (3, 4, 5))


def test_voxels_need_noise_of_their_own():
    weights, loadings = subject(7)
    silent = type(planted.SIMULATION)(noise_global_fraction=0.5, noise_spatial_fraction=0.5)
    with pytest.raises(BrainworthError, match="no noise of their own"):
        decoding_ceiling.best_decoder(weights, loadings, silent, planted.N_SHARED)
