"""Responses predicted from feature spaces: the share of what can be predicted, by space and region.

The ridge regression and the scores are the encoder's: a penalty a voxel, chosen by cross-validation
over training images; test images resampled alike for all spaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainworth.bridges.spaces import Reduced
from brainworth.encoder import kfold_ridge, linear_features, scores
from brainworth.encoder.scores import Scored
from brainworth.encoder.targets import TEST, TRAIN, Targets
from brainworth.stats import stream

#: A region of fewer voxels is not scored by itself.
FEWEST_VOXELS = 2


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
