"""How well features were decoded: correlation and R2 over test images, resampled by image.

Trials of one image are one unit of every resample and permutation, and all decoders are scored on
the same resamples, so that differences between them are paired.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Kinds of test: single trials, and the mean of an image's trials.
SINGLE, MEAN = "single", "mean"
KINDS = (SINGLE, MEAN)


@dataclass(frozen=True)
class Decoded:
    """What was decoded of I test images, T features, summed over the trials of each image.

    Attributes
    ----------
    n : array of shape (I,)
        Rows of each image: its trials, or 1.
    total, squares : arrays of shape (I, T)
        Sum, and sum of squares, of what was decoded.
    """

    n: np.ndarray
    total: np.ndarray
    squares: np.ndarray


@dataclass(frozen=True)
class Resamples:
    """The test images, and how often each is in each bootstrap sample.

    Attributes
    ----------
    truth : array of shape (I, T)
        Features of the test images.
    counts : array of shape (1 + B, I)
        The first row is the data as they are.
    """

    truth: np.ndarray
    counts: np.ndarray


def gather(decoded: np.ndarray, image: np.ndarray, tested: np.ndarray, kind: str) -> Decoded:
    """Sum what was decoded over the trials of each test image.

    Parameters
    ----------
    decoded : array of shape (t, T)
    image : array of shape (t,), int
        Image of each trial; all of `tested` are among them.
    tested : array of shape (I,), int
        Ascending.
    kind : {"single", "mean"}
    """
    order = np.argsort(image, kind="stable")
    starts = np.searchsorted(image[order], tested)
    n = np.diff(np.append(starts, len(image))).astype(float)
    rows = decoded[order].astype(np.float64)
    total = np.add.reduceat(rows, starts, axis=0)
    if kind == MEAN:
        mean = total / n[:, None]
        return Decoded(np.ones(len(tested)), mean, mean**2)
    return Decoded(n, total, np.add.reduceat(rows**2, starts, axis=0))


def score(found: Decoded, samples: Resamples) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlation and R2, means over features, of the data and of each resample.

    Returns
    -------
    r, r2 : arrays of shape (1 + B,)
        A feature that was decoded as a constant has a correlation of 0.
    """
    truth, counts = samples.truth, samples.counts
    weight = found.n[:, None]
    n = counts @ weight
    sum_x, sum_xx = counts @ found.total, counts @ found.squares
    sum_y, sum_yy = counts @ (weight * truth), counts @ (weight * truth**2)
    sum_xy = counts @ (truth * found.total)
    spread_x = sum_xx - sum_x**2 / n
    spread_y = sum_yy - sum_y**2 / n
    product = np.sqrt(np.maximum(spread_x, 0) * spread_y)
    flat = spread_x <= 1e-12 * np.maximum(sum_xx, 1e-300)
    r = np.where(flat, 0.0, (sum_xy - sum_x * sum_y / n) / np.where(flat, 1.0, product))
    r2 = 1 - (sum_yy - 2 * sum_xy + sum_xx) / spread_y
    return r.mean(axis=1), r2.mean(axis=1)


def relabellings(n: np.ndarray, n_permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Draw permutations of test images among those with as many rows.

    Under these everything but the pairing of decoded and true features stays as it is.

    Parameters
    ----------
    n : array of shape (I,)
        Rows of each image.

    Returns
    -------
    array of shape (n_permutations, I), int
    """
    answer = np.tile(np.arange(len(n)), (n_permutations, 1))
    for size in np.unique(n):
        group = np.flatnonzero(n == size)
        answer[:, group] = rng.permuted(answer[:, group], axis=1)
    return answer


def permuted(found: Decoded, truth: np.ndarray, relabelled: np.ndarray) -> np.ndarray:
    """Return the correlation, mean over features, with test images relabelled, shape (P,).

    Parameters
    ----------
    relabelled : array of shape (P, I)
        See `relabellings`.
    """
    n = found.n[:, None]
    x = found.total - n * (found.total.sum(axis=0) / n.sum())
    spread_x = found.squares.sum(axis=0) - found.total.sum(axis=0) ** 2 / n.sum()
    y = truth - (n * truth).sum(axis=0) / n.sum()
    spread_y = (n * y**2).sum(axis=0)
    scale = np.sqrt(np.maximum(spread_x, 0) * spread_y)
    similarity = (x / np.where(scale > 0, scale, np.inf)) @ y.T / truth.shape[1]
    return similarity[np.arange(len(truth)), relabelled].sum(axis=1)


def truth_that_varies(truth: np.ndarray) -> np.ndarray:
    """Return which features (T,) vary over the test images: of others there is no correlation."""
    spread = truth.std(axis=0, dtype=np.float64)
    return spread > 1e-6 * np.maximum(1.0, np.abs(truth.mean(axis=0, dtype=np.float64)))
