"""Theorem 1 (information erosion, README v2.1): rates, prediction, and the whole result."""

import json

import numpy as np
import pytest
from scipy import stats as scipy_stats

from brainworth import results
from brainworth.erosion import averaging, direction_erosion

SMALL = {
    "n_stimuli": 60,
    "n_subjects": 32,
    "n_replicates": 20,
    "n_bootstrap": 200,
    "shared_fractions": [0.0, 0.5],
    "cohort_share": 0.2,
    "tail_index": 1.5,
    "n_samples": 300,
    "neighbours": 4,
    "noise_sd": 0.5,
    "interval": 0.95,
}


@pytest.fixture(scope="module")
def found():
    return results.to_plain(direction_erosion.analyse(**SMALL, seed=1), "data")


def test_stable_draws_follow_their_law():
    draws = averaging.stable(np.random.default_rng(1), 1.5, (2000,))
    assert scipy_stats.kstest(draws, scipy_stats.levy_stable(1.5, 0).cdf).pvalue > 0.001
    gaussian = averaging.stable(np.random.default_rng(2), 2.0, (2000,))
    assert scipy_stats.kstest(gaussian / np.sqrt(2), "norm").pvalue > 0.001


def test_the_average_over_subjects_is_the_shared_part_plus_the_mean_delta():
    """The closed form with a Gram matrix equals averaging responses one by one."""
    hidden = averaging.features(40, seed=3)
    sizes = np.array([1, 2, 4])
    settings = {"cohort_share": 0.3, "tail_index": 1.5, "seed": 3}
    fast = averaging.averages("independent", hidden, sizes, 1, **settings).error[0]
    rng = averaging.stream(3, "direction erosion", "independent", 0)
    weights = rng.standard_normal((4, averaging._CHANNELS, hidden.shape[1]))
    responses = np.einsum("ih,nvh->niv", hidden, weights)
    for n, value in zip(sizes, fast, strict=True):
        assert value == pytest.approx(np.mean(responses[:n].mean(axis=0) ** 2))


def test_rates_are_those_of_theory(found):
    rows = {row["population"]: row for row in found["convergence"]}
    slope = rows["independent"]["slope"]
    assert slope["estimate"] == pytest.approx(-0.5, abs=0.03)
    assert rows["heavy-tailed"]["slope"]["estimate"] == pytest.approx(-1 / 3, abs=0.12)
    np.testing.assert_allclose(rows["cohort"]["rms"], rows["cohort"]["expected_rms"], rtol=0.1)


def test_prediction_is_that_of_theory(found):
    for row in found["prediction"]:
        for name in ("raw", "scaled"):
            np.testing.assert_allclose(row[name]["r2"], row[name]["expected"], atol=0.12)
    nothing = found["prediction"][0]["raw"]["r2"]
    np.testing.assert_allclose(nothing, -1 / np.array(found["prediction"][0]["n"]), atol=0.12)


def test_intervals_of_prediction_cover():
    hidden = averaging.features(50, seed=0)
    inside = []
    for seed in range(60):
        row = averaging.prediction(hidden, np.array([4]), 0.5, 25, 200, 0.95, seed)
        low, high = row["raw"]["interval"][0]
        inside.append(low <= row["raw"]["expected"][0] <= high)
    assert np.mean(inside) > 0.83


def test_information_of_a_gain_is_zero_and_covariances_miss_the_nonlinear_part(found):
    rows = {row["case"]: row for row in found["information"]}
    assert rows["gaussian"]["known"] == pytest.approx(0.5 * np.log2(1 + 0.5 / 0.25))
    for name in ("gaussian", "nearest"):
        assert rows["gaussian"][name]["estimate"] == pytest.approx(
            rows["gaussian"]["known"], abs=0.06
        )
        assert abs(rows["gain"][name]["estimate"]) < 0.03
    assert rows["nonlinear"]["gaussian"]["estimate"] < 0.05
    assert rows["nonlinear"]["nearest"]["estimate"] > 0.4


def test_result_repeats(found):
    again = results.to_plain(direction_erosion.analyse(**SMALL, seed=1), "data")
    assert json.dumps(again) == json.dumps(found)


def test_unknown_case_is_refused():
    with pytest.raises(ValueError, match="unknown case 'magic'"):
        direction_erosion.draw("magic", 10, 0.5, np.random.default_rng(0))
