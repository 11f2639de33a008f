"""Stage 1 from one sequence: the global vector, then the tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from brainworth.encoder.layers import Blocks, TokenDrop, mlp, positions
from brainworth.encoder.networks.checks import only_both
from brainworth.encoder.outputs import Stage1Output
from brainworth.encoder.stage1 import Contrast


class Sequence(nn.Module):
    """The global vector and the tokens as one sequence of the same width."""

    def __init__(
        self, n_global: int, n_channels: int, n_tokens: int, width: int, token_drop: float
    ) -> None:
        super().__init__()
        self.drop = TokenDrop(token_drop)
        self.project_global = nn.Linear(n_global, width)
        self.project_tokens = nn.Linear(n_channels, width)
        self.positions = positions(1 + n_tokens, width)
        self.norm_global, self.norm_tokens = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, global_: Tensor, tokens: Tensor) -> Tensor:
        """Map global vectors (B, G) and tokens (B, P, C) to sequences (B, 1 + P, width)."""
        first = self.project_global(global_)[:, None] + self.positions[:1]
        others = self.project_tokens(self.drop(tokens)) + self.positions[1:]
        return torch.cat([self.norm_global(first), self.norm_tokens(others)], 1)


class SingleMamba(nn.Module):
    """One stream of Mamba-2 blocks, as many as both streams of the two-stream network together.

    It reads in one direction (unless ``bidirectional``), so that each token sees the global vector
    and the tokens before it. The mean over all places goes to one head; there is no gate.

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
        n_tokens: int,
        n_rois: int,
        settings: Mapping[str, Any],
    ) -> None:
        super().__init__()
        width, dropout = settings["d_model"], settings["dropout"]
        self.sequence = Sequence(n_global, n_channels, n_tokens, width, settings["token_drop"])
        self.blocks = Blocks(
            settings["global_blocks"] + settings["local_blocks"],
            width,
            settings["mamba"],
            dropout,
            settings["bidirectional"],
        )
        self.head = mlp(width, settings["head_hidden"], n_rois, dropout)
        self.contrast = Contrast(width, n_rois, settings)

    def forward(self, global_: Tensor, tokens: Tensor, streams: str = "both") -> Stage1Output:
        """Predict the clusters of B images, from (B, G) and (B, P, C)."""
        only_both(self, streams)
        fused = self.blocks(self.sequence(global_, tokens)).mean(1)
        return Stage1Output(self.head(fused), fused)


class Transformer(nn.Module):
    """Transformer layers, as many as a token passes in the two-stream network.

    Heads of attention are as wide as those of the Mamba blocks at the same `d_model`. The first
    place of the sequence is the global feature, the mean of the others the local one; heads, gate
    and contrastive heads are those of the two-stream network, so that only what is between
    differs. At the size of the publication (5 layers of width 512, 8 heads, 2,048 hidden units) it
    has 19,996,954 parameters and 4.484 G multiply-accumulates; 19.8 M and 4.52 G are published.

    Parameters
    ----------
    n_global, n_channels, n_tokens, n_rois : int
        As of `brainworth.encoder.stage1.Stage1`.
    settings : mapping
        Section ``stage1`` of the configuration.
    width, hidden : int, optional
        Of the layers, and of their feed-forward maps; by default `d_model` and four times it. The
        width is a multiple of the number of heads.
    """

    def __init__(
        self,
        n_global: int,
        n_channels: int,
        n_tokens: int,
        n_rois: int,
        settings: Mapping[str, Any],
        width: int | None = None,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        width = settings["d_model"] if width is None else width
        dropout = settings["dropout"]
        self.sequence = Sequence(n_global, n_channels, n_tokens, width, settings["token_drop"])
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width,
                n_heads(settings),
                4 * width if hidden is None else hidden,
                dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(settings["local_blocks"])
        )
        self.global_head = mlp(width, settings["head_hidden"], n_rois, dropout)
        self.local_head = mlp(width, settings["head_hidden"], n_rois, dropout)
        self.gate = mlp(2 * width, settings["gate_hidden"], 2, dropout)
        self.contrast = Contrast(width, n_rois, settings)

    def forward(self, global_: Tensor, tokens: Tensor, streams: str = "both") -> Stage1Output:
        """Predict the clusters of B images, from (B, G) and (B, P, C)."""
        only_both(self, streams)
        x = self.sequence(global_, tokens)
        for layer in self.layers:
            x = layer(x)
        what, where = x[:, 0], x[:, 1:].mean(1)
        gate = self.gate(torch.cat([what, where], 1)).float().softmax(1)
        from_what, from_where = self.global_head(what), self.local_head(where)
        rois = gate[:, :1] * from_what + gate[:, 1:] * from_where
        fused = gate[:, :1] * what + gate[:, 1:] * where
        return Stage1Output(rois, fused, from_what, from_where, gate)


def n_heads(settings: Mapping[str, Any]) -> int:
    """Return how many heads of the width of a Mamba head make up `d_model`; at least one."""
    wanted = max(1, settings["d_model"] // settings["mamba"]["headdim"])
    return next(n for n in range(wanted, 0, -1) if settings["d_model"] % n == 0)
