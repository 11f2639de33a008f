"""The variance of the response over repetitions, stimulus by stimulus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Contrasts:
    """The part of the data that carries variance over repetitions.

    Attributes
    ----------
    values : array of shape (D, V)
        Orthonormal within-stimulus contrasts: n - 1 rows for a stimulus with n trials.
    stimulus : array of shape (D,)
        0..I-1.
    degrees : array of shape (I,)
        Rows of each stimulus.
    """

    values: np.ndarray
    stimulus: np.ndarray
    degrees: np.ndarray


@dataclass(frozen=True)
class Products:
    """Inner products of a region's contrasts: all that its variances depend on, without voxels.

    Attributes
    ----------
    gram : array of shape (D, D)
        Contrasts times contrasts, summed over voxels.
    stimulus, degrees : arrays of shape (D,) and (I,)
        As in `Contrasts`.
    n_voxels : int
    """

    gram: np.ndarray
    stimulus: np.ndarray
    degrees: np.ndarray
    n_voxels: int


def contrasts_of(values: np.ndarray, stimulus: np.ndarray, n_stimuli: int) -> Contrasts:
    """Turn trials into orthonormal (Helmert) within-stimulus contrasts.

    Parameters
    ----------
    values : array of shape (T, V)
    stimulus : array of shape (T,)
        0..n_stimuli-1.

    Notes
    -----
    The squared contrasts of a stimulus with n trials sum to (n - 1) times its sample variance, and
    contrasts of independent, equally distributed Gaussian trials are again that.
    """
    order = np.argsort(stimulus, kind="stable")
    counts = np.bincount(stimulus, minlength=n_stimuli)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rows, owner = [], []
    for step in range(1, counts.max()):
        has = np.flatnonzero(counts > step)
        earlier = sum(values[order[first[has] + k]] for k in range(step)) / step
        scale = np.sqrt(step / (step + 1))
        rows.append(scale * (values[order[first[has] + step]] - earlier))
        owner.append(has)
    return Contrasts(np.concatenate(rows), np.concatenate(owner), counts - 1)


def products_of(contrasts: Contrasts) -> Products:
    """Return the inner products of contrasts."""
    gram = contrasts.values @ contrasts.values.T
    return Products(gram, contrasts.stimulus, contrasts.degrees, contrasts.values.shape[1])


def variance_profile(contrasts: Contrasts | Products) -> np.ndarray:
    """Return each stimulus' variance over repetitions (ddof=1), averaged over voxels, (I,)."""
    if isinstance(contrasts, Products):
        squares = np.diag(contrasts.gram) / contrasts.n_voxels
    else:
        squares = (contrasts.values**2).mean(axis=1)
    return by_stimulus(squares[None], contrasts)[0]


def by_stimulus(squares: np.ndarray, contrasts: Contrasts | Products) -> np.ndarray:
    """Average squared contrasts of shape (m, D) within each stimulus: (m, I)."""
    profile = np.zeros((len(squares), contrasts.degrees.size))
    # contrasts come in rounds: within one, each stimulus appears at most once
    start = 0
    for step in range(contrasts.degrees.max()):
        has = np.flatnonzero(contrasts.degrees > step)
        profile[:, has] += squares[:, start : start + has.size]
        start += has.size
    return profile / contrasts.degrees


def spread(profiles: np.ndarray) -> dict[str, np.ndarray]:
    """Return the CV (ddof=0) and Q75/Q25 of variance profiles of shape (..., I)."""
    low, high = np.quantile(profiles, (0.25, 0.75), axis=-1)
    return {"cv": profiles.std(axis=-1) / profiles.mean(axis=-1), "ratio": high / low}


def noise_concentration(products: Products) -> float:
    """Estimate tr(S^2) / tr(S)^2 of the noise covariance S: one over its effective dimensions.

    From inner products between contrasts of different stimuli, whose squares have expectation
    tr(S^2) times both variances; unlike the spectrum of the sample covariance it is unbiased for
    few trials.
    """
    gram = products.gram
    square = np.diag(gram)
    other = products.stimulus[:, None] != products.stimulus[None, :]
    return float((gram**2)[other].sum() / np.outer(square, square)[other].sum())


def true_cv2(
    profile: np.ndarray, degrees: np.ndarray, concentration: float, weights: np.ndarray
) -> np.ndarray:
    """Estimate the squared CV over stimuli of the true variance.

    Parameters
    ----------
    profile : array of shape (I,)
        Sample variances.
    degrees : array of shape (I,)
        Their degrees of freedom (trials - 1).
    concentration : float
        What `noise_concentration` returns; 0 takes the profile as known without error.
    weights : array of shape (B, I)
        Multiplicities of stimuli: ones for the estimate, bootstrap counts for draws of it.

    Returns
    -------
    array of shape (B,)
        Not limited to positive values, so that it averages zero when the truth is zero.
    """
    square = profile**2
    fourth = weights @ (square / (1 + 2 * concentration / degrees)) / weights.sum(axis=1)
    total = weights @ profile
    # (sum w s)^2 less the products of a stimulus with itself, also of its bootstrap copies
    pairs = total**2 - weights**2 @ square
    n_pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    return fourth / (pairs / n_pairs) - 1


def cv2_slopes(
    profile: np.ndarray, degrees: np.ndarray, concentration: float, weights: np.ndarray
) -> np.ndarray:
    """Return how `true_cv2` of each sample changes with the weight of each stimulus, (B, I).

    For many stimuli: that the products of a stimulus with itself are left out is neglected.
    """
    size = weights.sum(axis=1, keepdims=True)
    fourth = profile**2 / (1 + 2 * concentration / degrees)
    mean, mean_fourth = (weights @ profile)[:, None] / size, (weights @ fourth)[:, None] / size
    # 1 + the squared CV is a ratio of means, whose logarithm changes by the sum of both
    change = fourth / mean_fourth - 2 * profile / mean + 1
    cv2 = true_cv2(profile, degrees, concentration, weights)[:, None]
    return (1 + cv2) * change / size
