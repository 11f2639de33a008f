"""The laws of stage 1: reference values, limits, symmetry, agreement with the samplers."""

import numpy as np
import pytest

from brainworth.befs import model, paper_scale, sample_stage1, stage1
from brainworth.befs.model import Brain, Task
from brainworth.stats import stream

FIELDS = ("aligned", "misaligned", "leak", "on_aligned", "on_misaligned", "misaligned_square")


@pytest.fixture(scope="module")
def fmri():
    return model.calibrated(4096, model.pooling(10_000, 410, 4, stream(1, "fmri")))


def test_reference_values_at_the_scale_of_fmri(fmri):
    """Simulated directly (3 draws each, standard errors 0.05 to 0.1 %), and by the three laws."""
    n_brain = np.array([4500, 6000, 9000, 18_000, 36_000, 90_000])
    simulated = [0.69565, 0.47519, 0.28307, 0.12552, 0.05901, 0.02278]
    first = [4.97, 1.052, 0.408, 0.1440, 0.0627, 0.02330]
    simple = [0.445, 0.334, 0.222, 0.1112, 0.0556, 0.02224]
    k = fmri.k
    np.testing.assert_allclose(stage1.resummed(fmri, n_brain).leak / k, simulated, rtol=3e-3)
    np.testing.assert_allclose(stage1.first_order(fmri, n_brain).leak / k, first, rtol=3e-3)
    found = stage1.first_order_simplified(fmri, n_brain).leak / k
    np.testing.assert_allclose(found, simple, rtol=3e-3)
    assert np.trace(fmri.gamma) / k == pytest.approx(0.543, abs=1e-3)


def test_all_laws_meet_for_many_brain_samples(brain):
    n_brain = 1e7
    laws = (stage1.resummed, stage1.first_order, stage1.first_order_simplified)
    found = [law(brain, n_brain) for law in laws]
    for name in FIELDS:
        values = [float(getattr(each, name)) for each in found]
        if name != "on_aligned":  # 0 to first order
            assert values[1] == pytest.approx(values[0], rel=1e-4)
            assert values[2] == pytest.approx(values[0], rel=1e-4)


def test_unlimited_brain_samples_show_the_subspace(brain):
    found = stage1.resummed(brain, np.inf)
    expected = (0, 1, 0, 0, 0, 1)
    for name, number in zip(FIELDS, expected, strict=True):
        assert float(getattr(found, name)) == pytest.approx(number, abs=1e-12)
    task = Task(0.3, 1.0)
    assert float(found.missed(task)) == pytest.approx(0.3, abs=1e-12)


def test_no_noise_at_all_is_the_same():
    brain = Brain(20, np.eye(4), 0.0, 0.0)
    found = stage1.resummed(brain, 22)
    assert float(found.leak) == pytest.approx(0, abs=1e-12)


def test_closed_form_for_isotropic_effective_noise():
    """m = m0 + phi (1 - m0 - k m0 / p), phi in closed form."""
    brain = Brain(60, np.vstack([np.eye(6)] * 2_000), 0.5, 2_000 * 0.7)
    g, d, k, p = 1.2, 60, 6, 54
    for n_brain in (62, 80, 200, 3000):
        # enough channels that the selection of directions adds noise of its own: leave it out
        found = stage1.resummed(_without_selection(brain), n_brain)
        rest = n_brain - d - 1
        root = np.sqrt((rest + d * g) ** 2 + 4 * k * g * (p - rest))
        phi = 2 * p * g / (rest + d * g + root)
        assert float(found.leak) / k == pytest.approx(phi, rel=1e-10)
        missed = float(found.missed(Task(0.2, 1.0)))
        assert missed == pytest.approx(0.2 + phi * (0.8 - k * 0.2 / p), rel=1e-10)


def _without_selection(brain):
    """Return a brain of as many channels as latents with the same effective noise."""
    return Brain(brain.d, np.eye(brain.k), float(brain.gamma[0, 0]) - 0.1, 0.1)


@pytest.mark.parametrize("misalignment", [0.0, 0.5, 1.0])
def test_the_missed_part_is_a_share_of_the_task(brain, misalignment):
    n_brain = np.geomspace(62, 1e6, 40)
    found = stage1.resummed(brain, n_brain).missed(Task(misalignment, 1.0))
    assert (found > 0).all()
    assert (found < 1).all()


def test_complete_misalignment_gets_worse_with_more_brain_data(brain):
    task = Task(1.0, 1.0)
    found = stage1.resummed(brain, [62, 100, 1000, np.inf]).missed(task)
    assert (np.diff(found) > 0).all()
    assert found[-1] == pytest.approx(1)
    assert float(stage1.difficulty(brain, task)) < 0


