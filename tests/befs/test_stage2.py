"""Stage 2: reference values, the best penalty, limits, and the sampler against dense algebra."""

import numpy as np
import pytest
from scipy import optimize

from brainworth.befs import sample_stage2, stage2, value
from brainworth.stats import stream


@pytest.mark.parametrize(
    ("noise", "missed", "n_task", "excess", "worth"),
    [
        (1.0, 0.5, 60, 0.41041, 78.4),
        (1.0, 0.5, 200, 0.17230, 73.1),
        (1.0, 0.5, 800, 0.04840, 67.3),
        (1.0, 0.1, 60, 0.16660, 221),
        (1.0, 0.1, 200, 0.08811, 295),
        (1.0, 0.1, 800, 0.03703, 321),
        (0.1, 0.3, 60, 0.09971, 21.1),
        (1.0, 0.5, 30, None, 75),
    ],
)
def test_reference_values(noise, missed, n_task, excess, worth):
    """d = 40, k = 4, checked by simulation."""
    found = float(stage2.optimal_excess(missed, noise, n_task, 36, 4))
    if excess is not None:
        assert found == pytest.approx(excess, abs=2e-5)
    equivalent = float(value.equivalent_samples(found, noise, 40))
    assert equivalent - n_task == pytest.approx(worth, rel=6e-3)


@pytest.mark.parametrize(
    ("noise", "missed", "n_task", "expected"),
    [(1, 0.5, 60, 1.385), (1, 0.1, 60, -1.49), (1, 0.1, 200, -0.072), (0.1, 0.3, 60, 0.1985)],
)
def test_the_asymptotic_law_and_its_failures(noise, missed, n_task, expected):
    found = float(stage2.asymptotic_excess(missed, noise, n_task, 36, 4))
    assert found == pytest.approx(expected, rel=7e-3)


@pytest.mark.parametrize("n_task", [20, 45, 100, 2000])
@pytest.mark.parametrize("missed", [0.02, 0.5])
def test_the_best_penalty_minimises_the_risk(n_task, missed):
    p, k, noise = 36, 4, 0.7

    def risk(log_kappa):
        kappa = np.exp(log_kappa)
        spectrum = stage2.spectrum(kappa, n_task, p, k)
        return float(
            stage2.excess(stage2.hidden_risk(kappa, missed, noise, spectrum), noise, n_task, k)
        )

    best = float(stage2.optimal_kappa(missed, noise, p))
    found = optimize.minimize_scalar(risk, bracket=(np.log(best) - 1, np.log(best) + 1))
    # below p + k samples the traces are good to 1e-3 and the minimum is flat
    assert np.exp(found.x) == pytest.approx(best, rel=0.02)
    assert found.fun == pytest.approx(
        float(stage2.optimal_excess(missed, noise, n_task, p, k)), rel=1e-3
    )
    assert float(stage2.optimal_lambda(missed, noise, p, n_task)) == best / n_task


def test_many_task_samples_follow_the_published_law():
    p, k, noise, missed = 54, 6, 1.0, 0.3
    n_task = np.array([3e4, 3e5])
    exact = stage2.optimal_excess(missed, noise, n_task, p, k)
    law = stage2.asymptotic_excess(missed, noise, n_task, p, k)
    np.testing.assert_allclose(exact, law, rtol=1e-4)


def test_next_order_of_the_value():
    """V (1 + (d + 1 - k kappa / d) / N_t)."""
    p, k, noise, missed = 54, 6, 1.0, 0.3
    d, n_task = p + k, 500.0 * (p + k)
    limit = float(value.asymptotic_value(missed, noise, p, k))
    kappa = noise * p / missed
    exact = float(
        value.equivalent_samples(stage2.optimal_excess(missed, noise, n_task, p, k), noise, d)
    )
    expected = limit * (1 + (d + 1 - k * kappa / d) / n_task)
    assert exact - n_task == pytest.approx(expected, rel=3e-4)


def test_a_perfect_brain_leaves_k_coefficients_to_learn():
    found = float(stage2.optimal_excess(0.0, 2.0, 100, 54, 6))
    assert found == pytest.approx(2.0 * 6 / (100 - 6 - 1))
    equivalent = float(value.equivalent_samples(found, 2.0, 60)) - 100
    assert equivalent == pytest.approx((60 / 6 - 1) * 93 + 60 - 6, rel=1e-9)


def test_an_infinite_penalty_is_the_hard_constraint():
    missed, noise, n_task, p, k = 0.3, 1.5, 80, 54, 6
    hard = float(stage2.hard_excess(missed, noise, n_task, k))
    assert hard == pytest.approx(missed + (noise + missed) * k / (n_task - k - 1))
    for kappa in (np.inf, 1e12):
        hidden = stage2.hidden_risk(kappa, missed, noise, stage2.spectrum(kappa, n_task, p, k))
        found = stage2.excess(hidden, noise, n_task, k)
        assert float(found) == pytest.approx(hard, rel=1e-6)


