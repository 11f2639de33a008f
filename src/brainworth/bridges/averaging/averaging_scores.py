"""What averaging costs, from predictions of test images.

A score sums inner products of responses y and predictions p over test images and the columns of a
region. Beside r, and its share of the noise ceiling (r |r| / NC: an encoder that predicts the
opposite has a negative share), stands the cost in the limit. Two encoders that were fitted to
disjoint images, pA and pB, and responses from disjoint trials, y1 and y2, give

    explained(p) = (<y1, pA> <y2, pB> + <y1, pB> <y2, pA>) / (2 <pA, pB>),

what the encoder explains of the responses without the noise of trials and the errors of fitting,
since no product holds the same noise twice. The relative cost of averaging is
1 - explained(average) / explained(individual): what more data cannot give back. Its interval is
over test images, and over training images (jackknife over groups of them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats as scipy_stats

from brainworth.bridges.averaging.average_encoder import (
    ALL,
    AVERAGE,
    ENCODERS,
    INDIVIDUAL,
    MATCHED,
    OTHERS,
    Halves,
    Pair,
    Predictions,
)
from brainworth.bridges.averaging.common_space import Space
from brainworth.stats import percentile_interval

NO_CEILING = "the noise ceiling is below {} there"
NOT_STABLE = "encoders of disjoint images do not agree, or the individual one explains nothing"
FEWEST_SUBJECTS = 3


@dataclass(frozen=True)
class Draws:
    """A statistic of S subjects and R regions.

    Attributes
    ----------
    values : array of shape (1 + B, S, R)
        The estimate, then bootstrap samples of test images.
    usable : array of shape (S, R), bool
        Where the statistic exists.
    """

    values: np.ndarray
    usable: np.ndarray

    def minus(self, other: Draws) -> Draws:
        """Return the paired difference."""
        return Draws(self.values - other.values, self.usable & other.usable)


def weights_of(weights: np.ndarray, spaces: Sequence[Space]) -> np.ndarray:
    """Put ones before bootstrap samples (B, I) and order images as the spaces have them."""
    order = np.concatenate([each.images for each in spaces])
    return np.vstack([np.ones((1, order.size)), weights[:, order]])


def ceiling(spaces: Sequence[Space]) -> np.ndarray:
    """Return the share of the variance of mean responses that is not trial noise, (S, R).

    0 where a subject lacks a region.
    """
    noise = sum(each.noise * (len(each.images) - 1) for each in spaces)
    total = sum(np.sum(each.test**2, axis=(1, 3)) for each in spaces)
    return np.where(total > 0, 1 - noise / np.where(total > 0, total, 1), 0)


def correlation(
    spaces: Sequence[Space], predicted: Sequence[np.ndarray], weights: np.ndarray
) -> Draws:
    """Return r of one encoder; a constant prediction has r = 0."""
    own = [_centred(each) for each in predicted]
    y = [each.test for each in spaces]
    cross, of_p, of_y = (_sums(a, b, weights) for a, b in ((y, own), (own, own), (y, y)))
    scale = np.sqrt(of_p * of_y)
    r = np.where(scale > 0, cross / np.where(scale > 0, scale, 1), 0)
    return Draws(r, spaces[0].present)


def share(found: Draws, nc: np.ndarray, min_ceiling: float) -> Draws:
    """Return r |r| over the noise ceiling (S, R), taken as given."""
    usable = found.usable & (nc > 0) & (nc >= min_ceiling)
    safe = np.where(usable, nc, 1)
    return Draws(found.values * np.abs(found.values) / safe, usable)


def costs(
    named: Mapping[str, tuple[Sequence[Space], Sequence[int], np.ndarray]],
    halves: Halves,
    level: float,
    rng: np.random.Generator,
) -> dict[str, dict[str, Draws]]:
    """Return the relative cost in the limit of `AVERAGE` and `OTHERS`, by name of space.

    Where the interval of a product of halves, or of what the individual encoder explains, reaches
    0, there is none. Draws vary with test images, by the bootstrap, and with training images:
    Gaussian, with the covariance of the jackknife over groups of them. Over 240 planted subjects,
    intervals of 95 % covered 89 to 94 % (80 or 160 test images).

    Parameters
    ----------
    named : mapping from name to (spaces, places, weights)
        The spaces of this name, where they stand among those of `halves`, and bootstrap samples of
        their images from `weights_of`.
    halves : Halves
        Encoders of all spaces.
    level : float
        Nominal coverage.
    rng : numpy.random.Generator
        Draws the part of training images.
    """
    whole = halves.whole()
    answer = {
        name: _costs(spaces, _chosen(whole, places), weights, level)
        for name, (spaces, places, weights) in named.items()
    }
    left: dict[str, list[dict[str, Draws]]] = {name: [] for name in named}
    for pair in halves.without_groups():
        for name, (spaces, places, weights) in named.items():
            left[name].append(_costs(spaces, _chosen(pair, places), weights[:1], None))
    for name, found in answer.items():
        n_draws, n_groups = len(named[name][2]) - 1, len(left[name])
        normal = rng.standard_normal((n_draws, n_groups))
        for encoder, each in found.items():
            without = np.stack([one[encoder].values[0] for one in left[name]])
            usable = each.usable & np.isfinite(without).all(axis=0)
            spread = np.where(usable, without - without.mean(axis=0), 0)
            values = each.values.copy()
            values[1:] += np.einsum(
                "bg,gsr->bsr", normal, spread * np.sqrt((n_groups - 1) / n_groups)
            )
            found[encoder] = Draws(values, usable)
    return answer


def _chosen(pair: Pair, places: Sequence[int]) -> Pair:
    return {
        encoder: tuple([half[place] for place in places] for half in each)
        for encoder, each in pair.items()
    }


def _costs(
    spaces: Sequence[Space], halves: Pair, weights: np.ndarray, level: float | None
) -> dict[str, Draws]:
    """Return costs with the bootstrap of test images; with a level, only of what is stable."""
    explained, stable = {}, {}
    for encoder in (INDIVIDUAL, AVERAGE, OTHERS):
        a, b = ([_centred(each) for each in half] for half in halves[encoder])
        first, second = ([getattr(each, part) for each in spaces] for part in ("first", "second"))
        product = _sums(a, b, weights)
        crossed = 0.5 * (
            _sums(first, a, weights) * _sums(second, b, weights)
            + _sums(first, b, weights) * _sums(second, a, weights)
        )
        stable[encoder] = product[0] > 0 if level is None else _low(product, level) > 0
        explained[encoder] = crossed / np.where(product > 0, product, np.nan)
    own = explained[INDIVIDUAL]
    with np.errstate(invalid="ignore"):
        if level is not None:
            stable[INDIVIDUAL] &= _low(np.where(np.isnan(own), -np.inf, own), level) > 0
        answer = {}
        for encoder in (AVERAGE, OTHERS):
            usable = spaces[0].present & stable[INDIVIDUAL] & stable[encoder]
            answer[encoder] = Draws(1 - explained[encoder] / own, usable)
    return answer


def summary(found: Draws, subjects: Sequence[str], regions: Sequence[str], level: float) -> dict:
    """Average a statistic over regions, over subjects, and over both; ready for JSON.

    Returns
    -------
    dict
        ``estimate``, ``interval`` (over test images), ``interval_subjects`` (Student's t over the
        means of subjects; None with fewer than three), ``n_subjects``, ``n_pairs`` and
        ``n_unusable`` (of subjects and regions), ``subjects``, ``regions``. The mean is over
        subjects, each the mean over the regions that it has.
    """
    usable = found.usable
    values = np.where(usable, found.values, np.nan)
    of_subjects = _mean(values, usable, axis=2)
    of_regions = _mean(values, usable, axis=1)
    there = usable.any(axis=1)
    answer: dict[str, Any] = {
        "estimate": None,
        "interval": None,
        "interval_subjects": None,
        "n_subjects": int(there.sum()),
        "n_pairs": int(usable.sum()),
        "n_unusable": int((~usable).sum()),
    }
    if there.any():
        answer |= _estimate(of_subjects[:, there].mean(axis=1), level)
        answer["interval_subjects"] = over_subjects(of_subjects[0, there], level)
    answer["subjects"] = [
        {"subject": name, "n_regions": int(usable[s].sum())} | _estimate(of_subjects[:, s], level)
        for s, name in enumerate(subjects)
    ]
    answer["regions"] = [
        {"region": name, "n_subjects": int(usable[:, r].sum())} | _estimate(of_regions[:, r], level)
        for r, name in enumerate(regions)
    ]
    return answer


def over_subjects(values: np.ndarray, level: float) -> list[float] | None:
    """Return Student's interval of the mean over subjects, None with fewer than three."""
    n = len(values)
    if n < FEWEST_SUBJECTS:
        return None
    reach = scipy_stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)
    return [float(values.mean() - reach), float(values.mean() + reach)]


