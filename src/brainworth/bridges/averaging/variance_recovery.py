"""Whether a head for the variance recovers what the squared error cannot see, over all subjects.

Heads and nulls are those of `variance_head`. Gains are averaged over subjects, and over regions,
before they are held to their null, so that a p-value is one of all subjects.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from brainworth.bridges.averaging import moments, variance_head
from brainworth.bridges.averaging.average_encoder import Inputs
from brainworth.bridges.averaging.region_responses import Columns
from brainworth.bridges.averaging.variance_head import (
    IMAGES,
    NULLS,
    OTHERS,
    OUTPUT,
    TARGETS,
    TRUE,
    Squares,
)
from brainworth.folds import folds
from brainworth.stats import max_statistic_p, percentile_interval, permutation_p, stream

#: What is kept of a head: null to its scores, for one subject and region.
Scores = dict[str, dict[str, np.ndarray]]


def analyse(
    found: Sequence[Sequence[Columns | None]],
    regions: Sequence[str],
    images: Inputs,
    true: list[tuple[np.ndarray, np.ndarray]] | None,
    log_variance: np.ndarray | None,
    *,
    n_features: int,
    n_components: int,
    prior_sd: float,
    n_folds: int,
    n_surrogates: int,
    weights: np.ndarray,
    interval: float,
    seed: int,
) -> dict:
    """Fit and test all heads.

    Parameters
    ----------
    found : S sequences of R Columns
    regions : sequence of R str
    images : Inputs
        Components of image features, the leading ones first.
    true : list of S (train, test), arrays of shape (n_s, F), (I, F), or None
        What the responses of each subject are made of.
    log_variance : array of shape (S, I) or None
        Planted log variance of each subject and test image.
    n_features : int
        Components of image features that predict variances.
    n_components : int
        Components of a region that make its second target.
    prior_sd : float
        As in `gaussian_head.log_variance`.
    n_folds : int
        Folds of test images, for the predictors of other subjects.
    n_surrogates : int
        Draws of each null.
    weights : array of shape (B, I)
        Bootstrap samples of test images.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.

    Returns
    -------
    dict
        ``n_images``, ``n_training_images`` (smallest and largest of images shown more than once),
        ``n_features``, ..., and ``heads``: ``predictors``, ``target``, ``mean`` (over subjects
        and regions), ``regions``, ``subjects``, each with ``gain`` and ``correlation``.
    """
    degrees = [next(each for each in row if each is not None).degrees for row in found]
    common = variance_head.orders_of(degrees, n_surrogates, seed, None)
    fold = folds(len(degrees[0]), n_folds, stream(seed, "averaging", "variance", "folds"))
    scores: dict[tuple[str, str], dict[tuple[int, int], Scores]] = {}
    tested: dict[tuple[int, int], Squares] = {}
    for s, row in enumerate(tqdm(found, desc="variance heads", disable=None)):
        there = [r for r, each in enumerate(row) if each is not None]
        items = [row[r] for r in there]
        subject = items[0].subject
        squares = variance_head.test_squares(
            items,
            n_components,
            common,
            variance_head.orders_of([degrees[s]], n_surrogates, seed, subject),
            stream(seed, "averaging", "variance", "rotation", subject),
        )
        for place, r in enumerate(there):
            tested[s, r] = squares.region(place)
        own = _from_training(
            items, squares, images, None if true is None else true[s], s,
            n_features=n_features, n_components=n_components, prior_sd=prior_sd,
        )  # fmt: skip
        for key, values in own.items():
            for r, each in zip(there, values, strict=True):
                scores.setdefault(key, {})[s, r] = each
    for (s, r), own in tested.items():
        rest = [each for (t, q), each in tested.items() if q == r and t != s]
        if rest:
            for target, every in variance_head.from_others(own, rest, fold, prior_sd).items():
                scores.setdefault((OTHERS, target), {})[s, r] = _region(every, 0)
    used = [int(each.train_repeated.sum()) for row in found for each in row if each is not None]
    subjects = [next(each for each in row if each is not None).subject for row in found]
    return {
        "n_images": len(degrees[0]),
        "n_training_images": [min(used), max(used)],
        "n_features": min(n_features, images.test.shape[1]),
        "n_components": n_components,
        "n_folds": n_folds,
        "n_surrogates": n_surrogates,
        "prior_sd": prior_sd,
        "heads": [
            _summarise(name, target, scores[name, target], subjects, regions, weights, interval)
            for name in (IMAGES, OUTPUT, OTHERS, TRUE)
            for target in TARGETS
            if (name, target) in scores
        ],
        "planted": None if log_variance is None else planted(log_variance, subjects),
    }


def planted(log_variance: np.ndarray, subjects: Sequence[str]) -> dict:
    """Return what can be known of the planted variance of test images.

    Parameters
    ----------
    log_variance : array of shape (S, I)

    Returns
    -------
    dict
        ``log_sd`` (mean over subjects of the SD over images), ``others`` (mean correlation over
        images of a subject's variance with the log of the other subjects' mean), ``images`` and
        ``mse_output``: 0, variances are drawn independently of features.
    """
    known = log_variance.astype(np.float64)
    variances = np.exp(known)
    others = []
    if len(known) > 1 and np.ptp(known, axis=1).max() > 0:
        relative = variances / variances.mean(axis=1, keepdims=True)
        rest = (relative.sum(axis=0) - relative) / (len(known) - 1)
        others = [
            float(np.corrcoef(np.log(other), own)[0, 1])
            for other, own in zip(rest, variances, strict=True)
        ]
    return {
        "log_sd": float(known.std(axis=1).mean()),
        IMAGES: 0.0,
        OUTPUT: 0.0,
        TRUE: 0.0,
        OTHERS: float(np.mean(others)) if others else 0.0,
        "subjects": [
            {"subject": name, OTHERS: others[s] if others else 0.0}
            for s, name in enumerate(subjects)
        ],
    }


def _from_training(
    items: list[Columns],
    squares: Squares,
    images: Inputs,
    true: tuple[np.ndarray, np.ndarray] | None,
    s: int,
    *,
    n_features: int,
    n_components: int,
    prior_sd: float,
) -> dict[tuple[str, str], list[Scores]]:
    """Return the scores of one subject's regions, for heads that are fitted to training images."""
    repeated = items[0].train_repeated
    of = [variance_head.training_squares(item, n_components) for item in items]
    designs = {IMAGES: (images.train[s][:, :n_features], images.test[:, :n_features])}
    if true is not None:
        designs[TRUE] = true
    answer: dict[tuple[str, str], list[Scores]] = {}
    means = np.column_stack([item.train[:, 0] for item in items])
    encoder = moments.fit(moments.of(images.train[s], means))
    outputs = encoder.predict(images.train[s]), encoder.predict(images.test)
    for target in TARGETS:
        measured = np.column_stack([each[target][0] for each in of])
        degrees = of[0][target][1]
        for name, (train, test) in designs.items():
            every = variance_head.from_training(
                train[repeated], test, measured, degrees, squares, target, prior_sd
            )
            answer[name, target] = [_region(every, r) for r in range(len(items))]
        own = []
        for r in range(len(items)):
            train, test = (np.column_stack([p[:, r], p[:, r] ** 2]) for p in outputs)
            every = variance_head.from_training(
                train[repeated],
                test,
                measured[:, [r]],
                degrees,
                squares.region(r),
                target,
                prior_sd,
            )
            own.append(_region(every, 0))
        answer[OUTPUT, target] = own
    return answer


