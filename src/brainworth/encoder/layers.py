"""Parts that the networks of both stages share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from brainworth.encoder.mamba import EPSILON, Mamba2


class Block(nn.Module):
    """A Mamba-2 block with the norm before it and the residual connection around it.

    Parameters
    ----------
    d_model : int
    mamba : mapping
        Section ``mamba`` of the configuration.
    dropout : float
        Share of the activations that are dropped before they are added.
    bidirectional : bool
        Read sequences in both directions, with the same weights, and take the mean; else a place
        sees its past only.
    """

    def __init__(
        self, d_model: int, mamba: Mapping[str, Any], dropout: float, bidirectional: bool = False
    ) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(d_model, eps=EPSILON)
        self.mixer = Mamba2(d_model, **mamba)
        self.dropout = nn.Dropout(dropout)
        self.bidirectional = bidirectional

    def forward(self, x: Tensor) -> Tensor:
        """Map sequences (B, L, d_model) to sequences of the same shape."""
        normed = self.norm(x)
        mixed = self.mixer(normed)
        if self.bidirectional:
            mixed = (mixed + self.mixer(normed.flip(1)).flip(1)) / 2
        return x + self.dropout(mixed)


class Blocks(nn.Sequential):
    """A stack of `Block`."""

    def __init__(
        self,
        n_blocks: int,
        d_model: int,
        mamba: Mapping[str, Any],
        dropout: float,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(*(Block(d_model, mamba, dropout, bidirectional) for _ in range(n_blocks)))


def mlp(n_in: int, hidden: int, n_out: int, dropout: float = 0.0) -> nn.Sequential:
    """Return a two-layer GELU network."""
    return nn.Sequential(
        nn.Linear(n_in, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, n_out)
    )


def positions(n: int, d_model: int) -> nn.Parameter:
    """Return learnable positions of shape (n, d_model), standard normal at the start.

    They are as large as what they are added to. What follows takes a mean over all places: with
    positions much smaller than contents (SD 0.02, as of Transformers trained for long) the mean
    hardly depends on which content stood where, and a short training does not get beyond that.
    """
    return nn.Parameter(torch.randn(n, d_model))


class TokenDrop(nn.Module):
    """Set whole tokens to zero, the mean of standardised features, while a network is trained.

    The rest is not scaled up: a token is there or not.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, L, C) to tokens of the same shape."""
        if not self.training or self.share == 0:
            return tokens
        kept = torch.rand(tokens.shape[:2], device=tokens.device) >= self.share
        return tokens * kept[..., None]
