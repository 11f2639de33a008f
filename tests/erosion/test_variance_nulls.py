"""The nulls of the variance: what they keep, and that p-values are uniform under them."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from test_variance import draw

from brainworth.erosion import variance, variance_nulls
from brainworth.stats import permutation_p


def p_value(values, stimulus, n_stimuli, rng, statistic="cv", n_surrogates=99):
    contrasts = variance.contrasts_of(values, stimulus, n_stimuli)
    observed = variance.spread(variance.variance_profile(contrasts))[statistic]
    products = variance.products_of(contrasts)
    null = variance_nulls.rotation_null([products], n_surrogates, rng)[:, 0]
    return permutation_p(float(observed), variance.spread(null)[statistic])


@pytest.mark.parametrize("statistic", ["cv", "ratio"])
def test_rotation_p_is_uniform_without_the_effect(statistic):
    rng = np.random.default_rng(11)
    p = [p_value(*draw(rng, 40, 12, 4)[:2], 40, rng, statistic) for _ in range(300)]
    assert scipy_stats.kstest(p, "uniform").pvalue > 0.001
    low, high = scipy_stats.binom.ppf([0.001, 0.999], len(p), 0.05)
    assert low <= np.count_nonzero(np.array(p) <= 0.05) <= high


def test_rotation_finds_the_effect():
    rng = np.random.default_rng(12)
    p = [p_value(*draw(rng, 60, 30, 8, log_sd=0.7)[:2], 60, rng) for _ in range(40)]
    assert np.mean(np.array(p) <= 0.05) > 0.9


def test_rotation_uses_blocks_that_keep_the_total_variance():
    rng = np.random.default_rng(13)
    values, stimulus, _ = draw(rng, 120, 10, counts=np.full(120, 3))
    contrasts = variance.contrasts_of(values, stimulus, 120)
    assert len(contrasts.values) > 3 * variance_nulls._BLOCK
    products = variance.products_of(contrasts)
    null = variance_nulls.rotation_null([products], 20, rng)[:, 0]
    total = variance.variance_profile(contrasts).sum()
    np.testing.assert_allclose(null.sum(axis=1), total, rtol=1e-10)


def test_rotation_of_regions_together_equals_rotating_the_trials():
    """Two regions whose voxels are copies of each other must have the same surrogates."""
    rng = np.random.default_rng(14)
    values, stimulus, _ = draw(rng, 30, 50)
    first = variance.contrasts_of(values, stimulus, 30)
    doubled = variance.contrasts_of(np.hstack([values, values]), stimulus, 30)
    few = variance.contrasts_of(values[:, :3], stimulus, 30)
    found = [variance.products_of(contrasts) for contrasts in (first, doubled, few)]
    null = variance_nulls.rotation_null(found, 25, rng)
    np.testing.assert_allclose(null[:, 0], null[:, 1], rtol=1e-8)
    assert not np.allclose(null[:, 0], null[:, 2])


def testrandom_rotations_are_orthogonal_and_have_no_preferred_direction():
    rng = np.random.default_rng(15)
    q = variance_nulls.random_rotations(rng, 4000, 3)
    np.testing.assert_allclose(
        q @ q.transpose(0, 2, 1), np.tile(np.eye(3), (4000, 1, 1)), atol=1e-12
    )
    # the coordinates of a uniform direction in three dimensions are uniform on [-1, 1]
    for i in range(3):
        for j in range(3):
            uniform = scipy_stats.uniform(-1, 2)
            assert scipy_stats.kstest(q[:, i, j], uniform.cdf).pvalue > 1e-4


def exchange(values, stimulus, n_stimuli, n_surrogates, rng, session=None):
    contrasts = variance.contrasts_of(values, stimulus, n_stimuli)
    exchanged = variance_nulls.exchanges(stimulus, session, n_surrogates, rng)
    return variance_nulls.exchange_null(variance.products_of(contrasts), exchanged)


def test_rotations_equal_the_qr_decomposition():
    """With the signs of a positive diagonal of R (Mezzadri 2007)."""
    for size in (1, 3, 64):
        found = variance_nulls.random_rotations(np.random.default_rng(22), 20, size)
        q, r = np.linalg.qr(np.random.default_rng(22).standard_normal((20, size, size)))
        expected = q * np.sign(np.einsum("mii->mi", r))[:, None, :]
        np.testing.assert_allclose(found, expected, atol=1e-10)
        identity = np.tile(np.eye(size), (20, 1, 1))
        np.testing.assert_allclose(found.transpose(0, 2, 1) @ found, identity, atol=1e-13)


def test_exchange_equals_exchanging_trials_by_hand():
    rng = np.random.default_rng(16)
    values, stimulus, _ = draw(rng, 12, 5)
    found = exchange(values, stimulus, 12, 3, np.random.default_rng(99))
    counts = np.bincount(stimulus)
    residuals = np.array(
        [
            (v - values[stimulus == i].mean(axis=0)) * np.sqrt(counts[i] / (counts[i] - 1))
            for v, i in zip(values, stimulus, strict=True)
        ]
    )
    again = np.random.default_rng(99)
    for profile in found:
        moved = residuals[again.permutation(np.arange(len(values)))]
        expected = [moved[stimulus == i].var(axis=0, ddof=1).mean() for i in range(12)]
        np.testing.assert_allclose(profile, expected, rtol=1e-10)


def test_exchange_within_session_keeps_session_differences():
    """A noisy session's stimuli stay noisy under the within-session null, and only there."""
    rng = np.random.default_rng(17)
    n = 80
    stimulus = np.repeat(np.arange(n), 2)
    session = np.repeat([1, 2], n)  # stimuli 0..39 in session 1, the others in session 2
    values = rng.normal(size=(2 * n, 20)) * np.where(session == 1, 1.0, 3.0)[:, None]
    within = exchange(values, stimulus, n, 50, rng, session)
    across = exchange(values, stimulus, n, 50, rng)
    noisy = np.arange(n) >= n // 2
    assert within[:, noisy].mean() > 7 * within[:, ~noisy].mean()
    assert across[:, noisy].mean() < 1.3 * across[:, ~noisy].mean()


