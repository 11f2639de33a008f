"""Two processes with the same conditional mean and different conditional variances, simulated.

In both, X = mu(S) + sqrt(v(S)) e. In the first v = 1; in the second log v is normal over stimuli
with mean variance 1. What a squared error sees of v, and what a likelihood sees of it.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from brainworth.erosion import gaussian_head
from brainworth.stats import multiplicities, percentile_interval, stream

PREDICTORS = ("linear", "network")
_INPUTS = 3
_FEATURES = 24
_UNITS = 8
_TEST = 4000


class Process:
    """The truth: features, conditional mean and log variance of simulated stimuli."""

    def __init__(self, log_sd: float, seed: int):
        rng = stream(seed, "variance blindness", "truth")
        self.mixing = rng.standard_normal((_INPUTS, _FEATURES))
        self.offset = rng.standard_normal(_FEATURES)
        self.weights = rng.standard_normal(_FEATURES + 1) / np.sqrt(_FEATURES)
        direction = rng.standard_normal(_INPUTS)
        self.direction = direction / np.linalg.norm(direction)
        self.log_sd = log_sd

    def features(self, stimuli: np.ndarray) -> np.ndarray:
        """Return 1 and tanh features of stimuli (N, 3): (N, 25)."""
        hidden = np.tanh(stimuli @ self.mixing / np.sqrt(_INPUTS) + self.offset)
        return np.hstack([np.ones((len(stimuli), 1)), hidden])

    def log_variance(self, stimuli: np.ndarray, *, constant: bool) -> np.ndarray:
        """Return log v of stimuli; the mean of v is 1."""
        if constant:
            return np.zeros(len(stimuli))
        return self.log_sd * (stimuli @ self.direction) - self.log_sd**2 / 2

    def mean(self, stimuli: np.ndarray) -> np.ndarray:
        """Return mu of stimuli."""
        return self.features(stimuli) @ self.weights

    def draw(self, stimuli: np.ndarray, rng: np.random.Generator, *, constant: bool) -> np.ndarray:
        """Draw one response to each stimulus."""
        scale = np.exp(self.log_variance(stimuli, constant=constant) / 2)
        return self.mean(stimuli) + scale * rng.standard_normal(len(stimuli))


def agreement(
    process: Process, n: int, n_replicates: int, level: float, n_bootstrap: int, seed: int
) -> dict:
    """Train least-squares predictors on n responses of each process and compare them.

    Returns
    -------
    dict
        For each predictor the root mean square difference on new stimuli between the one trained
        on constant and the one on varying variance, and between two trained on constant variance
        (``same_process``: what sampling alone gives), with intervals over replicates.
    """
    squares = {name: np.empty((n_replicates, 2)) for name in PREDICTORS}
    for number in range(n_replicates):
        rng = stream(seed, "variance blindness", "agreement", n, number)
        stimuli = rng.standard_normal((n, _INPUTS))
        test = rng.standard_normal((_TEST, _INPUTS))
        responses = [process.draw(stimuli, rng, constant=kind) for kind in (True, False, True)]
        features, on_test = process.features(stimuli), process.features(test)
        fits = {
            "linear": [on_test @ gaussian_head.mean_only(features, y) for y in responses],
            "network": [network(stimuli, y, seed)(test) for y in responses],
        }
        for name, (constant, varying, again) in fits.items():
            squares[name][number, 0] = np.mean((constant - varying) ** 2)
            squares[name][number, 1] = np.mean((constant - again) ** 2)
    rng = stream(seed, "variance blindness", "bootstrap")
    weights = multiplicities(rng, n_bootstrap, n_replicates) / n_replicates
    return {"n": n} | {
        name: {
            key: {
                "estimate": float(np.sqrt(column.mean())),
                "interval": list(percentile_interval(np.sqrt(weights @ column), level)),
            }
            for key, column in zip(("difference", "same_process"), values.T, strict=True)
        }
        for name, values in squares.items()
    }


def network(stimuli: np.ndarray, y: np.ndarray, seed: int):
    """Train a network of one hidden layer (8 tanh units) on the squared error (L-BFGS).

    Always from the same start, so that two networks differ by their data only.

    Returns
    -------
    callable
        From stimuli (N, 3) to predictions (N,).
    """
    rng = stream(seed, "variance blindness", "network")
    start = np.concatenate([rng.standard_normal((_INPUTS + 1) * _UNITS), np.zeros(_UNITS + 1)])
    start[: _INPUTS * _UNITS] /= np.sqrt(_INPUTS)
    found = minimize(
        network_loss,
        start,
        args=(stimuli, y),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 150},
    )
    return lambda new: _forward(found.x, new)[1]


def network_loss(parameters: np.ndarray, stimuli: np.ndarray, y: np.ndarray):
    """Return the mean squared error, with a slight weight decay, and its gradient."""
    decay = 1e-4
    hidden, predicted = _forward(parameters, stimuli)
    error = 2 * (predicted - y) / len(y)
    outer = _unpack(parameters)[2]
    back = np.outer(error, outer) * (1 - hidden**2)
    gradient = np.concatenate(
        [(stimuli.T @ back).ravel(), back.sum(axis=0), hidden.T @ error, [error.sum()]]
    )
    value = np.mean((predicted - y) ** 2) + decay * parameters @ parameters
    return float(value), gradient + 2 * decay * parameters


def _forward(parameters: np.ndarray, stimuli: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inner, offset, outer, constant = _unpack(parameters)
    hidden = np.tanh(stimuli @ inner + offset)
    return hidden, hidden @ outer + constant


def _unpack(parameters: np.ndarray):
    ends = np.cumsum([_INPUTS * _UNITS, _UNITS, _UNITS])
    inner, offset, outer, constant = np.split(parameters, ends)
    return inner.reshape(_INPUTS, _UNITS), offset, outer, constant[0]


def flatness(process: Process, n: int, seed: int) -> dict:
    """Return the largest derivative of both losses by the variance head, at the MSE solution.

    Central differences for the squared error (which must not change at all), the exact gradient
    for the likelihood.
    """
    rng = stream(seed, "variance blindness", "flatness")
    stimuli = rng.standard_normal((n, _INPUTS))
    y = process.draw(stimuli, rng, constant=False)
    features = process.features(stimuli)
    weights = gaussian_head.mean_only(features, y)
    head = np.zeros(features.shape[1])
    head[0] = np.log(np.mean((y - features @ weights) ** 2))
    step = 1e-3
    slopes = []
    for place in range(head.size):
        values = []
        for sign in (1, -1):
            moved = head.copy()
            moved[place] += sign * step
            model = np.concatenate([weights, moved])
            values.append(gaussian_head.squared_error(model, features, y))
        slopes.append((values[0] - values[1]) / (2 * step))
    gradient = gaussian_head.negative_log_likelihood(np.concatenate([weights, head]), features, y)[
        1
    ]
    return {
        "squared_error": float(np.abs(slopes).max()),
        "likelihood": float(np.abs(gradient[head.size :]).max()),
        "n": n,
    }


def recovery(
    process: Process, n: int, n_replicates: int, level: float, n_bootstrap: int, seed: int
) -> list[dict]:
    """Train heads for the variance on n responses of each process, and score them on new ones.

    Returns
    -------
    list of dict
        For each process: ``likelihood`` (mean and variance trained together) and ``residuals`` (the
        variance trained on the squared residuals of the MSE solution), each with its correlation
        with the true log variance and its gain in log-likelihood over one variance for all
        (nats a response); ``best_gain``, of the true variance; and ``excess_ratio``, the error of
        the mean trained by likelihood over that trained by squared error.
    """
    answer = []
    for constant in (False, True):
        rows: dict[str, list[float]] = {}
        for number in range(n_replicates):
            rng = stream(seed, "variance blindness", "recovery", int(constant), number)
            for name, value in _recover_once(process, n, rng, constant=constant).items():
                rows.setdefault(name, []).append(value)
        rng = stream(seed, "variance blindness", "bootstrap")
        weights = multiplicities(rng, n_bootstrap, n_replicates) / n_replicates

        def summary(values: list[float], weights=weights) -> dict:
            column = np.array(values)
            return {
                "estimate": float(column.mean()),
                "interval": list(percentile_interval(weights @ column, level)),
                "n": column.size,
            }

        found = {
            "process": "constant variance" if constant else "varying variance",
            "best_gain": 0.0 if constant else process.log_sd**2 / 4,
            "n": n,
        }
        for name in ("likelihood", "residuals"):
            correlation = rows.get(f"{name} correlation")
            found[name] = {
                "gain": summary(rows[f"{name} gain"]) | {"unit": "nat"},
                "correlation": summary(correlation) if correlation else None,
                "correlation_reason": None if correlation else "the true variance is constant",
            }
        found["excess_ratio"] = summary(rows["excess ratio"])
        answer.append(found)
    return answer


def _recover_once(
    process: Process, n: int, rng: np.random.Generator, *, constant: bool
) -> dict[str, float]:
    stimuli, test = rng.standard_normal((n, _INPUTS)), rng.standard_normal((_TEST, _INPUTS))
    y = process.draw(stimuli, rng, constant=constant)
    y_test = process.draw(test, rng, constant=constant)
    features, on_test = process.features(stimuli), process.features(test)
    plain = gaussian_head.mean_only(features, y)
    residual = (y - features @ plain) ** 2
    one_variance = 0.5 * np.mean(
        np.log(residual.mean()) + (y_test - on_test @ plain) ** 2 / residual.mean()
    )
    weights, log_weights = gaussian_head.with_variance(features, y)
    centre, scale = features[:, 1:].mean(axis=0), features[:, 1:].std(axis=0)
    second, intercept = gaussian_head.log_variance(
        ((features[:, 1:] - centre) / scale)[None], residual[None], np.ones(n), 1.0
    )
    predicted = {
        "likelihood": (on_test @ weights, on_test @ log_weights),
        "residuals": (
            on_test @ plain,
            ((on_test[:, 1:] - centre) / scale) @ second[0] + intercept[0],
        ),
    }
    found = {}
    for name, (mean, log_variance) in predicted.items():
        loss = 0.5 * np.mean(log_variance + (y_test - mean) ** 2 * np.exp(-log_variance))
        found[f"{name} gain"] = float(one_variance - loss)
        if not constant:
            truth = process.log_variance(test, constant=False)
            found[f"{name} correlation"] = float(np.corrcoef(log_variance, truth)[0, 1])
    truth = process.mean(test)
    errors = [np.mean((on_test @ fit - truth) ** 2) for fit in (weights, plain)]
    return found | {"excess ratio": float(errors[0] / errors[1])}
