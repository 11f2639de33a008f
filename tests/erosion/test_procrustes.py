"""Procrustes against SciPy, and of groups against a loop over whole patterns."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes as similarity_procrustes
from scipy.stats import ortho_group

from brainworth.erosion.procrustes import cross_products, generalized, rotation


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def slow_generalized(scores, n_rounds=500):
    """Rotate to the mean of all others, patterns and all."""
    scores = [each @ orthogonal_procrustes(each, scores[0])[0] for each in scores]
    for _ in range(n_rounds):
        for s in range(len(scores)):
            mean = np.mean([each for t, each in enumerate(scores) if t != s], axis=0)
            scores[s] = scores[s] @ orthogonal_procrustes(scores[s], mean)[0]
    return np.stack(scores)


def fit_of(scores):
    return np.sum(scores.sum(axis=0) ** 2) - np.sum(scores**2)


def test_rotation_is_that_of_scipy(rng):
    x, y = rng.normal(size=(2, 30, 6))
    np.testing.assert_allclose(rotation(x.T @ y), orthogonal_procrustes(x, y)[0], atol=1e-12)


def test_rotation_and_scale_reach_the_disparity_of_scipy(rng):
    x, y = rng.normal(size=(2, 30, 6))
    x, y = (each - each.mean(axis=0) for each in (x, y))
    x, y = (each / np.linalg.norm(each) for each in (x, y))
    turned = x @ rotation(x.T @ y)
    scale = np.sum(turned * y)
    _, _, disparity = similarity_procrustes(y, x)
    assert np.sum((y - scale * turned) ** 2) == pytest.approx(disparity)


def test_rotated_copies_are_brought_back(rng):
    x = rng.normal(size=(40, 5))
    copies = np.stack([x @ ortho_group.rvs(5, random_state=seed) for seed in range(4)])
    q = generalized(cross_products(copies))
    aligned = copies @ q
    np.testing.assert_allclose(aligned, np.broadcast_to(aligned[0], aligned.shape), atol=1e-8)
    np.testing.assert_allclose(q @ q.transpose(0, 2, 1), np.tile(np.eye(5), (4, 1, 1)), atol=1e-12)


def test_group_alignment_reaches_the_slow_one(rng):
    x = rng.normal(size=(40, 5))
    noisy = np.stack(
        [x @ ortho_group.rvs(5, random_state=s) + 0.5 * rng.normal(size=x.shape) for s in range(4)]
    )
    cross = cross_products(noisy)
    np.testing.assert_allclose(cross[1, 2], noisy[1].T @ noisy[2], atol=1e-10)
    found = fit_of(noisy @ generalized(cross, tolerance=1e-12, most=1000))
    assert found == pytest.approx(fit_of(slow_generalized(noisy)), rel=1e-6)
    again = generalized(cross)
    np.testing.assert_array_equal(again, generalized(cross))


def test_one_member_stays_as_it_is(rng):
    cross = cross_products(rng.normal(size=(1, 10, 3)))
    np.testing.assert_array_equal(generalized(cross), np.eye(3)[None])
