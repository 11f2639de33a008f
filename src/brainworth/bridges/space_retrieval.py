"""Images found from responses: decoded into feature spaces, and ranked there.

One ridge regression from voxels to the components of all spaces is fitted on training images, with
a penalty for each component. Components that voxels say little of are predicted near their mean,
where they weigh little in the cosine; the candidates' values of them remain, as noise. Beside it,
the same regression on training images whose features were mixed up between images: what it finds
is chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainworth.bridges import retrieval
from brainworth.bridges.spaces import Reduced
from brainworth.encoder import kfold_ridge
from brainworth.encoder.targets import TEST, TRAIN, Targets
from brainworth.erosion import familywise
from brainworth.stats import multiplicities, percentile_interval, stream

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
    voxels : array of int
        That it is decoded from.
    """

    means: dict[str, np.ndarray]
    shuffled: dict[str, np.ndarray]
    trials: dict[str, np.ndarray]
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
        ``n_folds``, ``n_alphas`` and ``alpha_range`` of section ``encoder.ridge``.
    max_voxels : int
        Voxels at most (`best_voxels`).
    seed : int
        Root seed of the study.
    """
    train, test = targets.rows(TRAIN), targets.rows(TEST)
    voxels = best_voxels(targets, max_voxels)
    named = ("bridges", "feature_spaces", targets.subject)
    folds = kfold_ridge.image_folds(
        targets.nsd_id[train], ridge["n_folds"], stream(seed, *named, "folds")
    )
    wanted = np.hstack([space.whitened[train] for space in spaces.values()])
    # The features of an image go to another image, with all its trials.
    _, first, image = np.unique(targets.nsd_id[train], return_index=True, return_inverse=True)
    order = stream(seed, *named, "shuffle").permutation(len(first))
    mixed = wanted[first[order[image]]]
    x = targets.values[train][:, voxels]
    penalty = kfold_ridge.penalties(x, ridge["n_alphas"], ridge["alpha_range"])
    found = kfold_ridge.fit(x, np.hstack([wanted, mixed]), folds, penalty)
    stops = np.cumsum([space.n_components for space in spaces.values()])[:-1]
    n = wanted.shape[1]

    def split(values: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(spaces, np.split(values, stops, axis=1), strict=True))

    means = found.predict(targets.values[test][:, voxels])
    trials = found.predict(targets.trials[:, voxels])
    return Decoded(split(means[:, :n]), split(means[:, n:]), split(trials[:, :n]), voxels)


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
    decoded: np.ndarray, candidates: np.ndarray, dimensions: Sequence[int], level: float
) -> list[dict[str, Any]]:
    """Find images by the leading components only; one entry a number of them, all at the end.

    Parameters
    ----------
    decoded, candidates : arrays of shape (n, K)
        Whitened; the largest component first.
    dimensions : sequence of int
        Those of K or more are left out.
    """
    n, k = candidates.shape
    answer = []
    for dimension in [*(each for each in sorted(dimensions) if each < k), k]:
        similarities = retrieval.cosine(decoded[:, :dimension], candidates[:, :dimension])
        own = np.diag(retrieval.hits(retrieval.rank_all(similarities), 1, n))
        answer.append({"n_components": dimension} | entry(own, level))
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
