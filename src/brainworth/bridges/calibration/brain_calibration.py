"""Calibrate the brain of the theory from one set of samples, with errors from leaving out blocks.

Everything comes from the samples given: what whitens the noise, the rank, the brain. Two halves of
a subject's images are thus calibrated without knowing of each other. What whitens the noise is from
the residuals of three blocks in four, and how much noise there is then from those of the rest, as
noise looks whiter than it is to what was fitted to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainworth.befs.overlap import Overlap
from brainworth.bridges.calibration import brain_model, brain_moments, brain_noise, task_alignment
from brainworth.bridges.calibration.brain_model import EffectiveBrain, HiddenNoise
from brainworth.bridges.calibration.brain_moments import Fit, Moments
from brainworth.bridges.calibration.brain_noise import Whitening
from brainworth.bridges.calibration.task_alignment import Alignment, TaskEstimate

#: Least share of what a subspace is expected to leave out of a wholly aligned task.
LEAST = 0.25


@dataclass(frozen=True)
class Calibration:
    """A calibrated brain, and what it comes from.

    Attributes
    ----------
    brain : EffectiveBrain
        Of k latents; k is 0 if inputs predict no recordings.
    raw, found : Fit
        Least squares on recordings as they are, and on white ones.
    whitening : Whitening
    hidden : HiddenNoise or None
        None if the rank is 0.
    curves : array of shape (folds, ranks)
        Share of held-out variance of white recordings that each rank explains.
    rank : int
        Chosen by folds; not all of it need be strong enough to be latents.
    without : list of Fit
        `found` without each block.
    """

    brain: EffectiveBrain
    raw: Fit
    found: Fit
    whitening: Whitening
    hidden: HiddenNoise | None
    curves: np.ndarray
    rank: int
    without: list[Fit]


def raw_moments(x: np.ndarray, r: np.ndarray, block: np.ndarray) -> list[Moments]:
    """Sum over the samples of each block; blocks are numbered from 0 without gaps."""
    return [
        brain_moments.of_samples(x[block == number], r[block == number])
        for number in range(int(block.max()) + 1)
    ]


def calibrate(
    x: np.ndarray, r: np.ndarray, block: np.ndarray, parts: Sequence[Moments], rule: str
) -> Calibration:
    """Calibrate the brain.

    Parameters
    ----------
    x, r : arrays of shape (N, d) and (N, V)
        Inputs, and recordings as they are.
    block : array of shape (N,), int
        Block of each sample, the folds by which the rank is chosen.
    parts : sequence of Moments
        Of each block.
    rule : str
        See `brain_moments.choose_rank`.
    """
    raw = brain_moments.fit(brain_moments.total(parts))
    fitted = ~measures_noise(block)
    whitening = brain_noise.whiten(
        brain_noise.residuals(raw, x[fitted], r[fitted]),
        round(raw.degrees * fitted.mean()),
    )
    white = [whitening.moments(part, r[block == number]) for number, part in enumerate(parts)]
    whole = brain_moments.total(white)
    found = brain_moments.fit(whole)
    without = [brain_moments.fit(whole - part) for part in white]
    curves = np.stack(
        [brain_moments.explained(rest, part) for rest, part in zip(without, white, strict=True)]
    )
    most = min(curves.shape[1], x.shape[1] // 2 + 1)
    rank = brain_moments.choose_rank(curves[:, :most], rule)
    hidden = None
    brain = brain_model.nothing(x.shape[1])
    if rank:
        rows = measures_noise(block)
        within = brain_model.noise_within(found, whitening, x[rows], r[rows], rank)
        hidden = brain_model.hidden_noise(found, whitening, x[rows], r[rows], rank)
        brain = brain_model.estimate(found, within, hidden)
    return Calibration(brain, raw, found, whitening, hidden, curves, rank, without)


def measures_noise(block: np.ndarray) -> np.ndarray:
    """Say of which samples the residuals tell how much noise there is; the others whiten it."""
    return block % 4 == 1


def leave_out(
    given: Calibration, x: np.ndarray, r: np.ndarray, block: np.ndarray
) -> list[tuple[Fit, EffectiveBrain]]:
    """Calibrate without each block; whitening, rank and hidden noise stay."""
    answer = []
    for number, found in enumerate(given.without):
        rows = measures_noise(block) & (block != number)
        within = brain_model.noise_within(found, given.whitening, x[rows], r[rows], given.rank)
        answer.append((found, brain_model.estimate(found, within, given.hidden)))
    return answer


def jackknife(estimates: np.ndarray) -> np.ndarray:
    """Return standard errors from estimates without each of G blocks, shape (G, ...)."""
    n = len(estimates)
    return np.sqrt((n - 1) / n * np.sum((estimates - estimates.mean(axis=0)) ** 2, axis=0))


def missed(brain: EffectiveBrain, task: Alignment, n_brain: np.ndarray) -> np.ndarray:
    """Return the expected squared length of a task that n_brain samples leave out.

    One sample is taken by the means. The estimate of the misalignment is used as it is, also below
    0, as keeping it at 0 would make what is missed too large on average; but what the samples leave
    out of the aligned part is kept to `LEAST` at least.
    """
    overlap = brain_model.overlap(brain, np.asarray(n_brain) - 1, task.direction)
    return missed_of(overlap, task)


def missed_of(overlap: Overlap, task: Alignment) -> np.ndarray:
    """Return what is left out of a task, given how learned subspaces lie; see `missed`."""
    signal = max(task.signal, 1e-12)
    ignored = min(task.misalignment, signal)
    found = (signal - ignored) * overlap.aligned + ignored * overlap.misaligned
    return np.maximum(found, LEAST * signal * overlap.aligned)


def bounds_of_missed(brain: EffectiveBrain, task: Alignment, n_brain: float) -> tuple[float, float]:
    """Return what may be missed at least and at most, which ends of intervals are kept to."""
    overlap = brain_model.overlap(brain, np.asarray(n_brain) - 1, task.direction)
    return LEAST * task.signal * float(overlap.aligned), task.signal


def draw_variance(brain: EffectiveBrain, task: Alignment, n_brain: np.ndarray) -> np.ndarray:
    """Return the variance over brain data sets of what one leaves out of a task.

    Derived here: of a unit vector that the brain sees, q is left out, of one that it ignores, 1 - s
    is; what is not along the vector itself points anywhere among the p directions outside. Exact to
    leading order, and for a random subspace (q = 1 - s = p/d), where it is the variance of a beta
    distribution.
    """
    overlap = brain_model.overlap(brain, np.asarray(n_brain) - 1, task.direction)
    given = task.task()
    left, found = overlap.aligned, 1 - overlap.misaligned
    crossed = 4 * given.aligned * given.misalignment * left * (1 - left) / brain.p
    aligned = 2 * (given.aligned * left) ** 2 * (1 - left) / brain.p
    return crossed + aligned + 2 * (given.misalignment * found) ** 2 / brain.k


def align_all(found: Fit, brain: EffectiveBrain, tasks: Sequence[TaskEstimate]) -> list[Alignment]:
    """Align each task; see `task_alignment.align`."""
    return [task_alignment.align(found, brain, task) for task in tasks]