def test_no_penalty_is_least_squares():
    hidden = stage2.hidden_risk(0.0, 0.4, 1.0, stage2.spectrum(0.0, 200, 54, 6))
    found = float(stage2.excess(hidden, 1.0, 200, 6))
    assert found == pytest.approx(float(stage2.task_only_excess(1.0, 200, 60)), rel=1e-10)


def test_ridge_is_the_student_without_a_subspace_and_beats_least_squares():
    n_task = np.array([65.0, 100, 1000])
    ridge = stage2.ridge_excess(1.0, n_task, 60)
    assert (ridge < stage2.task_only_excess(1.0, n_task, 60)).all()
    assert (stage2.ridge_excess(1.0, [2, 10], 60) < 1).all()


def test_brain_data_beats_ridge_iff_little_is_missed():
    """For many task samples: iff the missed part is below (1 - k/d)^2 of the task."""
    d, k, n_task = 60, 6, 1e6
    edge = (1 - k / d) ** 2
    ridge = stage2.ridge_excess(1.0, n_task, d)
    assert stage2.optimal_excess(0.98 * edge, 1.0, n_task, d - k, k) < ridge
    assert stage2.optimal_excess(1.02 * edge, 1.0, n_task, d - k, k) > ridge


@pytest.mark.parametrize("n_task", [12, 40, 66, 400])
def test_traces_against_the_sampler(n_task):
    kappa = np.geomspace(3, 3000, 12)
    drawn = sample_stage2.spectra(stream(1, "t", n_task), 3000, np.array([n_task]), kappa, 54, 6)
    theory = stage2.spectrum(kappa, n_task, 54, 6)
    for name, slack in (("t", 1e-3), ("t2", 5e-3)):
        draws = getattr(drawn, name)[:, 0]
        error = draws.std(axis=0) / np.sqrt(len(draws))
        gap = np.abs(draws.mean(axis=0) - getattr(theory, name))
        assert (gap < slack * getattr(theory, name) + 3.5 * error).all()


@pytest.mark.parametrize("n_task", [9, 40, 90])
def test_the_recurrence_is_the_trace_of_the_matrix(n_task):
    """The sampler's chi variates put into a matrix, for fewer rows than columns too."""
    p, k, kappa = 30, 5, np.array([0.5, 20.0])
    rng = stream(2, "dense", n_task)
    found = sample_stage2.spectra(rng, 4, np.array([n_task]), kappa, p, k)
    rng = stream(2, "dense", n_task)
    diagonal, above = sample_stage2.bidiagonals(rng, 4, np.array([n_task]), p, k)
    for draw in range(4):
        matrix = np.diag(np.sqrt(diagonal[draw, 0])) + np.diag(np.sqrt(above[draw, 0]), 1)
        assert np.linalg.matrix_rank(matrix) == min(p, n_task - k)
        for place, penalty in enumerate(kappa):
            inverse = np.linalg.inv(matrix.T @ matrix + penalty * np.eye(p))
            assert found.t[draw, 0, place] == pytest.approx(np.trace(inverse), rel=1e-9)
            assert found.t2[draw, 0, place] == pytest.approx(np.sum(inverse**2), rel=1e-9)


def test_the_bidiagonal_form_has_the_law_of_the_matrix():
    """Moments of tr W and tr W^2 for 20 samples in 8 dimensions, and 5 samples in 8."""
    for rows in (20, 5):
        rng = stream(3, "moments", rows)
        diagonal, above = sample_stage2.bidiagonals(rng, 4000, np.array([rows + 3]), 8, 3)
        first = diagonal.sum(axis=(1, 2)) + above.sum(axis=(1, 2))
        assert abs(first.mean() - 8 * rows) < 4 * first.std() / np.sqrt(4000)
        raw = rng.standard_normal((4000, rows, 8))
        gram = np.swapaxes(raw, 1, 2) @ raw
        x, y = np.sqrt(diagonal[:, 0]), np.sqrt(above[:, 0])
        dense = x[:, :, None] * np.eye(8)
        dense[:, np.arange(7), np.arange(1, 8)] = y
        ours = np.swapaxes(dense, 1, 2) @ dense
        second = [np.sum(each**2, axis=(1, 2)) for each in (gram, ours)]
        error = np.sqrt(sum(each.var() for each in second) / 4000)
        assert abs(second[0].mean() - second[1].mean()) < 4 * error


def test_a_grid_equals_a_loop():
    kappa, n_task = np.array([1.0, 30, np.inf])[:, None], np.array([20.0, 70, 500])
    together = stage2.spectrum(kappa, n_task, 54, 6)
    for i, j in np.ndindex(3, 3):
        alone = stage2.spectrum(kappa[i, 0], n_task[j], 54, 6)
        assert together.t[i, j] == float(alone.t)
        assert together.t2[i, j] == float(alone.t2)


def test_common_random_numbers_over_task_samples():
    """More samples add to W: the trace falls draw by draw on average over steps."""
    rng = stream(1, "crn")
    t = sample_stage2.spectra(rng, 200, np.array([20, 80, 400]), np.array([10.0]), 54, 6).t
    assert (np.diff(t[..., 0], axis=1) < 0).all()
