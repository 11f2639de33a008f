"""Predicting the variance of one subject's responses from the other subjects' responses.

An encoder with a head for the mean and one for the log variance, trained and tested on disjoint
stimuli. Targets are a region's mean response and its leading components; what they are predicted
from was measured in other subjects, hence in other trials: their mean patterns, or their variances
over repetitions. The variance head is scored by its gain in held-out log-likelihood over one
variance for all stimuli.

Two nulls, both drawn for all subjects at once. `rotation`: every subject is homoscedastic
(`variance_nulls`). `relabelled`: variances depend on the stimulus, but not on what predicts them;
stimuli are relabelled in each subject independently for the others' variances as predictors, and
in the same way in all subjects for patterns, so that variances that subjects share stay shared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from brainworth import ridge
from brainworth.erosion import gaussian_head, variance, variance_nulls
from brainworth.erosion import responses as shared
from brainworth.stats import percentile_interval, permutation_p, stream

TARGETS = ("roi_mean", "components")
PREDICTORS = ("patterns", "variances")
NULLS = ("rotation", "relabelled")
_SMALL = 1e-12


@dataclass(frozen=True)
class Prepared:
    """What is kept of one subject and region: nothing of the size of voxels.

    Attributes
    ----------
    means : dict from target to array of shape (I, K)
        Mean response to each stimulus.
    scores : array of shape (I, P)
        Leading components of the mean patterns.
    degrees : array of shape (I,)
        Repetitions less one.
    variances : dict from null to dict from target to array of shape (1 + m, I)
        Variances over repetitions: the observed ones, then the null's. ``voxels``, the mean over
        all voxels, is what other subjects' variances are predicted from.
    cv2 : dict from target to float
        Squared CV of the true variance.
    """

    subject: str
    region: str
    n_voxels: int
    means: dict[str, np.ndarray]
    scores: np.ndarray
    degrees: np.ndarray
    variances: dict[str, dict[str, np.ndarray]]
    cv2: dict[str, float]


def prepare(
    found: list[shared.SharedResponses], n_components: int, n_surrogates: int, seed: int
) -> list[Prepared]:
    """Reduce all regions of one subject to what the heads need, and draw both nulls.

    Parameters
    ----------
    found : list of SharedResponses
        Regions of one subject, each of at least `n_components` voxels; every stimulus at least
        twice.
    """
    products: list[variance.Products] = []
    kept = []
    for item in found:
        every = variance.contrasts_of(item.values, item.stimulus, item.n_stimuli)
        patterns = shared.mean_patterns(item)
        centred = patterns - patterns.mean(axis=0)
        # The components come from means, which say nothing about Gaussian deviations from them.
        scores, axes = _principal(centred, n_components)
        projected = every.values @ axes
        scale = np.sqrt(np.mean(projected**2, axis=0))
        targets = {
            "voxels": every.values,
            "roi_mean": every.values.mean(axis=1, keepdims=True),
            "components": projected / scale,
        }
        products += [
            variance.products_of(variance.Contrasts(values, every.stimulus, every.degrees))
            for values in targets.values()
        ]
        means = {
            "roi_mean": patterns.mean(axis=1, keepdims=True),
            "components": centred @ axes / scale,
        }
        kept.append((item, means, scores, every.degrees))
    subject = found[0].subject
    observed = [variance.variance_profile(each)[None] for each in products]
    rng = stream(seed, "variance blindness", "rotation", subject)
    rotated = variance_nulls.rotation_null(products, n_surrogates, rng).transpose(1, 0, 2)
    orders = relabellings(
        kept[0][3], n_surrogates, stream(seed, "variance blindness", "relabelled", subject)
    )
    names = ("voxels", *TARGETS)
    answer = []
    for number, (item, means, scores, degrees) in enumerate(kept):
        own = slice(number * len(names), (number + 1) * len(names))
        mine = dict(
            zip(names, zip(products[own], observed[own], rotated[own], strict=True), strict=True)
        )
        answer.append(
            Prepared(
                subject=subject,
                region=item.region,
                n_voxels=item.n_voxels,
                means=means,
                scores=scores,
                degrees=degrees,
                variances={
                    "rotation": {n: np.vstack([o, r]) for n, (_, o, r) in mine.items()},
                    "relabelled": {
                        n: np.vstack([o, o[0][orders]]) for n, (_, o, _) in mine.items()
                    },
                },
                cv2={n: _cv2(mine[n][0], mine[n][1][0]) for n in TARGETS},
            )
        )
    return answer


def analyse_region(
    found: list[Prepared],
    folds: np.ndarray,
    weights: np.ndarray,
    orders: np.ndarray,
    *,
    n_components: int,
    prior_sd: float,
    interval: float,
) -> tuple[dict, dict]:
    """Predict every subject of a region from the others.

    Parameters
    ----------
    found : list of Prepared
        At least two subjects.
    folds : array of shape (I,)
        From `folds.folds`.
    weights : array of shape (B, I)
        Bootstrap samples of stimuli.
    orders : array of shape (m, I)
        From `relabellings`, common to all subjects and regions: for patterns.
    n_components : int
        Components of the other subjects' patterns that predict.
    prior_sd : float
        As in `gaussian_head.log_variance`.

    Returns
    -------
    row : dict
        JSON-ready.
    null : dict from (target, predictor) to dict from null to array of shape (m,)
        The mean gain under each null.
    """
    row: dict = {
        "region": found[0].region,
        "n_subjects": len(found),
        "mean": {},
        "subjects": [{"subject": item.subject, "n_voxels": item.n_voxels} for item in found],
    }
    others = [[other for other in found if other is not item] for item in found]
    patterns = [_components(np.hstack([o.scores for o in rest]), n_components) for rest in others]
    for target in TARGETS:
        means = [
            _mean_head(item.means[target], scores, folds)
            for item, scores in zip(found, patterns, strict=True)
        ]
        ceilings = [_ceiling(item, target) for item in found]
        row["mean"][target] = {
            "mean_r2": float(np.mean(means)),
            "mean_ceiling": float(np.mean(ceilings)),
        }
        for entry, value, ceiling in zip(row["subjects"], means, ceilings, strict=True):
            entry[target] = {"mean_r2": value, "mean_ceiling": ceiling}
    null = {}
    for predictor in PREDICTORS:
        for target in TARGETS:
            found_here = {name: [] for name in NULLS}
            for item, rest, scores in zip(found, others, patterns, strict=True):
                for name in NULLS:
                    squares = item.variances[name][target]
                    features = scores[None]
                    if predictor == "variances":
                        features = _others_variance([o.variances[name]["voxels"] for o in rest])
                    elif name == "relabelled":
                        squares = np.vstack([squares[:1], squares[0][orders]])
                    degrees = item.degrees * item.means[target].shape[1]
                    found_here[name].append(
                        _variance_head(features, squares, degrees, folds, prior_sd)
                    )
            summary, entries, null[target, predictor] = _summarise(
                found, found_here, target, weights, interval
            )
            row["mean"][target][predictor] = summary
            for entry, values in zip(row["subjects"], entries, strict=True):
                entry[target][predictor] = values
    return row, null


def _summarise(
    found: list[Prepared],
    heads: dict[str, list[tuple[np.ndarray, np.ndarray]]],
    target: str,
    weights: np.ndarray,
    interval: float,
) -> tuple[dict, list[dict], dict[str, np.ndarray]]:
    """Average gains over subjects; hold them to both nulls."""
    share = weights / weights.sum(axis=1, keepdims=True)
    at_stimuli = [gain[0] for gain, _ in heads["rotation"]]
    draws = np.mean([share @ gain for gain in at_stimuli], axis=0)
    observed = float(np.mean([gain.mean() for gain in at_stimuli]))
    nulls = {
        name: np.mean([gain[1:].mean(axis=1) for gain, _ in each], axis=0)
        for name, each in heads.items()
    }
    reason = "the true variance is not estimated to vary over stimuli"
    correlation = _with_truth(
        [predicted[0] for _, predicted in heads["rotation"]],
        [item.variances["rotation"][target][0] for item in found],
        [item.cv2[target] for item in found],
    )
    summary = {
        "gain": {
            "estimate": observed,
            "interval": list(percentile_interval(draws, interval)),
            "unit": "nat",
            **{
                name: {
                    "null_mean": float(null.mean()),
                    "null_interval": list(percentile_interval(null, interval)),
                    "p": permutation_p(observed, null),
                }
                for name, null in nulls.items()
            },
        },
        "correlation": correlation,
        "correlation_reason": reason if correlation is None else None,
    }
    entries = [{"gain": float(gain.mean())} for gain in at_stimuli]
    return summary, entries, nulls


def _mean_head(target: np.ndarray, scores: np.ndarray, folds: np.ndarray) -> float:
    """Return the held-out R2 of the mean response, all components together."""
    error = 0.0
    for fold in np.unique(folds):
        test = folds == fold
        fitted = ridge.fit(scores[~test], target[~test])
        error += np.sum((target[test] - fitted.predict(scores[test])) ** 2)
    return float(1 - error / np.sum((target - target.mean(axis=0)) ** 2))


def _ceiling(item: Prepared, target: str) -> float:
    """Return the share of the spread of mean responses over stimuli that is not trial noise."""
    means = item.means[target]
    trial = item.variances["rotation"][target][0]
    noise = np.mean(trial / (item.degrees + 1)) * means.shape[1]
    return float(1 - noise / np.sum(means.var(axis=0, ddof=1)))


def _variance_head(
    features: np.ndarray,
    squares: np.ndarray,
    degrees: np.ndarray,
    folds: np.ndarray,
    prior_sd: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the held-out gain at each stimulus and the predicted log variance, both (1 + m, I).

    The gain is in nats per degree of freedom; its mean over stimuli is that of the region. The
    predicted log variance is relative to that of the fold's training stimuli.
    """
    gain = np.empty(squares.shape)
    predicted = np.empty(squares.shape)
    relative = 0.5 * degrees / degrees.mean()
    for fold in np.unique(folds):
        test = folds == fold
        train = ~test
        centre = features[:, train].mean(axis=1, keepdims=True)
        scale = features[:, train].std(axis=1, keepdims=True)
        standard = (features - centre) / np.maximum(scale, _SMALL)
        weights, intercept = gaussian_head.log_variance(
            standard[:, train], squares[:, train], degrees[train], prior_sd
        )
        fitted = gaussian_head.predict(standard[:, test], weights) + intercept[:, None]
        same = np.log(squares[:, train] @ degrees[train] / degrees[train].sum())[:, None]
        loss = fitted + squares[:, test] * np.exp(-fitted)
        gain[:, test] = relative[test] * (same + squares[:, test] * np.exp(-same) - loss)
        predicted[:, test] = fitted - same
    return gain, predicted


