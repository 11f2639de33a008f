"""The encoding gap: calibrations against scikit-learn, planted gaps, and planted artefacts."""

import dataclasses
import json

import brains
import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from brainworth import results
from brainworth.erosion import encoding_gap, planted_sharing
from brainworth.erosion.calibration import (
    covariance,
    fitted_slope,
    many_r2,
    r2,
    squared_errors,
)
from brainworth.errors import BrainworthError

REGIONS = ["V1", "faces"]
FEW = {"n_folds": 4, "n_permutations": 99, "n_bootstrap": 200}


def analyse(found, seed=1, **changes):
    settings = FEW | {"interval": 0.95, "seed": seed} | changes
    names = [item.subject for item in found]
    plan = encoding_gap.design(names, found[0].n_stimuli, **settings)
    return encoding_gap.analyse_region(found, plan)


def mean_brains(rng, n_subjects=4, n=80, common=0.7, noise=1.0, repetitions=(2, 3)):
    """Return subjects of one column (the mean of a region), and their noise-free responses."""
    shared = rng.normal(size=n)
    found, clean = [], []
    for number in range(n_subjects):
        signal = np.sqrt(common) * shared + np.sqrt(1 - common) * rng.normal(size=n)
        counts = rng.choice(repetitions, n)
        stimulus = np.repeat(np.arange(n), counts)
        found.append(
            encoding_gap.shared.SharedResponses(
                subject=f"subj{number + 1:02d}",
                region="V1",
                values=(signal[stimulus] + noise * rng.normal(size=stimulus.size))[:, None],
                stimulus=stimulus,
                repetition=np.concatenate([np.arange(k) for k in counts]),
                session=rng.integers(1, 5, stimulus.size),
                n_stimuli=n,
            )
        )
        clean.append(signal)
    return found, clean


def changed(item, change):
    return dataclasses.replace(item, values=change(item.values))


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    x = rng.normal(size=30) + 2
    return x, 0.5 * x + rng.normal(size=30) - 1, np.arange(30) % 3


def test_offset_and_slope_are_those_of_linear_regression(pair):
    x, y, fold = pair
    predicted = np.empty(30)
    for number in range(3):
        train, test = fold != number, fold == number
        model = LinearRegression().fit(x[train, None], y[train])
        predicted[test] = model.predict(x[test, None])
    errors, target = squared_errors(x, y, fold, "offset_slope")
    np.testing.assert_allclose(errors, (y - predicted) ** 2)
    ones = np.ones((1, 30))
    assert r2(errors, target, ones)[0] == pytest.approx(r2_score(y, predicted))
    weights = np.random.default_rng(1).integers(0, 3, (2, 30)).astype(float)
    model = LinearRegression().fit(x[:, None], y, sample_weight=weights[1])
    assert fitted_slope(x, y, weights)[1] == pytest.approx(model.coef_[0])
    assert fitted_slope(x, y) == pytest.approx(LinearRegression().fit(x[:, None], y).coef_[0])
    assert r2(errors, target, weights)[1] == pytest.approx(
        r2_score(y, predicted, sample_weight=weights[1])
    )


def test_raw_and_zscored(pair):
    x, y, fold = pair
    errors, _ = squared_errors(x, y, fold, "raw")
    np.testing.assert_allclose(errors, (y - x) ** 2)
    zx, zy = (scipy_stats.zscore(each) for each in (x, y))
    predicted = np.empty(30)
    for number in range(3):
        train, test = fold != number, fold == number
        model = LinearRegression(fit_intercept=False).fit(zx[train, None], zy[train])
        predicted[test] = model.predict(zx[test, None])
    errors, target = squared_errors(x, y, fold, "zscored")
    np.testing.assert_allclose(errors, (zy - predicted) ** 2)
    np.testing.assert_allclose(target, zy)
    # Units do not matter then.
    np.testing.assert_allclose(squared_errors(100 * x - 7, y / 3, fold, "zscored")[0], errors)


def test_many_r2_are_those_of_single_ones(pair):
    x, y, fold = pair
    rng = np.random.default_rng(0)
    xs = x[rng.permuted(np.tile(np.arange(30), (5, 1)), axis=1)]
    ys = y[rng.permuted(np.tile(np.arange(30), (5, 1)), axis=1)]
    ones = np.ones((1, 30))
    expected = [
        r2(*squared_errors(a, b, fold, "offset_slope"), ones)[0]
        for a, b in zip(xs, ys, strict=True)
    ]
    np.testing.assert_allclose(many_r2(xs, ys, fold), expected, rtol=1e-9)
    assert covariance(x, y, ones)[0] == pytest.approx(np.cov(x, y, ddof=0)[0, 1])


def test_ceiling_is_the_share_of_signal():
    found, _ = mean_brains(np.random.default_rng(0), n=3000, noise=1.5, repetitions=(3,))
    row, _ = analyse(found)
    # Parts are of one and of two trials, or the other way round.
    expected = np.mean([1 / (1 + 1.5**2 / n) for n in (1, 2)])
    assert row["ceiling"]["estimate"] == pytest.approx(expected, abs=0.03)


def test_gap_and_its_interval_hold_what_was_planted():
    errors, covered = [], []
    for seed in range(60):
        found, clean = mean_brains(np.random.default_rng(seed))
        truth = planted_sharing.noise_free(dict(zip("abcd", clean, strict=True)))["gap"]
        gap = analyse(found, seed)[0]["gap"]
        errors.append(gap["estimate"] - truth)
        covered.append(gap["interval"][0] <= truth <= gap["interval"][1])
    errors = np.array(errors)
    assert abs(errors.mean()) < 3.5 * errors.std() / np.sqrt(errors.size)
    assert scipy_stats.binom.ppf(0.001, 60, 0.95) <= np.sum(covered)


