"""Calibration, pooling, effective noise, and what is refused."""

import numpy as np
import pytest

from brainworth.befs import model, stage1, stage2, value
from brainworth.befs.model import Brain, Task
from brainworth.errors import BrainworthError
from brainworth.stats import stream


def test_calibration_of_the_paper():
    matrix = model.pooling(30, 7, 4, stream(1, "a"))
    latent, measured = model.calibrate(matrix, 0.4, 0.2, 0.4)
    assert latent == pytest.approx(0.5)
    assert measured == pytest.approx(4.0)


def test_shares_of_variance_are_those_of_the_channels():
    matrix = model.pooling(30, 7, 4, stream(1, "a"))
    brain = model.calibrated(50, matrix, stimulus=0.3, latent_share=0.25)
    rng = stream(2, "a")
    latents = rng.standard_normal((200_000, 7))
    noise = np.sqrt(brain.latent_noise) * rng.standard_normal(latents.shape)
    driven = (latents @ matrix.T).var(axis=0)
    inner = (noise @ matrix.T).var(axis=0)
    total = driven + inner + brain.measurement_noise
    np.testing.assert_allclose(driven / total, 0.3, rtol=0.02)
    np.testing.assert_allclose(inner / total, 0.175, rtol=0.02)
    assert brain.snr == pytest.approx(0.3 / 0.7)


def test_pooling_sums_distinct_latents_and_has_full_rank():
    matrix = model.pooling(12, 5, 3, stream(1, "b"))
    np.testing.assert_array_equal(matrix.sum(axis=1), 3)
    assert set(np.unique(matrix)) == {0.0, 1.0}
    assert np.linalg.matrix_rank(matrix) == 5


def test_effective_noise_of_the_simple_case():
    """B'B a multiple of the identity (appendix C.2): latent noise and k/n of the measurement's."""
    matrix = np.vstack([np.eye(4)] * 3)
    brain = Brain(20, matrix, 0.5, 2.0)
    np.testing.assert_allclose(brain.gamma, (0.5 + 2.0 / 3) * np.eye(4))


def test_numbers_and_matrices_of_noise_agree():
    matrix = model.pooling(12, 5, 3, stream(1, "b"))
    short = Brain(30, matrix, 0.5, 3.0)
    long = Brain(30, matrix, 0.5 * np.eye(5), 3.0 * np.eye(12))
    assert short.isotropic
    assert not long.isotropic
    np.testing.assert_allclose(long.gamma, short.gamma)
    np.testing.assert_allclose(long.selection, short.selection)
    np.testing.assert_allclose(long.cross, 0, atol=1e-12)
    assert long.snr == pytest.approx(short.snr)
    direction = np.arange(1.0, 6)
    for n in (35, 100, 10_000):
        for first, second in zip(
            vars(stage1.resummed(short, n, direction)).values(),
            vars(stage1.resummed(long, n, direction)).values(),
            strict=True,
        ):
            np.testing.assert_allclose(first, second, rtol=1e-9)


GOOD = model.pooling(12, 5, 3, stream(1, "b"))
BRAIN = Brain(30, GOOD, 0.5, 3.0)
TASK = Task(0.1, 1.0)

