"""What alignment and the encoding gap should find, from the truth of simulated NSD."""

from __future__ import annotations

import numpy as np


def shared_fraction(weights: dict[str, np.ndarray], n_shared: int) -> dict:
    """Return the share of each subject's stimulus-driven variance that shared features make.

    Parameters
    ----------
    weights : dict from subject to array of shape (V, F)
        Encoding weights of the region's voxels; features are independent, of unit variance.
    n_shared : int
        The first so many features are shared.
    """
    values = {
        subject: float(np.sum(w[:, :n_shared] ** 2, dtype=float) / np.sum(w**2, dtype=float))
        for subject, w in weights.items()
    }
    return {
        "shared_fraction": float(np.mean(list(values.values()))),
        "subjects": [
            {"subject": subject, "shared_fraction": value} for subject, value in values.items()
        ],
    }


def noise_free(means: dict[str, np.ndarray]) -> dict:
    """Return the R2 of the calibrated mean of the others, over all subjects, without noise.

    Parameters
    ----------
    means : dict from subject to array of shape (I,)
        Noise-free mean response of the region to each stimulus.
    """
    values = np.stack(list(means.values()))
    correlations = [
        float(np.corrcoef(own, np.delete(values, s, axis=0).mean(axis=0))[0, 1])
        for s, own in enumerate(values)
    ]
    r2 = float(np.average(np.square(correlations), weights=values.var(axis=1)))
    return {
        "noise_free_r2": r2,
        "gap": 1 - r2,
        "subjects": [
            {"subject": subject, "noise_free_correlation": value}
            for subject, value in zip(means, correlations, strict=True)
        ],
    }
