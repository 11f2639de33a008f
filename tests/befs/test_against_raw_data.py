"""The theory and the samplers against students fitted to raw data, at 64 settings."""

import numpy as np
import pytest
from raw_grid import STRENGTH, TESTS, explicit
from scipy import stats as scipy_stats

from brainworth.befs import reference, sample_stage1, sample_stage2, shift, stage1, stage2
from brainworth.befs.model import Task
from brainworth.stats import stream


def z_of_mean(differences):
    """Return mean over standard error along the first axis."""
    n = len(differences)
    return differences.mean(axis=0) / (differences.std(axis=0, ddof=1) / np.sqrt(n))


@pytest.fixture(scope="module")
def sampled(raw_grid):
    """Return 2500 draws of each setting's subspace by the sampler."""
    drawn = []
    for number, trials in enumerate(raw_grid):
        rng = stream(5, "grid sampler", number)
        n_brain = np.array([trials.setting.n_brain])
        drawn.append(
            sample_stage1.draw(trials.setting.brain, n_brain, 2500, rng).at((slice(None), 0))
        )
    return drawn


def sampled_inputs(setting, overlap):
    task = setting.task
    families = {
        "isotropic": shift.blocks(overlap, task, 1, 1),
        "on": shift.blocks(overlap, task, 1, 0),
        "off": shift.blocks(overlap, task, 0, 1),
        "missed": shift.missed_direction(overlap, task, STRENGTH),
    }
    return [families[name] for name in TESTS]


def test_the_grid_is_the_one_that_was_promised(raw_grid):
    settings = [trials.setting for trials in raw_grid]
    assert len(settings) >= 60
    assert {s.brain.d for s in settings} == {40, 60, 80, 100}
    assert {s.brain.k for s in settings} == {4, 6, 8, 10}
    assert {s.n_brain - s.brain.d for s in settings} >= {5}
    assert {s.n_brain / s.brain.d for s in settings} >= {40}
    assert {s.n_task - s.brain.d for s in settings} >= {5}
    assert {s.n_task / s.brain.d for s in settings} >= {20}
    assert len({float(s.task.misalignment) for s in settings}) == 5
    assert len({float(s.task.snr) for s in settings}) == 3


@pytest.mark.parametrize("test", TESTS)
def test_stage_2_is_exact_given_the_learned_subspace(raw_grid, test):
    """For every test distribution and penalty: z is calibrated over the settings."""
    number = TESTS.index(test)
    z = np.array([z_of_mean((t.excess - t.given)[:, number]) for t in raw_grid])
    assert z.shape == (64, 3)
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.25
    assert np.abs(z).max() < 4.5
    assert abs(z.mean()) < 0.4


def test_the_sampler_of_stage_1_has_the_means_of_raw_data(raw_grid, sampled):
    z = []
    for trials, overlap in zip(raw_grid, sampled, strict=True):
        for number, inputs in enumerate(sampled_inputs(trials.setting, overlap)):
            pairs = [
                (trials.missed, inputs.missed),
                (trials.outside[:, number], inputs.outside),
                (trials.direction[:, number], inputs.direction),
            ]
            for raw, fast in pairs:
                error = np.sqrt(raw.var() / raw.size + np.var(fast) / np.size(fast))
                # what is the same in every draw has no standard error
                if error > 1e-12:
                    z.append((raw.mean() - np.mean(fast)) / error)
    z = np.array(z)
    assert z.size > 400
    # 90 trials each, so a t distribution's tails; 3 standard errors but for chance
    assert np.mean(np.abs(z) > 3) < 0.01
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.25


def test_the_resummed_law_is_within_two_percent_for_isotropic_tests(raw_grid, sampled):
    for trials, overlap in zip(raw_grid, sampled, strict=True):
        setting = trials.setting
        drawn = overlap.missed(setting.task)
        theory = float(stage1.resummed(setting.brain, setting.n_brain).missed(setting.task))
        missed = drawn.mean()
        allowance = 3 * drawn.std() / np.sqrt(drawn.size)
        risks = []
        for each in (missed, theory):
            risks.append(
                stage2.optimal_excess(
                    each, setting.task.noise, setting.n_task, setting.brain.p, setting.brain.k
                )
            )
        assert abs(risks[1] / risks[0] - 1) < 0.02
        assert abs(theory - missed) < 0.02 * missed + allowance