def rows(
    spaces: Sequence[Space],
    places: Sequence[int],
    found: Predictions,
    weights: np.ndarray,
    subjects: Sequence[str],
    regions: Sequence[str],
    *,
    min_ceiling: float,
    level: float,
) -> list[dict]:
    """Score all encoders in one common space.

    Parameters
    ----------
    spaces : sequence of Space
        Those of one name.
    places : sequence of int
        Where the predictions of these spaces stand in `found`.
    found : Predictions
    weights : array of shape (B, I)
        Bootstrap samples of test images.

    Returns
    -------
    list of dict
        One a size and encoder: ``size``, ``encoder``, ``n_images`` (smallest and largest over
        subjects), ``r``, ``share``, and, but for the individual encoder, ``loss_of_r`` and
        ``loss_of_share``: the individual encoder's less this one's, of the same size, paired.
    """
    ordered = weights_of(weights, spaces)
    nc = ceiling(spaces)
    answer = []
    for size in (MATCHED, ALL):
        reference: dict[str, Draws] = {}
        for encoder in ENCODERS:
            if (size, encoder) not in found.whole:
                continue
            predicted = [found.whole[size, encoder][place] for place in places]
            r = correlation(spaces, predicted, ordered)
            known = {"r": r, "share": share(r, nc, min_ceiling)}
            n_images = found.n_images[size, encoder]
            row: dict[str, Any] = {
                "size": size,
                "encoder": encoder,
                "n_images": [int(n_images.min()), int(n_images.max())],
            }
            for name, each in known.items():
                row[name] = summary(each, subjects, regions, level)
                if encoder == INDIVIDUAL:
                    reference[name] = each
                else:
                    row[f"loss_of_{name}"] = summary(
                        reference[name].minus(each), subjects, regions, level
                    )
            answer.append(row)
    return answer


