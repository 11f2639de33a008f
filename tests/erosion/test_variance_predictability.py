"""Predictability of the variance: machinery against plain code, p-values and planted truth.

Source of the claim: information erosion, README v2.1, "Variance predictability".
"""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from test_variance_reliability import plant

from brainworth import results, ridge
from brainworth.erosion import (
    planted_variance,
    variance,
    variance_ceiling,
    variance_halves,
    variance_predictability,
    variance_prediction,
    variance_predictors,
    variance_readings,
)
from brainworth.erosion import responses as shared
from brainworth.folds import folds

FEW = {"n_components": 5, "n_folds": 3, "n_bootstrap": 60, "interval": 0.95}


def run(found, schedules=None, seed=1, n=60):
    return variance_predictability.analyse_region(
        found, schedules=schedules, n_surrogates=n, seed=seed, **FEW
    )


def test_components_are_principal_components():
    rng = np.random.default_rng(1)
    patterns = rng.normal(size=(30, 8)) * np.arange(1, 9)
    found = variance_prediction.components(patterns, 4)
    centred = patterns - patterns.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :4] * size[:4]), atol=1e-8)
    assert variance_prediction.components(patterns[:9], 8).shape == (9, 3)


def test_predictions_are_of_stimuli_left_out():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    fold = folds(30, 3, rng)
    found = variance_prediction.held_out(x, y, fold)
    for number in range(3):
        train = fold != number
        fitted = ridge.fit(x[train], y[train], variance_prediction.ALPHAS)
        np.testing.assert_allclose(found[~train], fitted.predict(x[~train]))
    nothing = variance_prediction.held_out(np.empty((30, 0)), y, fold)
    np.testing.assert_allclose(nothing[fold == 1], np.tile(y[fold != 1].mean(axis=0), (10, 1)))


def test_what_comes_on_top_never_sees_the_test_stimuli():
    rng = np.random.default_rng(3)
    x, known, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 2)), rng.normal(size=(30, 1))
    fold = folds(30, 3, rng)
    found = variance_prediction.on_top([x], known, y, fold)[1]
    alone = variance_prediction.on_top([], known, y, fold)[0]
    np.testing.assert_array_equal(alone, variance_prediction.held_out(known, y, fold))
    changed = y.copy()
    changed[fold == 0] += 100
    again = variance_prediction.on_top([x], known, changed, fold)[1]
    np.testing.assert_allclose(again[fold == 0], found[fold == 0])
    assert not np.allclose(again[fold == 1], found[fold == 1])


def test_r2_and_its_resampling():
    rng = np.random.default_rng(4)
    y, predicted = rng.normal(size=(20, 1)), rng.normal(size=(20, 1))
    fold = folds(20, 4, rng)
    errors = variance_prediction.squared_errors(y, predicted, fold)
    mean = np.array([y[fold != f].mean() for f in fold])
    expected = 1 - np.sum((y - predicted) ** 2) / np.sum((y[:, 0] - mean) ** 2)
    assert variance_prediction.r2(errors)[0] == pytest.approx(expected)
    scored = variance_prediction.score(y, predicted, fold)
    assert scored.r2[0] == pytest.approx(expected)
    weights = rng.integers(0, 3, (1, 20)).astype(float)
    chosen = np.repeat(np.arange(20), weights[0].astype(int))
    expected = variance_prediction.r2(errors[:, chosen])[0]
    assert variance_prediction.r2_resampled(scored.errors, weights)[0] == pytest.approx(expected)


def test_leave_one_out_errors_equal_refitting():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(15, 4)), rng.normal(size=(15, 1))
    found = ridge.leave_one_out(x, y, [0.1, 1.0])
    scale = np.mean(np.sum((x - x.mean(axis=0)) ** 2, axis=1))
    for alpha, error in zip((0.1, 1.0), found[:, 0], strict=True):
        left_out = []
        for i in range(15):
            keep = np.arange(15) != i
            # the penalty and the centre of all rows, as the closed form has it
            design = np.column_stack([np.ones(14), x[keep] - x.mean(axis=0)])
            penalty = np.diag([0, *[alpha * scale] * 4])
            weights = np.linalg.solve(design.T @ design + penalty, design.T @ y[keep, 0])
            left_out.append((y[i, 0] - np.r_[1, x[i] - x.mean(axis=0)] @ weights) ** 2)
        assert error == pytest.approx(np.mean(left_out), rel=1e-8)


