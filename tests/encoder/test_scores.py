"""Scores of predictions, held against slow loops, SciPy and planted truths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from brainworth.encoder import ceilings, pattern_scores, scores, voxel_scores
from brainworth.errors import BrainworthError
from brainworth.stats import multiplicities, stream

N, V, M = 40, 6, 25


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    signal = rng.standard_normal((N, V))
    return {
        "predicted": (0.5 * signal + 0.2 * rng.standard_normal((N, V)) + 0.1).astype(np.float32),
        "observed": (signal + rng.standard_normal((N, V))).astype(np.float32),
        "n_repeats": rng.integers(1, 4, N),
        "ncsnr": np.array([0.0, 0.1, 0.5, 1.0, 1.5, 2.0]),
        "noise_variance": rng.uniform(0.5, 2, V),
        "recalibration": (rng.standard_normal((M, V)), rng.standard_normal((M, V))),
        "min_ceiling": 0.05,
        "n_bootstrap": 60,
        "seed": 5,
        "name": "subj01",
    }


def by_loops(predicted, observed, given):
    """Score in plain loops, with SciPy's correlations and line fits."""
    predicted, observed = predicted.astype(float), observed.astype(float)
    r = np.array(
        [scipy.stats.pearsonr(p, y)[0] for p, y in zip(predicted.T, observed.T, strict=True)]
    )
    mse = np.array([np.mean((p - y) ** 2) for p, y in zip(predicted.T, observed.T, strict=True)])
    variance = np.array([np.var(y) for y in observed.T])
    per_trial = np.mean([1 / n for n in given["n_repeats"]])
    ceiling = [s**2 / (s**2 + per_trial) for s in given["ncsnr"]]
    share = [q * abs(q) / c for q, c in zip(r, ceiling, strict=True) if c >= given["min_ceiling"]]
    again = []
    for v in range(V):
        line = scipy.stats.linregress(*(values[:, v] for values in given["recalibration"]))
        again.append(line.intercept + line.slope * predicted[:, v])
    pattern = [scipy.stats.pearsonr(p, y)[0] for p, y in zip(predicted, observed, strict=True)]
    won = [
        scipy.stats.pearsonr(predicted[i], observed[i])[0]
        > scipy.stats.pearsonr(predicted[i], observed[j])[0]
        for i, j in itertools.permutations(range(len(predicted)), 2)
    ]
    return {
        "mse": mse.mean(),
        "mse_zero": np.mean(observed**2),
        "mse_oracle": given["noise_variance"].mean() * per_trial,
        "bound": np.mean(variance * (1 - r**2)),
        "r2_mean": np.mean(1 - mse / variance),
        "r2_median": np.median(1 - mse / variance),
        "r_mean": r.mean(),
        "r_median": np.median(r),
        "share_clipped": np.mean(np.clip(share, 0, 1)),
        "share_unclipped": np.mean(share),
        "mse_recalibrated": np.mean((np.array(again).T - observed) ** 2),
        "pattern_r": np.mean(pattern),
        "identification": np.mean(won),
    }


def test_estimates_are_those_of_slow_loops(data):
    found = scores.evaluate(**data)
    expected = by_loops(data["predicted"], data["observed"], data)
    assert found.estimates.keys() == expected.keys()
    for name, value in expected.items():
        assert found.estimates[name] == pytest.approx(value, rel=1e-9), name
    assert found.counts == {"n_images": N, "n_voxels": V, "n_constant": 0, "n_share": 4}


def test_draws_are_the_scores_of_resampled_images(data):
    """Except that copies of an image are not told apart from each other."""
    found = scores.evaluate(**data)
    weights = multiplicities(stream(5, "encoder", "scores", "subj01"), 60, N)
    for b in (0, 59):
        rows = np.repeat(np.arange(N), weights[b].astype(int))
        fixed = data | {"n_repeats": data["n_repeats"]}
        expected = by_loops(data["predicted"][rows], data["observed"][rows], fixed)
        for other in ("mse_oracle", "identification", "share_clipped"):
            del expected[other]
        for name, value in expected.items():
            assert found.draws[name][b] == pytest.approx(value, rel=1e-6), name
        won = pattern_scores.wins(pattern_scores.similarity(data["predicted"], data["observed"]))
        pairs = [won[i, j] for i, j in itertools.permutations(rows, 2) if i != j]
        assert found.draws["identification"][b] == pytest.approx(np.mean(pairs))


def test_summary_has_every_key_of_a_row(data):
    row = scores.score(**data, interval=0.9)
    assert list(row) == [
        *("n_images", "n_voxels", "n_constant_predictions", "mse", "mse_zero", "mse_oracle"),
        *("bound", "r2_mean", "r2_median", "r_mean", "r_median", "share_of_ceiling"),
        *("mse_recalibrated", "pattern_r", "identification"),
    ]
    assert row["share_of_ceiling"]["n_voxels"] == 4
    for key in ("mse", "bound", "r2_mean", "r_mean", "mse_recalibrated", "identification"):
        low, high = row[key]["interval"]
        assert low < row[key]["estimate"] < high
    assert row["mse"]["estimate"] >= row["bound"]["estimate"]


