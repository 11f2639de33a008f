"""What alignment does to the similarity of RDMs, on the same held-out stimuli.

A rotation cannot change Euclidean distances. Whatever aligned RDMs lose against those of all
voxels and all stimuli comes from fewer stimuli, from the truncation to components, or, for the
correlation distance, from its taking the mean over dimensions that are no longer voxels.
"""

from __future__ import annotations

import itertools

import numpy as np

from brainworth.erosion import resample
from brainworth.erosion.alignment_folds import Aligned
from brainworth.erosion.compare import compare, standardise
from brainworth.erosion.dissimilarity import correlation_rdm, euclidean_rdm
from brainworth.erosion.procrustes import rotation
from brainworth.stats import percentile_interval

VARIANTS = ("raw", "truncated", "aligned")
DISTANCES = {"correlation": correlation_rdm, "euclidean": euclidean_rdm}


def published(folds: list[Aligned]) -> float:
    """Return the mean Spearman correlation over folds and pairs, one rotated to the other.

    The source does not say how subjects with different numbers of voxels came to the same
    dimension; here, by as many components as the largest candidate that all have.
    """
    found = []
    for fold in folds:
        for s, t in itertools.combinations(range(len(fold.most)), 2):
            turn = rotation(fold.most_train[t].T @ fold.most_train[s])
            rdms = np.stack([correlation_rdm(fold.most[s]), correlation_rdm(fold.most[t] @ turn)])
            found.append(compare(rdms, rdms, "spearman")[0, 1])
    return float(np.mean(found))


def similarities(
    folds: list[Aligned], patterns: list[np.ndarray], weights: np.ndarray, interval: float
) -> dict[str, dict]:
    """Compare the RDMs of all pairs of subjects on held-out stimuli.

    Parameters
    ----------
    folds : list of Aligned
    patterns : list of arrays of shape (I, V)
        Mean patterns of each subject.
    weights : array of shape (B, I)
        Bootstrap samples of stimuli; a fold's part of each is a sample of that fold.
    interval : float
        Nominal coverage.

    Returns
    -------
    dict
        From distance to variant to ``estimate`` and ``interval``: mean Spearman correlation over
        pairs, then folds. ``all_stimuli``: of whole RDMs of all voxels.
    """
    names = [(distance, variant) for distance in DISTANCES for variant in VARIANTS]
    n = len(patterns)
    s, t = np.triu_indices(n, 1)
    pairs = np.concatenate([np.stack([s, t], axis=1) + n * place for place in range(len(names))])
    estimates, draws = [], []
    for fold in folds:
        scores = fold.most[..., : fold.dimension]
        shown = {
            "raw": [values[fold.test] for values in patterns],
            "truncated": scores,
            "aligned": scores @ fold.group,
        }
        rows = [DISTANCES[name](values) for name, variant in names for values in shown[variant]]
        rows = standardise(np.stack(rows), "spearman")
        found = resample.over_stimuli(rows, pairs, weights[:, fold.test], centred=True)
        estimates.append(found.estimate.reshape(len(names), -1).mean(axis=1))
        draws.append(found.draws.reshape(len(weights), len(names), -1).mean(axis=2))
    estimate = np.mean(estimates, axis=0)
    draw = np.mean(draws, axis=0)
    draw = draw[np.isfinite(draw).all(axis=1)]
    answer: dict[str, dict] = {distance: {} for distance in DISTANCES}
    for place, (distance, variant) in enumerate(names):
        bounds = list(percentile_interval(draw[:, place], interval)) if len(draw) else None
        answer[distance][variant] = {"estimate": float(estimate[place]), "interval": bounds}
    for distance, rdm in DISTANCES.items():
        whole = np.stack([rdm(values) for values in patterns])
        answer[distance]["all_stimuli"] = {
            "estimate": float(compare(whole, whole, "spearman")[s, t].mean())
        }
    return answer
