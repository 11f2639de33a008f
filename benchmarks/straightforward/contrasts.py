"""Contrasts between the trials of a stimulus, and homoscedastic surrogates that rotate them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.linalg import helmert
from scipy.stats import ortho_group

BLOCK = 16  # stimuli whose contrasts are rotated into one another


def contrasts_of(values: np.ndarray, stimulus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return orthonormal contrasts (D, V) in the order of stimuli, and their stimulus."""
    groups = [values[stimulus == i] for i in range(stimulus.max() + 1)]
    owner = np.repeat(np.arange(len(groups)), [len(group) - 1 for group in groups])
    return np.vstack([helmert(len(group)) @ group for group in groups]), owner


def trials_of(
    contrasts: np.ndarray, owner: np.ndarray, means: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the trials that have these contrasts and means, and their stimulus."""
    trials = []
    for i, mean in enumerate(means):
        own = contrasts[owner == i]
        trials.append(mean + helmert(len(own) + 1).T @ own)
    return np.vstack(trials), np.repeat(np.arange(len(means)), [len(group) for group in trials])


def by_stimulus(squares: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Average rows of squared contrasts (D, ...) of each stimulus."""
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    counts = np.bincount(owner)
    return np.add.reduceat(squares, starts) / counts.reshape(-1, *[1] * (squares.ndim - 1))


def pair_of_three(contrasts: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the second contrast of the stimuli with three trials."""
    starts = np.searchsorted(owner, np.flatnonzero(np.bincount(owner) == 2))
    return contrasts[starts], contrasts[starts + 1]


def odd_ones_out(first: np.ndarray, second: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (difference of two trials, the third against them) for third, first, second trial."""
    # scipy's Helmert contrasts are earlier trials less later ones
    angles = np.array([0, 2, 4]) * np.pi / 3
    return [
        (np.cos(a) * first + np.sin(a) * second, np.cos(a) * second - np.sin(a) * first)
        for a in angles
    ]


def surrogates(
    contrasts: np.ndarray, owner: np.ndarray, n: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield contrasts rotated within blocks of stimuli, twice, from a common rotated point."""
    inner, outer = (_blocks(owner, rng) for _ in range(2))
    hidden = _rotated(_rotated(contrasts, outer, rng), inner, rng)
    for _ in range(n):
        yield _rotated(_rotated(hidden, inner, rng), outer, rng)


def log_profile(profile: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return log variances (I,), less their mean over the stimuli shown as often."""
    logs = np.log(profile)
    for number in np.unique(degrees):
        logs[degrees == number] -= logs[degrees == number].mean()
    return logs


def sampling_variance(null_logs: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return the variance of surrogates' log profiles (m, I) for each stimulus' repetitions."""
    answer = np.empty(degrees.size)
    for number in np.unique(degrees):
        answer[degrees == number] = np.mean(null_logs[:, degrees == number] ** 2)
    return answer


def _blocks(owner: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    n = owner.max() + 1
    return [
        np.flatnonzero(np.isin(owner, block))
        for block in np.array_split(rng.permutation(n), -(-n // BLOCK))
    ]


def _rotated(values: np.ndarray, blocks: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    rotated = np.empty_like(values)
    for block in blocks:
        rotated[block] = ortho_group.rvs(len(block), random_state=rng) @ values[block]
    return rotated
