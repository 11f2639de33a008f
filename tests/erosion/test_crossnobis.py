"""Crossnobis distances and the noise that whitens them, against rsatoolbox and as statistics."""

import warnings

import numpy as np
import pytest

from brainworth.erosion import noise
from brainworth.erosion.crossnobis import crossnobis_rdm
from brainworth.errors import BrainworthError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rsatoolbox.data import Dataset
    from rsatoolbox.data.noise import prec_from_residuals
    from rsatoolbox.rdm import calc_rdm
    from rsatoolbox.rdm.calc_unbalanced import calc_rdm_unbalanced


# rsatoolbox's own, where it fills integer arrays.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in cast")


@pytest.fixture
def rng():
    return np.random.default_rng(12)


def correlated(rng, n_trials, n_voxels, n_components=3):
    """Draw noise that a few components share, so that shrinkage lies between 0 and 1."""
    loadings = rng.standard_normal((n_components, n_voxels))
    shared = rng.standard_normal((n_trials, n_components)) @ loadings
    spread = np.exp(0.3 * np.linspace(-1, 1, n_voxels))
    return (shared + rng.standard_normal((n_trials, n_voxels))) * spread


def two_or_three_trials(n_stimuli):
    return np.sort(np.concatenate([np.repeat(np.arange(n_stimuli), 2), np.arange(0, n_stimuli, 2)]))


def precision_of(values, stimulus):
    """Return rsatoolbox's noise precision from residuals."""
    means = np.stack([values[stimulus == i].mean(axis=0) for i in range(stimulus.max() + 1)])
    degrees = len(values) - len(means)
    return prec_from_residuals(values - means[stimulus], dof=degrees, method="shrinkage_diag")


@pytest.mark.parametrize("n_voxels", [2, 15, 25, 26, 80])
def test_whitening_equals_rsatoolbox_on_either_side_of_the_degrees_of_freedom(rng, n_voxels):
    stimulus = two_or_three_trials(17)  # 26 degrees of freedom
    other = correlated(rng, stimulus.size, n_voxels)
    model = noise.estimate(other, stimulus)
    assert model.degrees == 26
    precision = precision_of(other, stimulus)
    patterns, more = rng.standard_normal((2, 9, n_voxels))
    products, squares = noise.whitened_products(patterns, more, model)
    scale = np.abs(patterns @ precision @ patterns.T).max()
    np.testing.assert_allclose(products, patterns @ precision @ patterns.T, atol=1e-8 * scale)
    expected = np.einsum("ij,jk,ik->i", more, precision, more)
    np.testing.assert_allclose(squares, expected, atol=1e-8 * scale)
    if n_voxels > 2:
        assert 0 < model.shrinkage < 1


def test_stimuli_shown_once_add_nothing_to_the_noise(rng):
    stimulus = two_or_three_trials(9)
    values = correlated(rng, stimulus.size, 12)
    more = np.concatenate([values, rng.standard_normal((3, 12))])
    with_singles = noise.estimate(more, np.concatenate([stimulus, [9, 10, 11]]))
    alone = noise.estimate(values, stimulus)
    np.testing.assert_allclose(with_singles.contrasts, alone.contrasts, atol=1e-12)
    assert with_singles.shrinkage == pytest.approx(alone.shrinkage)


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize("n_voxels", [7, 60])
def test_rdm_equals_rsatoolbox_with_unequal_repetitions(rng, n_voxels, whitened):
    stimulus = np.concatenate([np.arange(12), np.arange(12), np.arange(0, 12, 2)])
    values = (
        correlated(rng, stimulus.size, n_voxels) + rng.standard_normal((12, n_voxels))[stimulus]
    )
    other = correlated(rng, stimulus.size, n_voxels)
    data = Dataset(values, obs_descriptors={"stimulus": stimulus, "trial": np.arange(len(values))})
    theirs = calc_rdm_unbalanced(
        data,
        method="crossnobis",
        descriptor="stimulus",
        cv_descriptor="trial",
        noise=precision_of(other, stimulus) if whitened else None,
    ).dissimilarities[0]
    ours = crossnobis_rdm(values, stimulus, noise.estimate(other, stimulus) if whitened else None)
    np.testing.assert_allclose(ours, theirs, atol=1e-8 * np.abs(theirs).max())


