"""The brain of the theory from samples of a planted one: the fit, the rank, the noise, the task."""

from dataclasses import replace

import numpy as np
import planted_brains
import pytest

from brainworth.befs import stage1
from brainworth.befs.model import Task
from brainworth.bridges.calibration import (
    brain_calibration,
    brain_model,
    brain_moments,
    brain_noise,
    task_alignment,
)
from brainworth.bridges.calibration.brain_model import HiddenNoise
from brainworth.bridges.calibration.task_alignment import TaskEstimate
from brainworth.errors import BrainworthError

N = 600


def block_of(n, n_blocks=10):
    return np.arange(n) % n_blocks


def known(beta):
    """A task of which the coefficients are known."""
    return TaskEstimate(beta, 1.0, 0.0, 1, 1)


def calibrated(seed, n=N, rule="one_se", **options):
    brain = planted_brains.brain(seed, **options)
    seen = planted_brains.axes(seed, brain)
    x, r = planted_brains.samples(brain, seen, n, np.random.default_rng([seed, 9]))
    block = block_of(n)
    parts = brain_calibration.raw_moments(x, r, block)
    found = brain_calibration.calibrate(x, r, block, parts, rule)
    return brain, seen, x, r, block, found


def test_blocks_add_up_and_fit_is_least_squares():
    rng = np.random.default_rng(1)
    x, r = rng.normal(size=(90, 5)) + 1, rng.normal(size=(90, 3)) - 2
    parts = brain_calibration.raw_moments(x, r, block_of(90))
    found = brain_moments.fit(brain_moments.total(parts))
    direct = np.linalg.lstsq(np.column_stack([x, np.ones(90)]), r, rcond=None)[0]
    np.testing.assert_allclose(found.coefficients(), direct[:5], atol=1e-10)
    left = r - np.column_stack([x, np.ones(90)]) @ direct
    np.testing.assert_allclose(found.noise_total, np.sum(left**2) / (90 - 6))
    np.testing.assert_allclose(brain_noise.residuals(found, x, r), left, atol=1e-10)


def test_subspace_is_that_of_reduced_rank_regression():
    """The textbook way: the right singular vectors of the fitted values."""
    rng = np.random.default_rng(2)
    x, r = rng.normal(size=(80, 6)), rng.normal(size=(80, 9))
    found = brain_moments.fit(brain_moments.of_samples(x, r))
    xc, rc = x - x.mean(axis=0), r - r.mean(axis=0)
    full = np.linalg.lstsq(xc, rc, rcond=None)[0]
    right = np.linalg.svd(xc @ full)[2][:2].T
    wanted = np.linalg.qr(full @ right)[0]
    basis = found.subspace(2)
    np.testing.assert_allclose(basis[:, :2] @ basis[:, :2].T, wanted @ wanted.T, atol=1e-10)
    np.testing.assert_allclose(basis.T @ basis, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(np.abs(found.channels(2).T @ right), np.eye(2), atol=1e-9)


def test_explained_variance_is_that_of_predictions():
    rng = np.random.default_rng(3)
    x, r = rng.normal(size=(120, 4)), rng.normal(size=(120, 5))
    r[:, 0] += 2 * x[:, 0]
    train, test = slice(0, 90), slice(90, 120)
    found = brain_moments.fit(brain_moments.of_samples(x[train], r[train]))
    shares = brain_moments.explained(found, brain_moments.of_samples(x[test], r[test]))
    for k in range(5):
        predicted = (x[test] - found.mean_x) @ found.basis[:, :k] @ found.responses[:k]
        about = r[test] - found.mean_r
        expected = 1 - np.sum((about - predicted) ** 2) / np.sum(about**2)
        assert shares[k] == pytest.approx(expected, abs=1e-10)


def test_too_few_or_dependent_samples_are_refused():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(8, 6))
    with pytest.raises(BrainworthError, match="8 brain samples are too few for 6 inputs"):
        brain_moments.fit(brain_moments.of_samples(x, x))
    x = rng.normal(size=(40, 3))
    with pytest.raises(BrainworthError, match="linearly dependent"):
        brain_moments.fit(brain_moments.of_samples(np.hstack([x, x[:, :1]]), x))


