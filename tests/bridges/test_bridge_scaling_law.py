"""Laws of scaling recover what is planted, and the test for a plateau is right as often as said."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from brainworth.bridges.decoding import decoding_laws, scaling_law

N = np.array([100.0, 200, 400, 800, 1600, 3200])
S, B = 8, 200


def curves(rng, law, *, subject=0.03, image=0.02, interaction=0.01, size=0.001):
    """Draw scores (S, K, 1 + B): subjects, images that all saw, and both together.

    What images do is drawn anew in each resample, with the variance that it has in the data; a
    slope and a level of each come from the subject and from the images.
    """
    x = np.log2(N / N[0])

    def lines(shape, spread):
        level, slope = rng.normal(size=(2, *shape, 1)) * spread
        return level + slope * x / 10 + size / interaction * spread * rng.normal(size=(*shape, 6))

    of_images = lines((1 + B,), image)
    of_both = lines((S, 1 + B), interaction)
    # resamples scatter about the data: what the data drew is their centre
    for part in (of_images, of_both):
        part[..., 1:, :] += part[..., :1, :]
    scores = law(N) + lines((S,), subject)[:, None] + of_images + of_both
    return np.moveaxis(scores, 1, 2)


def straight(n):
    return 0.1 + 0.05 * np.log2(n / N[0])


def level(n, ceiling=0.6, half=500):
    return ceiling * np.sqrt(n / (n + half))


def test_log_linear_against_polyfit():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5, 6))
    found = scaling_law.log_linear(N, rows)
    for place, row in enumerate(rows):
        slope, at_largest = np.polyfit(np.log2(N / N[-1]), row, 1)
        fitted = np.polyval([slope, at_largest], np.log2(N / N[-1]))
        assert found.slope[place] == pytest.approx(slope)
        assert found.at_largest[place] == pytest.approx(at_largest)
        assert found.squares[place] == pytest.approx(np.sum((row - fitted) ** 2))
        np.testing.assert_allclose(found.predict(N, N[-1])[place], fitted)


def test_saturating_against_scipy():
    rng = np.random.default_rng(1)
    rows = np.stack([level(N, c, h) for c, h in ((0.6, 500), (0.9, 90), (0.3, 6000), (0.5, 2))])
    rows = rows + rng.normal(0, 0.01, rows.shape)
    found = scaling_law.saturating(N, rows)
    for place, row in enumerate(rows):
        best, _ = curve_fit(
            lambda n, c, h: c * np.sqrt(n / (n + np.exp(h))), N, row, p0=(0.5, 6), maxfev=10_000
        )
        assert found.ceiling[place] == pytest.approx(best[0], rel=1e-3)
        assert np.log(found.half[place]) == pytest.approx(best[1], abs=0.02)
        fitted = level(N, found.ceiling[place], found.half[place])
        np.testing.assert_allclose(found.predict(N)[place], fitted)
        assert found.squares[place] == pytest.approx(np.sum((row - fitted) ** 2), abs=1e-12)


def test_saturating_is_at_most_one():
    found = scaling_law.saturating(N, np.stack([0.9 * np.sqrt(N / N[-1]), -0.1 * np.ones(6)]))
    assert found.ceiling[0] == 1
    assert found.ceiling[1] == 0


def test_last_doubling_and_bend():
    rows = np.array([straight(N), [0, 1, 2, 3, 4, 4.5]])
    np.testing.assert_allclose(scaling_law.last_doubling(rows), [0.05, 0.5])
    np.testing.assert_allclose(scaling_law.bend(rows), [0, -0.5], atol=1e-15)


def test_error_over_subjects_is_the_spread_of_the_mean():
    rng = np.random.default_rng(2)
    means, errors = [], []
    for _ in range(600):
        drawn = scaling_law.bend(np.moveaxis(curves(rng, straight), 1, 2).reshape(-1, 6))
        drawn = drawn.reshape(S, 1 + B)
        found = scaling_law.over_subjects(drawn[:, 0], drawn[:, 1:])
        means.append(found.estimate)
        errors.append(found.error**2)
    assert np.mean(errors) == pytest.approx(np.var(means), rel=0.2)


def test_intervals_cover_and_the_test_for_a_plateau_is_calibrated():
    rng = np.random.default_rng(3)
    covered, rejected, preferred = [], [], []
    for _ in range(400):
        r = curves(rng, straight)
        found = decoding_laws.laws(N, r, 0.95, 99, rng)
        low, high = found["slope"]["interval"]
        covered.append(low <= 0.05 <= high)
        rejected.append(found["bend"]["p"] <= 0.05)
        preferred.append(found["comparison"]["p_log_linear"] <= 0.05)
    assert 0.92 <= np.mean(covered) <= 0.995
    assert 0.01 <= np.mean(rejected) <= 0.10
    assert np.mean(preferred) <= 0.10


def test_a_plateau_is_found_and_its_ceiling_covered():
    rng = np.random.default_rng(4)
    rejected, preferred, covered, reversed_ = [], [], [], []
    for _ in range(100):
        found = decoding_laws.laws(N, curves(rng, level), 0.95, 99, rng)
        rejected.append(found["bend"]["p"] <= 0.05 and found["bend"]["estimate"] < 0)
        preferred.append(found["comparison"]["p_log_linear"] <= 0.05)
        reversed_.append(found["comparison"]["p_saturating"] <= 0.05)
        low, high = found["saturating"]["ceiling"]["interval"]
        covered.append(low <= 0.6 <= high)
    assert np.mean(rejected) >= 0.9
    assert np.mean(preferred) >= 0.8
    assert np.mean(reversed_) <= 0.12
    assert np.mean(covered) >= 0.85


def test_one_subject_is_described_by_its_images():
    rng = np.random.default_rng(5)
    r = curves(rng, straight)[:1]
    found = decoding_laws.laws(N, r, 0.95, 99, rng)
    assert found["slope"]["n_subjects"] == 1
    each = scaling_law.log_linear(N, r[0].T).slope
    half = np.subtract(*found["slope"]["interval"][::-1]) / 2
    assert half == pytest.approx(1.96 * each[1:].std(ddof=1), rel=0.02)


def test_worth_and_doublings():
    rng = np.random.default_rng(6)
    base = np.broadcast_to(straight(N)[None, :, None], (S, 6, 1 + B))
    one = base + 1e-6 * rng.normal(size=base.shape)
    # a second subject's trials bring half as much as one's own: 1.5 n trials of one's own
    two = one + 0.05 * np.log2(1.5)
    four = one + 0.05 * np.log2(1 + 3 * 0.5)
    rows = decoding_laws.worth(N, {1: one, 2: two, 4: four}, 0.95, rng)
    assert [(row["n_subjects"], row["n_trials"]) for row in rows] == [
        (count, size) for count in (2, 4) for size in N
    ]
    for row in rows:
        if row["beyond"] is None:
            assert row["estimate"] == pytest.approx(0.5, abs=0.01)
            assert row["interval"][0] <= 0.5 + 0.01
            assert row["interval"][1] >= 0.5 - 0.01
    assert [row["beyond"] for row in rows if row["beyond"]] == ["above"]
    found = decoding_laws.doublings(N, {1: one, 2: two}, 0.95)
    assert found["trials"]["estimate"] == pytest.approx(0.05, abs=1e-4)
    assert found["subjects"]["estimate"] == pytest.approx(0.05 * np.log2(1.5), abs=1e-4)
    assert found["difference"]["interval"][0] > 0
    assert [row["n_trials"] for row in found["sizes"]] == N[:-1].tolist()
    worse = decoding_laws.worth(N, {1: one, 2: one - 0.02}, 0.95, rng)
    assert all(row["estimate"] < 0 for row in worse if row["beyond"] is None)
