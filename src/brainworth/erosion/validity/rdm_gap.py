"""The gap of RDMs on planted data."""

from __future__ import annotations

import functools

import numpy as np

from brainworth.erosion import measure as measured
from brainworth.erosion import planted_rdm_gap, rdm_gap, rdms
from brainworth.erosion.validity.measure import Cell, Replicate
from brainworth.erosion.validity.plant import BRAINS, Plant, clean_patterns, draw, test_seed

COMPARISON = "spearman"
_STIMULI = "stimuli relabelled"
_SUBJECTS = "subjects relabelled"
CELLS = {
    "nothing shared": Cell(
        "effect",
        "subjects encode different features",
        {"shared_fraction": 0.0},
        null=(_STIMULI,),
    ),
    "identical subjects": Cell(
        "effect", "all subjects have the same map", {"identical": True}, null=(_SUBJECTS,)
    ),
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
    """Run the test on one data set.

    The truth of the gap is that of noise-free RDMs of many stimuli, of the subjects in whom the
    test finds a reliable one.
    """
    region = measured.of_responses(draw(plant, number, seed, "rdm_gap", cell))
    row = rdm_gap.analyse(
        rdms.RdmFile(np.arange(plant.n_stimuli), [region]),
        comparison=COMPARISON,
        n_permutations=n_draws,
        n_labellings=n_draws,
        n_bootstrap=n_bootstrap,
        interval=interval,
        seed=test_seed(seed, "rdm_gap", cell, number),
        progress=False,
    )["regions"][0]
    free, published = row["noise_free"], row["published"]
    estimate = own = None
    if free is not None:
        kept = tuple(name not in free["unreliable_subjects"] for name in row["subjects"])
        truth = _gap(plant, number % BRAINS, seed, kept)
        estimate = (free["gap"]["estimate"], free["gap"]["interval"], truth)
        own = free["own_advantage"]
    return Replicate(
        p={
            _STIMULI: published["population"]["p"],
            _SUBJECTS: own and own["p"],
        },
        estimates={"gap": estimate},
        published={"population": published["population"]["estimate"]},
    )


@functools.lru_cache(maxsize=64)
def _gap(plant: Plant, number: int, seed: int, kept: tuple[bool, ...]) -> float:
    if plant.identical:
        return 0.0
    if plant.shared_fraction == 0:
        return 1.0
    clean = clean_patterns(plant, number, seed)
    known = {str(s): clean[s] for s in np.flatnonzero(kept)}
    return planted_rdm_gap.expected(known, COMPARISON)["gap"]