def test_trials_are_rebuilt_from_contrasts_and_means():
    item = plant(np.random.default_rng(6), 1)[0][0]
    contrasts = variance.contrasts_of(item.values, item.stimulus, item.n_stimuli)
    trials, stimulus = variance_readings._trials(contrasts, shared.mean_patterns(item))
    order = np.argsort(item.stimulus, kind="stable")
    np.testing.assert_allclose(trials, item.values[order], atol=1e-12)
    np.testing.assert_array_equal(stimulus, item.stimulus[order])


def test_other_trials_leave_out_the_repetition_that_predicts():
    """The target of each turn is the squared difference of the two other repetitions."""
    item = plant(np.random.default_rng(7), 1, n_voxels=6)[0][0]
    region = variance_halves.region_of(item, 0, np.random.default_rng(0))
    one, other, product = variance_halves.measure(region).pairs
    three = np.flatnonzero(item.counts() == 3)
    turns = zip(variance_predictors._ODD, variance_predictors._TURNS, strict=True)
    for odd, turn in turns:
        c, s = np.cos(turn), np.sin(turn)
        found = c * c * one + s * s * other + 2 * c * s * product
        expected = []
        for i in three:
            a, b = np.delete(item.values[item.stimulus == i], odd, axis=0)
            expected.append(np.mean((a - b) ** 2) / 2)
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_fitted_stimuli_give_a_high_r2_without_any_effect():
    """More voxels than stimuli: what may lie behind the published value."""
    item = plant(np.random.default_rng(8), 1, n=40, n_voxels=80)[0][0]
    contrasts = variance.contrasts_of(item.values, item.stimulus, 40)
    means = shared.mean_patterns(item)
    found = variance_readings.of_contrasts(contrasts, means, 4, np.random.default_rng(9))
    assert found["mean_patterns_in_sample"] > 0.9
    assert found["mean_patterns"] < 0.3


def test_other_voxels_give_a_high_r2_for_noise_that_voxels_share():
    item = plant(np.random.default_rng(10), 1, n=80, n_voxels=40, common=0.9)[0][0]
    contrasts = variance.contrasts_of(item.values, item.stimulus, 80)
    means = shared.mean_patterns(item)
    found = variance_readings.of_contrasts(contrasts, means, 4, np.random.default_rng(11))
    assert found["variance_patterns"] > 0.8


@pytest.fixture(scope="module")
def null_p():
    """p-values without the effect; 400 such sets gave 3.2 to 6.0 % at .05 (all eight steps)."""
    rng = np.random.default_rng(12)
    found = {name: [] for name in variance_predictors.STEPS}
    for seed in range(40):
        items, schedules, _ = plant(rng, n=40)
        row = run(items, schedules, seed, n=39)
        for name in found:
            found[name].append(row["steps"][name]["increment"]["p"])
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize("name", variance_predictors.STEPS)
def test_p_is_uniform_without_the_effect(null_p, name):
    assert scipy_stats.kstest(null_p[name], "uniform").pvalue > 0.001
    hits = np.count_nonzero(null_p[name] <= 0.05)
    assert hits <= scipy_stats.binom.ppf(0.999, null_p[name].size, 0.05)


