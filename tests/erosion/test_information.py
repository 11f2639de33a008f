"""Conditional mutual information: closed forms, degenerate relations, and integration."""

import numpy as np
import pytest

from brainworth.erosion import direction_erosion, information


def correlated(rng, n, rho):
    x, e = rng.standard_normal((2, n, 1))
    return x, rho * x + np.sqrt(1 - rho**2) * e


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("estimator", ["gaussian", "nearest"])
def test_without_condition_it_is_the_known_mutual_information(rho, estimator):
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x, y = correlated(rng, 800, rho)
        nothing = np.empty((800, 0))
        more = (4,) if estimator == "nearest" else ()
        found.append(getattr(information, estimator)(x, y, nothing, *more))
    known = -0.5 * np.log(1 - rho**2)
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found) - known) < 4 * error + 0.01


def test_gaussian_estimate_is_unbiased_for_few_samples():
    """12 samples of 2 + 2 + 1 dimensions: the plug-in estimate is far off, this one is not."""
    rng = np.random.default_rng(1)
    mixing = rng.standard_normal((5, 5))
    covariance = mixing @ mixing.T
    part = [
        np.linalg.slogdet(covariance[np.ix_(rows, rows)])[1]
        for rows in ([0, 1, 4], [2, 3, 4], [4], range(5))
    ]
    known = (part[0] + part[1] - part[2] - part[3]) / 2
    found, plain = [], []
    for _ in range(4000):
        data = rng.standard_normal((12, 5)) @ mixing.T
        found.append(information.gaussian(data[:, :2], data[:, 2:4], data[:, 4:]))
        sample = np.cov(data.T)
        part = [
            np.linalg.slogdet(sample[np.ix_(rows, rows)])[1]
            for rows in ([0, 1, 4], [2, 3, 4], [4], range(5))
        ]
        plain.append((part[0] + part[1] - part[2] - part[3]) / 2)
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - known) < 4 * error
    assert np.mean(plain) - known > 10 * error


def test_what_the_condition_determines_adds_nothing():
    rng = np.random.default_rng(2)
    z = rng.standard_normal((300, 2))
    y = z[:, :1] + rng.standard_normal((300, 1))
    assert information.gaussian(z @ rng.standard_normal((2, 3)), y, z) == 0
    x = np.hstack([z, rng.standard_normal((300, 1))])
    assert information.gaussian(x, y, z) == pytest.approx(
        information.gaussian(x[:, 2:], y, z), abs=1e-9
    )


def test_nearest_neighbours_equal_counting_by_hand():
    rng = np.random.default_rng(3)
    x, y, z = (rng.standard_normal((60, d)) for d in (1, 1, 1))
    from scipy.special import digamma

    scaled = [v / v.std(axis=0) for v in (x, y, z)]

    def distances(*parts):
        space = np.hstack(parts)
        return np.abs(space[:, None] - space[None]).max(axis=2)

    k = 3
    joint = distances(*scaled)
    eps = np.sort(joint, axis=1)[:, k]
    counts = [
        (distances(*parts) < eps[:, None]).sum(axis=1)
        for parts in ((scaled[2],), (scaled[0], scaled[2]), (scaled[1], scaled[2]))
    ]
    known = digamma(k) + np.mean(digamma(counts[0]) - digamma(counts[1]) - digamma(counts[2]))
    assert information.nearest(x, y, z, k) == pytest.approx(known, abs=1e-12)


def test_integration_gives_the_gaussian_closed_form():
    nodes = np.linspace(-8, 8, 4001)
    density = np.exp(-(nodes**2) / 2)
    found = information.noisy(nodes, density / density.sum(), 0.5)
    assert found == pytest.approx(0.5 * np.log(1 + 1 / 0.25), abs=1e-4)


def test_known_value_of_the_nonlinear_case_equals_simulation():
    """-E log p(delta | S1) - h(noise), by brute-force averages of the density."""
    rng = np.random.default_rng(4)
    noise = 0.5
    total = []
    inner = (rng.standard_normal(4000) ** 2 - 1) / np.sqrt(2)
    for _ in range(400):
        first, second = rng.standard_normal(2)
        gain = 1 + 0.5 * np.tanh(first)
        value = gain * (second**2 - 1) / np.sqrt(2) + noise * rng.standard_normal()
        kernel = np.exp(-0.5 * ((value - gain * inner) / noise) ** 2)
        total.append(-np.log(kernel.mean() / (noise * np.sqrt(2 * np.pi))))
    entropy = 0.5 * np.log(2 * np.pi * np.e * noise**2)
    error = np.std(total) / np.sqrt(len(total))
    assert abs(np.mean(total) - entropy - direction_erosion.known("nonlinear", noise)) < 4 * error