def _estimate(draws: np.ndarray, level: float) -> dict:
    """Return the first of some draws, and the interval of the others that exist."""
    if not np.isfinite(draws[0]):
        return {"estimate": None, "interval": None}
    others = draws[1:][np.isfinite(draws[1:])]
    return {"estimate": float(draws[0]), "interval": list(percentile_interval(others, level))}


def _mean(values: np.ndarray, usable: np.ndarray, axis: int) -> np.ndarray:
    """Average over usable entries; NaN where there are none."""
    count = usable.sum(axis=axis - 1)
    # a bootstrap sample without the statistic has no mean either
    total = np.where(usable, values, 0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _low(values: np.ndarray, level: float) -> np.ndarray:
    """Return the lower bound of the interval of each statistic (1 + B, ...)."""
    return np.quantile(values[1:], (1 - level) / 2, axis=0, method="lower")


def _centred(predicted: np.ndarray) -> np.ndarray:
    """Subtract the mean over test images from predictions (S, I, R, K)."""
    return predicted - predicted.mean(axis=1, keepdims=True)


def _sums(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray], weights: np.ndarray
) -> np.ndarray:
    """Return inner products over images and columns, (1 + B, S, R), of what several spaces hold."""
    by_image = np.concatenate(
        [np.einsum("sirk,sirk->isr", a, b) for a, b in zip(first, second, strict=True)]
    )
    flat = by_image.reshape(len(by_image), -1)
    return (weights @ flat).reshape(len(weights), *by_image.shape[1:])
