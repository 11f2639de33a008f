"""Ridge regression of many targets, each with its own penalty, by exact leave-one-out.

The penalty is chosen from the leave-one-out errors that follow from one eigendecomposition
(Golub, Heath & Wahba 1979, Technometrics 21, 215-223), so that no second split of the data is
needed. Intercepts are not penalised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Penalties relative to the mean squared length of the centred rows of X.
ALPHAS = np.logspace(-4, 4, 17)
_NO_SIGNAL = 1e-10  # of the largest eigenvalue: below it a direction is rounding


@dataclass(frozen=True)
class Ridge:
    """A fitted regression.

    Attributes
    ----------
    weights : array of shape (P, T)
    intercept : array of shape (T,)
    alpha : array of shape (T,)
        Penalty of each target, in units of X squared.
    residuals : array of shape (N, T), or None if not asked for
        Of each row, had it been left out, at the penalty of each target.
    """

    weights: np.ndarray
    intercept: np.ndarray
    alpha: np.ndarray
    residuals: np.ndarray | None = None

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict targets (N, T) from x (N, P)."""
        return x @ self.weights + self.intercept


def fit(
    x: np.ndarray, y: np.ndarray, alphas: np.ndarray = ALPHAS, *, keep_residuals: bool = False
) -> Ridge:
    """Fit a ridge regression.

    Parameters
    ----------
    x : array of shape (N, P)
        Predictors; N >= 3. P may be larger than N.
    y : array of shape (N, T)
    alphas : array
        Candidate penalties, relative to the mean squared length of the centred rows of `x`.
    keep_residuals : bool
        Whether to return leave-one-out residuals.

    Raises
    ------
    ValueError
        If the shapes do not agree, a value is not finite, or all rows of `x` are the same.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < 3:
        raise ValueError(f"x {x.shape} and y {y.shape} must be matrices of the same >= 3 rows")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("ridge regression needs finite values")
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x_centred, y_centred = x - x_mean, y - y_mean
    scale = np.mean(np.sum(x_centred**2, axis=1))
    if scale == 0:
        raise ValueError("all rows of x are the same: there is nothing to predict from")
    left, values = _left_singular(x_centred)
    rotated = left.T @ y_centred
    penalties = scale * np.asarray(alphas)
    errors = _errors(left, values, rotated, y_centred, penalties)
    alpha = penalties[np.argmin(errors, axis=0)]
    # X' (X X' + a)^-1 y, without the directions that X does not have
    weights = x_centred.T @ (left @ (rotated / (values[:, None] + alpha)))
    residuals = None
    if keep_residuals:
        residuals = _left_out(left, values, rotated, y_centred, alpha)
    return Ridge(weights, y_mean - x_mean @ weights, alpha, residuals)


def leave_one_out(x: np.ndarray, y: np.ndarray, alphas: np.ndarray = ALPHAS) -> np.ndarray:
    """Return the mean squared leave-one-out error of each penalty and target, shape (A, T).

    Parameters
    ----------
    x, y, alphas : arrays
        As in `fit`.
    """
    x_centred, y_centred = x - x.mean(axis=0), y - y.mean(axis=0)
    left, values = _left_singular(x_centred)
    penalties = np.mean(np.sum(x_centred**2, axis=1)) * np.asarray(alphas)
    return _errors(left, values, left.T @ y_centred, y_centred, penalties)


def _errors(
    left: np.ndarray,
    values: np.ndarray,
    rotated: np.ndarray,
    y: np.ndarray,
    penalties: np.ndarray,
) -> np.ndarray:
    return np.stack([_leave_one_out(left, values, rotated, y, penalty) for penalty in penalties])


def _left_singular(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the left singular vectors of x and the squared singular values, from a Gram matrix."""
    if x.shape[0] <= x.shape[1]:
        values, left = np.linalg.eigh(x @ x.T)
        kept = values > _NO_SIGNAL * values[-1]
        return left[:, kept], values[kept]
    values, right = np.linalg.eigh(x.T @ x)
    kept = values > _NO_SIGNAL * values[-1]
    return x @ (right[:, kept] / np.sqrt(values[kept])), values[kept]


def _leave_one_out(
    left: np.ndarray, values: np.ndarray, rotated: np.ndarray, y: np.ndarray, penalty: float
) -> np.ndarray:
    """Return the mean squared leave-one-out error of each target, shape (T,)."""
    residuals = _left_out(left, values, rotated, y, np.array([penalty]))
    return np.mean(residuals**2, axis=0)


def _left_out(
    left: np.ndarray, values: np.ndarray, rotated: np.ndarray, y: np.ndarray, penalty: np.ndarray
) -> np.ndarray:
    """Return leave-one-out residuals (N, T), at one penalty of all targets or one of each."""
    shrink = values[:, None] / (values[:, None] + penalty)
    residual = y - left @ (shrink * rotated)
    # the mean, which is fitted too, has leverage 1/N
    leverage = (left**2) @ shrink + 1 / len(y)
    return residual / (1 - leverage)
