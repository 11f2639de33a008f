"""Differences of all pairs of feature spaces, image by image, and as a family.

Each image has a score in each space: whether it was found, or what it adds to the correlation of
predicted and observed responses. If two spaces are equally good, swapping them in an image changes
nothing in distribution, so that the sign of its difference may be flipped. The same signs are used
for all pairs: the flipped means keep the correlations of the pairs, and the largest of them makes
p-values that hold for the family (Westfall & Young 1993).

Regressions are taken as given: what is inferred is inferred to other images, not to regressions
fitted to other training images.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from brainworth.stats import bca_interval, max_statistic_p, permutation_p

#: Differences of an image below it are rounding of single precision: a tie.
ROUNDING = 1e-5


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return all pairs, in the order of the names."""
    return list(itertools.combinations(names, 2))


def of_images(
    scores: Mapping[str, np.ndarray],
    signs: np.ndarray,
    weights: np.ndarray,
    level: float,
) -> dict[tuple[str, str], dict]:
    """Compare the scores of the same images in all spaces.

    Parameters
    ----------
    scores : mapping from space to array of shape (n,)
        Of each image.
    signs : array of shape (m, n), of -1 and 1
    weights : array of shape (B, n)
        Bootstrap samples of the images (`stats.multiplicities`).
    level : float
        Nominal coverage.

    Returns
    -------
    dict from pair to dict
        ``estimate`` (mean difference, first minus second), ``interval`` (BCa, over images), ``p``
        (two-sided) and ``p_familywise``.
    """
    names = pairs(list(scores))
    differences = np.column_stack([scores[first] - scores[second] for first, second in names])
    differences[np.abs(differences) <= ROUNDING] = 0
    length = np.sqrt(np.sum(differences**2, axis=0))
    length[length == 0] = 1
    observed = np.abs(differences.sum(axis=0)) / length
    null = np.abs(signs @ differences) / length
    familywise = max_statistic_p(observed, null)
    answer = {}
    for k, pair in enumerate(names):
        answer[pair] = mean(differences[:, k], weights, level) | {
            "p": permutation_p(float(observed[k]), null[:, k]),
            "p_familywise": float(familywise[k]),
        }
    return answer


def mean(values: np.ndarray, weights: np.ndarray, level: float) -> dict:
    """Return the mean over images with its interval (BCa).

    Parameters
    ----------
    values : array of shape (n,)
    weights : array of shape (B, n)
        Bootstrap samples of the images.
    """
    n = len(values)
    estimate = float(values.mean())
    left_out = (values.sum() - values) / (n - 1)
    low, high = bca_interval(estimate, weights @ values / n, left_out, level)
    return {"estimate": estimate, "interval": [min(low, estimate), max(high, estimate)]}


def draw_signs(rng: np.random.Generator, n_draws: int, n: int) -> np.ndarray:
    """Draw signs of n images, shape (n_draws, n), float64."""
    return rng.choice(np.array([-1.0, 1.0]), size=(n_draws, n))