def test_the_best_penalty_is_where_theory_puts_it(raw_grid, sampled):
    """In simulation exact in law, on a grid of penalties around the theoretical one."""
    factors = np.geomspace(0.2, 5, 25)
    for trials, overlap in zip(raw_grid, sampled, strict=True):
        setting = trials.setting
        brain, task = setting.brain, setting.task
        missed = np.mean(overlap.missed(task))
        kappa = factors * stage2.optimal_kappa(missed, task.noise, brain.p)
        rng = stream(5, "penalty", brain.d)
        spectrum = sample_stage2.spectra(
            rng, 100, np.array([setting.n_task]), kappa, brain.p, brain.k
        )
        risk = stage2.hidden_risk(kappa, missed, task.noise, spectrum.mean(0))
        assert abs(np.argmin(risk[0]) - 12) <= 1


@pytest.mark.parametrize(("n_brain", "n_task"), [(65, 70), (120, 45), (300, 600)])
@pytest.mark.parametrize("factor", [0.1, 1.0, 10.0])
def test_the_sampler_has_the_law_of_raw_data(brain, n_brain, n_task, factor):
    """Two samples of the risk of single trials, label noise and all, at 600 and 2000 trials."""
    task = Task(0.3, 1.0)
    kappa = np.array([factor * 54 / 0.5])
    rng = stream(3, "law", n_brain, n_task)
    raw = []
    for _ in range(600):
        basis = reference.learn_subspace(brain, n_brain, rng)
        beta = reference.task_vector(brain, 0.3, rng)
        errors = reference.learn_task(basis, beta, 1.0, n_task, kappa, rng)
        raw.append(np.sum(errors**2))
    missed = drawn_missed(brain, n_brain, 2000)
    fast = sample_stage2.errors(
        stream(4, "law", n_brain, n_task), 2000, n_task, kappa, missed, 1.0, brain.p, brain.k
    )[:, 0]
    assert scipy_stats.ks_2samp(raw, fast).pvalue > 0.005
    error = np.sqrt(np.var(raw) / len(raw) + fast.var() / fast.size)
    assert abs(np.mean(raw) - fast.mean()) < 3 * error
    assert task.noise == 1


def drawn_missed(brain, n_brain, n):
    """Draw the missed part of single tasks, their directions drawn too."""
    rng = stream(6, "missed", n_brain)
    blocks = sample_stage1.projector_blocks(brain, np.array([n_brain]), n, rng)[0]
    missed = []
    for block in blocks:
        seen = rng.standard_normal(brain.k)
        seen *= np.sqrt(0.7) / np.linalg.norm(seen)
        ignored = rng.standard_normal(brain.p)
        ignored *= np.sqrt(0.3) / np.linalg.norm(ignored)
        values, axes = np.linalg.eigh(block)
        values = np.clip(values, 0, 1)
        # in the eigenbasis of the block the learned directions are (sqrt c, sqrt(1 - c))
        along = axes.T @ seen * np.sqrt(values) + ignored[: brain.k] * np.sqrt(1 - values)
        missed.append(1 - np.sum(along**2))
    return np.array(missed)


def test_the_missed_part_of_single_tasks_has_the_law_of_raw_data(brain):
    rng = stream(8, "missed law")
    raw = []
    for _ in range(600):
        basis = reference.learn_subspace(brain, 90, rng)
        beta = reference.task_vector(brain, 0.3, rng)
        raw.append(float(explicit(brain, basis, beta, np.eye(60)).missed))
    assert scipy_stats.ks_2samp(raw, drawn_missed(brain, 90, 3000)).pvalue > 0.005
