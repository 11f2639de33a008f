"""Held-out prediction of variance profiles, of data and of surrogates at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from brainworth import ridge

#: Coarser than `ridge.ALPHAS`, since every surrogate chooses its own.
ALPHAS = np.logspace(-3, 4, 8)


@dataclass(frozen=True)
class Scored:
    """How well targets are predicted; the first target is the data, the others are surrogates.

    Attributes
    ----------
    r2 : array of shape (T,)
        Held-out R2 of every target.
    errors : array of shape (2, I)
        From `squared_errors`, of the data only: errors of all targets would take gigabytes.
    """

    r2: np.ndarray
    errors: np.ndarray


def components(patterns: np.ndarray, most: int) -> np.ndarray:
    """Return principal component scores of patterns (I, V), at most `most` and a third of I.

    They are taken over all stimuli: no target enters.
    """
    centred = patterns - patterns.mean(axis=0)
    n, most = len(patterns), max(1, min(most, len(patterns) // 3))
    values, vectors = linalg.eigh(centred @ centred.T, subset_by_index=[n - most, n - 1])
    kept = int(np.count_nonzero(values > 1e-10 * values[-1]))
    return vectors[:, ::-1][:, :kept] * np.sqrt(values[::-1][:kept])


def standardised(covariates: np.ndarray) -> np.ndarray:
    """Return the covariates that vary, with mean 0 and SD 1."""
    size = covariates.std(axis=0)
    varies = size > 1e-12
    return (covariates[:, varies] - covariates[:, varies].mean(axis=0)) / size[varies]


def held_out(x: np.ndarray, targets: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Predict each stimulus from the others by ridge regression.

    Parameters
    ----------
    x : array of shape (I, P)
    targets : array of shape (I, T)
        Each gets its own penalty, chosen within the training stimuli.
    fold : array of shape (I,)

    Returns
    -------
    array of shape (I, T)
        The mean of the training stimuli where there is nothing to predict from (P is 0).
    """
    answer = np.empty_like(targets)
    for number in np.unique(fold):
        test = fold == number
        answer[test] = _predict(x, targets[~test], test)[test]
    return answer


def ladder(steps: list[np.ndarray], targets: np.ndarray, fold: np.ndarray) -> list[np.ndarray]:
    """Predict from the first step, the first two, and so on; each anew, by ridge regression."""
    return [held_out(np.hstack(steps[: number + 1]), targets, fold) for number in range(len(steps))]


def on_top(
    extra: list[np.ndarray], nuisances: np.ndarray, targets: np.ndarray, fold: np.ndarray
) -> list[np.ndarray]:
    """Predict held-out targets from nuisances, and what they leave of the training targets.

    Both steps see the training stimuli only.

    Parameters
    ----------
    extra : list of arrays of shape (I, P)
        Each is judged by itself.

    Returns
    -------
    list of arrays of shape (I, T)
        From the nuisances alone, then with each of `extra` on top of them.
    """
    answer = [np.empty_like(targets) for _ in range(1 + len(extra))]
    for number in np.unique(fold):
        test = fold == number
        predicted = _predict(nuisances, targets[~test], test)
        answer[0][test] = predicted[test]
        rest = targets[~test] - predicted[~test]
        for x, values in zip(extra, answer[1:], strict=True):
            values[test] = predicted[test] + _predict(x, rest, test)[test]
    return answer


def _predict(x: np.ndarray, training: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Fit on the stimuli that are not `test`, and predict all."""
    if x.shape[1] and np.ptp(x[~test], axis=0).any():
        return ridge.fit(x[~test], training, ALPHAS).predict(x)
    return np.broadcast_to(training.mean(axis=0), (len(x), training.shape[1]))


def squared_errors(targets: np.ndarray, predicted: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return squared errors, of the prediction and of the training mean, shape (2, I, T)."""
    mean = held_out(np.empty((len(targets), 0)), targets, fold)
    return np.stack([(targets - predicted) ** 2, (targets - mean) ** 2])


def r2(errors: np.ndarray) -> np.ndarray:
    """Return the held-out R2 from `squared_errors`, shape (T,)."""
    return 1 - errors[0].sum(axis=0) / errors[1].sum(axis=0)


def score(targets: np.ndarray, predicted: np.ndarray, fold: np.ndarray) -> Scored:
    """Compare predictions with targets, both (I, T)."""
    errors = squared_errors(targets, predicted, fold)
    return Scored(r2(errors), errors[..., 0].copy())


def r2_resampled(errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the R2 of one target, from errors (2, I), in bootstrap samples (B, I), shape (B,)."""
    own, mean = errors
    return 1 - (weights @ own) / (weights @ mean)
