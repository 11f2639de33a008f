"""The shared fraction: against explicit regressions, on planted truth, and where there is none."""

import brains
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from brainworth.erosion import dual_ridge, shared_fraction
from brainworth.erosion.parts import split
from brainworth.folds import folds
from brainworth.stats import multiplicities


def predict_all(found, seed=0, n_folds=5, fold=None):
    parts = [split(item) for item in found]
    grams = [shared_fraction.grams(each) for each in parts]
    if fold is None:
        fold = folds(found[0].n_stimuli, n_folds, np.random.default_rng(seed))
    return [
        shared_fraction.predict(
            grams[s],
            parts[s],
            [shared_fraction.scaled(each) for t, each in enumerate(grams) if t != s],
            fold,
            np.random.default_rng(seed + 1),
        )
        for s in range(len(found))
    ]


@pytest.fixture(scope="module")
def small():
    return brains.simulate(np.random.default_rng(5), voxels=(9, 7, 11), n_stimuli=40)[0]


def test_parts_are_disjoint_trials_and_sessions(small):
    item = small[0]
    parts = split(item)
    for i in range(item.n_stimuli):
        own = np.flatnonzero(item.stimulus == i)
        sessions = item.session[own]
        first = own[sessions == sessions.min()]
        if len(first) == len(own):
            first = own[item.repetition[own] == 0]
        second = np.setdiff1d(own, first)
        np.testing.assert_allclose(parts.first[i], item.values[first].mean(axis=0))
        np.testing.assert_allclose(parts.second[i], item.values[second].mean(axis=0))
        np.testing.assert_allclose(parts.mean()[i], item.values[own].mean(axis=0))
        assert (parts.n_first[i], parts.n_second[i]) == (len(first), len(second))


@pytest.mark.parametrize("n_predictors", [6, 60])
def test_dual_ridge_is_ridge(n_predictors):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, n_predictors)) + 2, rng.normal(size=(40, 3)) - 1
    train, test = np.arange(0, 30), np.arange(30, 40)
    found = dual_ridge.fit(x @ x.T, y @ y.T, train)
    model = Ridge(alpha=found.alpha).fit(x[train], y[train])
    m = found.coefficients(dual_ridge.from_training_mean(x @ x.T, x @ x.T, test, train))
    mean = y[train].mean(axis=0)
    np.testing.assert_allclose(m @ (y[train] - mean) + mean, model.predict(x[test]), atol=1e-8)
    given = dual_ridge.fit(x @ x.T, y @ y.T, train, alpha=found.alpha)
    np.testing.assert_allclose(given.inverse, found.inverse, atol=1e-10)
    residuals = found.loo_residuals() @ (y[train] - mean)
    for one in (0, 17):
        rest = np.delete(train, one)
        expected = y[one] - Ridge(alpha=found.alpha).fit(x[rest], y[rest]).predict(x[[one]])[0]
        np.testing.assert_allclose(residuals[one], expected, rtol=1e-6)


def test_penalty_minimises_generalised_cross_validation():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 8))
    y = x @ rng.normal(size=(8, 4)) + 2 * rng.normal(size=(50, 4))
    found = dual_ridge.fit(x @ x.T, y @ y.T, np.arange(50))
    centred = x - x.mean(axis=0)
    scores = {}
    for relative in dual_ridge.ALPHAS:
        alpha = relative * np.mean(np.sum(centred**2, axis=1))
        hat = centred @ np.linalg.solve(centred.T @ centred + alpha * np.eye(8), centred.T)
        residual = (np.eye(50) - hat) @ (y - y.mean(axis=0))
        scores[alpha] = np.sum(residual**2) / (50 - 1 - np.trace(hat)) ** 2
    assert found.alpha == pytest.approx(min(scores, key=scores.get))


def slow_sums(found, fold, seed, weights=None):
    """Return A, P, S of the first subject from explicit regressions, c being 1."""
    parts = [split(item) for item in found]
    others = []
    for which in ("mean", "first", "second"):
        blocks = []
        for each in parts[1:]:
            mean = each.mean()
            scale = np.sqrt(np.sum((mean - mean.mean(axis=0)) ** 2))
            values = mean if which == "mean" else getattr(each, which)
            blocks.append(values / scale)
        others.append(np.hstack(blocks))
    y = parts[0].mean()
    rng = np.random.default_rng(seed + 1)
    sums = np.zeros((fold.max() + 1, 3))
    for number in range(fold.max() + 1):
        test, train = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        halves = np.array_split(rng.permutation(train), 2)
        outcome = []
        for half in halves:
            gram = others[0] @ others[0].T
            alpha = dual_ridge.fit(gram, y @ y.T, half, lighter=shared_fraction.LIGHTER).alpha
            w = None if weights is None else weights[half]
            model = Ridge(alpha=alpha).fit(others[0][half], y[half], sample_weight=w)
            predicted = [model.predict(each[test]) for each in others]
            outcome.append([each - each.mean(axis=0) for each in predicted])
        centred = y[test] - y[test].mean(axis=0)
        (mean_1, first_1, second_1), (mean_2, first_2, second_2) = outcome
        sums[number] = (
            np.sum((mean_1 + mean_2) * centred),
            0.5 * (np.sum(first_1 * second_2) + np.sum(second_1 * first_2)),
            np.sum(
                (parts[0].first[test] - parts[0].first[test].mean(axis=0))
                * (parts[0].second[test] - parts[0].second[test].mean(axis=0))
            ),
        )
        sums[number] *= test.size / (test.size - 1)
    return sums


