"""Stage 1 without attention or state spaces: a feed-forward network and recurrent ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from brainworth.encoder.layers import mlp
from brainworth.encoder.networks.checks import only_both
from brainworth.encoder.outputs import Stage1Output
from brainworth.encoder.stage1 import Contrast


class Mlp(nn.Module):
    """A feed-forward network on the global vector and the mean token.

    Parameters
    ----------
    n_global, n_channels, n_tokens, n_rois : int
        As of `brainworth.encoder.stage1.Stage1`.
    settings : mapping
        Section ``stage1`` of the configuration.
    """

    def __init__(
        self,
        n_global: int,
        n_channels: int,
        n_tokens: int,  # noqa: ARG002
        n_rois: int,
        settings: Mapping[str, Any],
    ) -> None:
        super().__init__()
        width, dropout = settings["d_model"], settings["dropout"]
        self.body = nn.Sequential(
            mlp(n_global + n_channels, settings["head_hidden"], width, dropout), nn.GELU()
        )
        self.head = mlp(width, settings["head_hidden"], n_rois, dropout)
        self.contrast = Contrast(width, n_rois, settings)

    def forward(self, global_: Tensor, tokens: Tensor, streams: str = "both") -> Stage1Output:
        """Predict the clusters of B images, from (B, G) and (B, P, C)."""
        only_both(self, streams)
        fused = self.body(torch.cat([global_, tokens.mean(1)], 1))
        return Stage1Output(self.head(fused), fused)


class Recurrent(nn.Module):
    """A gated recurrent network (GRU or LSTM) that reads the layers of the feature network.

    The publication has "GRU" and "LSTM" rows and does not say what their sequence is. Here it is
    the global vectors of the four layers that are stored, from the first to the last: four steps,
    of depth and not of time. What the other networks get as tokens is therefore this sequence, and
    the global vector is not read (that of the last layer is in the sequence).

    Parameters
    ----------
    kind : {"gru", "lstm"}
    n_global, n_tokens : int
        Not used.
    n_channels : int
        Length of a layer's global vector.
    n_rois : int
    settings : mapping
        Section ``stage1`` of the configuration.
    """

    def __init__(
        self,
        kind: Literal["gru", "lstm"],
        n_global: int,  # noqa: ARG002
        n_channels: int,
        n_tokens: int,  # noqa: ARG002
        n_rois: int,
        settings: Mapping[str, Any],
    ) -> None:
        super().__init__()
        width, dropout = settings["d_model"], settings["dropout"]
        self.project = nn.Linear(n_channels, width)
        self.norm = nn.LayerNorm(width)
        network = {"gru": nn.GRU, "lstm": nn.LSTM}[kind]
        self.recurrent = network(width, width, batch_first=True)
        self.head = mlp(width, settings["head_hidden"], n_rois, dropout)
        self.contrast = Contrast(width, n_rois, settings)

    def forward(self, global_: Tensor, tokens: Tensor, streams: str = "both") -> Stage1Output:
        """Predict the clusters of B images, from (B, 4, n_channels); `global_` is not read."""
        del global_
        only_both(self, streams)
        steps, _ = self.recurrent(self.norm(self.project(tokens)))
        fused = steps[:, -1]
        return Stage1Output(self.head(fused), fused)
