import warnings

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from brainworth.erosion.dissimilarity import correlation_rdm, crossnobis_rdm
from brainworth.errors import BrainworthError


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def rsatoolbox_rdm(patterns, method, **descriptors):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.data import Dataset
        from rsatoolbox.rdm import calc_rdm

        noise = descriptors.pop("noise", None)
        data = Dataset(patterns, obs_descriptors=descriptors)
        options = {"descriptor": "stimulus", "cv_descriptor": "fold", "noise": noise}
        answer = calc_rdm(data, method=method, **(options if method == "crossnobis" else {}))
        return answer.dissimilarities[0]


def test_correlation_rdm_equals_rsatoolbox_and_scipy(rng):
    patterns = rng.standard_normal((23, 40)) + 100 * rng.standard_normal((23, 1))
    ours = correlation_rdm(patterns)
    np.testing.assert_allclose(ours, rsatoolbox_rdm(patterns, "correlation"), atol=1e-8)
    np.testing.assert_allclose(ours, pdist(patterns, "correlation"), atol=1e-8)


@pytest.mark.parametrize("n_folds", [2, 3, 5])
@pytest.mark.parametrize("with_precision", [False, True])
def test_crossnobis_rdm_equals_rsatoolbox(rng, n_folds, with_precision):
    folds = rng.standard_normal((n_folds, 12, 7)) + rng.standard_normal((12, 7))
    root = rng.standard_normal((7, 7))
    precision = root @ root.T if with_precision else None
    theirs = rsatoolbox_rdm(
        folds.reshape(-1, 7),
        "crossnobis",
        stimulus=np.tile(np.arange(12), n_folds),
        fold=np.repeat(np.arange(n_folds), 12),
        noise=precision,
    )
    np.testing.assert_allclose(crossnobis_rdm(folds, precision), theirs, rtol=1e-8, atol=1e-8)


def test_crossnobis_of_pure_noise_is_unbiased(rng):
    distances = np.stack([crossnobis_rdm(rng.standard_normal((2, 30, 50))) for _ in range(100)])
    assert abs(distances.mean()) < 0.01
    assert (distances < 0).mean() == pytest.approx(0.5, abs=0.05)


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
    crossnobis_rdm(np.stack([patterns, patterns]))
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
    with pytest.raises(BrainworthError, match="stimulus 2"):
        crossnobis_rdm(np.stack([np.zeros((6, 9)), patterns]))


@pytest.mark.parametrize("shape", [(1, 5), (5,), (5, 1), (2, 3, 4)])
def test_patterns_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(BrainworthError, match="at least 2"):
        correlation_rdm(np.ones(shape))


def test_folds_of_a_wrong_shape_are_refused(rng):
    with pytest.raises(BrainworthError, match="at least 2 folds"):
        crossnobis_rdm(rng.standard_normal((1, 5, 5)))
    with pytest.raises(BrainworthError, match=r"expected \(5, 5\)"):
        crossnobis_rdm(rng.standard_normal((2, 5, 5)), np.eye(4))
