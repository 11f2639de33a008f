"""How a score grows with the number of trials n: laws, and the test for a plateau.

* log-linear: score = a + b log2 n; b is the gain a doubling.
* saturating: score = ceiling * sqrt(n / (n + half)), at most 1. Least squares with p effective
  parameters adds error of variance proportional to p / n to what the best decoder decodes, whose
  correlation with the truth then is of this form; `half` is where its square is half of what it
  comes to.

The test for a plateau asks whether the last doubling brings less than those before it: under a
log-linear law all bring the same. Scores of S subjects on the same test images vary with the
subject and with the images; `Error` puts both together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats as scipy_stats

from brainworth.stats import permutation_p

#: Fewest sizes for a law of two parameters and a test of its shape.
FEWEST_SIZES = 4
_GRID, _NEAR = 400, 21  # values of `half` that are tried, and those near the best
_REACH = 1e3  # from the smallest size divided by, to the largest times this


@dataclass(frozen=True)
class LogLinear:
    """Fits of score = at_largest + slope * log2(n / largest n), one a row.

    Attributes
    ----------
    at_largest, slope, squares : arrays of shape (B,)
        The last is the sum of squared residuals.
    """

    at_largest: np.ndarray
    slope: np.ndarray
    squares: np.ndarray

    def predict(self, n: np.ndarray, largest: float) -> np.ndarray:
        """Return the score (B, K) at sizes n."""
        return self.at_largest[:, None] + self.slope[:, None] * np.log2(np.asarray(n) / largest)


@dataclass(frozen=True)
class Saturating:
    """Fits of score = ceiling * sqrt(n / (n + half)), one a row.

    Attributes
    ----------
    ceiling, half, squares : arrays of shape (B,)
    """

    ceiling: np.ndarray
    half: np.ndarray
    squares: np.ndarray

    def predict(self, n: np.ndarray) -> np.ndarray:
        """Return the score (B, K) at sizes n."""
        n = np.asarray(n, dtype=float)
        return self.ceiling[:, None] * np.sqrt(n / (n + self.half[:, None]))


def log_linear(n: np.ndarray, scores: np.ndarray) -> LogLinear:
    """Fit the log-linear law by least squares.

    Parameters
    ----------
    n : array of shape (K,)
        Ascending.
    scores : array of shape (B, K)
    """
    x = np.log2(np.asarray(n, dtype=float) / n[-1])
    centred = x - x.mean()
    slope = scores @ centred / (centred @ centred)
    at_largest = scores.mean(axis=1) - slope * x.mean()
    residual = scores - at_largest[:, None] - slope[:, None] * x
    return LogLinear(at_largest, slope, np.sum(residual**2, axis=1))


def saturating(n: np.ndarray, scores: np.ndarray) -> Saturating:
    """Fit the saturating law by least squares, the ceiling between 0 and 1.

    Parameters
    ----------
    n : array of shape (K,)
        Ascending.
    scores : array of shape (B, K)
    """
    n = np.asarray(n, dtype=float)
    half = np.geomspace(n[0] / _REACH, n[-1] * _REACH, _GRID)[None]
    step = (half[0, -1] / half[0, 0]) ** (1 / (_GRID - 1))
    rows = np.arange(len(scores))
    for _ in range(3):  # ever nearer to the best of each row
        shape = np.sqrt(n / (n + half[..., None]))  # (1 or B, G, K)
        length = np.sum(shape**2, axis=-1)
        product = np.einsum("xgk,bk->bg" if len(half) == 1 else "bgk,bk->bg", shape, scores)
        ceiling = np.clip(product / length, 0, 1)
        squares = np.sum(scores**2, axis=1)[:, None] - 2 * ceiling * product + ceiling**2 * length
        best = np.argmin(squares, axis=1)
        found = half[rows if len(half) > 1 else 0, best]
        half = found[:, None] * np.geomspace(1 / step, step, _NEAR)
        step **= 2 / (_NEAR - 1)
    return Saturating(ceiling[rows, best], found, np.maximum(squares[rows, best], 0))


def last_doubling(scores: np.ndarray) -> np.ndarray:
    """Return what the last doubling brings, shape (B,), for scores (B, K)."""
    return scores[:, -1] - scores[:, -2]


def bend(scores: np.ndarray) -> np.ndarray:
    """Return the last doubling minus the mean of those before it, shape (B,).

    0 for a log-linear law, below 0 where the score levels off.
    """
    return last_doubling(scores) - (scores[:, -2] - scores[:, 0]) / (scores.shape[1] - 2)


@dataclass(frozen=True)
class Estimate:
    """A mean over subjects.

    Attributes
    ----------
    estimate, error : float
        The standard error is over subjects and test images.
    degrees : float
        Of Student's t.
    """

    estimate: float
    error: float
    degrees: float

    def interval(self, level: float) -> tuple[float, float]:
        """Return the central interval."""
        reach = self.error * scipy_stats.t.ppf((1 + level) / 2, self.degrees)
        return float(self.estimate - reach), float(self.estimate + reach)

    def p(self) -> float:
        """Return the two-sided p-value of 0."""
        if self.error == 0:
            raise ValueError("scores that do not vary at all have no p-value")
        p = 2 * scipy_stats.t.sf(abs(self.estimate) / self.error, self.degrees)
        return float(max(p, np.finfo(float).tiny))


def over_subjects(values: np.ndarray, draws: np.ndarray) -> Estimate:
    """Return the mean of a statistic over subjects who saw the same test images.

    Parameters
    ----------
    values : array of shape (S,)
        Of each subject.
    draws : array of shape (S, B)
        The same on resampled test images, the same resamples for all subjects.

    Notes
    -----
    A subject's value is an effect of its own, one of the images that all subjects saw, and one of
    how the subject and these images go together (with what training added). The spread over
    subjects holds the first and the last, the resamples hold the last two; what the images alone
    do follows from the resamples of the mean and those of single subjects, and is added once.
    With one subject only its own resamples count, and the statement is about this subject.
    """
    values, draws = np.asarray(values, dtype=float), np.asarray(draws, dtype=float)
    n = len(values)
    if n == 1:
        return Estimate(float(values[0]), float(draws[0].std(ddof=1)), draws.shape[1] - 1)
    covariance = covariance_of_mean(values[:, None], draws[:, :, None])
    return Estimate(float(values.mean()), float(np.sqrt(covariance[0, 0])), n - 1)


def covariance_of_mean(values: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the covariance (K, K) of means over subjects; see `over_subjects`.

    Parameters
    ----------
    values : array of shape (S, K)
    draws : array of shape (S, B, K)
    """
    n, n_draws = draws.shape[:2]
    centred = draws - draws.mean(axis=1, keepdims=True)
    each = np.einsum("sbk,sbl->kl", centred, centred) / (n * (n_draws - 1))
    if n == 1:
        return each
    mean = centred.mean(axis=0)
    of_mean = mean.T @ mean / (n_draws - 1)
    images = (n * of_mean - each) / (n - 1)
    spread, vectors = np.linalg.eigh(images)
    images = vectors * np.maximum(spread, 0) @ vectors.T
    subjects = np.atleast_2d(np.cov(values, rowvar=False, ddof=1)) / n
    return subjects + images