def _others_variance(profiles: list[np.ndarray]) -> np.ndarray:
    """Return the log of the other subjects' mean relative variance, (1 + m, I, 1).

    A profile is taken relative to its mean, so that no subject dominates.
    """
    relative = np.mean([p / p.mean(axis=1, keepdims=True) for p in profiles], axis=0)
    return np.log(relative)[:, :, None]


def _with_truth(
    predicted: list[np.ndarray], squares: list[np.ndarray], cv2: list[float]
) -> float | None:
    """Estimate the correlation over stimuli of predicted and true variances, over subjects.

    Sampling leaves the covariance with the prediction as it is; the spread of the true variance is
    that of `variance.true_cv2`, averaged over subjects. May exceed 1 by chance. None where that
    spread is not positive.
    """
    spread = float(np.mean(cv2))
    if spread <= 0:
        return None
    slopes = []
    for log_variance, square in zip(predicted, squares, strict=True):
        variances = np.exp(log_variance)
        covariance = np.mean((variances - variances.mean()) * square)
        slopes.append(covariance / (max(variances.std(), _SMALL) * square.mean()))
    return float(np.mean(slopes) / np.sqrt(spread))


def _components(scores: np.ndarray, n: int) -> np.ndarray:
    left, size, _ = np.linalg.svd(scores - scores.mean(axis=0), full_matrices=False)
    return left[:, :n] * size[:n]


