"""One number predicted from another: R2 under three calibrations, cross-validated over stimuli.

``raw`` takes the predictor as it is. ``offset_slope`` fits both on the training stimuli.
``zscored`` puts predictor and target in units of their own mean and standard deviation over all
stimuli, and fits a slope on the training stimuli.
"""

from __future__ import annotations

import numpy as np

CALIBRATIONS = ("raw", "offset_slope", "zscored")


def squared_errors(
    x: np.ndarray, y: np.ndarray, fold: np.ndarray, calibration: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return held-out squared errors, and the target in the same units, both of shape (I,).

    Parameters
    ----------
    x, y : array of shape (I,)
        Predictor and target.
    fold : array of shape (I,)
    calibration : {"raw", "offset_slope", "zscored"}
    """
    if calibration == "raw":
        return (y - x) ** 2, y
    if calibration == "zscored":
        x, y = zscore(x), zscore(y)
    errors = np.empty(len(y))
    for number in range(fold.max() + 1):
        train, test = fold != number, fold == number
        if calibration == "zscored":
            offset, slope = 0.0, (x[train] @ y[train]) / (x[train] @ x[train])
        else:
            slope = fitted_slope(x[train], y[train])
            offset = y[train].mean() - slope * x[train].mean()
        errors[test] = (y[test] - offset - slope * x[test]) ** 2
    return errors, y


def fitted_slope(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the least-squares slope, or one for each row of weights (B, I)."""
    w = np.ones((1, len(x))) if weights is None else weights
    slopes = covariance(x, y, w) / covariance(x, x, w)
    return slopes[0] if weights is None else slopes


def covariance(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return weighted covariances (divided by the sum of weights), shape (B,)."""
    n = weights.sum(axis=1)
    return (weights @ (x * y)) / n - (weights @ x) * (weights @ y) / n**2


def r2(errors: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return 1 - squared error / squared deviation from the mean, for each row of weights."""
    return 1 - (weights @ errors) / (weights.sum(axis=1) * covariance(y, y, weights))


def many_r2(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return the R2 of ``offset_slope`` for each row of x and y of shape (m, I), shape (m,).

    The same numbers as `squared_errors` and `r2`, from sums over folds.
    """
    of_fold = (fold[:, None] == np.arange(fold.max() + 1)).astype(float)
    n = of_fold.sum(axis=0)
    sx, sxx, sy, syy, sxy = (values @ of_fold for values in (x, x**2, y, y**2, x * y))

    def training(values: np.ndarray) -> np.ndarray:
        return values.sum(axis=-1, keepdims=True) - values

    n_train, x_train, y_train = training(n), training(sx), training(sy)
    slope = (training(sxy) - x_train * y_train / n_train) / (training(sxx) - x_train**2 / n_train)
    offset = (y_train - slope * x_train) / n_train
    errors = (
        syy
        - 2 * offset * sy
        - 2 * slope * sxy
        + n * offset**2
        + 2 * offset * slope * sx
        + slope**2 * sxx
    )
    return 1 - errors.sum(axis=1) / np.sum((y - y.mean(axis=1, keepdims=True)) ** 2, axis=1)


def zscore(values: np.ndarray) -> np.ndarray:
    """Return values in units of their own mean and standard deviation."""
    return (values - values.mean()) / values.std()
