"""Responses predicted from feature spaces: the share of what can be predicted, by space and region.

Twice. The ridge regression and the scores are the encoder's: a penalty a voxel, chosen by
cross-validation over training images; test images resampled alike for all spaces. What it reaches,
r^2 over the noise ceiling, is too low by the errors of a fit to so many images, and most where
noise is large. `explained` is what the space explains without them: with regressions fitted to
disjoint halves of the training images, predictions p and q and responses y, the covariance of p
with y, plus that of q with y, less that of p with q, holds no product of an error with itself: it
is on average, and to first order in any data, what the expected regression explains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainworth.bridges.feature_spaces.space_plan import Plan
from brainworth.bridges.feature_spaces.spaces import Reduced
from brainworth.encoder import ceilings, kfold_ridge, linear_features, scores
from brainworth.encoder.scores import Scored
from brainworth.encoder.targets import TEST, TRAIN, Targets
from brainworth.stats import stream

#: Voxels at a time, which bounds the memory.
_BLOCK = 2048
#: A region of fewer voxels is not scored by itself.
FEWEST_VOXELS = 2
#: Training images of a half for each component; with fewer, regressions without penalty are noise.
PER_COMPONENT = 3


def predict(
    design: np.ndarray, targets: Targets, ridge: Mapping[str, Any], seed: int
) -> np.ndarray:
    """Fit training images and predict test images, shape (n_test, V), float32.

    Parameters
    ----------
    design : array of shape (N, K)
        Row i belongs to row i of `targets`.
    ridge : mapping
        ``n_folds``, ``n_alphas`` and ``alpha_range`` of section ``encoder.ridge``.
    seed : int
        Root seed of the study; all spaces of a subject have the same folds.
    """
    train = targets.rows(TRAIN)
    named = ("bridges", "feature_spaces", targets.subject, "folds")
    folds = kfold_ridge.image_folds(targets.nsd_id[train], ridge["n_folds"], stream(seed, *named))
    x = design[train]
    penalty = kfold_ridge.penalties(x, ridge["n_alphas"], ridge["alpha_range"])
    return kfold_ridge.fit(x, targets.values[train], folds, penalty).predict(
        design[targets.rows(TEST)]
    )


def joint(first: Reduced, second: Reduced, train_rows: np.ndarray) -> np.ndarray:
    """Return two spaces side by side, each of mean variance 1."""
    return linear_features.join([first.scores, second.scores], train_rows)


def score(
    predicted: np.ndarray,
    targets: Targets,
    voxels: np.ndarray,
    *,
    min_ceiling: float,
    n_bootstrap: int,
    seed: int,
) -> Scored:
    """Score the predictions of some voxels on the test images."""
    test = targets.rows(TEST)
    return scores.evaluate(
        predicted[:, voxels],
        targets.values[test][:, voxels],
        n_repeats=targets.n_repeats[test],
        ncsnr=targets.ncsnr[voxels],
        noise_variance=targets.noise_variance[voxels],
        recalibration=None,
        min_ceiling=min_ceiling,
        n_bootstrap=n_bootstrap,
        seed=seed,
        name=targets.subject,
    )


def explained(
    design: np.ndarray, targets: Targets, *, min_ceiling: float, seed: int
) -> np.ndarray | None:
    """Return what each test image adds to the share of the ceiling that a space explains.

    Parameters
    ----------
    design : array of shape (N, K)
        Row i belongs to row i of `targets`. Regressions have no penalty.
    min_ceiling : float
        Voxels below this noise ceiling are left out.
    seed : int
        Root seed of the study; all spaces of a subject have the same halves.

    Returns
    -------
    array of shape (n,), or None
        Its mean over images is the mean over voxels of the explained variance over the variance of
        responses without noise; how it varies over images is how that mean varies. None if no voxel
        is left, or the training images are fewer than `PER_COMPONENT` a component and half.
    """
    test, train = targets.rows(TEST), targets.rows(TRAIN)
    ceiling = ceilings.noise_ceiling(targets.ncsnr, targets.n_repeats[test])
    kept = (ceiling >= min_ceiling) & (ceiling > 0)
    images = np.unique(targets.nsd_id[train])
    if not kept.any() or len(images) < 2 * PER_COMPONENT * design.shape[1]:
        return None
    rng = stream(seed, "bridges", "feature_spaces", targets.subject, "halves")
    in_first = np.isin(targets.nsd_id[train], rng.permutation(images)[: len(images) // 2])
    halves = [(rows, _centred(design[rows])) for rows in (train[in_first], train[~in_first])]
    x = _centred(design[test])
    voxels = np.flatnonzero(kept)
    total = np.zeros(len(test))
    for start in range(0, len(voxels), _BLOCK):
        block = voxels[start : start + _BLOCK]
        weights = [
            np.linalg.lstsq(own, _centred(targets.values[np.ix_(rows, block)]), rcond=None)[0]
            for rows, own in halves
        ]
        y = _centred(targets.values[np.ix_(test, block)])
        total += np.sum(_adds(x @ weights[0], x @ weights[1], y) / ceiling[block], axis=1)
    return total / len(voxels)


def _adds(first: np.ndarray, second: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return what each image adds to the share of the variance of y that is explained, (n, V).

    Parameters
    ----------
    first, second, y : arrays of shape (n, V)
        Predictions from two halves of the training images, and responses; centred.
    """
    variance = np.mean(y**2, axis=0)
    adds = (first * y + second * y - first * second) / variance
    # The part of the product of predictions that y does not account for is divided by a variance of
    # its own, whose inverse is (n - 1) / (n - 3) of that of the truth on average (normal data).
    slopes = np.mean(first * y, axis=0) * np.mean(second * y, axis=0) / variance**2
    too_much = (np.mean(first * second, axis=0) / variance - slopes) * 2 / (len(y) - 1)
    # An image's weight also changes the variance that the share is of.
    return adds + np.mean(adds, axis=0) * (1 - y**2 / variance) + too_much