def test_whitening_makes_shared_noise_white():
    rng = np.random.default_rng(5)
    scale, shared = rng.uniform(0.5, 2, 60), rng.normal(size=(60, 2))

    def noise(n):
        return scale * (rng.normal(size=(n, 60)) + rng.normal(size=(n, 2)) @ shared.T)

    found = brain_noise.whiten(noise(500).astype(np.float32), 500)
    assert 2 <= len(found.gain) <= 3
    assert (found.gain < 0.3).sum() == 2
    fresh = found.apply(noise(20_000))
    values = np.linalg.eigvalsh(np.cov(fresh.T))
    assert values.min() > 0.6
    assert np.sort(values)[-4] < 1.5
    assert values.max() < 2
    directions = rng.normal(size=(60, 3))
    values = rng.normal(size=(7, 60))
    np.testing.assert_allclose(found.apply(values) @ directions, values @ found.pull(directions))


def test_whitening_finds_nothing_in_independent_noise():
    rng = np.random.default_rng(6)
    for n, v in ((400, 60), (60, 150)):
        found = brain_noise.whiten(rng.normal(size=(n, v)), n)
        assert len(found.gain) == 0


def test_moments_of_white_recordings():
    rng = np.random.default_rng(7)
    x, r = rng.normal(size=(200, 3)), rng.normal(size=(200, 30)) + rng.normal(size=(200, 1))
    found = brain_noise.whiten(r, 200)
    assert len(found.gain) > 0
    direct = brain_moments.of_samples(x, found.apply(r))
    through = found.moments(brain_moments.of_samples(x, r), r)
    np.testing.assert_allclose(through.xr, direct.xr)
    np.testing.assert_allclose(through.r, direct.r)
    assert through.rr.sum() == pytest.approx(direct.rr.sum())


@pytest.mark.parametrize("rule", ["best", "one_se"])
def test_number_of_latents_is_found(rule):
    ranks = [calibrated(seed, rule=rule)[-1].brain.k for seed in range(10)]
    assert np.mean(np.array(ranks) == planted_brains.K) >= 0.9


def test_no_latents_where_the_brain_tells_nothing():
    ranks = []
    for seed in range(10):
        rng = np.random.default_rng([seed, 1])
        x, r = rng.normal(size=(N, 24)), rng.normal(size=(N, 40))
        parts = brain_calibration.raw_moments(x, r, block_of(N))
        ranks.append(brain_calibration.calibrate(x, r, block_of(N), parts, "best").brain.k)
    assert ranks == [0] * 10


def white_truth(brain, whitening):
    """Effective noise of white recordings, from the planted covariance."""
    driven = whitening.apply(brain.matrix.T)
    noise = whitening.apply(whitening.apply(brain.recording_covariance()).T)
    left, values, right = np.linalg.svd(driven, full_matrices=False)
    return right @ noise @ right.T / np.outer(values, values), values**2, left


@pytest.mark.parametrize("noise", [0.5, 4.0])
def test_effective_noise_is_covered(noise):
    inside, ratios = [], []
    for seed in range(24):
        brain, _, x, r, block, found = calibrated(seed, noise=noise)
        if found.brain.k != brain.k:
            continue
        true = np.trace(white_truth(brain, found.whitening)[0])
        estimate = np.trace(found.brain.gamma)
        left_out = brain_calibration.leave_out(found, x, r, block)
        logs = np.log([np.trace(each.gamma) for _, each in left_out])
        error = float(brain_calibration.jackknife(logs))
        ratios.append(estimate / true)
        inside.append(abs(np.log(estimate / true)) < 2.26 * error)
    assert len(ratios) >= 20
    assert np.mean(ratios) == pytest.approx(1, abs=0.04)
    assert np.mean(inside) >= 0.8


