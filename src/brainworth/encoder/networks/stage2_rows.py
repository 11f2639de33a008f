"""The networks that can stand in the place of stage 2, by the names of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brainworth.encoder import losses
from brainworth.encoder.networks import conditional_vae, diffusion
from brainworth.encoder.networks.conditional_vae import ConditionalVae
from brainworth.encoder.networks.diffusion import DiffusionStage2
from brainworth.encoder.networks.gaussian import GaussianStage2
from brainworth.encoder.networks.stage2_mlp import Stage2Mlp
from brainworth.encoder.stage2 import Stage2
from brainworth.encoder.train import Batch, predict
from brainworth.sections.encoder import Stage2Row

#: What a row is called in tables.
LABELS: dict[str, str] = {
    "mlp": "MLP",
    "dual": "two decoders",
    "dual_diffusion": "two decoders, diffusion",
    "dual_vae": "two decoders, VAE",
    "dual_conditional_vae": "two decoders, conditional VAE",
    "dual_gaussian": "two decoders, variance head",
}
#: What stage 2 is given, by the names of a batch.
INPUTS = ("global", "mean_token", "rois")


def build(
    name: str,
    n_global: int,
    n_channels: int,
    labels: np.ndarray,
    settings: Mapping[str, Any],
    diffused: Mapping[str, Any],
) -> nn.Module:
    """Return a new network of stage 2, initialised from PyTorch's global generator.

    Parameters
    ----------
    name : str
        One of `Stage2Row`.
    n_global, n_channels : int
        Length of the global vector, channels of a token.
    labels : array of int, shape (V,)
        Cluster of each voxel, 0-based.
    settings, diffused : mapping
        Sections ``stage2`` and ``diffusion`` of the configuration.
    """
    given = (n_global, n_channels, labels, settings)
    match name:
        case "mlp":
            return Stage2Mlp(*given)
        case "dual":
            return Stage2(*given, variational=False)
        case "dual_diffusion":
            return DiffusionStage2(*given, diffused)
        case "dual_vae":
            return Stage2(*given)
        case "dual_conditional_vae":
            return ConditionalVae(*given)
        case "dual_gaussian":
            return GaussianStage2(*given)
    raise ValueError(f"stage 2 must be one of {get_args(Stage2Row)}, not {name!r}")


def loss(
    name: str, settings: Mapping[str, Any]
) -> Callable[[nn.Module, dict[str, Tensor], int, torch.Generator], losses.Terms]:
    """Return what a network of stage 2 minimises.

    Parameters
    ----------
    name : str
        One of `Stage2Row`.
    settings : mapping
        Section ``loss_stage2``.
    """
    if name == "dual_diffusion":
        return diffusion.loss()
    if name == "dual_conditional_vae":
        return conditional_vae.loss(settings)
    return losses.stage2_loss(settings)


def validation(
    name: str, batch: Mapping[str, Tensor], device: torch.device | str, generator: torch.Generator
) -> Callable[[nn.Module], float]:
    """Return what a network of stage 2 is stopped by: its mean squared error.

    The variance head is stopped by its likelihood, and diffusion by both of its errors, the noise
    being the same after every epoch.

    Parameters
    ----------
    name : str
        One of `Stage2Row`.
    batch : mapping
        Validation images: `INPUTS` and ``voxels``, on the CPU.
    device : device or str
        Of the network.
    generator : torch.Generator
        Of the noise, on the CPU.
    """
    voxels = batch["voxels"]
    given = {key: batch[key] for key in INPUTS}
    if name == "dual_gaussian":
        return lambda model: float(
            losses.gaussian_nll(
                *_ordered(predict(model, _with_noise, given, device=device), voxels)
            )
        )
    if name == "dual_diffusion":
        noise = torch.randn(voxels.shape, generator=generator)
        share = torch.rand(len(voxels), generator=generator)
        more = {"voxels": voxels, "noise": noise, "share": share}
        return lambda model: float(predict(model, _both_errors, given | more, device=device).mean())
    return lambda model: float(F.mse_loss(predict(model, _voxels, given, device=device), voxels))


def _voxels(model: nn.Module, batch: Batch) -> Tensor:
    return model(*(batch[key] for key in INPUTS)).voxels.float()


def _with_noise(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    output = model(*(batch[key] for key in INPUTS))
    return output.voxels.float(), output.log_noise


def _ordered(found: tuple[Tensor, Tensor], voxels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return found[0], voxels, found[1]


def _both_errors(model: Any, batch: Batch) -> Tensor:
    """Return the error of the decoders plus that of the noise, of each image."""
    predicted = _voxels(model, batch)
    step = (batch["share"] * model.n_steps).long()
    of_noise = model.noise_errors(predicted, batch["voxels"], step, batch["noise"])
    return (predicted - batch["voxels"]).square().mean(1) + of_noise
