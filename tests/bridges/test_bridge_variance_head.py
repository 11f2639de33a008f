"""Heads for the variance: right on planted variances, silent on noise that is the same for all."""

import averaging_population as planted
import numpy as np
import pytest

from brainworth.bridges.averaging import variance_head, variance_power, variance_recovery
from brainworth.bridges.averaging.variance_head import (
    COMPONENTS,
    IMAGES,
    NULLS,
    OTHERS,
    OUTPUT,
    ROI_MEAN,
)
from brainworth.stats import multiplicities

N_REPLICATES = 100
SMALL = {"n_train": (90, 90, 90), "n_test": 50, "n_voxels": 12}
SHARED = (0.8, 0.8, 0.8)


def recovery(population, seed, n_surrogates=99, n_bootstrap=100):
    weights = multiplicities(np.random.default_rng(seed), n_bootstrap, len(population.inputs.test))
    return variance_recovery.analyse(
        population.found,
        planted.REGIONS,
        population.inputs,
        None,
        population.log_variance,
        n_features=8,
        n_components=3,
        prior_sd=0.5,
        n_folds=4,
        n_surrogates=n_surrogates,
        weights=weights,
        interval=0.95,
        seed=seed,
    )


def head(found, predictors, target=COMPONENTS):
    return next(
        row for row in found["heads"] if (row["predictors"], row["target"]) == (predictors, target)
    )


def rates(replicates, predictors, target=COMPONENTS):
    """Return how often each null is rejected at 5 %."""
    p = {
        null: [head(found, predictors, target)["mean"]["gain"][null]["p"] for found in replicates]
        for null in NULLS
    }
    return {null: np.mean(np.array(values) <= 0.05) for null, values in p.items()}


@pytest.fixture(scope="module")
def homoscedastic():
    return [recovery(planted.draw(seed, SHARED, **SMALL), seed) for seed in range(N_REPLICATES)]


@pytest.mark.parametrize("predictors", [IMAGES, OUTPUT, OTHERS])
@pytest.mark.parametrize("target", [ROI_MEAN, COMPONENTS])
def test_noise_that_is_the_same_for_all_images_is_not_predicted(homoscedastic, predictors, target):
    for null, rate in rates(homoscedastic, predictors, target).items():
        assert 0.01 <= rate <= 0.10, null


@pytest.fixture(scope="module")
def unrelated():
    """Variances that images have in common in all subjects, and features do not make."""
    return [
        recovery(planted.draw(seed, SHARED, log_sd=0.6, **SMALL), seed)
        for seed in range(N_REPLICATES)
    ]


@pytest.mark.parametrize("predictors", [IMAGES, OUTPUT])
def test_a_variance_that_features_do_not_make_is_not_predicted_from_them(unrelated, predictors):
    """The null of relabelled images holds; that of one variance for all need not."""
    assert 0.01 <= rates(unrelated, predictors)["relabelled"] <= 0.10


def test_other_subjects_know_it(unrelated):
    assert min(rates(unrelated, OTHERS).values()) >= 0.5
    correlations = [head(found, OTHERS)["mean"]["correlation"]["estimate"] for found in unrelated]
    known = [found["planted"][OTHERS] for found in unrelated]
    assert 0.05 < np.mean(correlations) < np.mean(known), "measured variances are noisy"


def test_a_variance_that_features_make_is_found_from_them_and_not_from_the_mean():
    """Of all of the log variance a head could know, over seeds."""
    found = [
        recovery(
            planted.draw(
                seed, SHARED, from_features=0.6, n_train=(300,) * 3, n_test=80, n_voxels=12
            ),
            seed,
            n_surrogates=199,
        )
        for seed in range(6)
    ]
    assert rates(found, IMAGES) == {"rotation": 1, "relabelled": 1}
    for each in found:
        gains = {name: head(each, name)["mean"]["gain"]["estimate"] for name in (IMAGES, OUTPUT)}
        assert gains[IMAGES] > 0.02
        assert gains[OUTPUT] < 0.5 * gains[IMAGES]


def test_a_head_recovers_planted_log_variances():
    rng = np.random.default_rng(1)
    features = rng.normal(2, 3, (4000, 5))
    weights = np.array([0.3, -0.2, 0, 0, 0.1])
    known = ((features - 2) / 3) @ weights
    squares = np.exp(known) * rng.chisquare(2, 4000) / 2
    fitted = variance_head.fit(features, squares[:, None], np.full(4000, 2), 0.5)
    new = rng.normal(2, 3, (1000, 5))
    expected = ((new - 2) / 3) @ weights
    found = fitted.relative(new)[:, 0] + fitted.same[0]
    assert np.corrcoef(found, expected)[0, 1] > 0.98
    assert np.mean(found - expected) == pytest.approx(0, abs=0.05)


def test_the_gain_is_that_of_the_gaussian_likelihood():
    """Of the trials about their means, summed over contrasts, by hand."""
    rng = np.random.default_rng(2)
    degrees = np.array([1, 2, 2, 1])
    contrasts = [rng.normal(size=d) for d in degrees]
    squares = np.array([np.mean(c**2) for c in contrasts])
    relative, same = rng.normal(size=4), 0.3

    def log_likelihood(values, log_variance):
        return -0.5 * np.sum(log_variance + values**2 / np.exp(log_variance))

    expected = [
        (log_likelihood(c, same + r) - log_likelihood(c, same)) / degrees.mean()
        for c, r in zip(contrasts, relative, strict=True)
    ]
    found = variance_head.score(
        relative[None, :, None], np.array([[same]]), squares[None, :, None], degrees
    )
    np.testing.assert_allclose(found["by_image"][:, 0], expected)
    assert found["gain"][0, 0] == pytest.approx(np.mean(expected))
    assert found["correlation"][0, 0] == pytest.approx(np.corrcoef(relative, squares)[0, 1])


def test_rotations_keep_inner_products_and_are_uniform():
    rng = np.random.default_rng(3)
    contrasts = rng.normal(size=(40, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 2.0]])
    found = variance_head.rotated(contrasts, 2000, rng)
    for each in found[:5]:
        np.testing.assert_allclose(each.T @ each, contrasts.T @ contrasts)
    # every row has its share of each column's length
    squares = np.mean(found**2, axis=0)
    np.testing.assert_allclose(squares, np.tile(np.mean(contrasts**2, axis=0), (40, 1)), rtol=0.2)
    wide = rng.normal(size=(4, 9))
    turned = variance_head.rotated(wide, 3, rng)
    for each in turned:
        np.testing.assert_allclose(each.T @ each, wide.T @ wide, atol=1e-10)
        assert not np.allclose(each, wide)


def test_power_at_the_size_of_a_study():
    rng = np.random.default_rng(4)
    train, test = rng.normal(size=(400, 6)), rng.normal(size=(100, 6))
    found = variance_power.power(
        train,
        test,
        np.full(400, 2),
        np.tile([1, 2], 50),
        log_sds=[0.0, 0.7],
        unrelated_log_sd=0.6,
        n_replicates=120,
        n_surrogates=99,
        prior_sd=0.5,
        interval=0.95,
        seed=1,
    )
    nothing, much, other = found
    for null in NULLS:
        assert 0.01 <= nothing[null]["found"]["estimate"] <= 0.10
        assert much[null]["found"]["estimate"] > 0.8
    assert 0.01 <= other["relabelled"]["found"]["estimate"] <= 0.10
    assert abs(nothing["correlation"]) < 0.03 < much["correlation"]