def _principal(centred: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores (I, n) and axes (V, n) of the leading components of patterns (I, V).

    From inner products over the shorter side, which are much faster than a decomposition.
    """
    wide = centred.shape[0] < centred.shape[1]
    gram = centred @ centred.T if wide else centred.T @ centred
    vectors = eigh(gram, subset_by_index=[len(gram) - n, len(gram) - 1])[1][:, ::-1]
    axes = centred.T @ vectors if wide else vectors
    axes /= np.linalg.norm(axes, axis=0)
    return centred @ axes, axes


def _cv2(products: variance.Products, profile: np.ndarray) -> float:
    concentration = variance.noise_concentration(products)
    ones = np.ones((1, profile.size))
    return float(variance.true_cv2(profile, products.degrees, concentration, ones)[0])


def relabellings(degrees: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Permute stimuli among those repeated as often.

    Parameters
    ----------
    degrees : array of shape (I,) or (S, I)
        Repetitions less one; of several subjects, to permute among those repeated as often in each.
    n : int

    Returns
    -------
    array of shape (n, I)
    """
    groups = np.unique(np.atleast_2d(degrees), axis=1, return_inverse=True)[1].ravel()
    orders = np.tile(np.arange(groups.size), (n, 1))
    for group in np.unique(groups):
        same = np.flatnonzero(groups == group)
        orders[:, same] = rng.permuted(orders[:, same], axis=1)
    return orders