@dataclass(frozen=True)
class Comparison:
    """Which of the two laws the scores follow.

    Attributes
    ----------
    p_log_linear : float
        How often scores that follow the log-linear law prefer the saturating one as much.
    p_saturating : float
        The same with the laws exchanged.
    log_ratio : float
        ln of the squared residuals of the log-linear law over those of the saturating one.
    """

    p_log_linear: float
    p_saturating: float
    log_ratio: float


def compare(
    n: np.ndarray,
    scores: np.ndarray,
    covariance: np.ndarray,
    degrees: float,
    n_draws: int,
    rng: np.random.Generator,
) -> Comparison:
    """Compare the two laws, each with scores drawn from the other (Cox 1961, 1962).

    Parameters
    ----------
    n : array of shape (K,)
    scores : array of shape (K,)
    covariance : array of shape (K, K)
        Of the scores.
    degrees : float
        With which it is known; draws are from Student's t.
    n_draws : int
    rng : generator
    """

    def preference(rows: np.ndarray) -> np.ndarray:
        tiny = 1e-12
        return np.log((log_linear(n, rows).squares + tiny) / (saturating(n, rows).squares + tiny))

    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    noise = rng.standard_normal((n_draws, len(scores))) @ root.T
    noise /= np.sqrt(rng.chisquare(degrees, n_draws) / degrees)[:, None]
    observed = float(preference(scores[None])[0])
    straight = log_linear(n, scores[None]).predict(n, n[-1])
    level = saturating(n, scores[None]).predict(n)
    return Comparison(
        permutation_p(observed, preference(straight + noise)),
        permutation_p(observed, preference(level + noise), alternative="less"),
        observed,
    )
