"""The interval of a squared CV: against plain resampling, and coverage where percentiles fail."""

import numpy as np
import pytest

from brainworth.erosion import cv2_interval, variance
from brainworth.stats import multiplicities, percentile_interval

LOG_SD, N_STIMULI, N_SUBJECTS = 0.4, 40, 5


def test_errors_are_those_of_a_weighted_mean():
    """Of a mean the change with a weight is the deviation over the number of stimuli."""
    rng = np.random.default_rng(1)
    values = rng.exponential(1, 30)
    weights = multiplicities(rng, 300, 30)
    samples = np.vstack([np.ones(30), weights])
    means = samples @ values / 30
    slopes = (values - means[:, None]) / 30
    found = cv2_interval.studentized(means, slopes, samples, 0.9)
    distance = []
    for row in weights.astype(int):
        sample = np.repeat(values, row)
        distance.append((sample.mean() - values.mean()) / sample.std())
    high, low = np.quantile(distance, [0.05, 0.95])
    expected = values.mean() - values.std() * np.array([low, high])
    np.testing.assert_allclose(found, expected)


@pytest.fixture(scope="module")
def coverage():
    """Return how often intervals of the mean over subjects hold the truth, by kind."""
    rng = np.random.default_rng(2)
    truth, n_data = np.expm1(LOG_SD**2), 400
    hits = {"studentized": 0, "percentile": 0}
    degrees = np.full(N_STIMULI, 2)
    for _ in range(n_data):
        samples = np.vstack([np.ones(N_STIMULI), multiplicities(rng, 300, N_STIMULI)])
        estimates, slopes = 0.0, 0.0
        for _ in range(N_SUBJECTS):
            profile = rng.lognormal(0, LOG_SD, N_STIMULI)
            estimates = estimates + variance.true_cv2(profile, degrees, 0.0, samples) / N_SUBJECTS
            slopes = slopes + variance.cv2_slopes(profile, degrees, 0.0, samples) / N_SUBJECTS
        for name, (low, high) in {
            "studentized": cv2_interval.studentized(estimates, slopes, samples, 0.95),
            "percentile": percentile_interval(estimates[1:], 0.95),
        }.items():
            hits[name] += low <= truth <= high
    return {name: count / n_data for name, count in hits.items()}


def test_the_planted_value_is_covered(coverage):
    assert 0.90 < coverage["studentized"] < 0.98
    # the reason not to take percentiles
    assert coverage["percentile"] < coverage["studentized"] - 0.02
