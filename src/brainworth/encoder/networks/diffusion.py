"""Stage 2 refined by diffusion: samples of voxels around what the two decoders predict.

A denoising diffusion model (Ho, Jain & Abbeel 2020, NeurIPS) of the voxel vector, given the
prediction of stage 2 without a latent vector, sampled in few deterministic steps from noise (Song,
Meng & Ermon 2021, ICLR). One sample has the variance that the responses have around their mean,
and pays for it with that much mean squared error; the mean of many samples does not. A row of a
table that scores one sample therefore says nothing against diffusion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brainworth.encoder.layers import mlp
from brainworth.encoder.losses import Terms
from brainworth.encoder.outputs import Stage2Output
from brainworth.encoder.stage2 import Stage2

#: Noise that a step adds, as a share of the variance, at the first and last of 1,000 steps (Ho et
#: al. 2020); with fewer steps, each adds the more.
BETAS = (1e-4, 0.02)
#: Sines and cosines that a step is described by.
FREQUENCIES = 8


class Denoiser(nn.Module):
    """A small network that predicts the noise in a noisy voxel vector.

    What is linear and the same for all voxels has a path of its own: the noise is a multiple of
    the noisy vector, plus a multiple of the prediction, both depending on the step, plus what a
    two-layer network adds. A narrow network alone could not copy noise of that many dimensions.

    Parameters
    ----------
    n_voxels, hidden : int
    """

    def __init__(self, n_voxels: int, hidden: int) -> None:
        super().__init__()
        self.multiples = mlp(2 * FREQUENCIES, hidden, 2)
        self.map = mlp(2 * n_voxels + 2 * FREQUENCIES, hidden, n_voxels)

    def forward(self, noisy: Tensor, prediction: Tensor, share: Tensor) -> Tensor:
        """Return the noise (B, V).

        Parameters
        ----------
        noisy, prediction : tensors of shape (B, V)
        share : tensor of shape (B, 1)
            Of the steps of noise that were taken, 0 to 1.
        """
        powers = 2.0 ** torch.arange(FREQUENCIES, device=share.device)
        angles = 0.5 * math.pi * share * powers
        time = torch.cat([angles.sin(), angles.cos()], 1)
        own, others = self.multiples(time).chunk(2, 1)
        more = self.map(torch.cat([noisy, prediction, time], 1))
        return own * noisy + others * prediction + more


class DiffusionStage2(nn.Module):
    """Stage 2 without a latent vector, and a denoiser of the voxel vector that is given it.

    Parameters
    ----------
    n_global, n_channels : int
        Length of the global vector, channels of a token.
    labels : array of int, shape (V,)
        Cluster of each voxel, 0-based.
    settings : mapping
        Section ``stage2`` of the configuration.
    diffusion : mapping
        Section ``diffusion``.
    """

    def __init__(
        self,
        n_global: int,
        n_channels: int,
        labels: np.ndarray,
        settings: Mapping[str, Any],
        diffusion: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.dual = Stage2(n_global, n_channels, labels, settings, variational=False)
        self.denoiser = Denoiser(len(labels), diffusion["hidden"])
        self.n_steps = diffusion["steps"]
        self.n_sampling = min(diffusion["sampling_steps"], self.n_steps)
        self.register_buffer("kept", kept_variance(self.n_steps))

    def forward(
        self,
        global_: Tensor,
        mean_token: Tensor,
        rois: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> Stage2Output:
        """Predict the voxels of B images without diffusion, from (B, G), (B, C) and (B, K)."""
        return self.dual(global_, mean_token, rois, generator=generator)

    def noise_errors(
        self, prediction: Tensor, voxels: Tensor, step: Tensor, noise: Tensor
    ) -> Tensor:
        """Return the mean squared error of the predicted noise, of each image (B,).

        Parameters
        ----------
        prediction, voxels, noise : tensors of shape (B, V)
        step : tensor of int, shape (B,)
            0-based.
        """
        kept = self.kept[step][:, None]
        noisy = kept.sqrt() * voxels + (1 - kept).sqrt() * noise
        share = (step[:, None] + 1) / self.n_steps
        return (self.denoiser(noisy, prediction, share) - noise).square().mean(1)

    def sample(self, prediction: Tensor, noise: Tensor) -> Tensor:
        """Turn noise into samples of voxels; the same noise gives the same samples.

        Parameters
        ----------
        prediction, noise : tensors of shape (B, V)
        """
        places = np.linspace(self.n_steps - 1, 0, self.n_sampling).round().astype(int)
        x = noise
        for number, place in enumerate(places):
            kept = self.kept[place]
            share = torch.full((len(x), 1), (place + 1) / self.n_steps, device=x.device)
            found = self.denoiser(x, prediction, share)
            clean = (x - (1 - kept).sqrt() * found) / kept.sqrt()
            last = number + 1 == len(places)
            after = torch.ones_like(kept) if last else self.kept[places[number + 1]]
            x = after.sqrt() * clean + (1 - after).sqrt() * found
        return x


def kept_variance(n_steps: int) -> Tensor:
    """Return the share of the variance that is signal after each step, shape (n_steps,).

    The logarithm falls as that of Ho et al.'s 1,000 steps does, whatever the number of steps.
    """
    first, last = BETAS
    reached = torch.arange(1, n_steps + 1, dtype=torch.float64) / n_steps
    log_kept = -1000 * (first * reached + (last - first) * reached**2 / 2)
    return log_kept.exp().float()


def loss() -> Callable[[nn.Module, dict[str, Tensor], int, torch.Generator], Terms]:
    """Return what `train.fit` minimises: the error of the decoders, and that of the noise.

    The denoiser does not train the decoders.
    """

    def value(
        model: nn.Module,
        batch: dict[str, Tensor],
        epoch: int,  # noqa: ARG001
        draws: torch.Generator,
    ) -> Terms:
        voxels = batch["voxels"]
        predicted = model(*(batch[name] for name in ("global", "mean_token", "rois"))).voxels
        device = voxels.device
        step = torch.randint(model.n_steps, (len(voxels),), generator=draws, device=device)
        noise = torch.randn(voxels.shape, generator=draws, device=device)
        terms = {
            "mse": F.mse_loss(predicted.float(), voxels),
            "noise": model.noise_errors(predicted.detach().float(), voxels, step, noise).mean(),
        }
        return terms["mse"] + terms["noise"], {key: term.detach() for key, term in terms.items()}

    return value
