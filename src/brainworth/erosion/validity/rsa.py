"""Cross-subject RSA on planted data."""

from __future__ import annotations

import functools

import numpy as np

from brainworth.erosion import measure as measured
from brainworth.erosion import rdms, rsa
from brainworth.erosion.compare import compare
from brainworth.erosion.dissimilarity import correlation_rdm
from brainworth.erosion.validity.measure import Cell, Replicate
from brainworth.erosion.validity.plant import BRAINS, Plant, clean_patterns, draw, test_seed

COMPARISON = "spearman"
CELLS = {
    "nothing shared": Cell("null", "subjects encode different features", {"shared_fraction": 0.0}),
    "mismatched ids": Cell(
        "null", "a shared map, stimulus ids shuffled in each subject", {"mismatched": True}
    ),
    "small share": Cell("effect", "a tenth of the map shared", {"shared_fraction": 0.1}),
    "half shared": Cell("effect", "half of the map shared", {"shared_fraction": 0.5}),
    "all shared": Cell("effect", "all of the map shared", {"shared_fraction": 1.0}),
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
    """Run the test on one data set.

    The truth of the corrected similarity is that of noise-free RDMs of many stimuli, averaged over
    the pairs of subjects that the test corrects.
    """
    region = measured.of_responses(draw(plant, number, seed, "rsa", cell))
    found = rsa.analyse(
        rdms.RdmFile(np.arange(plant.n_stimuli), [region]),
        comparison=COMPARISON,
        n_permutations=n_draws,
        n_bootstrap=n_bootstrap,
        interval=interval,
        seed=test_seed(seed, "rsa", cell, number),
        progress=False,
    )["regions"][0]
    fixed = found["corrected"]
    estimate = None
    if fixed is not None:
        kept = [pair["corrected"] is not None for pair in found["pairs"]]
        truth = float(_pairs(plant, number % BRAINS, seed)[kept].mean())
        estimate = (fixed["estimate"], fixed["interval"]["corrected"], truth)
    return Replicate(
        p={"permutation": found["similarity"]["p"]},
        estimates={"corrected similarity": estimate},
        published={"similarity": found["similarity"]["estimate"]},
    )


@functools.lru_cache(maxsize=64)
def _pairs(plant: Plant, number: int, seed: int) -> np.ndarray:
    """Return the similarity of the noise-free RDMs of all pairs of subjects."""
    first, second = np.triu_indices(plant.n_subjects, 1)
    if plant.mismatched or plant.shared_fraction == 0:
        return np.zeros(first.size)
    clean = np.stack([correlation_rdm(each) for each in clean_patterns(plant, number, seed)])
    return compare(clean, clean, COMPARISON)[first, second]