def summarise(found: Scored, level: float) -> dict[str, Any]:
    """Return the scores that a comparison of spaces needs, ready for JSON.

    Returns
    -------
    dict
        ``n_voxels``, ``r2`` and ``r`` (means over voxels), and ``share`` (r^2 over the noise
        ceiling, with the sign of r, not clipped; with ``n_voxels`` that have a ceiling).
    """
    whole = scores.summarise(found, level)
    share = whole["share_of_ceiling"]
    return {
        "n_voxels": whole["n_voxels"],
        "r2": whole["r2_mean"],
        "r": whole["r_mean"],
        "share": share["unclipped"] | {"n_voxels": share["n_voxels"]},
    }


def encode(
    targets: Targets,
    regions: Mapping[str, np.ndarray],
    spaces: Mapping[str, Reduced],
    plan: Plan,
) -> tuple[dict[str, Scored], dict[str, list[dict[str, Any]]], dict[str, np.ndarray | None]]:
    """Predict the responses of a subject from each space.

    Parameters
    ----------
    regions : mapping from region to array of int
        Its voxels, as columns of the targets.

    Returns
    -------
    dict from space to Scored
        Of all voxels.
    dict from space to list of dict
        Of the regions, ready for JSON; those of fewer than two voxels have a reason instead.
    dict from space to array of shape (n,) or None
        What each test image adds (`explained`).
    """
    scored, regional, by_image = {}, {}, {}
    for name, space in spaces.items():
        predicted = predict(space.scores, targets, plan.ridge, plan.seed)
        scored[name] = _score(predicted, targets, np.arange(len(targets.ijk)), plan)
        by_image[name] = explained(
            space.scores, targets, min_ceiling=plan.min_ceiling, seed=plan.seed
        )
        regional[name] = []
        for region, voxels in regions.items():
            entry: dict[str, Any] = {"region": region, "n_voxels": len(voxels)}
            if len(voxels) < FEWEST_VOXELS:
                entry["reason"] = f"fewer than {FEWEST_VOXELS} voxels"
                entry |= {"r2": None, "r": None, "share": None}
            else:
                found = _score(predicted, targets, voxels, plan)
                entry |= summarise(found, plan.interval)
            regional[name].append(entry)
    return scored, regional, by_image


def _score(predicted: np.ndarray, targets: Targets, voxels: np.ndarray, plan: Plan) -> Scored:
    return score(
        predicted,
        targets,
        voxels,
        min_ceiling=plan.min_ceiling,
        n_bootstrap=plan.n_bootstrap,
        seed=plan.seed,
    )


def unique(
    targets: Targets,
    spaces: Mapping[str, Reduced],
    scored: Mapping[str, Scored],
    plan: Plan,
) -> list[dict[str, Any]]:
    """Return what each space of the pair explains beyond the other, as a share of the ceiling.

    Parameters
    ----------
    scored : mapping from space to Scored
        Of all voxels, from each space by itself.
    """
    if plan.pair is None:
        return []
    first, second = (spaces[name] for name in plan.pair)
    design = joint(first, second, targets.rows(TRAIN))
    predicted = predict(design, targets, plan.ridge, plan.seed)
    both = _score(predicted, targets, np.arange(len(targets.ijk)), plan)
    answer = []
    for name, other in (plan.pair, plan.pair[::-1]):
        found = scores.compare(both, scored[other], plan.interval).get("share_unclipped")
        answer.append(
            {"space": name, "beyond": other}
            | (found or {"estimate": None, "interval": None, "reason": both.reasons["share"]})
        )
    return answer


def _centred(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return values - values.mean(axis=0)
