"""Shifted tests: limits of the theorems, reference values, agreement with the sampler."""

import numpy as np
import pytest

from brainworth.befs import sample_stage1, shift, stage1, stage2, value
from brainworth.befs.model import Task
from brainworth.errors import BrainworthError
from brainworth.stats import stream

TASK = Task(0.3, 1.0)


@pytest.fixture(scope="module")
def perfect(brain):
    return stage1.resummed(brain, np.inf)


def worth(inputs, n_task):
    excess = shift.schedule_excess(inputs, 1.0, n_task)
    return value.equivalent_samples(excess, 1.0, inputs.d, inputs.trace) - n_task


def test_the_isotropic_test_is_the_isotropic_risk(brain):
    overlap = stage1.resummed(brain, np.array([70, 300, np.inf]))
    for noise in (0.2, 1.0, 5.0):
        task = Task(0.3, 1 / noise)
        found = shift.schedule_excess(shift.blocks(overlap, task, 1, 1), noise, 90)
        missed = overlap.missed(task)
        np.testing.assert_allclose(found, stage2.optimal_excess(missed, noise, 90, 54, 6))


def test_risk_is_linear_in_the_test_covariance(brain):
    overlap = stage1.resummed(brain, 150)
    on, off, both = (
        shift.schedule_excess(shift.blocks(overlap, TASK, *each), 1.0, 90)
        for each in ((1, 0), (0, 1), (2, 3))
    )
    assert float(both) == pytest.approx(2 * float(on) + 3 * float(off))


def test_no_value_where_the_brain_sees_and_more_where_it_does_not(perfect):
    """Theorems 7 and 8, for unlimited data."""
    on, off, whole = (
        float(shift.asymptotic_value(shift.blocks(perfect, TASK, *each), 1.0))
        for each in ((1, 0), (0, 1), (1, 1))
    )
    assert on == pytest.approx(0, abs=1e-9)
    assert off == pytest.approx(54 / 0.3)
    assert off == pytest.approx(whole * 60 / 54)


def test_the_value_where_the_brain_sees_vanishes_only_in_the_limit(perfect):
    inputs = shift.blocks(perfect, TASK, 1, 0)
    found = worth(inputs, np.array([120, 600, 6000, 180_000]))
    np.testing.assert_allclose(found, [35, 13, 1.6, 0.05], rtol=0.08)


def test_blocks_of_unequal_variance(perfect):
    on, off = 0.4, 2.5
    found = float(shift.asymptotic_value(shift.blocks(perfect, TASK, on, off), 1.0))
    assert found == pytest.approx(off * 54**2 / (0.3 * (6 * on + 54 * off)))


def test_adversarial_tests_make_brain_data_harmful(perfect):
    """Extra variance of d on the missed direction, by size of the task data."""
    inputs = shift.missed_direction(perfect, TASK, 60.0)
    found = worth(inputs, np.array([120, 600, 6000, 180_000]))
    np.testing.assert_allclose(found, [-44, -442, -2502, -4475], rtol=3e-3)
    assert float(shift.asymptotic_value(inputs, 1.0)) == pytest.approx(-4599)


def test_the_sign_turns_at_twice_the_average_mass(perfect):
    """Theorem 5: at strength p / (p - 2)."""
    strengths = np.array([54 / 52 - 0.01, 54 / 52 + 0.01])
    found = shift.asymptotic_value(shift.missed_direction(perfect, TASK, strengths), 1.0)
    assert found[0] > 0 > found[1]
    strongest = shift.asymptotic_value(shift.missed_direction(perfect, TASK, 1e9), 1.0)
    assert float(strongest) == pytest.approx(-54 * 52 / 0.3, rel=1e-6)


def test_a_penalty_tuned_to_the_test_is_never_harmful(brain, perfect):
    strengths = np.geomspace(0.1, 1e4, 30)
    for overlap in (perfect, stage1.resummed(brain, 90)):
        inputs = shift.missed_direction(overlap, TASK, strengths)
        tuned = shift.tuned_value(inputs, 1.0)
        assert (tuned >= 0).all()
        assert (tuned >= shift.asymptotic_value(inputs, 1.0) - 1e-9).all()