def test_variances_of_others_predict_the_shared_part_and_patterns_nothing():
    rng = np.random.default_rng(13)
    ratio = []
    for seed in range(6):
        items, schedules, truth = plant(rng, n_subjects=4, n=120, log_sd=0.8, shared=0.6)
        row = run(items, schedules, seed, n=20)
        known = []
        for number in range(4):
            rest = np.delete(truth, number, axis=0).mean(axis=0)
            known.append(np.corrcoef(truth[number], rest)[0, 1] ** 2)
        ratio.append(row["shared_r2"]["estimate"] / np.mean(known))
    assert 0.93 < np.mean(ratio) < 1.07
    row = run(items, schedules)
    assert row["summary"]["others_variance"]
    for name in ("own_patterns", "others_patterns", "own_other_trials"):
        assert row["steps"][name]["increment"]["estimate"] < 0.05
    assert 0.3 < row["ceiling"]["estimate"] < 1


def test_patterns_that_set_the_variance_are_found():
    """The variance follows a feature of the stimulus that all voxels encode."""
    rng = np.random.default_rng(14)
    items, _, _ = plant(rng, n=120)
    feature = rng.normal(size=120)
    loud = []
    for item in items:
        noise = item.values - shared.mean_patterns(item)[item.stimulus]
        values = np.exp(0.4 * feature)[item.stimulus, None] * noise
        values += 3 * feature[item.stimulus, None] * rng.normal(size=item.n_voxels)
        keys = (item.stimulus, item.repetition, item.session, item.n_stimuli)
        loud.append(shared.SharedResponses(item.subject, "V1", values, *keys))
    row = run(loud, None)
    nuisances = row["steps"]["mean_response"]["r2"]["estimate"]
    assert nuisances + row["steps"]["others_patterns"]["increment"]["estimate"] > 0.2
    assert row["steps"]["own_other_trials"]["increment"]["p_familywise"] <= 0.05


def test_one_column_and_one_subject_leave_reasons():
    items, schedules, _ = plant(np.random.default_rng(15), n_voxels=1)
    row = results.to_plain(run(items, schedules), "row")
    assert row["steps"]["own_patterns"] is None
    assert row["steps"]["own_patterns_reason"] == "one column has no halves"
    assert row["readings"]["variance_patterns"] is None
    assert 0 < row["steps"]["others_variance"]["increment"]["p"] <= 1
    row = results.to_plain(run(items[:1], schedules[:1]), "row")
    assert row["steps"]["others_variance"] is None
    assert "no others" in row["steps"]["others_variance_reason"]


def test_of_a_study(study):
    keys = FEW | {"n_surrogates": 20, "seed": 1}
    regions = ["V1", "faces"]
    found = variance_predictability.analyse(study.extracts, regions, **keys)
    again = variance_predictability.analyse(study.extracts, regions, **keys, n_threads=2)
    assert results.to_plain(found, "data") == results.to_plain(again, "data")
    rng = np.random.default_rng(16)
    log_variance = rng.normal(size=(8, 100_000))
    log_variance[2] = log_variance[0]
    known = planted_variance.predictability(log_variance, study.extracts, ["subj01", "subj03"])
    assert known == {"patterns": 0.0, "shared_r2": pytest.approx(1)}


def test_ceilings_of_samples_are_those_of_repeated_stimuli():
    """Weights are multiplicities: the same as repeating rows; and one plus noise is known."""
    rng = np.random.default_rng(5)
    profiles, sampling = rng.standard_normal((3, 30)), rng.uniform(0.05, 0.15, (3, 30))
    weights = rng.multinomial(30, np.full(30, 1 / 30), size=4)
    found = variance_ceiling.true_share(profiles, sampling, weights)
    largest = variance_ceiling.largest(profiles, sampling, weights)
    for row, top, counts in zip(found, largest, weights, strict=True):
        drawn = np.repeat(np.arange(30), counts)
        own = 1 - sampling[:, drawn].mean(axis=1) / profiles[:, drawn].var(axis=1)
        np.testing.assert_allclose(row, own)
        product = []
        for s in range(3):
            rest = np.arange(3) != s
            mean = profiles[rest].mean(axis=0)[drawn].var()
            noise = sampling[rest].sum(axis=0)[drawn].mean() / 4
            product.append(own[s] * (1 - noise / mean))
        assert top == pytest.approx(np.mean(product))
    assert (variance_ceiling.largest(0.1 * profiles, sampling, weights) == 0).all()
