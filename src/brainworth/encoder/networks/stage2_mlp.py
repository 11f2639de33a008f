"""Stage 2 as a feed-forward network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainworth.encoder.layers import mlp
from brainworth.encoder.outputs import Stage2Output


class Stage2Mlp(nn.Module):
    """Two layers on what stage 2 is given: global vector, mean token and clusters.

    Parameters
    ----------
    n_global, n_channels : int
        Length of the global vector, channels of a token.
    labels : array of int, shape (V,)
        Cluster of each voxel, 0-based.
    settings : mapping
        Section ``stage2``; the hidden layer is four times `d_model` wide.
    """

    def __init__(
        self, n_global: int, n_channels: int, labels: np.ndarray, settings: Mapping[str, Any]
    ) -> None:
        super().__init__()
        n_in = n_global + n_channels + int(np.max(labels)) + 1
        self.map = mlp(n_in, 4 * settings["d_model"], len(labels), settings["dropout"])

    def forward(
        self,
        global_: Tensor,
        mean_token: Tensor,
        rois: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> Stage2Output:
        """Predict the voxels of B images, from (B, G), (B, C) and (B, K)."""
        del generator
        return Stage2Output(self.map(torch.cat([global_, mean_token, rois], 1)))
