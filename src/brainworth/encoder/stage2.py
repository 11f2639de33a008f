"""Stage 2 of CHASMBrain: from clusters, and what the image looks like, to voxels.

A sequence of one visual token and one token a cluster is encoded by Mamba-2 blocks, a latent vector
is added to all of its tokens, and two decoders read it: one predicts all voxels jointly, the other
what a voxel adds to the value of its cluster (CHASMBrain, section 2.2). The posterior of the latent
vector sees the image and the predicted clusters, and never the brain: it is a stochastic
bottleneck, not a model of how responses vary over trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainworth.encoder.layers import Blocks, mlp, positions
from brainworth.encoder.outputs import Stage2Output

#: Logarithms of variances beyond are cut: exp() of them would drown or overflow everything else.
LARGEST_LOG_VARIANCE = 10.0


class InputFusion(nn.Module):
    """One visual token and one token a cluster."""

    def __init__(self, n_visual: int, n_rois: int, d_model: int) -> None:
        super().__init__()
        self.visual = nn.Linear(n_visual, d_model)
        self.value = nn.Linear(1, d_model)
        self.positions = positions(n_rois, d_model)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, visual: Tensor, rois: Tensor) -> Tensor:
        """Map visual features (B, G + C) and clusters (B, K) to tokens (B, 1 + K, d_model)."""
        tokens = self.value(rois[..., None]) + self.positions
        return self.norm(torch.cat([self.visual(visual)[:, None], tokens], 1))


class Latent(nn.Module):
    """The latent vector: its posterior, and its way back into the tokens."""

    def __init__(self, d_model: int, n_latent: int) -> None:
        super().__init__()
        self.mu = nn.Linear(d_model, n_latent)
        self.log_variance = nn.Linear(d_model, n_latent)
        self.inject = nn.Linear(n_latent, d_model)

    def forward(
        self, tokens: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens with the latent vector added, and the posterior's mean and log variance.

        In training the vector is a sample; else it is the mean.
        """
        pooled = tokens.mean(1)
        mu = self.mu(pooled).float()
        limit = LARGEST_LOG_VARIANCE
        log_variance = self.log_variance(pooled).float().clamp(-limit, limit)
        z = mu
        if self.training:
            noise = torch.randn(mu.shape, generator=generator, device=mu.device)
            z = mu + torch.exp(0.5 * log_variance) * noise
        return tokens + self.inject(z)[:, None], mu, log_variance