def test_a_task_spread_like_a_random_one_neither_gains_nor_loses(brain):
    """Equal mass per dimension inside and outside: rho = 0 (appendix C.2)."""
    task = Task(brain.p / brain.d, 1.0)
    assert float(stage1.difficulty(brain, task)) == pytest.approx(0, abs=1e-12)
    found = stage1.resummed(brain, [62, 200, 5000]).missed(task)
    np.testing.assert_allclose(found, brain.p / brain.d, rtol=1e-9)


def test_the_sign_of_rho_is_the_direction_of_learning(brain):
    for misalignment in (0.05, 0.5, 0.85, 0.95):
        task = Task(misalignment, 1.0)
        rho = float(stage1.difficulty(brain, task))
        few, many = stage1.resummed(brain, [200, 2000]).missed(task)
        assert (few > many) == (rho > 0)


def test_difficulty_is_the_first_order_slope(brain):
    task, direction = Task(0.2, 1.0), np.arange(1.0, 7)
    found = float(stage1.first_order_simplified(brain, 1000, direction).missed(task))
    rho = float(stage1.difficulty(brain, task, direction))
    assert found == pytest.approx(0.2 + brain.p * rho / 1000, rel=1e-12)


def test_a_grid_equals_a_loop(brain):
    n_brain = np.array([[62.0, 100, 500], [90, 3000, np.inf]])
    together = stage1.resummed(brain, n_brain, np.ones(6))
    for index in np.ndindex(n_brain.shape):
        alone = stage1.resummed(brain, n_brain[index], np.ones(6))
        for name in FIELDS:
            assert getattr(together, name)[index] == pytest.approx(
                float(getattr(alone, name)), rel=1e-12
            )


def test_the_average_over_directions_is_what_it_says(brain):
    average = stage1.resummed(brain, 100)
    single = [float(stage1.resummed(brain, 100, axis).aligned) for axis in np.eye(6)]
    assert float(average.aligned) == pytest.approx(np.mean(single), rel=1e-12)


def test_anisotropic_noise_against_the_sampler():
    """Correlated noise of latents and channels, in a direction of the task."""
    rng = stream(4, "anisotropic")
    matrix = model.pooling(20, 5, 3, rng)
    root = rng.standard_normal((20, 20))
    latent = np.diag([0.2, 0.4, 0.6, 0.8, 1.0]) + 0.1
    brain = Brain(50, matrix, latent, root @ root.T / 10 + np.eye(20))
    direction = np.array([1.0, -1, 2, 0, 1])
    n_brain = np.array([60, 120, 500, 2000])
    drawn = sample_stage1.draw(brain, n_brain, 3000, rng, direction)
    theory = stage1.resummed(brain, n_brain, direction)
    for task in (Task(0.1, 1.0), Task(0.6, 1.0)):
        missed = drawn.missed(task)
        error = missed.std(axis=0) / np.sqrt(3000)
        gap = np.abs(theory.missed(task) - missed.mean(axis=0))
        assert (gap < 0.02 * missed.mean(axis=0) + 3 * error).all()


def test_large_systems_are_drawn_from_the_same_law():
    """Fewer and more channels than inputs, where the two samplers share little."""
    for n in (24, 100):
        brain = model.calibrated(60, model.pooling(n, 6, 4, stream(1, n)))
        n_brain = np.array([65, 120, 600])
        large = sample_stage1.stacked(
            [paper_scale.draw(brain, n_brain, stream(i, "large", n)) for i in range(250)]
        )
        small = sample_stage1.draw(brain, n_brain, 3000, stream(1, "small", n))
        for name in ("leak", "on_aligned", "on_misaligned", "misaligned_square"):
            first, second = getattr(large, name), getattr(small, name)
            error = np.sqrt(first.var(axis=1) / 250 + second.var(axis=0) / 3000)
            assert (np.abs(first.mean(axis=1) - second.mean(axis=0)) < 4 * error).all(), name


def test_draws_are_the_same_for_the_same_seed_and_differ_for_another(brain):
    n_brain = np.array([70, 100])
    first, again, other = (
        sample_stage1.draw(brain, n_brain, 3, stream(seed, "s")).leak for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_common_random_numbers_order_the_draws(brain):
    """More brain samples miss less, nearly draw by draw."""
    leak = sample_stage1.draw(brain, np.array([65, 130, 600]), 200, stream(1, "crn")).leak
    assert np.mean(np.diff(leak, axis=1) < 0) > 0.99
