"""Retrieval: which of n images did somebody see, by rank among all candidates.

A query (a decoded vector) ranks the candidates by similarity. Candidates as similar as the right
one are in no order: they count as if their order were drawn at random, so that a space in which
all images are alike scores what chance scores, exactly. How often the right image is among the
first k depends on the number of candidates; for random subsets of them it follows from the rank
among all, by the hypergeometric distribution, so that no subset needs to be drawn.

Intervals and p-values have images as units and leave the set of candidates as it is: an image that
is drawn twice is two queries, and never two candidates. Otherwise copies would beat each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats as scipy_stats

from brainworth.errors import BrainworthError

FEWEST_IMAGES = 10
#: Of the largest similarity: what differs by less is as similar.
_SLACK = 1e-9
#: Of a decoded component: below it an error is rounding.
_LEAST_ERROR = 1e-6


@dataclass(frozen=True)
class Places:
    """Where candidates come among all n, for each of Q queries.

    Attributes
    ----------
    better, tied : arrays of shape (Q, n), int
        Candidates that are more similar to the query than candidate j, and others as similar.
    """

    better: np.ndarray
    tied: np.ndarray


def cosine(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the cosine of every query with every candidate.

    Parameters
    ----------
    queries : array of shape (Q, K)
    candidates : array of shape (n, K)
        Both centred, and scaled, by the training images: the cosine does not change with the axes
        of the space, which are arbitrary; a correlation over axes would.

    Returns
    -------
    array of shape (Q, n)
        0 where a vector has no length.
    """
    return _unit(queries) @ _unit(candidates).T


