"""Images found from responses: decoded into feature spaces, and ranked there.

One ridge regression from voxels to the components of all spaces is fitted on training images, with
a penalty for each component from exact leave-one-out errors. Images are ranked by the cosine, as
published; components that voxels say little of are decoded to near their mean, but the candidates'
values of them remain, as noise. They are ranked by the evidence too, in which those do not count.
Beside it, the same regression on training images whose features were mixed up between images: what
it finds is chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainworth import ridge as loo_ridge
from brainworth.bridges.feature_spaces import retrieval
from brainworth.bridges.feature_spaces.spaces import Reduced
from brainworth.encoder.targets import TEST, TRAIN, Targets
from brainworth.erosion import familywise
from brainworth.errors import BrainworthError
from brainworth.stats import multiplicities, percentile_interval, stream

#: Images to decode from.
FEWEST_TRAINING = 10
#: What is measured of every image, in 0..1, and what counts: places, or all candidates.
FIRST = {"top1": 1, "top5": 5}
IDENTIFICATION = "identification"
MEASURES = (*FIRST, IDENTIFICATION)


@dataclass(frozen=True)
class Decoded:
    """What responses to test images are decoded to, by space, each (n, K) in whitened components.

    Attributes
    ----------
    means, shuffled : dict from space to array of shape (n_test, K)
        Of mean responses; by the regression, and by that on mixed-up training images.
    trials : dict from space to array of shape (T, K)
        Of single trials.
    error : dict from space to array of shape (K, K)
        Mean products of the leave-one-out errors of components, over training images.
    voxels : array of int
        That it is decoded from.
    """

    means: dict[str, np.ndarray]
    shuffled: dict[str, np.ndarray]
    trials: dict[str, np.ndarray]
    error: dict[str, np.ndarray]
    voxels: np.ndarray


@dataclass(frozen=True)
class Found:
    """Retrieval in one space.

    Attributes
    ----------
    summary : dict
        Ready for JSON.
    images : dict from measure to array of shape (n,)
        Of each test image, in the order of the targets.
    nulls : dict from measure to array of shape (m,)
        Means with mixed-up images.
    """

    summary: dict[str, Any]
    images: dict[str, np.ndarray]
    nulls: dict[str, np.ndarray]


@dataclass(frozen=True)
class Draws:
    """Random draws that all spaces of a subject share.

    Attributes
    ----------
    orders : array of shape (m, n), int
        Permutations of the images.
    weights : array of shape (B, n)
        Bootstrap samples of the images.
    """

    orders: np.ndarray
    weights: np.ndarray


def draw(seed: int, subject: str, n: int, n_permutations: int, n_bootstrap: int) -> Draws:
    """Draw what all spaces of a subject share."""
    named = ("bridges", "feature_spaces", subject)
    orders = np.tile(np.arange(n), (n_permutations, 1))
    return Draws(
        stream(seed, *named, "permutations").permuted(orders, axis=1),
        multiplicities(stream(seed, *named, "bootstrap"), n_bootstrap, n),
    )


def best_voxels(targets: Targets, most: int) -> np.ndarray:
    """Return the voxels of largest signal-to-noise ratio on training images, ascending."""
    order = np.argsort(-targets.ncsnr_own, kind="stable")
    return np.sort(order[:most])


def decode(
    targets: Targets,
    spaces: Mapping[str, Reduced],
    *,
    ridge: Mapping[str, Any],
    max_voxels: int,
    seed: int,
) -> Decoded:
    """Fit the regression from voxels to all spaces on training images, and apply it to test images.

    Parameters
    ----------
    targets : Targets
    spaces : mapping from name to Reduced
        Rows belong to the rows of `targets`.
    ridge : mapping
        ``n_alphas`` and ``alpha_range`` of section ``encoder.ridge``. Penalties are chosen by
        leaving out one image.
    max_voxels : int
        Voxels at most (`best_voxels`).
    seed : int
        Root seed of the study.
    """
    test = targets.rows(TEST)
    voxels = best_voxels(targets, max_voxels)
    images, first, x = _training_images(targets, voxels)
    wanted = np.hstack([space.whitened[first] for space in spaces.values()])
    # The features of an image go to another one.
    rng = stream(seed, "bridges", "feature_spaces", targets.subject, "shuffle")
    mixed = wanted[rng.permutation(len(images))]
    alphas = np.geomspace(*ridge["alpha_range"], ridge["n_alphas"])
    found = loo_ridge.fit(x, np.hstack([wanted, mixed]), alphas, keep_residuals=True)
    stops = np.cumsum([space.n_components for space in spaces.values()])[:-1]
    n = wanted.shape[1]

    def split(values: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(spaces, np.split(values, stops, axis=-1), strict=True))

    means = found.predict(targets.values[np.ix_(test, voxels)])
    trials = found.predict(targets.trials[:, voxels])
    return Decoded(
        split(means[:, :n]),
        split(means[:, n:]),
        split(trials[:, :n]),
        {name: each.T @ each / len(each) for name, each in split(found.residuals[:, :n]).items()},
        voxels,
    )


def _training_images(
    targets: Targets, voxels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training images, a row of each, and the mean over its rows of each voxel."""
    rows = targets.rows(TRAIN)
    images, first, image = np.unique(targets.nsd_id[rows], return_index=True, return_inverse=True)
    if len(images) < FEWEST_TRAINING:
        raise BrainworthError(
            f"{targets.subject} has {len(images)} training images, and decoding needs at least "
            f"{FEWEST_TRAINING}; use more sessions (data.sessions)"
        )
    values = targets.values[np.ix_(rows, voxels)]
    if len(images) == len(rows):
        return images, rows[first], values[first]
    total = np.zeros((len(images), len(voxels)))
    np.add.at(total, image, values)
    return images, rows[first], total / np.bincount(image)[:, None]


