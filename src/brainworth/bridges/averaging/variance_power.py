"""What the head for the variance would find if images did drive it, at the size of this study.

Trials are drawn with Gaussian noise whose log variance is a linear function of the very features
that predict it, or of none of them. The head and its nulls are those of the data: one subject, one
target with one degree of freedom a contrast.
"""

from __future__ import annotations

import numpy as np

from brainworth.bridges.averaging import variance_head
from brainworth.bridges.averaging.variance_head import NULLS, Squares
from brainworth.stats import binomial_interval, permutation_p, stream


def power(
    train: np.ndarray,
    test: np.ndarray,
    train_degrees: np.ndarray,
    test_degrees: np.ndarray,
    *,
    log_sds: list[float],
    unrelated_log_sd: float,
    n_replicates: int,
    n_surrogates: int,
    prior_sd: float,
    interval: float,
    seed: int,
) -> list[dict]:
    """Return how often the head is found to predict the variance of test images.

    Parameters
    ----------
    train, test : arrays of shape (N, P), (I, P)
        Features of training and test images.
    train_degrees, test_degrees : arrays of shape (N,), (I,)
        Trials of each image less one.
    log_sds : list of float
        SD over images of the log variance that features make; 0 plants nothing.
    unrelated_log_sd : float
        SD of a log variance that features do not make, in a condition of its own.
    n_replicates : int
        Data sets of each condition.
    n_surrogates : int
        Draws of each null.
    interval : float
        Nominal coverage; a head is found at a p of at most 1 less it.

    Returns
    -------
    list of dict
        ``log_sd`` (made by features), ``unrelated_log_sd``, ``n_replicates``, ``correlation`` (mean
        over replicates, of predicted log variance and measured variance), and by null ``found``
        with ``estimate`` and exact ``interval``.
    """
    centre, scale = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-12)
    conditions = [(log_sd, 0.0) for log_sd in log_sds]
    conditions += [(0.0, unrelated_log_sd)] if unrelated_log_sd > 0 else []
    answer = []
    for log_sd, unrelated in conditions:
        p = {null: np.empty(n_replicates) for null in NULLS}
        correlations = np.empty(n_replicates)
        for number in range(n_replicates):
            rng = stream(seed, "averaging", "power", f"{log_sd:g}", f"{unrelated:g}", number)
            direction = rng.standard_normal(train.shape[1])
            drawn = [(each - centre) / scale @ direction for each in (train, test)]
            spread = log_sd / drawn[0].std()
            squares, contrasts = [], []
            for each, degrees in zip(drawn, (train_degrees, test_degrees), strict=True):
                known = spread * each + unrelated * rng.standard_normal(len(each))
                noise = [
                    np.exp(known[degrees > step] / 2) * rng.standard_normal(np.sum(degrees > step))
                    for step in range(degrees.max())
                ]
                contrasts.append(noise)
                squares.append(_squares(np.concatenate(noise)[None], degrees)[0])
            found = _score(
                train, test, squares, np.concatenate(contrasts[1]), train_degrees, test_degrees,
                n_surrogates, prior_sd, rng,
            )  # fmt: skip
            for null in NULLS:
                gain = found[null]["gain"][:, 0]
                p[null][number] = permutation_p(float(gain[0]), gain[1:])
            correlations[number] = found[NULLS[0]]["correlation"][0, 0]
        row: dict = {
            "log_sd": log_sd,
            "unrelated_log_sd": unrelated,
            "n_replicates": n_replicates,
            "correlation": float(correlations.mean()),
        }
        for null in NULLS:
            hits = int(np.count_nonzero(p[null] <= 1 - interval + 1e-12))
            row[null] = {
                "found": {
                    "estimate": hits / n_replicates,
                    "interval": list(binomial_interval(hits, n_replicates, interval)),
                }
            }
        answer.append(row)
    return answer


def _score(
    train: np.ndarray,
    test: np.ndarray,
    squares: list[np.ndarray],
    contrasts: np.ndarray,
    train_degrees: np.ndarray,
    test_degrees: np.ndarray,
    n_surrogates: int,
    prior_sd: float,
    rng: np.random.Generator,
) -> dict[str, dict]:
    turned = rng.standard_normal((n_surrogates, contrasts.size))
    turned *= np.linalg.norm(contrasts) / np.linalg.norm(turned, axis=1, keepdims=True)
    rotation = np.vstack([squares[1], _squares(turned, test_degrees)])
    orders = variance_head.relabellings(test_degrees, n_surrogates, rng)
    relabelled = np.vstack([squares[1], squares[1][orders]])
    target = variance_head.ROI_MEAN
    tested = Squares(
        {
            "rotation": {target: rotation[:, :, None]},
            "relabelled": {target: relabelled[:, :, None]},
        },
        {target: test_degrees},
    )
    return variance_head.from_training(
        train, test, squares[0][:, None], train_degrees, tested, target, prior_sd
    )


def _squares(contrasts: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return variances (m, I) from contrasts (m, D) that come in rounds."""
    total = np.zeros((len(contrasts), degrees.size))
    start = 0
    for step in range(degrees.max()):
        has = np.flatnonzero(degrees > step)
        total[:, has] += contrasts[:, start : start + has.size] ** 2
        start += has.size
    return total / degrees