def test_the_theory_of_shift_against_the_sampler(brain):
    """Products of means are plugged in; within 3 % where the brain sees, 1.5 % elsewhere."""
    n_brain = np.array([70, 120, 300, 1200])
    drawn = sample_stage1.draw(brain, n_brain, 4000, stream(1, "shift"))
    theory = stage1.resummed(brain, n_brain)
    tests = {
        "on": lambda overlap: shift.blocks(overlap, TASK, 1, 0),
        "off": lambda overlap: shift.blocks(overlap, TASK, 0, 1),
        "missed": lambda overlap: shift.missed_direction(overlap, TASK, 5.0),
    }
    kappa = stage2.optimal_kappa(theory.missed(TASK), 1.0, 54)
    spectrum = stage2.spectrum(kappa, 150, 54, 6)
    for name, test in tests.items():
        found = shift.excess(test(theory), kappa, 1.0, 150, spectrum)
        sampled = shift.excess(test(drawn).mean(0), kappa, 1.0, 150, spectrum)
        np.testing.assert_allclose(found, sampled, rtol=0.03 if name == "on" else 0.015)


def test_the_hard_constraint_under_shift(brain):
    overlap = stage1.resummed(brain, 150)
    for inputs in (shift.blocks(overlap, TASK, 1, 3), shift.missed_direction(overlap, TASK, 4)):
        kappa = np.inf
        spectrum = stage2.spectrum(kappa, 90, 54, 6)
        found = shift.excess(inputs, kappa, 1.0, 90, spectrum)
        assert float(found) == pytest.approx(float(shift.hard_excess(inputs, 1.0, 90)))
    whole = shift.hard_excess(shift.blocks(overlap, TASK, 1, 1), 1.0, 90)
    assert float(whole) == pytest.approx(
        float(stage2.hard_excess(overlap.missed(TASK), 1.0, 90, 6))
    )


def test_any_covariance_agrees_with_blocks_to_first_order(brain):
    rng = stream(2, "general")
    seen, ignored = rng.standard_normal(6), rng.standard_normal(54)
    seen *= np.sqrt(0.7) / np.linalg.norm(seen)
    ignored *= np.sqrt(0.3) / np.linalg.norm(ignored)
    covariance = np.diag([2.0] * 6 + [0.5] * 54)
    found = shift.general(brain, seen, ignored, covariance, 1e6)
    overlap = stage1.first_order(brain, 1e6, seen)
    expected = shift.blocks(overlap, TASK, 2.0, 0.5)
    assert float(found.missed) == pytest.approx(float(expected.missed), rel=1e-9)
    assert float(found.outside) == pytest.approx(float(expected.outside), rel=1e-9)
    assert float(found.direction) == pytest.approx(float(expected.direction), rel=1e-6)


def test_any_covariance_is_the_slope_of_simulated_moments(brain):
    """A covariance that mixes what the brain sees with what it ignores, against raw subspaces."""
    from brainworth.befs import reference

    rng = stream(3, "general")
    root = rng.standard_normal((60, 60)) / np.sqrt(60)
    covariance = root @ root.T
    beta = reference.task_vector(brain, 0.3, rng)
    found = shift.general(brain, beta[:6], beta[6:], covariance, 2000)
    masses = []
    for _ in range(300):
        basis = reference.learn_subspace(brain, 2000, rng)
        left = beta - basis @ (basis.T @ beta)
        masses.append(left @ covariance @ left)
    error = np.std(masses) / np.sqrt(300)
    # next order in 1 / N_b: 1 %
    assert abs(float(found.direction) - np.mean(masses)) < 3.5 * error + 0.01 * np.mean(masses)


def test_ridge_under_shift_is_the_ridge(brain):
    whole = shift.without_brain(60, TASK, 60.0, 1.0)
    kappa = stage2.optimal_kappa(1.0, 1.0, 60)
    found = shift.excess(whole, kappa, 1.0, 90, stage2.spectrum(kappa, 90, 60, 0))
    assert float(found) == pytest.approx(float(stage2.ridge_excess(1.0, 90, 60)))


def test_what_is_no_test_distribution_is_refused(brain, perfect):
    with pytest.raises(BrainworthError, match="on = -1 must not be negative"):
        shift.blocks(perfect, TASK, -1, 1)
    with pytest.raises(BrainworthError, match="strength = -2"):
        shift.missed_direction(perfect, TASK, -2)
    with pytest.raises(BrainworthError, match="covariance of shape"):
        shift.general(brain, np.ones(6), np.ones(54), np.eye(59), 100)
    with pytest.raises(BrainworthError, match="eigenvalues of 0 and above"):
        shift.general(brain, np.ones(6), np.ones(54), -np.eye(60), 100)