def measure(
    similarities: np.ndarray,
    image: np.ndarray,
    draws: Draws,
    *,
    sizes: Sequence[int],
    level: float,
) -> Found:
    """Measure how well images are found.

    Parameters
    ----------
    similarities : array of shape (Q, n)
        Of queries with the test images.
    image : array of shape (Q,), int
        Whose query it is, 0..n-1.
    draws : Draws
    sizes : sequence of int
        Numbers of candidates of the curve, ascending, n at most.
    level : float
        Nominal coverage.

    Returns
    -------
    Found
        Its summary has ``n_images`` (the candidates), ``n_queries``; of each measure ``estimate``,
        ``interval``, ``chance``, ``p``, ``p_familywise`` (None), ``null_mean``, ``null_interval``;
        ``median_rank``; and ``curve``, a list over the sizes.
    """
    n = similarities.shape[1]
    places = retrieval.rank_all(similarities)

    def of_images(scores: np.ndarray) -> np.ndarray:
        return retrieval.by_image(scores, image, n)

    tables = {name: of_images(retrieval.hits(places, k, n)) for name, k in FIRST.items()}
    tables[IDENTIFICATION] = of_images(retrieval.beaten(places))
    images = {name: np.diag(table) for name, table in tables.items()}
    nulls = {name: retrieval.relabelled(table, draws.orders) for name, table in tables.items()}
    chances = {name: retrieval.chance(k, n) for name, k in FIRST.items()} | {IDENTIFICATION: 0.5}
    summary: dict[str, Any] = {"n_images": n, "n_queries": len(image)}
    for name, own in images.items():
        summary[name] = entry(own, level) | {"chance": chances[name]}
        summary[name] |= familywise.against(summary[name]["estimate"], nulls[name], level)
    summary["median_rank"] = _median_rank(np.diag(of_images(retrieval.ranks(places))), draws, level)
    summary["curve"] = [
        {"size": size, "chance": retrieval.chance(1, size)}
        | entry(np.diag(of_images(retrieval.hits(places, 1, size))), level)
        for size in sizes
    ]
    return Found(summary, images, nulls)


def over_dimensions(
    decoded: np.ndarray,
    candidates: np.ndarray,
    error: np.ndarray,
    dimensions: Sequence[int],
    level: float,
) -> list[dict[str, Any]]:
    """Find images by the leading components only; one entry a number of them, all at the end.

    Parameters
    ----------
    decoded, candidates : arrays of shape (n, K)
        Whitened; the largest component first.
    error : array of shape (K, K)
        See `retrieval.evidence`.
    dimensions : sequence of int
        Those of K or more are left out.

    Returns
    -------
    list of dict
        ``n_components``, and top-1 accuracy by ``cosine`` and by ``evidence``.
    """
    n, k = candidates.shape
    answer = []
    for dimension in [*(each for each in sorted(dimensions) if each < k), k]:
        queries, images = decoded[:, :dimension], candidates[:, :dimension]
        row: dict[str, Any] = {"n_components": dimension}
        for name, similarities in (
            ("cosine", retrieval.cosine(queries, images)),
            ("evidence", retrieval.evidence(queries, images, error[:dimension, :dimension])),
        ):
            places = retrieval.rank_all(similarities)
            row[name] = entry(np.diag(retrieval.hits(places, 1, n)), level)
        answer.append(row)
    return answer


def curve_sizes(sizes: Sequence[int], n: int) -> list[int]:
    """Return the sizes below n, ascending, and n."""
    return [*sorted({size for size in sizes if size < n}), n]


def add_familywise(found: Mapping[str, Found]) -> None:
    """Add to the summaries p-values over all spaces, against the largest of each relabelling."""
    familywise.add_familywise(
        [each.summary for each in found.values()], [each.nulls for each in found.values()], MEASURES
    )


def entry(scores: np.ndarray, level: float) -> dict[str, Any]:
    """Return the mean of scores of images in 0..1, with its interval."""
    bounds = retrieval.interval(scores, level)
    return {"estimate": float(scores.mean()), "interval": list(bounds)}


def _median_rank(own: np.ndarray, draws: Draws, level: float) -> dict[str, Any]:
    """Summarise ranks; samples are of images, candidates stay all n."""
    order = np.argsort(own)
    sums = np.cumsum(draws.weights[:, order], axis=1)
    n = len(own)
    # The two middle images of each sample, copies counted.
    low, high = (np.argmax(sums > middle, axis=1) for middle in ((n - 1) // 2, n // 2))
    medians = (own[order][low] + own[order][high]) / 2
    estimate = float(np.median(own))
    bounds = percentile_interval(medians, level)
    return {
        "estimate": estimate,
        "interval": [min(bounds[0], estimate), max(bounds[1], estimate)],
        "chance": (n + 1) / 2,
    }