def test_no_gap_between_equal_brains():
    found, _ = mean_brains(np.random.default_rng(3), n=400, common=1.0)
    row, _ = analyse(found)
    assert row["gap"]["estimate"] == pytest.approx(0, abs=0.1)
    assert row["of_ceiling"]["population"]["offset_slope"]["estimate"] > 0.75


def test_an_offset_is_a_units_artefact_and_is_called_so():
    found, _ = mean_brains(np.random.default_rng(4))
    shifted = [changed(item, lambda v, k=k: v + 5 * k) for k, item in enumerate(found)]
    row, _ = analyse(shifted)
    plain, _ = analyse(found)
    assert row["published"]["population"]["estimate"] < -5
    assert row["units_artefact"]
    assert not plain["units_artefact"]
    calibrated = row["population"]["offset_slope"]["estimate"]
    assert calibrated == pytest.approx(plain["population"]["offset_slope"]["estimate"], abs=1e-9)
    assert row["slope"]["n_below_zero"] == 0


def test_a_subject_that_is_the_opposite_is_anti_predicted():
    found, _ = mean_brains(np.random.default_rng(5), common=0.9)
    found[2] = changed(found[2], np.negative)
    row, _ = analyse(found)
    assert row["slope"]["n_below_zero"] == 1
    assert row["subjects"][2]["slope"]["interval"][1] < 0
    assert row["subjects"][2]["noise_free_correlation"]["estimate"] < -0.5
    # A negative slope predicts, once it is fitted.
    assert row["subjects"][2]["population"]["offset_slope"]["estimate"] > 0


def test_own_trials_that_are_shared_predict_noise():
    found, _ = mean_brains(np.random.default_rng(6), noise=100.0, n=400, repetitions=(3,))
    row, _ = analyse(found)
    same = row["published"]["individual_same_trials"]
    assert same["without_signal"] == pytest.approx(1 / 3, abs=0.01)
    assert same["estimate"] == pytest.approx(same["without_signal"], abs=0.03)
    assert row["individual"]["offset_slope"]["estimate"] < 0.03


def test_one_column_is_enough_for_the_mean_but_not_for_voxels():
    found, _ = mean_brains(np.random.default_rng(7))
    row, _ = analyse(found)
    assert row["voxelwise"] is None
    assert "5 voxels" in row["voxelwise_reason"]
    results.to_plain(row, "row")


def test_voxels_are_predicted_as_under_alignment():
    found, shares = brains.simulate(np.random.default_rng(8), voxels=(40,) * 4, n_stimuli=120)
    row, _ = analyse(found)
    voxels = row["voxelwise"]
    assert voxels["n"] == 4
    assert voxels["population"]["estimate"] < voxels["noise_free"]["estimate"]
    low, high = voxels["noise_free"]["interval"]
    assert low - 0.1 < shares.mean() < high + 0.1
    again, _ = analyse(found)
    assert json.dumps(results.to_plain(again, "r")) == json.dumps(results.to_plain(row, "r"))


def test_own_voxels_are_predicted_by_one_slope():
    found, _ = brains.simulate(np.random.default_rng(9), voxels=(6, 6))
    parts = encoding_gap.encoding_voxels.split(found[0])
    fold = np.arange(60) % 4
    errors, total = encoding_gap.encoding_voxels._own(parts, fold)
    expected = np.zeros(60)
    for x, y in ((parts.first, parts.second), (parts.second, parts.first)):
        for number in range(4):
            train, test = fold != number, fold == number
            centre = x[train].mean(axis=0), y[train].mean(axis=0)
            model = LinearRegression(fit_intercept=False).fit(
                (x[train] - centre[0]).reshape(-1, 1), (y[train] - centre[1]).ravel()
            )
            predicted = model.predict((x[test] - centre[0]).reshape(-1, 1)).reshape(-1, 6)
            expected[test] += np.sum((y[test] - centre[1] - predicted) ** 2, axis=1)
    np.testing.assert_allclose(errors, expected, rtol=1e-9)
    assert (total > 0).all()


def test_p_values_are_uniform_where_nothing_is_common():
    p = []
    for seed in range(80):
        found, _ = mean_brains(np.random.default_rng(seed), n_subjects=3, n=40, common=0.0)
        row, _ = analyse(found, seed, n_bootstrap=100)
        p.append(row["population"]["offset_slope"]["p"])
    p = np.array(p)
    assert scipy_stats.kstest(p, "uniform").pvalue > 0.001
    assert np.count_nonzero(p <= 0.05) <= scipy_stats.binom.ppf(0.999, p.size, 0.05)


def test_noise_alone_has_no_share_of_a_ceiling():
    found, _ = mean_brains(np.random.default_rng(11), noise=1000.0, n_subjects=3)
    row, _ = analyse(found)
    reliable = [s for s in row["subjects"] if s["ceiling"]["interval"][0] > 0]
    assert (row["of_ceiling"] is None) == (not reliable)
    results.to_plain(row, "row")


def test_whole_study_in_json(study):
    given = FEW | {"interval": 0.95, "seed": 1}
    found = encoding_gap.analyse(study.extracts, REGIONS, **given)
    assert [row["region"] for row in found["regions"]] == REGIONS
    assert all(row["population"]["offset_slope"]["p_familywise"] for row in found["regions"])
    results.to_plain(found, "data")


def test_refusals(study):
    one = dict([next(iter(study.extracts.items()))])
    with pytest.raises(BrainworthError, match="at least two subjects"):
        encoding_gap.analyse(one, REGIONS, **FEW, interval=0.95, seed=1)
    with pytest.raises(BrainworthError, match="at least 20 stimuli"):
        encoding_gap.design(["subj01"], 15, **(FEW | {"n_folds": 10}), interval=0.95, seed=1)
