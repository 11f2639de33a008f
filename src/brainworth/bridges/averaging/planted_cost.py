"""What averaging costs in simulated NSD, from the maps that responses are made of.

Features are independent and of unit variance, so that inner products of maps are those of
noise-free responses. The encoder of subject s is its map; that of a population the mean of maps,
each weighted by the training images of its subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from brainworth.bridges.averaging.average_encoder import AVERAGE, OTHERS
from brainworth.bridges.averaging.common_space import Space
from brainworth.nsd import betas
from brainworth.nsd.simulate import truth
from brainworth.sections.data import Simulation


def weights_of_region(
    extract: Path, region: str, known: truth.SubjectTruth, simulation: Simulation, subject: str
) -> np.ndarray:
    """Return the planted weights of a region's voxels on all features, (V, F).

    Parameters
    ----------
    extract : path
        What `betas.extract` wrote: its voxels, in its order.
    """
    with h5py.File(extract, "r") as file:
        ijk = file["voxels/ijk"][:][betas.region_voxels(extract, region)]
        shape = tuple(file.attrs["volume_shape"])
    place = np.ravel_multi_index(known.ijk.T, shape)
    order = np.argsort(place)
    rows = order[np.searchsorted(place[order], np.ravel_multi_index(ijk.T, shape))]
    n_features = simulation.shared_features + 8 * simulation.individual_features
    answer = np.zeros((len(rows), n_features))
    answer[:, truth.own_features(subject, simulation)] = known.weights[rows]
    return answer


def shared_fraction(weights: np.ndarray, n_shared: int) -> float:
    """Return the share of stimulus-driven variance that the first `n_shared` features make."""
    return float(np.sum(weights[:, :n_shared] ** 2) / np.sum(weights**2))


def costs(spaces: Sequence[Space], n_images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the relative cost of averaging, (S, R), of encoders that know their map exactly.

    Parameters
    ----------
    spaces : sequence of Space
        Those of one name, with planted maps.
    n_images : array of shape (S,)
        Training images of each subject.

    Returns
    -------
    dict
        For `AVERAGE` and `OTHERS`, 1 less the squared cosine of a subject's map and the mean map,
        inner products summed over spaces by their test images; NaN where a subject lacks a region,
        or nobody else has it.
    """
    n_subjects, n_regions = spaces[0].present.shape
    answer = {}
    for encoder in (AVERAGE, OTHERS):
        cost = np.full((n_subjects, n_regions), np.nan)
        for s in range(n_subjects):
            members = np.ones(n_subjects, dtype=bool)
            members[s] = encoder == AVERAGE
            cross, of_own, of_mean = np.zeros((3, n_regions))
            for space in spaces:
                weights = (n_images * members)[:, None] * space.present
                mean = np.einsum("tr,tfrk->frk", weights, space.maps)
                own = space.maps[s]
                size = len(space.images)
                cross += size * np.einsum("frk,frk->r", own, mean)
                of_own += size * np.einsum("frk,frk->r", own, own)
                of_mean += size * np.einsum("frk,frk->r", mean, mean)
            there = spaces[0].present[s] & (of_own > 0) & (of_mean > 0)
            cost[s, there] = 1 - cross[there] ** 2 / (of_own * of_mean)[there]
        answer[encoder] = cost
    return answer


def means(values: np.ndarray, usable: np.ndarray, axis: int | None = None) -> np.ndarray | float:
    """Average values (S, R) over usable entries; NaN where there are none.

    Parameters
    ----------
    axis : {None, 0, 1}
        None: over subjects, each the mean over its regions.
    """
    if axis is None:
        of_subjects = means(values, usable, axis=1)
        known = of_subjects[np.isfinite(of_subjects)]
        return float(known.mean()) if known.size else float("nan")
    count = usable.sum(axis=axis)
    total = np.where(usable, values, 0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