def evidence(queries: np.ndarray, candidates: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return how much more likely each candidate becomes by each query: a log Bayes factor.

    What is decoded says that the candidate is normal about it, with the covariance `error`; before,
    it was standard normal. Directions that cannot be decoded (decoded to 0, with variance 1) count
    nothing: a space is not punished for what it has beside what responses tell. As the cosine, it
    does not depend on the axes.

    Parameters
    ----------
    queries : array of shape (Q, K)
    candidates : array of shape (n, K)
        Of variance 1 over the training images.
    error : array of shape (K, K)
        Mean products of errors of decoding, of images that are not fitted. In no direction they
        count as more than 1, what guessing the mean costs.

    Returns
    -------
    array of shape (Q, n)
        Up to a constant a query.
    """
    queries, candidates = np.asarray(queries, dtype=float), np.asarray(candidates, dtype=float)
    values, axes = np.linalg.eigh(error)
    precision = 1 / np.clip(values, _LEAST_ERROR, 1)
    queries, candidates = queries @ axes, candidates @ axes
    own = np.sum(candidates**2 * (precision - 1), axis=1)
    return (queries * precision) @ candidates.T - own / 2


def rank_all(similarities: np.ndarray) -> Places:
    """Place every candidate of every query.

    Parameters
    ----------
    similarities : array of shape (Q, n)
        Larger is more similar; n >= 10. Rows may have different zeros.

    Raises
    ------
    BrainworthError
        If one is not finite, or there are too few candidates.
    """
    similarities = np.asarray(similarities, dtype=float)
    if not np.isfinite(similarities).all():
        raise BrainworthError(
            "a similarity of a decoded vector with an image is not finite; check the features and "
            "the responses that it was decoded from"
        )
    n = similarities.shape[1]
    if n < FEWEST_IMAGES:
        raise BrainworthError(
            f"retrieval needs at least {FEWEST_IMAGES} test images as candidates, there are {n}; "
            "use more sessions (data.sessions), or set encoder.targets.test to shared"
        )
    better = np.empty(similarities.shape, dtype=np.int64)
    tied = np.empty_like(better)
    for row, values in enumerate(similarities):
        slack = _SLACK * np.abs(values).max()
        ordered = np.sort(values)
        upto = np.searchsorted(ordered, values + slack, side="right")
        better[row] = n - upto
        tied[row] = upto - np.searchsorted(ordered, values - slack, side="left") - 1
    return Places(better, tied)


def hits(places: Places, first: int, size: int) -> np.ndarray:
    """Return how likely each candidate is among the first, in random subsets of the candidates.

    Parameters
    ----------
    places : Places
        Of n candidates.
    first : int
        How many places count.
    size : int
        Candidates of a subset, 1..n: the one in question and others, all subsets alike.

    Returns
    -------
    array of shape (Q, n)
        Exact, over subsets and over the order of ties. For ``size`` n and no ties it is 0 or 1.
        Every row has the mean `chance`.
    """
    n = places.better.shape[1]
    if not (1 <= size <= n and first >= 1):
        raise ValueError(f"subsets of {size} of {n} candidates, the first {first} of them")
    ahead = np.arange(n)
    likely = scipy_stats.hypergeom.cdf(first - 1, n - 1, ahead, size - 1)
    sums = np.concatenate([[0.0], np.cumsum(likely)])
    upto = places.better + places.tied + 1
    return (sums[upto] - sums[places.better]) / (places.tied + 1)


def chance(first: int, size: int) -> float:
    """Return how often a guess is among the first of so many candidates."""
    return min(first, size) / size


def ranks(places: Places) -> np.ndarray:
    """Return the rank of every candidate, 1 the first; of ties the mean."""
    return 1 + places.better + places.tied / 2


def beaten(places: Places) -> np.ndarray:
    """Return the share of the other candidates that each beats, ties half; chance is 1/2."""
    n = places.better.shape[1]
    return 1 - (places.better + places.tied / 2) / (n - 1)


def by_image(scores: np.ndarray, image: np.ndarray, n_images: int) -> np.ndarray:
    """Average over the queries of each image.

    Parameters
    ----------
    scores : array of shape (Q, n)
    image : array of shape (Q,), int
        Whose query it is, 0..n_images-1; every image has at least one.

    Returns
    -------
    array of shape (n_images, n)
        On the diagonal, if images are the candidates in their order, that of the right image.
    """
    counts = np.bincount(image, minlength=n_images)
    if len(counts) > n_images or not counts.all():
        raise ValueError("every image needs a query, and every query an image")
    total = np.zeros((n_images, scores.shape[1]))
    np.add.at(total, image, scores)
    return total / counts[:, None]


def interval(scores: np.ndarray, level: float) -> tuple[float, float]:
    """Return Wilson's interval of a mean of scores in 0..1, with the trials that they are worth.

    A score that is 0 or 1 is a trial. Scores between them (means over subsets, or over repetitions)
    vary less than trials of the same mean, and count as more of them: m p (1 - p) / s^2, with mean
    p and variance s^2 of the m scores (Kish 1965, Survey Sampling). Where scores are all alike they
    count as m. Unlike a bootstrap, it has a width where all images were found or none.

    Parameters
    ----------
    scores : array of shape (m,)
    level : float
        Nominal coverage.
    """
    scores = np.asarray(scores, dtype=float)
    m, p, variance = scores.size, float(scores.mean()), float(scores.var())
    trials = float(m)
    if variance > 1e-12:
        trials = max(trials, m * p * (1 - p) / variance)
    z = scipy_stats.norm.ppf((1 + level) / 2)
    centre = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    # Rounding must not leave the estimate outside, or the interval outside 0..1.
    return float(max(0.0, min(centre - half, p))), float(min(1.0, max(centre + half, p)))


def relabelled(scores: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return mean scores if images were mixed up.

    Parameters
    ----------
    scores : array of shape (n, n)
        Of image i's queries, were candidate j the right one.
    orders : array of shape (m, n), int
        Permutations: image i is said to be image ``orders[b, i]``.

    Returns
    -------
    array of shape (m,)
    """
    rows = np.arange(len(scores))
    return scores[rows, orders].mean(axis=1)


def _unit(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(length > 0, length, 1)
