import warnings

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from brainworth.erosion.dissimilarity import correlation_rdm, euclidean_rdm
from brainworth.errors import BrainworthError


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def rsatoolbox_rdm(patterns):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.data import Dataset
        from rsatoolbox.rdm import calc_rdm

        return calc_rdm(Dataset(patterns), method="correlation").dissimilarities[0]


def test_correlation_rdm_equals_rsatoolbox_and_scipy(rng):
    patterns = rng.standard_normal((23, 40)) + 100 * rng.standard_normal((23, 1))
    ours = correlation_rdm(patterns)
    np.testing.assert_allclose(ours, rsatoolbox_rdm(patterns), atol=1e-8)
    np.testing.assert_allclose(ours, pdist(patterns, "correlation"), atol=1e-8)


def test_single_precision_is_computed_in_double(rng):
    patterns = rng.standard_normal((10, 30)).astype(np.float32)
    assert correlation_rdm(patterns).dtype == np.float64
    np.testing.assert_allclose(
        correlation_rdm(patterns), correlation_rdm(patterns.astype(np.float64)), atol=1e-14
    )


def test_correlation_distances_are_never_negative(rng):
    one = rng.standard_normal((1, 500))
    distances = correlation_rdm(np.arange(1, 30)[:, None] * one + 3)
    assert distances.min() >= 0
    assert distances.max() < 1e-12


def test_input_is_left_alone(rng):
    patterns = rng.standard_normal((6, 9))
    before = patterns.copy()
    correlation_rdm(patterns)
    np.testing.assert_array_equal(patterns, before)


@pytest.mark.parametrize("value", [0.0, 0.1, -7e9])
def test_a_constant_pattern_is_named(rng, value):
    patterns = rng.standard_normal((6, 9))
    patterns[4] = value
    with pytest.raises(BrainworthError, match=r"stimulus 4 is constant over voxels;"):
        correlation_rdm(patterns)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pattern_with_nan_is_named(rng, value):
    patterns = rng.standard_normal((6, 9))
    patterns[[2, 5], 3] = value
    with pytest.raises(BrainworthError, match=r"stimulus 2 holds NaN or infinity \(and of 1 oth"):
        correlation_rdm(patterns)


@pytest.mark.parametrize("shape", [(1, 5), (5,), (5, 1), (2, 3, 4)])
def test_patterns_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(BrainworthError, match="at least 2"):
        correlation_rdm(np.ones(shape))


@pytest.mark.parametrize("n_voxels", [3, 40])
def test_euclidean_rdm_equals_scipy(rng, n_voxels):
    patterns = rng.standard_normal((23, n_voxels)) + 100 * rng.standard_normal(n_voxels)
    np.testing.assert_allclose(euclidean_rdm(patterns), pdist(patterns), rtol=1e-9)
    assert euclidean_rdm(patterns[[0, 0, 1]])[0] == 0