def test_sums_are_those_of_explicit_regressions(small):
    fold = folds(40, 4, np.random.default_rng(2))
    found = predict_all(small, seed=3, fold=fold)[0]
    sums = slow_sums(small, fold, seed=3)
    expected = 0.0
    for number in range(4):
        a, p, _ = np.delete(sums, number, axis=0).sum(axis=0)
        c = min(max(a / (2 * p), 1), 2) if p > 0 else 1
        expected += c * sums[number, 0] - c**2 * sums[number, 1]
    assert found.explained.sum() == pytest.approx(expected, rel=1e-6)
    assert found.signal.sum() == pytest.approx(sums[:, 2].sum(), rel=1e-9)


def test_plain_r2_is_that_of_explicit_ridge(small):
    parts = [split(item) for item in small]
    mean = [each.mean() for each in parts]
    x = np.hstack([m / np.sqrt(np.sum((m - m.mean(axis=0)) ** 2)) for m in mean[1:]])
    others = shared_fraction.pooled(
        [shared_fraction.scaled(shared_fraction.grams(each)) for each in parts[1:]]
    )
    np.testing.assert_allclose(others.mean, x @ x.T, atol=1e-9)
    test, train = np.arange(10), np.arange(10, 40)
    own = shared_fraction.grams(parts[0]).mean
    fit = dual_ridge.fit(others.mean, own, train)
    errors, total = shared_fraction._plain(own, others.mean, fit, test)
    model = Ridge(alpha=fit.alpha).fit(x[train], mean[0][train])
    np.testing.assert_allclose(
        errors, np.sum((mean[0][test] - model.predict(x[test])) ** 2, axis=1), rtol=1e-6
    )
    np.testing.assert_allclose(
        total, np.sum((mean[0][test] - mean[0][train].mean(axis=0)) ** 2, axis=1), rtol=1e-9
    )


def test_influence_is_the_slope_of_refitting(small):
    """More weight on a training stimulus, the regressions fitted again by scikit-learn."""
    fold = folds(40, 4, np.random.default_rng(2))
    parts = [split(item) for item in small]
    grams = [shared_fraction.grams(each) for each in parts]
    members = [shared_fraction.scaled(each) for each in grams[1:]]
    others = shared_fraction.pooled(members)
    train = np.flatnonzero(fold != 0)
    halves = np.array_split(np.random.default_rng(4).permutation(train), 2)
    fits = [dual_ridge.fit(others.mean, grams[0].mean, half) for half in halves]
    found = shared_fraction._cross_fitted(
        grams[0].mean, others, members, fits, np.flatnonzero(fold == 0)
    )
    stimulus, step = halves[0][3], 1e-4
    mean = [each.mean() for each in parts]
    x = np.hstack([m / np.sqrt(np.sum((m - m.mean(axis=0)) ** 2)) for m in mean[1:]])
    test = np.flatnonzero(fold == 0)
    sums = []
    for weight in (1 - step, 1 + step):
        weights = np.ones(40)
        weights[stimulus] = weight
        total = 0.0
        for half, fit in zip(halves, fits, strict=True):
            model = Ridge(alpha=fit.alpha).fit(x[half], mean[0][half], sample_weight=weights[half])
            total += np.sum(
                (model.predict(x[test]) - model.predict(x[test]).mean(axis=0))
                * (mean[0][test] - mean[0][test].mean(axis=0))
            )
        sums.append(total * test.size / (test.size - 1))
    slope = (sums[1] - sums[0]) / (2 * step)
    place = 3
    # What is reported is the effect of leaving the stimulus out, which its leverage enlarges.
    free = fits[0].alpha * fits[0].inverse[place, place] - 1 / len(halves[0])
    assert found.slope_agreement[stimulus] * free == pytest.approx(slope, rel=0.08)


def test_planted_fraction_is_found_from_below():
    """Bias and coverage at the size of a test; the estimate is a lower bound."""
    below, truth, plain, spread, widths = [], [], [], [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found, shares = brains.simulate(rng, voxels=(40,) * 5, n_stimuli=120)
        outcome = predict_all(found, seed)
        weights = multiplicities(rng, 200, 120)
        below.append(np.mean([each.fraction() for each in outcome]))
        plain.append(np.mean([each.r2() / each.ceiling() for each in outcome]))
        truth.append(shares.mean())
        draws = np.mean([each.fraction(weights) for each in outcome], axis=0)
        widths.append(draws.std())
    error = np.array(below) - truth
    spread = error.std()
    assert -0.06 < error.mean() < 0.01
    assert np.mean(plain) < np.mean(below) - 0.05
    assert 0.7 * spread < np.mean(widths) < 2.5 * spread
    # An upper limit that holds the truth in 97.5 % of samples would miss at most 3 of 20 by chance;
    # the bias of a lower bound may add to that.
    assert np.mean(error + 2.5 * np.array(widths) > 0) >= 0.8


@pytest.mark.parametrize("broken", ["nothing shared", "shuffled labels"])
def test_nothing_is_found_where_nothing_is_shared(broken):
    estimates, covered = [], []
    for seed in range(40):
        rng = np.random.default_rng(1000 + seed)
        fraction = 0.0 if broken == "nothing shared" else 0.7
        found, _ = brains.simulate(rng, voxels=(15,) * 3, n_stimuli=60, fraction=fraction)
        if broken == "shuffled labels":
            for item in found:
                item.stimulus[:] = rng.permutation(60)[item.stimulus]
        outcome = predict_all(found, seed)
        weights = multiplicities(rng, 200, 60)
        estimates.append(np.mean([each.fraction() for each in outcome]))
        draws = np.mean([each.fraction(weights) for each in outcome], axis=0)
        low, high = np.quantile(draws, (0.025, 0.975))
        covered.append(low <= 0 <= high)
    estimates = np.array(estimates)
    assert abs(estimates.mean()) < 3 * estimates.std() / np.sqrt(len(estimates))
    assert np.mean(covered) >= 0.8