def test_exchange_is_conservative_not_liberal():
    rng = np.random.default_rng(18)
    p = []
    for _ in range(150):
        values, stimulus, _ = draw(rng, 30, 10, 4)
        null = exchange(values, stimulus, 30, 99, rng)
        contrasts = variance.contrasts_of(values, stimulus, 30)
        observed = variance.spread(variance.variance_profile(contrasts))["cv"]
        p.append(permutation_p(float(observed), variance.spread(null)["cv"]))
    assert np.count_nonzero(np.array(p) <= 0.05) <= scipy_stats.binom.ppf(0.999, len(p), 0.05)


def test_brown_forsythe_p_is_uniform_without_the_effect_and_small_with_it():
    rng = np.random.default_rng(19)
    for log_sd, check in ((0.0, "uniform"), (2.5, "small")):
        p = []
        for number in range(200):
            values, stimulus, _ = draw(rng, 40, 6, 3, log_sd, counts=np.full(40, 3))
            found = variance_nulls.brown_forsythe(values, stimulus, 40, 99, 1, number)
            p.append(found["p"])
        if check == "uniform":
            assert scipy_stats.kstest(p, "uniform").pvalue > 0.001
        else:
            assert np.mean(np.array(p) <= 0.05) > 0.8


def test_brown_forsythe_statistic_equals_levene_without_structural_zeros():
    rng = np.random.default_rng(20)
    residuals = rng.normal(size=(25, 3))
    deviations = [np.sort(np.abs(row - np.median(row)))[1:] for row in residuals]
    expected = scipy_stats.f_oneway(*deviations).statistic
    found = variance_nulls._levene_statistic(residuals[None])[0]
    assert found == pytest.approx(expected, rel=1e-10)


def test_brown_forsythe_needs_three_repetitions():
    rng = np.random.default_rng(21)
    values, stimulus, _ = draw(rng, 40, 6, counts=np.full(40, 2))
    assert variance_nulls.brown_forsythe(values, stimulus, 40, 99, 1) is None
