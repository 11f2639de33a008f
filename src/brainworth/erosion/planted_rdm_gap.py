"""What the gap of RDMs should come out as: the same, from noise-free responses."""

from __future__ import annotations

import numpy as np

from brainworth.erosion import compare
from brainworth.erosion.dissimilarity import correlation_rdm


def expected(patterns: dict[str, np.ndarray], comparison: str) -> dict:
    """Compute the noise-free gap of one region.

    Parameters
    ----------
    patterns : dict from subject to array of shape (I, V)
        Noise-free responses of at least two subjects to the same stimuli.
    comparison : {"spearman", "corr"}

    Returns
    -------
    dict
        ``population``: mean over subjects of the comparison of a subject's RDM with the pooled
        RDM of the others; ``gap``: 1 minus it; ``subjects``: for each its own population value.
    """
    rdms = np.stack([correlation_rdm(values) for values in patterns.values()])
    own = compare.standardise(rdms, comparison)
    others = compare.standardise(compare.pooled(rdms, comparison)[0], comparison)
    each = np.einsum("ij,ij->i", own, others)
    return {
        "population": float(each.mean()),
        "gap": float(1 - each.mean()),
        "subjects": [
            {"subject": subject, "population": value}
            for subject, value in zip(patterns, each.tolist(), strict=True)
        ],
    }