def test_what_cannot_be_had_is_null_with_a_reason(data):
    given = data | {"ncsnr": None, "noise_variance": None, "recalibration": None}
    row = scores.score(**given, interval=0.9)
    for entry in (
        row["share_of_ceiling"]["clipped"],
        row["share_of_ceiling"]["unclipped"],
        row["mse_recalibrated"],
        row["mse_oracle"],
    ):
        assert entry["estimate"] is None
        assert entry["reason"]
    low = scores.score(**data | {"ncsnr": np.full(V, 0.01)}, interval=0.9)
    assert "0.05" in low["share_of_ceiling"]["clipped"]["reason"]


def test_zero_and_the_mean_score_as_they_must(data):
    data["predicted"] = np.zeros((N, V), dtype=np.float32)
    row = scores.score(**data, interval=0.9)
    assert row["mse"]["estimate"] == pytest.approx(row["mse_zero"]["estimate"], rel=1e-12)
    assert row["mse"]["interval"] == pytest.approx(row["mse_zero"]["interval"], rel=1e-12)
    assert row["r_mean"]["estimate"] == 0
    assert row["pattern_r"]["estimate"] == 0
    assert row["identification"]["estimate"] == 0.5
    assert row["n_constant_predictions"] == V
    data["predicted"] = np.broadcast_to(data["observed"].mean(axis=0), (N, V))
    row = scores.score(**data, interval=0.9)
    assert row["r2_mean"]["estimate"] == pytest.approx(0, abs=1e-6)
    assert row["mse"]["estimate"] == pytest.approx(row["bound"]["estimate"], rel=1e-6)


def test_error_reaches_its_bound_only_when_calibrated(data):
    observed = data["observed"].astype(float)
    slope = np.array(
        [
            scipy.stats.linregress(p, y)[:2]
            for p, y in zip(data["predicted"].T, observed.T, strict=True)
        ]
    )
    calibrated = slope[:, 1] + slope[:, 0] * data["predicted"]
    best = voxel_scores.score(calibrated, observed)
    np.testing.assert_allclose(best.mse, best.bound, rtol=1e-9)
    off = voxel_scores.score(calibrated + 0.1, observed)
    np.testing.assert_allclose(off.mse - off.bound, 0.01, rtol=1e-6)


@pytest.mark.parametrize(
    ("mse", "r", "variance"),
    [
        (0.261, 0.429, 0.455),  # the publication's headline, targets of its own probes
        (0.79, 0.43, 1.0),  # z-scored targets
        (0.5, np.nan, 1.0),
    ],
)
def test_scores_of_mixed_scales_are_refused(mse, r, variance):
    with pytest.raises(BrainworthError, match="same scale"):
        voxel_scores.check_bound(np.array([1.0, mse]), np.array([0.5, r]), np.array([1, variance]))


def test_bound_holds_where_rounding_is_worst():
    """Offsets of 10^6 beside an SD of 1, single precision, perfect and nearly flat predictions."""
    rng = np.random.default_rng(0)
    observed = (1e6 + rng.standard_normal((50, 4))).astype(np.float32)
    predicted = observed.copy()
    predicted[:, 1] += 1
    predicted[:, 2] = 1e6
    predicted[0, 2] += 0.0625
    found = voxel_scores.score(predicted, observed)
    assert found.r[:2] == pytest.approx(1)
    assert not found.constant.any()


def test_differences_are_paired(data):
    first = scores.evaluate(**data)
    worse = data | {"predicted": data["predicted"] + np.float32(0.3)}
    second = scores.evaluate(**worse)
    difference = scores.compare(first, second, 0.95)
    assert difference["r_mean"]["estimate"] == pytest.approx(0, abs=1e-6)
    assert np.ptp(difference["r_mean"]["interval"]) < 1e-6
    assert difference["mse"]["interval"][1] < 0
    alone = scores.summarise(first, 0.95)["mse"]["interval"]
    assert np.ptp(difference["mse"]["interval"]) < np.ptp(alone)
    with pytest.raises(BrainworthError, match="paired"):
        scores.compare(first, scores.evaluate(**data | {"name": "subj02"}), 0.95)
    with pytest.raises(BrainworthError, match="paired"):
        scores.compare(first, scores.evaluate(**data | {"observed": data["observed"] * 2}), 0.95)


