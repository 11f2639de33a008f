"""The encoding gap voxel by voxel: own other trials against a model of the other subjects."""

from __future__ import annotations

import numpy as np

from brainworth.erosion import responses as shared
from brainworth.erosion import shared_fraction
from brainworth.erosion.encoding_design import Design
from brainworth.erosion.parts import Parts, split
from brainworth.stats import percentile_interval, stream


def analyse(found: list[shared.SharedResponses], plan: Design) -> dict:
    """Predict every voxel of every subject, all calibrated on other stimuli.

    Parameters
    ----------
    found : list of SharedResponses
    plan : Design

    Returns
    -------
    dict
        ``voxelwise``: R2 over all voxels, mean over subjects, each as a share of its target's
        ceiling; None with ``voxelwise_reason`` where there is too little to compute it from.
    """
    enough = [item for item in found if item.n_voxels >= shared.MIN_VOXELS]
    if len(enough) < 2:
        reason = (
            f"{len(enough)} subjects have {shared.MIN_VOXELS} voxels; a model of voxels from other "
            "subjects needs 2"
        )
        return _without(reason)
    split_up = [split(item) for item in enough]
    grams = [shared_fraction.grams(parts) for parts in split_up]
    members = [shared_fraction.scaled(each) for each in grams]
    samples = np.vstack([np.ones(plan.fold.size), plan.weights])
    draws: dict[str, list[np.ndarray]] = {"individual": [], "population": [], "noise_free": []}
    for s, parts in enumerate(split_up):
        others = [each for t, each in enumerate(members) if t != s]
        rng = stream(plan.seed, "encoding", "halves")
        found_here = shared_fraction.predict(grams[s], parts, others, plan.fold, rng)
        ceiling = found_here.ceiling(samples)
        if percentile_interval(ceiling[1:], plan.interval)[0] <= 0:
            continue
        errors, total = _own(parts, plan.fold)
        signal = samples @ found_here.signal
        draws["individual"].append((samples @ (total - errors)) / (2 * signal))
        draws["population"].append(found_here.r2(samples) / ceiling)
        draws["noise_free"].append(found_here.fraction(samples))
    if not draws["population"]:
        return _without("no subject has voxels whose signal has an interval above 0")
    answer: dict = {"n": len(draws["population"])}
    for name, values in draws.items():
        mean = np.mean(values, axis=0)
        bounds = percentile_interval(mean[1:], plan.interval)
        answer[name] = {"estimate": float(mean[0]), "interval": list(bounds)}
    return {"voxelwise": answer, "voxelwise_reason": None}


def _without(reason: str) -> dict:
    return {"voxelwise": None, "voxelwise_reason": reason}


def _own(parts: Parts, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predict each part from the other, with one slope for all voxels from training stimuli.

    Returns
    -------
    errors, total : arrays of shape (I,)
        Squared errors and squared deviations from the training mean, over voxels and both parts.
    """
    errors, total = np.zeros(len(fold)), np.zeros(len(fold))
    for x, y in ((parts.first, parts.second), (parts.second, parts.first)):
        for number in range(fold.max() + 1):
            train, test = fold != number, fold == number
            x_mean, y_mean = x[train].mean(axis=0), y[train].mean(axis=0)
            slope = np.sum((x[train] - x_mean) * (y[train] - y_mean)) / np.sum(
                (x[train] - x_mean) ** 2
            )
            deviation = y[test] - y_mean
            errors[test] += np.sum((deviation - slope * (x[test] - x_mean)) ** 2, axis=1)
            total[test] += np.sum(deviation**2, axis=1)
    return errors, total
