"""Theorem 2 (information erosion, README v2.1): gradients, heads, and prediction of variances."""

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from brainworth import results
from brainworth.erosion import (
    blind_processes,
    gaussian_head,
    predicted_variance,
    variance_blindness,
)
from brainworth.erosion import responses as shared
from brainworth.errors import BrainworthError
from brainworth.folds import folds


@pytest.fixture(scope="module")
def theorem():
    return variance_blindness.theorem(0.8, [200, 1500], 4, 200, 0.95, seed=2)


def test_gradients_equal_finite_differences():
    rng = np.random.default_rng(1)
    features, y = rng.standard_normal((30, 4)), rng.standard_normal(30)
    point = 0.3 * rng.standard_normal(8)
    nll = gaussian_head.negative_log_likelihood
    assert (
        check_grad(*(lambda p: nll(p, features, y)[0], lambda p: nll(p, features, y)[1]), point)
        < 1e-5
    )
    stimuli = rng.standard_normal((30, 3))
    start = 0.5 * rng.standard_normal(41)
    loss = blind_processes.network_loss
    assert (
        check_grad(*(lambda p: loss(p, stimuli, y)[0], lambda p: loss(p, stimuli, y)[1]), start)
        < 1e-5
    )


def test_log_variance_fit_is_the_maximum_of_its_likelihood():
    """Fisher scoring against a general optimiser, for fixed and for changing features."""
    rng = np.random.default_rng(2)
    degrees = rng.integers(1, 3, 40).astype(float)
    for n_sets in (1, 3):
        features = rng.standard_normal((n_sets, 40, 2))
        features = (features - features.mean(axis=1, keepdims=True)) / features.std(
            axis=1, keepdims=True
        )
        squares = rng.chisquare(degrees, (3, 40)) / degrees * np.exp(0.8 * features[0, :, 0])
        weights, intercept = gaussian_head.log_variance(features, squares, degrees, 0.5)
        for number in range(3):
            x = features[number if n_sets > 1 else 0]

            def loss(p, x=x, s=squares[number]):
                eta = x @ p[:2] + p[2]
                fit = np.sum(degrees / 2 * (eta + s * np.exp(-eta)))
                return fit + 0.5 * 2 / 0.5**2 * np.sum(p[:2] ** 2)

            best = minimize(loss, np.zeros(3), method="BFGS").x
            np.testing.assert_allclose([*weights[number], intercept[number]], best, atol=2e-3)


def test_the_squared_error_is_flat_and_the_likelihood_is_not(theorem):
    assert theorem["flatness"]["squared_error"] == 0.0
    assert theorem["flatness"]["likelihood"] > 0.05


def test_predictors_agree_ever_better_as_those_of_one_process_do(theorem):
    for name in blind_processes.PREDICTORS:
        assert -1.0 < theorem["slope"][name] < -0.3
        for row in theorem["agreement"]:
            found = row[name]
            ratio = found["difference"]["estimate"] / found["same_process"]["estimate"]
            assert ratio < 1.7


def test_heads_recover_the_variance_and_find_none_where_there_is_none(theorem):
    rows = {row["process"]: row for row in theorem["recovery"]}
    varying, constant = rows["varying variance"], rows["constant variance"]
    assert varying["best_gain"] == pytest.approx(0.16)
    for name in ("likelihood", "residuals"):
        assert varying[name]["correlation"]["estimate"] > 0.8
        assert 0.05 < varying[name]["gain"]["estimate"] < 0.2
        assert constant[name]["gain"]["estimate"] < 0.005
        assert constant[name]["correlation"] is None
    assert varying["excess_ratio"]["estimate"] < 1.05