def test_intervals_cover_the_truth():
    """Voxels of known correlation and ceiling, 300 data sets; 95 % intervals, biased or not."""
    n, n_voxels, n_data = 60, 12, 300
    rng = np.random.default_rng(1)
    signal, noise = 0.6, 1.0  # variances; of the mean of three trials, signal / (signal + 1/3)
    truth = signal / (signal + noise / 3)
    explained = 0.5
    true_r = np.sqrt(explained * truth)
    hits = {"r_mean": 0, "share_unclipped": 0, "mse": 0, "r2_mean": 0}
    slope = explained
    expected = {
        "r_mean": true_r,
        "share_unclipped": explained,
        "mse": signal * (1 - slope) + noise / 3,
        "r2_mean": explained * truth,
    }
    for number in range(n_data):
        seen = np.sqrt(explained * signal) * rng.standard_normal((n, n_voxels))
        unseen = np.sqrt((1 - explained) * signal) * rng.standard_normal((n, n_voxels))
        observed = seen + unseen + np.sqrt(noise / 3) * rng.standard_normal((n, n_voxels))
        found = scores.evaluate(
            seen,
            observed,
            n_repeats=np.full(n, 3),
            ncsnr=np.full(n_voxels, np.sqrt(signal / noise)),
            noise_variance=None,
            recalibration=None,
            min_ceiling=0.05,
            n_bootstrap=400,
            seed=number,
            name="planted",
        )
        for name in hits:
            estimate = found.estimates[name]
            entry = scores._interval(estimate, estimate, found.draws[name], 0.95)
            hits[name] += entry[0] <= expected[name] <= entry[1]
    for name, count in hits.items():
        assert 0.90 <= count / n_data <= 0.99, (name, count / n_data)


@pytest.mark.parametrize("explained", [0.0, 0.02, 0.9])
def test_intervals_of_the_clipped_share_cover_it_and_hold_the_estimate(explained):
    """Where clipping raises the estimate above the truth (share 0), and where it lowers it."""
    n, n_voxels, n_data = 60, 40, 100
    signal = np.array([0.05, 0.6] * (n_voxels // 2))  # beside noise of variance 1 a trial
    rng = np.random.default_rng([2, int(100 * explained)])
    covered = 0
    for number in range(n_data):
        seen, unseen, noise = rng.standard_normal((3, n, n_voxels))
        predicted = np.sqrt(max(explained, 0.01) * signal) * seen
        observed = np.sqrt(1 - explained) * np.sqrt(signal) * unseen + noise / np.sqrt(3)
        found = scores.score(
            predicted,
            observed + predicted * (explained > 0),
            n_repeats=np.full(n, 3),
            ncsnr=np.sqrt(signal),
            noise_variance=None,
            recalibration=None,
            min_ceiling=0.05,
            n_bootstrap=200,
            interval=0.95,
            seed=number,
            name="planted",
        )
        for entry in (*found["share_of_ceiling"].values(), *found.values()):
            if isinstance(entry, dict) and entry.get("interval"):
                assert entry["interval"][0] <= entry["estimate"] <= entry["interval"][1]
        low, high = found["share_of_ceiling"]["clipped"]["interval"]
        covered += low <= explained <= high
    assert covered / n_data >= 0.9, covered


def test_noise_ceiling_takes_the_harmonic_mean_of_repeats():
    assert ceilings.repeats(np.array([1, 2, 3])) == pytest.approx(3 / (1 + 1 / 2 + 1 / 3))
    np.testing.assert_allclose(
        ceilings.noise_ceiling(np.array([0.0, 1.0]), np.array([3, 3])), [0, 0.75]
    )
    with pytest.raises(BrainworthError, match="without a single trial"):
        ceilings.repeats(np.array([3, 0]))
    with pytest.raises(BrainworthError, match="ncsnr"):
        ceilings.noise_ceiling(np.array([np.nan]), np.array([3]))


def test_noise_ceiling_is_the_square_of_the_best_correlation():
    rng = np.random.default_rng(8)
    ncsnr = np.array([0.3, 0.7, 1.5])
    signal = ncsnr * rng.standard_normal((20000, 3))
    n_repeats = rng.integers(1, 4, 20000)
    noise = rng.standard_normal((20000, 3)) / np.sqrt(n_repeats)[:, None]
    r = voxel_scores.score(signal, signal + noise).r
    np.testing.assert_allclose(r**2, ceilings.noise_ceiling(ncsnr, n_repeats), rtol=0.05)


def test_bad_input_is_refused(data):
    for change, words in (
        ({"predicted": data["predicted"][:, :5]}, "same shape"),
        ({"predicted": np.full((N, V), np.nan)}, "not finite"),
        ({"ncsnr": np.ones(V + 1)}, "ncsnr"),
        ({"observed": np.ones((N, V))}, "respond the same"),
        ({"recalibration": (np.ones((1, V)), np.ones((1, V)))}, "two validation images"),
    ):
        with pytest.raises(BrainworthError, match=words):
            scores.evaluate(**data | change)
    short = {key: data[key][:9] for key in ("predicted", "observed", "n_repeats")}
    with pytest.raises(BrainworthError, match="at least 10 test images"):
        scores.evaluate(**data | short)