def _region(every: Scores, number: int) -> Scores:
    """Return the scores of one region: (I,) by image, (1 + m,) of statistics."""
    return {
        null: {name: values[..., number] for name, values in each.items()}
        for null, each in every.items()
    }


def _summarise(
    name: str,
    target: str,
    scores: dict[tuple[int, int], Scores],
    subjects: Sequence[str],
    regions: Sequence[str],
    weights: np.ndarray,
    interval: float,
) -> dict:
    """Average over subjects, then over regions, and hold each to its null."""
    by_region = [
        [each for (_, q), each in sorted(scores.items()) if q == r] for r in range(len(regions))
    ]
    there = [r for r, each in enumerate(by_region) if each]
    averaged = [_mean(by_region[r]) for r in there]
    rows = [
        {"region": regions[r], "n_subjects": len(by_region[r])}
        | _against(averaged[place], weights, interval)
        for place, r in enumerate(there)
    ]
    for statistic in variance_head.STATISTICS:
        for null in NULLS:
            draws = np.column_stack([each[null][statistic][1:] for each in averaged])
            centre, scale = draws.mean(axis=0), np.maximum(draws.std(axis=0), 1e-300)
            observed = np.array([each[null][statistic][0] for each in averaged])
            p = max_statistic_p((observed - centre) / scale, (draws - centre) / scale)
            for row, value in zip(rows, p, strict=True):
                row[statistic][null]["p_familywise"] = float(value)
    return {
        "predictors": name,
        "target": target,
        "mean": _against(_mean(averaged), weights, interval),
        "regions": rows,
        "subjects": [
            {"subject": subject}
            | _against(
                _mean([each for (t, _), each in sorted(scores.items()) if t == s]),
                weights,
                interval,
            )
            for s, subject in enumerate(subjects)
        ],
    }


def _mean(several: Sequence[Scores]) -> Scores:
    return {
        null: {
            name: np.mean([each[null][name] for each in several], axis=0)
            for name in several[0][null]
        }
        for null in NULLS
    }


def _against(found: Scores, weights: np.ndarray, interval: float) -> dict:
    """Hold gain and correlation to both nulls."""
    answer = {}
    for statistic in variance_head.STATISTICS:
        observed = float(found[NULLS[0]][statistic][0])
        row: dict = {"estimate": observed}
        if statistic == "gain":
            draws = weights @ found[NULLS[0]]["by_image"] / weights.sum(axis=1)
            row |= {"interval": list(percentile_interval(draws, interval)), "unit": "nat"}
        for null in NULLS:
            values = found[null][statistic][1:]
            row[null] = {
                "mean": float(values.mean()),
                "interval": list(percentile_interval(values, interval)),
                "p": permutation_p(observed, values),
            }
        answer[statistic] = row
    return answer