class QueryReadout(nn.Module):
    """Maps of queries to voxels: each query reads its own, equal share of them."""

    def __init__(self, n_queries: int, d_model: int, n_voxels: int) -> None:
        super().__init__()
        share = -(-n_voxels // n_queries)
        self.n_voxels = n_voxels
        bound = d_model**-0.5
        self.weight = nn.Parameter(torch.empty(n_queries, d_model, share).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(n_queries, share))

    def forward(self, queries: Tensor) -> Tensor:
        """Map queries (B, Q, d_model) to voxels (B, V)."""
        values = torch.einsum("bqd,qdv->bqv", queries, self.weight) + self.bias
        return values.flatten(1)[:, : self.n_voxels]

    def macs(self, queries: Tensor) -> int:
        """Return the multiply-accumulates for these queries."""
        return len(queries) * self.weight.numel()


class HolisticDecoder(nn.Module):
    """Predicts all voxels jointly: queries after the tokens read what came before them."""

    def __init__(self, n_voxels: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        width = settings["d_model"]
        self.n_queries = min(settings["queries"], n_voxels)
        self.queries = positions(self.n_queries, width)
        self.blocks = Blocks(
            settings["decoder_blocks"], width, settings["mamba"], settings["dropout"]
        )
        self.norm = nn.LayerNorm(width)
        self.readout = QueryReadout(self.n_queries, width, n_voxels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, 1 + K, d_model) to voxels (B, V)."""
        queries = self.queries.expand(len(tokens), -1, -1).to(tokens.dtype)
        decoded = self.blocks(torch.cat([tokens, queries], 1))
        return self.readout(self.norm(decoded[:, -self.n_queries :]))


class ResidualDecoder(nn.Module):
    """Predicts what each voxel adds to the value of its cluster, from the cluster's token.

    All clusters share the map; their tokens tell them apart.

    Parameters
    ----------
    labels : array of int, shape (V,)
        Cluster of each voxel, 0-based.
    """

    def __init__(self, labels: np.ndarray, settings: Mapping[str, Any]) -> None:
        super().__init__()
        labels = np.asarray(labels)
        place = np.empty(len(labels), dtype=np.int64)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            place[members] = np.arange(len(members))
        largest = int(place.max()) + 1
        self.map = mlp(settings["d_model"], settings["residual_hidden"], largest)
        self.register_buffer("labels", torch.as_tensor(labels, dtype=torch.int64))
        self.register_buffer("place", self.labels * largest + torch.as_tensor(place))

    def forward(self, tokens: Tensor, rois: Tensor) -> Tensor:
        """Map tokens (B, K, d_model) and values (B, K) of clusters to voxels (B, V)."""
        residuals = self.map(tokens).flatten(1).index_select(1, self.place)
        return rois.index_select(1, self.labels) + residuals


class ScaleRecovery(nn.Module):
    """A factor an image, near 1, from its visual token: 1 + bound tanh(w'v)."""

    def __init__(self, d_model: int, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.map = nn.Linear(d_model, 1)
        # Amplitudes start as they are.
        nn.init.zeros_(self.map.weight)
        nn.init.zeros_(self.map.bias)

    def forward(self, visual: Tensor) -> Tensor:
        """Map visual tokens (B, d_model) to factors (B, 1)."""
        return 1 + self.bound * torch.tanh(self.map(visual).float())


class Stage2(nn.Module):
    """The Mamba-VAE.

    Parameters
    ----------
    n_global, n_channels : int
        Length of the global vector, channels of a token.
    labels : array of int, shape (V,)
        Cluster of each voxel, 0-based.
    settings : mapping
        Section ``stage2`` of the configuration.
    variational : bool
        Whether there is a latent vector.
    """

    def __init__(
        self,
        n_global: int,
        n_channels: int,
        labels: np.ndarray,
        settings: Mapping[str, Any],
        variational: bool = True,
    ) -> None:
        super().__init__()
        width, n_rois = settings["d_model"], int(np.max(labels)) + 1
        self.fusion = InputFusion(n_global + n_channels, n_rois, width)
        self.encoder = Blocks(
            settings["encoder_blocks"], width, settings["mamba"], settings["dropout"]
        )
        self.latent = Latent(width, settings["latent"]) if variational else None
        self.holistic = HolisticDecoder(len(labels), settings)
        self.residual = ResidualDecoder(labels, settings)
        # Through a sigmoid: both decoders count the same at the start.
        self.balance = nn.Parameter(torch.zeros(()))
        self.scale = ScaleRecovery(width, settings["scale_bound"])

    def encode(self, global_: Tensor, mean_token: Tensor, rois: Tensor) -> Tensor:
        """Return the encoded sequence, (B, 1 + K, d_model); its first token is the visual one."""
        return self.encoder(self.fusion(torch.cat([global_, mean_token], 1), rois))

    def decode(self, tokens: Tensor, rois: Tensor, visual: Tensor) -> tuple[Tensor, Tensor]:
        """Return voxels (B, V) and the factor of their amplitude (B, 1).

        Parameters
        ----------
        tokens : tensor of shape (B, 1 + K, d_model)
            With the latent vector, if there is one.
        rois : tensor of shape (B, K)
        visual : tensor of shape (B, d_model)
            The visual token as encoded.
        """
        share = torch.sigmoid(self.balance)
        joint, by_cluster = self.holistic(tokens), self.residual(tokens[:, 1:], rois)
        scale = self.scale(visual)
        return scale * (share * joint.float() + (1 - share) * by_cluster.float()), scale

    def forward(
        self,
        global_: Tensor,
        mean_token: Tensor,
        rois: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> Stage2Output:
        """Predict the voxels of B images.

        Parameters
        ----------
        global_ : tensor of shape (B, G)
        mean_token : tensor of shape (B, C)
            Mean of an image's tokens.
        rois : tensor of shape (B, K)
            Clusters as stage 1 predicts them.
        generator : torch.Generator, optional
            Of the samples of the latent vector, in training; by default the global one.
        """
        encoded = self.encode(global_, mean_token, rois)
        tokens, mu, log_variance = encoded, None, None
        if self.latent is not None:
            tokens, mu, log_variance = self.latent(encoded, generator)
        voxels, scale = self.decode(tokens, rois, encoded[:, 0])
        return Stage2Output(voxels, mu, log_variance, scale)
