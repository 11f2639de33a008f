"""Stage 2 that also predicts how far responses lie from its prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brainworth.encoder.outputs import Stage2Output
from brainworth.encoder.stage2 import Stage2

#: Smallest variance, in squared units of z-scored targets: a voxel that happens to be predicted
#: exactly must not outweigh all others.
FLOOR = 1e-3


class GaussianStage2(Stage2):
    """Stage 2 without a latent vector, with a second head for the logarithm of the variance.

    The variance of a voxel has a level of its own, and goes up and down with the visual token
    through a linear map that starts at zero. A softplus keeps it above `FLOOR`, smoothly.

    Parameters
    ----------
    n_global, n_channels : int
        Length of the global vector, channels of a token.
    labels : array of int, shape (V,)
        Cluster of each voxel, 0-based.
    settings : mapping
        Section ``stage2`` of the configuration.
    """

    def __init__(
        self, n_global: int, n_channels: int, labels: np.ndarray, settings: Mapping[str, Any]
    ) -> None:
        super().__init__(n_global, n_channels, labels, settings, variational=False)
        self.log_noise = nn.Linear(settings["d_model"], len(labels))
        nn.init.zeros_(self.log_noise.weight)
        nn.init.zeros_(self.log_noise.bias)

    def forward(
        self,
        global_: Tensor,
        mean_token: Tensor,
        rois: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> Stage2Output:
        """Predict the voxels of B images and their variance, from (B, G), (B, C) and (B, K)."""
        del generator
        encoded = self.encode(global_, mean_token, rois)
        voxels, scale = self.decode(encoded, rois, encoded[:, 0])
        raw = self.log_noise(encoded[:, 0]).float()
        return Stage2Output(voxels, scale=scale, log_noise=above_floor(raw))


def above_floor(raw: Tensor) -> Tensor:
    """Return log(exp(raw) + FLOOR): nearly `raw` where that is well above the floor."""
    low = float(np.log(FLOOR))
    return low + F.softplus(raw - low)


def calibration(
    predicted: np.ndarray,
    log_variance: np.ndarray,
    observed: np.ndarray,
    constant_variance: np.ndarray,
) -> dict[str, Any]:
    """Hold predicted variances against squared errors.

    Parameters
    ----------
    predicted, log_variance, observed : arrays of shape (N, V)
        Of test images.
    constant_variance : array of shape (V,)
        Mean squared error of each voxel on validation images: what a model knows that gives all
        images the same variance.

    Returns
    -------
    dict
        ``nll`` and ``nll_constant``: mean negative log likelihood, in nats, with predicted and with
        constant variances. ``standardised``: mean of squared error over variance; 1 is calibrated.
        ``coverage``: share of responses within 1.96 SD. ``bins``: voxels of all images in ten
        equal groups by predicted variance, with mean variance and mean squared error. ``slope``:
        of squared errors on variances over the bins. ``image_r``: correlation over images of a
        voxel's variance and squared error, mean over voxels whose variance varies; None, with a
        reason, if there is none.
    """
    variance = np.exp(np.asarray(log_variance, dtype=float))
    squared = (np.asarray(observed, dtype=float) - predicted) ** 2
    order = np.argsort(variance, axis=None, kind="stable")
    groups = np.array_split(order, min(10, order.size))
    bins = {
        "variance": [float(variance.flat[group].mean()) for group in groups],
        "squared_error": [float(squared.flat[group].mean()) for group in groups],
    }
    centred = np.array(bins["variance"]) - np.mean(bins["variance"])
    spread = float(centred @ centred)
    r = _correlation(variance, squared)
    return {
        "nll": float(_nll(squared, variance)),
        "nll_constant": float(_nll(squared, np.maximum(constant_variance, FLOOR))),
        "standardised": float(np.mean(squared / variance)),
        "coverage": {"nominal": 0.95, "estimate": float(np.mean(squared < 1.96**2 * variance))},
        "bins": bins,
        "slope": float(centred @ bins["squared_error"] / spread) if spread > 0 else None,
        "image_r": float(r.mean()) if r.size else None,
        "reason": None
        if r.size and spread > 0
        else "the predicted variance is the same everywhere",
    }


def _nll(squared: np.ndarray, variance: np.ndarray) -> float:
    return 0.5 * np.mean(np.log(2 * np.pi * variance) + squared / variance)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the correlation over rows of those columns that vary in both."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norm = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    kept = norm > 1e-9
    return (a * b).sum(axis=0)[kept] / norm[kept]
