"""Fingerprinting on planted data."""

from __future__ import annotations

import functools

import numpy as np

from brainworth.erosion import fingerprinting
from brainworth.erosion.compare import compare
from brainworth.erosion.dissimilarity import correlation_rdm
from brainworth.erosion.validity.measure import Cell, Replicate
from brainworth.erosion.validity.plant import BRAINS, Plant, brain, clean_patterns, draw, test_seed

#: Few accuracies are possible with few subjects, so that their p-values are coarse.
COARSE = tuple(f"accuracy, {feature}" for feature in fingerprinting.FEATURES)
CELLS = {
    "identical subjects": Cell(
        "null", "all subjects have the same map", {"identical": True}, conservative=COARSE
    ),
    "mostly shared": Cell("effect", "nine tenths of the map shared", {"shared_fraction": 0.9}),
    "half shared": Cell("effect", "half of the map shared", {"shared_fraction": 0.5}),
}


def replicate(
    plant: Plant,
    cell: str,
    number: int,
    seed: int,
    *,
    n_draws: int,
    n_bootstrap: int,
    interval: float,
) -> Replicate:
    """Run the test on one data set; the truth is that of noise-free features."""
    found = draw(plant, number, seed, "fingerprinting", cell)
    row, _ = fingerprinting.analyse_region(
        found,
        fingerprinting.stimuli_in_both_halves(found),
        n_permutations=n_draws,
        n_bootstrap=n_bootstrap,
        n_subsamples=1,
        interval=interval,
        seed=test_seed(seed, "fingerprinting", cell, number),
    )
    truth = _truth(plant, number % BRAINS, seed)
    answer = Replicate()
    for feature in fingerprinting.FEATURES:
        answer.p[f"identifiability, {feature}"] = row[feature]["identifiability"]["p"]
        answer.p[f"accuracy, {feature}"] = row[feature]["p"]
        fixed = row[feature]["corrected_identifiability"]
        answer.estimates[f"corrected, {feature}"] = fixed and (
            fixed["estimate"],
            fixed["interval"],
            truth[feature],
        )
    for name in ("mean", "variance"):
        answer.published[f"accuracy, {name} pattern"] = row["published"][name]["accuracy"]
    return answer


@functools.lru_cache(maxsize=64)
def _truth(plant: Plant, number: int, seed: int) -> dict[str, float]:
    """Return 1 minus the mean similarity of different subjects without noise."""
    if plant.identical:
        return dict.fromkeys(fingerprinting.FEATURES, 0.0)
    off = ~np.eye(plant.n_subjects, dtype=bool)
    clean = np.stack([correlation_rdm(each) for each in clean_patterns(plant, number, seed)])
    profile = brain(plant, number, seed).weights.mean(axis=1)
    # features are independent with unit variance: weights correlate as profiles do
    profile /= np.linalg.norm(profile, axis=1, keepdims=True)
    return {
        "rdm": float(1 - compare(clean, clean, "spearman")[off].mean()),
        "profile": float(1 - (profile @ profile.T)[off].mean()),
    }