def test_strengths_are_free_of_what_noise_adds():
    found = [calibrated(seed, noise=4.0) for seed in range(20)]
    ratios, raw = [], []
    for brain, _, _, _, _, each in found:
        if each.brain.k == brain.k:
            true = white_truth(brain, each.whitening)[1]
            ratios.append(each.brain.strengths / true)
            raw.append(each.found.strength[: brain.k] / each.found.n / true)
    # sampling spreads strengths of like size apart, which their mean is free of
    assert np.mean(ratios) == pytest.approx(1, abs=0.03)
    np.testing.assert_allclose(np.mean(ratios, axis=0), 1, atol=0.1)
    assert np.mean(raw) > 1.05  # it is needed


@pytest.mark.parametrize("misalignment", [0.0, 0.3, 0.8])
def test_misalignment_is_covered(misalignment):
    inside, errors = [], []
    for seed in range(24):
        brain, seen, x, r, block, found = calibrated(seed, noise=2.0)
        if found.brain.k != brain.k:
            continue
        beta = planted_brains.task(seen, misalignment, np.random.default_rng([seed, 3]))
        estimate = task_alignment.align(found.found, found.brain, known(beta)).misalignment
        without = np.array(
            [
                task_alignment.align(fit, each, known(beta)).misalignment
                for fit, each in brain_calibration.leave_out(found, x, r, block)
            ]
        )
        error = float(brain_calibration.jackknife(without))
        errors.append(estimate - misalignment)
        inside.append(abs(estimate - misalignment) < 2.26 * error)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors)) + 0.005
    assert np.mean(inside) >= 0.8


def test_prediction_is_what_fresh_brain_samples_leave_out():
    """Predicted from 600 samples, measured with subspaces learned from others, few and many."""
    n_brain = np.array([40, 80, 300])
    ratios = []
    for seed in range(8):
        brain, seen, _, _, _, found = calibrated(seed, noise=2.0)
        beta = planted_brains.task(seen, 0.2, np.random.default_rng([seed, 3]))
        task = task_alignment.align(found.found, found.brain, known(beta))
        predicted = brain_calibration.missed(found.brain, task, n_brain)
        rng, measured = np.random.default_rng([seed, 4]), []
        for _ in range(20):
            x, r = planted_brains.samples(brain, seen, int(n_brain[-1]), rng)
            bases = []
            for n in n_brain:
                white = brain_moments.of_samples(x[:n], found.whitening.apply(r[:n]))
                bases.append(brain_moments.fit(white).subspace(brain.k)[:, brain.k :])
            measured.append([np.sum((basis.T @ beta) ** 2) for basis in bases])
        ratios.append(np.mean(measured, axis=0) / predicted)
    np.testing.assert_allclose(np.mean(ratios, axis=0), 1, atol=0.05)


def test_spread_over_brain_data_sets():
    brain = planted_brains.brain(1, noise=2.0)
    seen = planted_brains.axes(1, brain)
    found = calibrated(1, noise=2.0)[-1]
    for misalignment in (0.0, 0.3):
        beta = planted_brains.task(seen, misalignment, np.random.default_rng(3))
        task = task_alignment.align(found.found, found.brain, known(beta))
        rng, missed = np.random.default_rng(5), []
        for _ in range(300):
            x, r = planted_brains.samples(brain, seen, 150, rng)
            white = brain_moments.of_samples(x, found.whitening.apply(r))
            basis = brain_moments.fit(white).subspace(brain.k)[:, brain.k :]
            missed.append(np.sum((basis.T @ beta) ** 2))
        spread = np.sqrt(brain_calibration.draw_variance(found.brain, task, 150))
        predicted = brain_calibration.missed(found.brain, task, 150)
        assert np.std(missed) / np.mean(missed) == pytest.approx(spread / predicted, rel=0.3)


