"""Ridge regression with intercept in its dual form: everything from inner products of stimuli.

Predictions for many voxels from many voxels then cost no more than their Gram matrices. One penalty
serves all targets; generalised cross-validation chooses it (Golub, Heath & Wahba 1979,
Technometrics 21, 215-223).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from brainworth.ridge import ALPHAS


@dataclass(frozen=True)
class Dual:
    """A fitted regression.

    Attributes
    ----------
    train : array of shape (N,)
        Stimuli it was fitted on.
    inverse : array of shape (N, N)
        (K + alpha I)^-1 of the centred Gram matrix K of the predictors.
    alpha : float
        Penalty, in units of K.
    """

    train: np.ndarray
    inverse: np.ndarray
    alpha: float

    def coefficients(self, gram: np.ndarray) -> np.ndarray:
        """Return M: predictions are M Y, deviations from the training mean of the targets.

        Parameters
        ----------
        gram : array of shape (n, N)
            Inner products of the predictors of n stimuli with those of the training stimuli, both
            as deviations from the training mean.
        """
        return gram @ self.inverse

    def loo_residuals(self) -> np.ndarray:
        """Return R (N, N): leave-one-out residuals of the training targets are R Y."""
        # 1 - leverage, where the mean that is fitted too has leverage 1/N
        free = self.alpha * np.diag(self.inverse) - 1 / len(self.inverse)
        return self.alpha * self.inverse / np.maximum(free, 1e-9)[:, None]


def centred(gram: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return inner products of two groups of stimuli, each as deviations from its own mean."""
    block = gram[np.ix_(rows, columns)]
    block = block - block.mean(axis=0)
    return block - block.mean(axis=1, keepdims=True)


def from_training_mean(
    gram: np.ndarray, reference: np.ndarray, rows: np.ndarray, train: np.ndarray
) -> np.ndarray:
    """Return inner products of `rows` with training stimuli, all less the training mean.

    Parameters
    ----------
    gram : array of shape (I, I)
        Rows may be other measurements of the stimuli than columns.
    reference : array of shape (I, I)
        Of the measurements that the training mean is taken of, with themselves.
    """
    block = gram[np.ix_(rows, train)]
    own = reference[np.ix_(train, train)].mean(axis=0)
    return block - block.mean(axis=1, keepdims=True) - own + own.mean()


def squared_deviations(gram: np.ndarray, test: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return the squared distances of test stimuli from the mean of the training stimuli, (n,)."""
    mean = gram[np.ix_(train, train)].mean()
    return gram[test, test] - 2 * gram[np.ix_(test, train)].mean(axis=1) + mean


def fit(
    x: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    alpha: float | None = None,
    lighter: float = 1.0,
) -> Dual:
    """Fit a regression from Gram matrices.

    Parameters
    ----------
    x, y : array of shape (I, I)
        Inner products of predictors, and of targets, of all stimuli.
    train : array of int
        Stimuli to fit on.
    alpha : float, optional
        Penalty, in units of `x`; chosen by generalised cross-validation by default.
    lighter : float
        Take the chosen penalty so many times smaller.
    """
    kernel = centred(x, train, train)
    n = len(train)
    if alpha is not None:
        inverse = cho_solve(cho_factor(kernel + alpha * np.eye(n)), np.eye(n))
        return Dual(train, inverse, alpha)
    values, vectors = np.linalg.eigh(kernel)
    values = np.maximum(values, 0)
    energy = np.einsum("ij,ij->j", vectors, centred(y, train, train) @ vectors)
    penalties = ALPHAS * np.trace(kernel) / n
    kept = penalties[:, None] / (values + penalties[:, None])
    errors = kept**2 @ energy / (kept.sum(axis=1) - 1) ** 2
    best = float(penalties[np.argmin(errors)]) / lighter
    return Dual(train, (vectors / (values + best)) @ vectors.T, best)
