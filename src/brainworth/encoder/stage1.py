"""Stage 1 of CHASMBrain: from the features of an image to clusters of voxels.

Two streams of Mamba-2 blocks: one reads the global vector of an image, the other its tokens. Each
predicts the clusters; a gate that sees both weighs them (CHASMBrain, section 2.1). Where the
publication is silent (the width of everything, how a vector becomes a sequence, what the fused
features are) the choices here reproduce its 14.6 M parameters and 2.31 G multiply-accumulates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brainworth.encoder.layers import Blocks, TokenDrop, mlp, positions
from brainworth.encoder.outputs import Stage1Output

Streams = Literal["both", "local", "global", "swap"]


class GlobalStream(nn.Module):
    """The stream of the global vector ("what").

    Parameters
    ----------
    n_global : int
        Length of the vector.
    settings : mapping
        Section ``stage1``. With ``global_tokens`` k > 1 the vector is cut into k equal pieces, the
        last filled up with zeros, and these are the sequence; with 1 the sequence has one place,
        and the recurrence of a block does nothing.
    """

    def __init__(self, n_global: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        width, self.n_tokens = settings["d_model"], settings["global_tokens"]
        self.piece = -(-n_global // self.n_tokens)
        self.missing = self.piece * self.n_tokens - n_global
        self.project = nn.Linear(self.piece, width)
        self.positions = positions(self.n_tokens, width) if self.n_tokens > 1 else None
        self.norm = nn.LayerNorm(width)
        self.blocks = Blocks(
            settings["global_blocks"],
            width,
            settings["mamba"],
            settings["dropout"],
            settings["bidirectional"],
        )

    def forward(self, global_: Tensor) -> Tensor:
        """Map global vectors (B, G) to features (B, d_model)."""
        pieces = F.pad(global_, (0, self.missing)).unflatten(1, (self.n_tokens, self.piece))
        x = self.project(pieces)
        if self.positions is not None:
            x = x + self.positions
        return self.blocks(self.norm(x)).mean(1)


class LocalStream(nn.Module):
    """The stream of the tokens ("where")."""

    def __init__(self, n_channels: int, n_tokens: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        width = settings["d_model"]
        self.drop = TokenDrop(settings["token_drop"])
        self.project = nn.Linear(n_channels, width)
        self.positions = positions(n_tokens, width)
        self.norm = nn.LayerNorm(width)
        self.blocks = Blocks(
            settings["local_blocks"],
            width,
            settings["mamba"],
            settings["dropout"],
            settings["bidirectional"],
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, P, C) to features (B, d_model)."""
        x = self.project(self.drop(tokens)) + self.positions
        return self.blocks(self.norm(x)).mean(1)


class Contrast(nn.Module):
    """Heads that take features of images, and clusters, to one space, for the contrastive term."""

    def __init__(self, n_features: int, n_rois: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        hidden, width = settings["contrast_hidden"], settings["embedding"]
        self.image = nn.Sequential(mlp(n_features, hidden, width), nn.LayerNorm(width))
        self.brain = nn.Sequential(mlp(n_rois, hidden, width), nn.LayerNorm(width))

    def forward(self, fused: Tensor, rois: Tensor) -> tuple[Tensor, Tensor]:
        """Map features (B, D) and clusters (B, K) to vectors (B, embedding) of length 1."""
        image, brain = self.image(fused).float(), self.brain(rois).float()
        return F.normalize(image, dim=1), F.normalize(brain, dim=1)


class Stage1(nn.Module):
    """The two streams, their gate, and heads for the contrastive term.

    Parameters
    ----------
    n_global, n_channels, n_tokens : int
        Length of the global vector, channels of a token, tokens of an image.
    n_rois : int
        Clusters.
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
        self.global_stream = GlobalStream(n_global, settings)
        self.local_stream = LocalStream(n_channels, n_tokens, settings)
        self.global_head = mlp(width, settings["head_hidden"], n_rois, dropout)
        self.local_head = mlp(width, settings["head_hidden"], n_rois, dropout)
        self.gate = mlp(2 * width, settings["gate_hidden"], 2, dropout)
        self.contrast = Contrast(width, n_rois, settings)

    def forward(self, global_: Tensor, tokens: Tensor, streams: Streams = "both") -> Stage1Output:
        """Predict the clusters of B images.

        Parameters
        ----------
        global_ : tensor of shape (B, G)
        tokens : tensor of shape (B, P, C)
        streams : {"both", "local", "global", "swap"}
            ``local`` and ``global`` force the gate to one stream, and the other is not computed
            ("Where only" and "What only" in the publication; a network may also be trained so).
            ``swap`` keeps all weights, and exchanges the two that the gate gives: either stream's
            prediction goes the way of the other. The publication says no more than "routes
            exchanged, with identical weights"; inputs cannot be exchanged where the two have
            different widths, and the published result, a little better than "What only", is what
            exchanged weights of a gate that mostly trusts the tokens give.

        Returns
        -------
        Stage1Output
            ``fused`` is the mean of the streams' features with the gate's weights.
        """
        if streams not in get_args(Streams):
            raise ValueError(f"streams must be one of {get_args(Streams)}, not {streams!r}")
        if streams == "local":
            fused = self.local_stream(tokens)
            rois = self.local_head(fused)
            return Stage1Output(rois, fused, None, rois, _fixed_gate(rois, 0.0))
        if streams == "global":
            fused = self.global_stream(global_)
            rois = self.global_head(fused)
            return Stage1Output(rois, fused, rois, None, _fixed_gate(rois, 1.0))
        what, where = self.global_stream(global_), self.local_stream(tokens)
        gate = self.gate(torch.cat([what, where], 1)).float().softmax(1)
        if streams == "swap":
            gate = gate.flip(1)
        from_what, from_where = self.global_head(what), self.local_head(where)
        rois = gate[:, :1] * from_what + gate[:, 1:] * from_where
        fused = gate[:, :1] * what + gate[:, 1:] * where
        return Stage1Output(rois, fused, from_what, from_where, gate)


def _fixed_gate(rois: Tensor, share_of_global: float) -> Tensor:
    """Return a gate that is the same for all images, shape (B, 2)."""
    share = rois.new_full((len(rois), 1), share_of_global)
    return torch.cat([share, 1 - share], 1)
