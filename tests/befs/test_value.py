"""What brain data is worth: reference values at fMRI scale, limits, ridge, grids."""

import numpy as np
import pytest

from brainworth.befs import model, stage2, value
from brainworth.befs.model import Task
from brainworth.stats import stream


@pytest.fixture(scope="module")
def fmri():
    return model.calibrated(4096, model.pooling(10_000, 410, 4, stream(1, "fmri")))


@pytest.mark.parametrize(
    ("misalignment", "snr", "n_brain", "missed", "limit", "rate", "values", "savings"),
    [
        (0, 1, 6000, 0.4596, 7217, 1.20, (8434, 7637, 7264), (62.8, 13.3, 1.4)),
        (0, 1, 18_000, 0.1187, 27951, 1.55, (19238, 27689, 27994), (79.4, 35.6, 5.3)),
        (0.1, 1, 18_000, 0.2054, 16148, 0.90, (14105, 16573, 16219), (73.8, 24.9, 3.1)),
        (0.1, 1, 90_000, 0.1190, 27864, 0.31, (19207, 27610, 27908), (79.3, 35.6, 5.3)),
        (0.1, 0.1, 18_000, 0.2054, 161482, 8.97, (35940, 120935, 156826), (87.8, 70.7, 23.9)),
        (0.3, 1, 18_000, 0.3789, 8755, 0.49, (9580, 9213, 8808), (65.7, 15.6, 1.7)),
        (0.3, 0.1, 90_000, 0.3142, 105555, 1.17, (32582, 87594, 103821), (86.7, 63.7, 17.2)),
    ],
)
def test_reference_values(fmri, misalignment, snr, n_brain, missed, limit, rate, values, savings):
    """The aligned part of the task spread evenly over latents; another pooling matrix, so 0.2 %."""
    found = value.worth(
        fmri, Task(misalignment, snr), n_brain, np.array([5e3, 5e4, 5e5]), np.ones(410)
    )
    np.testing.assert_allclose(found.missed, missed, rtol=2e-3)
    np.testing.assert_allclose(found.asymptotic_value, limit, rtol=2e-3)
    np.testing.assert_allclose(found.asymptotic_value / n_brain, rate, atol=0.006)
    np.testing.assert_allclose(found.value, values, rtol=2e-3)
    np.testing.assert_allclose(100 * found.savings, savings, atol=0.11)


def test_value_rate_and_savings_are_one_number(brain):
    found = value.worth(brain, Task(0.1, 0.5), 300, np.array([20, 70, 1000]))
    np.testing.assert_allclose(found.exchange_rate, found.value / 300)
    total = found.value + np.array([20, 70, 1000])
    np.testing.assert_allclose(found.savings, found.value / total)
    # as many samples give least squares the same error
    np.testing.assert_allclose(stage2.task_only_excess(2.0, total, 60), found.excess)


def test_ridge_equivalents_give_the_ridge_the_same_error(brain):
    n_task = np.array([65.0, 300, 5000])
    found = value.worth(brain, Task(0.1, 0.5), 300, n_task)
    same = stage2.ridge_excess(2.0, n_task + found.value_over_ridge, 60)
    np.testing.assert_allclose(same, found.excess, rtol=1e-9)
    assert (found.value_over_ridge < found.value).all()


def test_ridge_better_is_negative_worth(brain):
    found = value.worth(brain, Task(0.95, 1.0), 70, 100)
    assert found.excess > found.ridge_excess
    assert found.value > 0
    assert found.value_over_ridge < 0
    assert -1 < found.savings_over_ridge < 0
    assert found.ridge_value > found.value


def test_value_is_never_negative_at_the_best_penalty(brain):
    task = Task(np.linspace(0, 1, 11)[:, None, None], np.array([0.1, 1, 10])[:, None])
    for n_brain in (62, 100, 5000, np.inf):
        found = value.worth(brain, task, n_brain, np.array([62, 100, 1000, 1e5]))
        assert (found.value > -1e-6).all()


def test_limits_of_the_value(brain):
    """Theorem 4: unlimited brain data, and complete misalignment."""
    noise, d, p = 2.0, brain.d, brain.p
    task = Task(np.array([0.2, 1.0]), 1 / noise)
    found = value.worth(brain, task, np.inf, 1e7)
    expected = noise * p**2 / (d * np.array([0.2, 1.0]))
    np.testing.assert_allclose(found.asymptotic_value, expected)
    np.testing.assert_allclose(found.value, expected, rtol=1e-3)
    assert (found.exchange_rate == 0).all()
    nothing_missed = value.worth(brain, Task(0.0, 0.5), np.inf, 100)
    assert nothing_missed.asymptotic_value == np.inf
    assert nothing_missed.kappa == np.inf
    assert np.isfinite(nothing_missed.value)


def test_ridge_has_the_published_shrinkage_value():
    assert float(value.asymptotic_ridge_value(10.0, 4096)) == 40960
    found = stage2.ridge_excess(10.0, 1e9, 4096)
    equivalent = float(value.equivalent_samples(found, 10.0, 4096)) - 1e9
    assert equivalent == pytest.approx(40960, rel=1e-3)


def test_a_grid_equals_a_loop(brain):
    misalignment = np.array([0.0, 0.3, 1.0])[:, None, None, None]
    snr = np.array([0.1, 3.0])[:, None, None]
    n_brain = np.array([62.0, 200, np.inf])[:, None]
    n_task = np.array([20.0, 70, 3000])
    together = value.worth(brain, Task(misalignment, snr), n_brain, n_task)
    assert together.value.shape == (3, 2, 3, 3)
    for index in np.ndindex(3, 2, 3, 3):
        i, j, m, n = index
        task = Task(misalignment[i, 0, 0, 0], snr[j, 0, 0])
        alone = value.worth(brain, task, n_brain[m, 0], n_task[n])
        for name, array in vars(together).items():
            expected = float(getattr(alone, name))
            assert array[index] == pytest.approx(expected, rel=1e-12, abs=1e-12), name