def test_rdm_is_close_to_that_of_repetitions_as_folds(rng):
    """rsatoolbox's balanced crossnobis leaves out products of trials with the same number."""
    patterns = 2 * rng.standard_normal((12, 40))
    folds = patterns + rng.standard_normal((3, 12, 40))
    stimulus, fold = np.tile(np.arange(12), 3), np.repeat(np.arange(3), 12)
    data = Dataset(np.concatenate(folds), obs_descriptors={"stimulus": stimulus, "fold": fold})
    theirs = calc_rdm(data, method="crossnobis", descriptor="stimulus", cv_descriptor="fold")
    ours = crossnobis_rdm(np.concatenate(folds), stimulus)
    assert np.corrcoef(ours, theirs.dissimilarities[0])[0, 1] > 0.99
    assert ours.mean() == pytest.approx(theirs.dissimilarities.mean(), rel=0.02)


@pytest.mark.parametrize("n_voxels", [10, 120])
def test_identical_patterns_have_distance_zero_on_average(rng, n_voxels):
    """Also with more voxels than degrees of freedom; with own residuals it is not so."""
    stimulus = two_or_three_trials(16)  # 24 degrees of freedom
    pattern = rng.standard_normal(n_voxels)
    others, own = [], []
    for _ in range(300):
        first, second = correlated(rng, 2 * stimulus.size, n_voxels).reshape(2, -1, n_voxels)
        first += pattern
        others.append(crossnobis_rdm(first, stimulus, noise.estimate(second, stimulus)).mean())
        own.append(crossnobis_rdm(first, stimulus, noise.estimate(first, stimulus)).mean())
    error = np.std(others) / np.sqrt(len(others))
    assert abs(np.mean(others)) < 4 * error
    assert np.mean(own) > 10 * error


def test_whitening_makes_distances_more_reliable(rng):
    """Two measurements of the same patterns agree better where the noise has a few components."""
    stimulus = two_or_three_trials(30)
    patterns = 0.7 * rng.standard_normal((30, 80))
    loadings = rng.standard_normal((3, 80))

    def trials():
        return rng.standard_normal((stimulus.size, 3)) @ loadings + rng.standard_normal(
            (stimulus.size, 80)
        )

    model = noise.estimate(trials(), stimulus)
    measured = [patterns[stimulus] + trials() for _ in range(2)]
    plain, white = (
        np.corrcoef([crossnobis_rdm(values, stimulus, used) for values in measured])[0, 1]
        for used in (None, model)
    )
    assert white > plain + 0.1


def test_bad_input_is_named(rng):
    values = rng.standard_normal((8, 5))
    stimulus = np.repeat(np.arange(4), 2)
    with pytest.raises(BrainworthError, match="stimulus 3 has 1 trials"):
        crossnobis_rdm(values[:7], stimulus[:7])
    with pytest.raises(BrainworthError, match="at least 2 stimuli"):
        crossnobis_rdm(values[:2], stimulus[:2])
    bad = values.copy()
    bad[5, 2] = np.nan
    with pytest.raises(BrainworthError, match="a trial of stimulus 2 holds NaN"):
        crossnobis_rdm(bad, stimulus)
    with pytest.raises(BrainworthError, match="has 1 degrees of freedom"):
        noise.estimate(values[:3], np.array([0, 0, 1]))
    still = values.copy()
    still[:, 3] = 1.5
    with pytest.raises(BrainworthError, match="voxel 3 of the region responds the same"):
        noise.estimate(still, stimulus)
