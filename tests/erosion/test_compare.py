import warnings

import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import squareform

from brainworth.erosion import compare
from brainworth.errors import BrainworthError


@pytest.fixture(params=["continuous", "with ties", "large offset"])
def vectors(request):
    rng = np.random.default_rng(5)
    values = rng.standard_normal(190) + 0.9 * rng.standard_normal((6, 190))
    if request.param == "with ties":
        values = np.round(2 * values)
    if request.param == "large offset":
        values += 1000
    return values


def as_rsatoolbox(vectors):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.rdm import RDMs

        return RDMs(vectors)


@pytest.mark.parametrize("comparison", compare.COMPARISONS)
def test_compare_equals_rsatoolbox(vectors, comparison):
    from rsatoolbox.rdm import compare as theirs

    a, b = as_rsatoolbox(vectors[:4]), as_rsatoolbox(vectors[4:])
    np.testing.assert_allclose(
        compare.compare(vectors[:4], vectors[4:], comparison),
        theirs(a, b, method=comparison),
        atol=1e-8,
    )


@pytest.mark.parametrize("comparison", compare.COMPARISONS)
@pytest.mark.parametrize("n_subjects", [2, 3, 6])
def test_noise_ceiling_equals_rsatoolbox(vectors, comparison, n_subjects):
    from rsatoolbox.inference import boot_noise_ceiling

    ours = compare.noise_ceiling(vectors[:n_subjects], comparison)
    theirs = boot_noise_ceiling(as_rsatoolbox(vectors[:n_subjects]), method=comparison)
    np.testing.assert_allclose(ours, theirs, atol=1e-8)
    assert ours[0] < ours[1]


def test_spearman_equals_scipy_and_mantel(vectors):
    ours = compare.compare(vectors, vectors, "spearman")
    np.testing.assert_allclose(ours, scipy.stats.spearmanr(vectors, axis=1).statistic, atol=1e-8)
    from skbio.stats.distance import mantel

    for comparison, method in (("spearman", "spearman"), ("corr", "pearson")):
        square = [squareform(row - vectors.min() + 1) for row in vectors[:2]]
        r = mantel(*square, method=method, permutations=0)[0]
        ours = compare.compare(vectors[:1], vectors[1:2], comparison)[0, 0]
        assert ours == pytest.approx(r, abs=1e-8)


def test_ranks_equal_scipy(vectors):
    np.testing.assert_array_equal(
        compare.ranks(vectors), scipy.stats.rankdata(vectors, axis=1, method="average")
    )


def test_rho_a_is_the_mean_spearman_over_random_tie_breaking():
    rng = np.random.default_rng(2)
    a, b = np.round(rng.standard_normal((2, 45)) + rng.standard_normal(45))
    broken = [
        scipy.stats.spearmanr(a + 1e-6 * rng.random(45), b + 1e-6 * rng.random(45)).statistic
        for _ in range(2000)
    ]
    ours = compare.compare(a[None], b[None], "rho-a")[0, 0]
    assert ours == pytest.approx(np.mean(broken), abs=4 * np.std(broken) / np.sqrt(2000))
    assert ours < compare.compare(a[None], b[None], "spearman")[0, 0]


@pytest.mark.parametrize("comparison", compare.COMPARISONS)
@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e150])
def test_units_do_not_matter(comparison, scale):
    values = np.random.default_rng(1).random((3, 45))
    np.testing.assert_allclose(
        compare.compare(scale * values, values, comparison),
        compare.compare(values, values, comparison),
        atol=1e-12,
    )


@pytest.mark.parametrize("comparison", compare.COMPARISONS)
def test_a_constant_rdm_is_named(comparison):
    values = np.random.default_rng(1).random((3, 45))
    values[1] = 0
    with pytest.raises(BrainworthError, match=r"^V1, subj02 is constant .* 0\)"):
        compare.standardise(values, comparison, ["a", "V1, subj02", "c"])
    if comparison != "cosine":
        values[1] = 0.3
        with pytest.raises(BrainworthError, match=r"^RDM 1 is constant"):
            compare.compare(values, values, comparison)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_rdm_with_nan_is_refused(value):
    values = np.random.default_rng(1).random((3, 45))
    values[2, 3] = value
    with pytest.raises(BrainworthError, match="RDM 2 holds NaN or infinity"):
        compare.standardise(values, "corr")


def test_wrong_requests_are_refused():
    values = np.random.default_rng(1).random((3, 45))
    with pytest.raises(BrainworthError, match="unknown comparison 'kendall'; choose one of spear"):
        compare.compare(values, values, "kendall")
    with pytest.raises(BrainworthError, match="at least 2 subjects, there is 1"):
        compare.noise_ceiling(values[:1], "corr")
    with pytest.raises(BrainworthError, match="at least 3 stimuli"):
        compare.standardise(np.ones((2, 1)), "corr")


def test_opposite_rdms_pool_to_nothing():
    values = np.random.default_rng(1).random(45)
    with pytest.raises(BrainworthError, match="the pooled RDM is constant"):
        compare.noise_ceiling(np.stack([values, -values]), "spearman")