def test_law_is_that_of_the_same_brain():
    """Where latents are strong, the law of a planted brain is that of `befs.stage1`."""
    brain = planted_brains.brain(1, noise=1.0)
    values, turn = np.linalg.eigh(brain.gram)
    order = np.argsort(values)[::-1]
    values, turn = values[order], turn[:, order]
    hidden = HiddenNoise((brain.n - brain.k) * 2.0, (brain.n - brain.k) * 4.0)
    equal = brain_model.EffectiveBrain(
        d=brain.d,
        k=brain.k,
        strengths=values,
        gamma=turn.T @ brain.gamma @ turn,
        hidden=hidden,
        seen=np.ones(brain.k),
    )
    task = Task(0.2, 1.0)
    sizes = np.array([60, 100, 1000])
    np.testing.assert_allclose(
        brain_model.overlap(equal, sizes, None).missed(task),
        stage1.resummed(brain, sizes).missed(task),
        rtol=2e-3,
    )


@pytest.mark.parametrize(("n", "log_sd"), [(80, 0.0), (160, 0.0), (160, 0.4)])
def test_law_holds_for_weak_latents_and_uneven_noise(n, log_sd):
    """Against raw draws of a brain of 400 channels; trials differ in noise where `log_sd` is not 0.

    The law of even noise is off by more than a tenth there.
    """
    d, k, n_channels = 40, 4, 400
    strengths, rng = np.geomspace(9, 3, k), np.random.default_rng(9)
    hidden = HiddenNoise(n_channels - k, n_channels - k, np.exp(log_sd**2) - 1)
    brain = brain_model.EffectiveBrain(d, k, strengths, np.diag(1 / strengths), hidden, np.ones(k))
    lost = []
    for _ in range(60):
        x, r = rng.normal(size=(n, d)), rng.normal(size=(n, n_channels))
        r *= np.exp(log_sd * rng.normal(size=(n, 1)) / 2 - log_sd**2 / 4)
        r[:, :k] += x[:, :k] * np.sqrt(strengths)
        outside = brain_moments.fit(brain_moments.of_samples(x, r)).subspace(k)[:, k:]
        lost.append(np.mean(np.sum(outside[:k] ** 2, axis=1)))
    law = float(brain_model.overlap(brain, n - 1, None).aligned)
    assert np.mean(lost) == pytest.approx(law, rel=0.13)
    if log_sd:
        even = replace(brain, hidden=replace(hidden, uneven=0.0))
        assert float(brain_model.overlap(even, n - 1, None).aligned) < 0.9 * np.mean(lost)


def test_unevenness_of_noise_is_found():
    for log_sd in (0.0, 0.4):
        brain = planted_brains.brain(2)
        seen = planted_brains.axes(2, brain)
        rng, found = np.random.default_rng(3), []
        for _ in range(5):
            x, r = planted_brains.samples(brain, seen, N, rng, log_sd=log_sd)
            parts = brain_calibration.raw_moments(x, r, block_of(N))
            found.append(brain_calibration.calibrate(x, r, block_of(N), parts, "best"))
        uneven = [each.hidden.uneven for each in found]
        assert np.mean(uneven) == pytest.approx(np.exp(log_sd**2) - 1, abs=0.03)


def test_tasks_are_estimated_without_bias():
    rng = np.random.default_rng(8)
    beta = np.array([0.6, -0.3, 0.2, 0.0])
    found = []
    for _ in range(200):
        x = rng.normal(size=(60, 4))
        y = x @ beta + 2 + 1.5 * rng.normal(size=60)
        found.append(task_alignment.estimate_tasks(x, y[:, None])[0])
    signals = [each.signal for each in found]
    noises = [each.noise for each in found]
    assert np.mean(signals) == pytest.approx(beta @ beta, abs=3 * np.std(signals) / 14)
    assert np.mean(noises) == pytest.approx(2.25, abs=3 * np.std(noises) / 14)


def test_detectable_latents():
    assert brain_model.detectable(np.array([3.0, 1.0, 0.1]), 100, 20, HiddenNoise(40.0, 40.0)) == 2


def test_leading_eigenvalues_of_large_matrices():
    values = np.random.default_rng(8).normal(size=(400, 420))
    matrix = values @ values.T
    found, vectors = brain_noise._leading(matrix, 10)
    np.testing.assert_allclose(found, np.linalg.eigvalsh(matrix)[::-1][:10], rtol=1e-8)
    np.testing.assert_allclose(matrix @ vectors, vectors * found, atol=1e-4)