def simulated(seed, *, log_sd, share, n_subjects=4, n_stimuli=60, n_voxels=12):
    """Simulate prepared subjects whose noise variance is partly shared."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(n_stimuli)
    features = rng.standard_normal((n_stimuli, 5))
    stimulus = np.tile(np.arange(n_stimuli), 3)
    items = []
    for number in range(n_subjects):
        own = rng.standard_normal(n_stimuli)
        scale = np.exp(log_sd * (np.sqrt(share) * common + np.sqrt(1 - share) * own) / 2)
        values = (features @ rng.standard_normal((5, n_voxels)))[stimulus]
        values = values + scale[stimulus, None] * rng.standard_normal((stimulus.size, n_voxels))
        repetition = np.repeat(np.arange(3), n_stimuli)
        name = f"subj0{number + 1}"
        items.append(
            shared.SharedResponses(
                name, "V1", values, stimulus, repetition, repetition + 1, n_stimuli
            )
        )
    return items


def predict(seed, **changes):
    items = simulated(seed, **changes)
    prepared = [predicted_variance.prepare([item], 3, 99, seed)[0] for item in items]
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=100).astype(float)
    return predicted_variance.analyse_region(
        prepared,
        folds(60, 4, rng),
        weights,
        predicted_variance.relabellings(np.array([item.degrees for item in prepared]), 99, rng),
        n_components=3,
        prior_sd=0.5,
        interval=0.95,
    )[0]


def test_shared_variances_are_predicted_and_patterns_carry_none():
    found = predict(3, log_sd=1.0, share=1.0)["mean"]["components"]
    assert found["variances"]["gain"]["rotation"]["p"] == pytest.approx(0.01)
    assert found["variances"]["gain"]["relabelled"]["p"] == pytest.approx(0.01)
    assert found["variances"]["correlation"] > 0.6
    assert found["patterns"]["gain"]["estimate"] < 0.01
    assert 0.3 < found["mean_r2"] <= found["mean_ceiling"] + 0.05


@pytest.mark.parametrize(
    ("null", "settings"),
    [("rotation", {"log_sd": 0.0, "share": 0.0}), ("relabelled", {"log_sd": 1.0, "share": 0.0})],
)
def test_p_values_are_calibrated(null, settings):
    """Homoscedastic subjects for the rotation null; variances not shared for relabelling."""
    p = {name: [] for name in predicted_variance.PREDICTORS}
    for seed in range(40):
        row = predict(seed, **settings)["mean"]["components"]
        for name, values in p.items():
            values.append(row[name]["gain"][null]["p"])
    for values in p.values():
        assert np.count_nonzero(np.array(values) <= 0.05) <= 7  # P(more) < 0.002
        assert 0.3 < np.mean(values) < 0.7


def test_relabelling_keeps_the_number_of_repetitions():
    degrees = np.repeat([1, 2], [5, 8])
    other = np.tile([2, 1], 7)[:13]
    for rows in (degrees, np.array([degrees, other])):
        orders = predicted_variance.relabellings(rows, 20, np.random.default_rng(5))
        assert (np.sort(orders, axis=1) == np.arange(13)).all()
        for row in np.atleast_2d(rows):
            assert (row[orders] == row).all()
    assert len(np.unique(orders, axis=0)) > 10


def test_the_study_is_analysed_and_repeats(study_result):
    found = results.to_plain(study_result(), "data")
    assert [row["region"] for row in found["regions"]] == ["V1", "faces"]
    assert found == results.to_plain(study_result(), "data")
    gain = found["regions"][0]["mean"]["roi_mean"]["variances"]["gain"]
    assert 0 < gain["rotation"]["p"] <= gain["rotation"]["p_familywise"] <= 1


@pytest.fixture(scope="module")
def study_result(study_files):
    def run(subjects=None):
        extracts = {name: study_files.extracts[name] for name in subjects or study_files.extracts}
        return variance_blindness.analyse(
            extracts,
            ["V1", "faces"],
            log_sd=0.8,
            sizes=[100, 200],
            n_replicates=2,
            n_folds=3,
            n_components=3,
            prior_sd=0.5,
            n_surrogates=20,
            n_bootstrap=50,
            interval=0.95,
            seed=1,
        )

    return run


@pytest.fixture(scope="module")
def study_files(request):
    return request.getfixturevalue("study")


def test_one_subject_is_refused(study_result):
    with pytest.raises(BrainworthError, match="needs at least two"):
        study_result(["subj01"])