REFUSED = {
    "latents that all channels sum": (
        lambda: model.pooling(12, 5, 5, stream(1, "x")),
        "cannot be told apart",
    ),
    "more latents a channel than latents": (
        lambda: model.pooling(12, 5, 6, stream(1, "x")),
        "cannot be told apart",
    ),
    "a singular random matrix": (
        lambda: model.pooling(4, 4, 2, _Always()),
        "could be inverted",
    ),
    "a cyclic window of even length": (
        lambda: Brain(30, sum(np.roll(np.eye(6), s, axis=1) for s in range(4)), 0.5, 1.0),
        "rank below 6",
    ),
    "equal columns": (lambda: Brain(30, np.ones((8, 2)), 0.5, 1.0), "rank below 2"),
    "more latents than inputs": (lambda: Brain(4, GOOD, 0.5, 1.0), "k = 5 latents do not fit"),
    "as many latents as inputs": (lambda: Brain(5, GOOD, 0.5, 1.0), "give k < d"),
    "fewer channels than latents": (lambda: Brain(30, GOOD.T, 0.5, 1.0), "n = 5 channels"),
    "a dimension that is no number": (lambda: Brain(30.5, GOOD, 0.5, 1.0), "no dimension"),
    "negative latent noise": (lambda: Brain(30, GOOD, -0.5, 1.0), "latent_noise = -0.5 must not"),
    "negative measurement noise": (lambda: Brain(30, GOOD, 0.5, -1.0), "must not be negative"),
    "NaN noise": (lambda: Brain(30, GOOD, np.nan, 1.0), "NaN or infinity"),
    "NaN in the matrix": (lambda: Brain(30, GOOD * np.nan, 0.5, 1.0), "NaN or infinity"),
    "a covariance of another size": (lambda: Brain(30, GOOD, np.eye(4), 1.0), "has shape (4, 4)"),
    "a covariance with a negative eigenvalue": (
        lambda: Brain(30, GOOD, np.eye(5) - 0.5, 1.0),
        "negative eigenvalue",
    ),
    "an asymmetric covariance": (
        lambda: Brain(30, GOOD, np.eye(5) + np.eye(5, k=1), 1.0),
        "not symmetric",
    ),
    "shares that do not sum to 1": (lambda: model.calibrate(GOOD, 0.4, 0.2, 0.3), "sum to 0.9"),
    "a negative share": (lambda: model.calibrate(GOOD, 1.2, -0.2, 0.0), "must not be negative"),
    "no signal": (lambda: model.calibrate(GOOD, 0.0, 0.5, 0.5), "above 0"),
    "too few brain samples": (lambda: stage1.resummed(BRAIN, 31), "at least d + 2 = 32"),
    "no brain samples": (lambda: stage1.first_order(BRAIN, 0), "at least d + 2 = 32"),
    "NaN brain samples": (lambda: stage1.resummed(BRAIN, [40, np.nan]), "NaN"),
    "brain samples in words": (lambda: stage1.resummed(BRAIN, "many"), "not a number"),
    "a direction of another size": (
        lambda: stage1.resummed(BRAIN, 40, np.ones(4)),
        "direction must be 5 numbers",
    ),
    "no direction": (lambda: stage1.resummed(BRAIN, 40, np.zeros(5)), "not all 0"),
    "too few task samples": (lambda: value.worth(BRAIN, TASK, 40, 6), "give at least 7"),
    "too few for least squares": (
        lambda: stage2.task_only_excess(1.0, 31, 30),
        "give at least 32",
    ),
    "no penalty and few samples": (lambda: stage2.spectrum(0.0, 20, 25, 5), "without a penalty"),
    "a negative penalty": (lambda: stage2.spectrum(-1.0, 50, 25, 5), "must not be negative"),
    "infinite task samples": (lambda: value.worth(BRAIN, TASK, 40, np.inf), "NaN or infinity"),
    "more misalignment than task": (lambda: Task(1.1, 1.0), "exceeds the squared length"),
    "negative misalignment": (lambda: Task(-0.1, 1.0), "must not be negative"),
    "no signal in the task": (lambda: Task(0.1, 0.0), "snr = 0 must be above 0"),
    "NaN in the task": (lambda: Task(np.nan, 1.0), "NaN"),
    "a negative missed part": (lambda: stage2.optimal_kappa(-0.1, 1.0, 5), "must not be negative"),
}


class _Always:
    """A source of numbers that always gives the same channels."""

    def random(self, shape):
        return np.broadcast_to(np.linspace(0, 1, shape[1]), shape)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_outside_the_domain_is_refused_with_the_reason(case):
    call, said = REFUSED[case]
    with pytest.raises(BrainworthError) as caught:
        call()
    assert said in str(caught.value)
