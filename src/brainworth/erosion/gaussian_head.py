"""Predictors of a mean, with and without a head for the variance.

All are linear in given features. `mean_only` minimises the squared error; `with_variance` the
Gaussian negative log-likelihood of a mean and a log variance; `log_variance` that of repeated
measurements about their own mean, where only the variance is left to predict.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

_STEPS = 25
_CONVERGED = 1e-3  # largest change of a log variance per SD of the features
_LARGEST_STEP = 2.0  # of a log variance in one step: keeps Fisher scoring from overshooting


def mean_only(features: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the least-squares weights (P,) for y (N,) on features (N, P)."""
    return np.linalg.lstsq(features, y, rcond=None)[0]


def squared_error(parameters: np.ndarray, features: np.ndarray, y: np.ndarray) -> float:
    """Return the mean squared error of a model with both heads.

    Parameters
    ----------
    parameters : array of shape (2 P,)
        Weights of the mean, then those of the log variance, which the squared error does not see.
    """
    weights = np.split(parameters, 2)[0]
    return float(np.mean((y - features @ weights) ** 2))


def negative_log_likelihood(
    parameters: np.ndarray, features: np.ndarray, y: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the mean Gaussian negative log-likelihood (without log 2 pi / 2) and its gradient.

    Parameters
    ----------
    parameters : array of shape (2 P,)
        Weights of the mean, then those of the log variance.
    """
    weights, log_weights = np.split(parameters, 2)
    residual = y - features @ weights
    log_variance = features @ log_weights
    precision = np.exp(-log_variance)
    scaled = residual**2 * precision
    value = 0.5 * np.mean(log_variance + scaled)
    gradient = np.concatenate(
        [-features.T @ (residual * precision), 0.5 * features.T @ (1 - scaled)]
    )
    return float(value), gradient / len(y)


def with_variance(features: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit mean and log variance by maximum likelihood (L-BFGS).

    A standard normal prior on each weight of the log variance keeps few responses from giving
    variances of nearly zero to stimuli that were not trained on.

    Parameters
    ----------
    features : array of shape (N, P)
        The first column is constant 1.
    y : array of shape (N,)

    Returns
    -------
    weights, log_weights : arrays of shape (P,)
    """
    start = np.zeros(2 * features.shape[1])
    start[: features.shape[1]] = mean_only(features, y)
    residual = y - features @ start[: features.shape[1]]
    start[features.shape[1]] = np.log(np.mean(residual**2))
    penalised = np.ones(start.size)
    penalised[: features.shape[1] + 1] = 0  # neither the mean nor the constant

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = negative_log_likelihood(parameters, features, y)
        decay = penalised * parameters / len(y)
        return value + 0.5 * float(decay @ parameters), gradient + decay

    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "gtol": 1e-7, "ftol": 1e-14},
    )
    weights, log_weights = np.split(found.x, 2)
    return weights, log_weights


def log_variance(
    features: np.ndarray, squares: np.ndarray, degrees: np.ndarray, prior_sd: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fit log variances to sample variances, for many data sets at once.

    The likelihood is that of Gaussian deviations from a mean of their own: of a sample variance
    with `degrees` degrees of freedom. A Gaussian prior keeps the weights small.

    Parameters
    ----------
    features : array of shape (B or 1, N, P)
        Of zero mean and unit SD over N.
    squares : array of shape (B, N)
        Sample variances.
    degrees : array of shape (N,)
    prior_sd : float
        SD over N of the log variance that the features together are expected to explain.

    Returns
    -------
    weights : array of shape (B, P)
    intercept : array of shape (B,)
    """
    n_sets, n_features = len(squares), features.shape[2]
    penalty = n_features / prior_sd**2
    half = degrees / 2
    curvature = (features.transpose(0, 2, 1) * half) @ features
    curvature[:, range(n_features), range(n_features)] += penalty
    inverse = np.linalg.inv(curvature)
    weights = np.zeros((n_sets, n_features))
    total = half.sum()
    relative = squares
    level = relative @ half / total
    for _ in range(_STEPS):
        excess = (relative / level[:, None] - 1) * half
        gradient = apply(features, excess) - penalty * weights
        if len(inverse) == 1:
            step = gradient @ inverse[0]
        else:
            step = np.einsum("bpq,bq->bp", inverse, gradient)
        length = np.abs(step).sum(axis=1)
        weights += step * np.minimum(1, _LARGEST_STEP / np.maximum(length, 1e-300))[:, None]
        # given the weights, the best intercept is known
        relative = squares * np.exp(-predict(features, weights))
        level = relative @ half / total
        if length.max(initial=0) < _CONVERGED:
            break
    intercept = np.log(level)
    return weights, intercept


def predict(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return log variances (B, N), less the intercept, from features (B or 1, N, P)."""
    if len(features) == 1:
        return weights @ features[0].T
    return np.einsum("bnp,bp->bn", features, weights)


def apply(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return sums over N of features (B or 1, N, P) times values (B, N): (B, P)."""
    if len(features) == 1:
        return values @ features[0]
    return np.einsum("bnp,bn->bp", features, values)
