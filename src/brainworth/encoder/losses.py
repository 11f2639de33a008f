"""What the two stages minimise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brainworth.encoder.outputs import Stage1Output, Stage2Output

Terms = tuple[Tensor, dict[str, Tensor]]
#: Variance below which a row or column has no correlation; of z-scored responses it is near 1.
SMALLEST_VARIANCE = 1e-8


def correlation(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """Return Pearson's r along an axis; where one of both does not vary it is 0."""
    a, b = (each.float() - each.float().mean(dim, keepdim=True) for each in (a, b))
    variances = a.square().mean(dim) * b.square().mean(dim)
    return (a * b).mean(dim) / (variances + SMALLEST_VARIANCE**2).sqrt()


def pearson(predicted: Tensor, observed: Tensor) -> Tensor:
    """Return one minus the mean correlation, of two kinds, half and half.

    Parameters
    ----------
    predicted, observed : tensors of shape (B, K)

    Notes
    -----
    Over the images of a batch, for each cluster: the kind that is reported, but noisy for the 32
    images of a batch. Over clusters, for each image: as many clusters as there are, and blind to
    what all images share. A batch of one image has the second kind only, one cluster the first.
    """
    kinds = [dim for dim in (0, 1) if predicted.shape[dim] > 1]
    if not kinds:
        return predicted.sum() * 0.0
    return 1 - torch.stack([correlation(predicted, observed, dim).mean() for dim in kinds]).mean()


def info_nce(image: Tensor, brain: Tensor, temperature: float) -> Tensor:
    """Return the contrastive loss of pairs, both ways (Radford et al. 2021).

    Parameters
    ----------
    image, brain : tensors of shape (B, E)
        Of length 1; row i of one belongs to row i of the other.
    """
    logits = image.float() @ brain.float().T / temperature
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def kl_divergence(mu: Tensor, log_variance: Tensor) -> Tensor:
    """Return the divergence from the standard normal, mean over images and latents, in nats."""
    return 0.5 * (mu.square() + log_variance.exp() - 1 - log_variance).mean()


def gaussian_nll(predicted: Tensor, observed: Tensor, log_noise: Tensor) -> Tensor:
    """Return the mean negative log likelihood, in nats, without the constant log(2 pi) / 2."""
    return 0.5 * ((observed - predicted).square() * torch.exp(-log_noise) + log_noise).mean()


def stage1_terms(
    output: Stage1Output, rois: Tensor, contrast: nn.Module | None, settings: Mapping[str, Any]
) -> Terms:
    """Return the loss of stage 1 and its terms.

    Parameters
    ----------
    output : Stage1Output
    rois : tensor of shape (B, K)
        Observed.
    contrast : module or None
        Maps features and clusters to one space (`stage1.Contrast`); without it there is no
        contrastive term.
    settings : mapping
        Section ``loss_stage1``.
    """
    terms = {
        "mse": F.mse_loss(output.rois.float(), rois),
        "pearson": pearson(output.rois, rois),
    }
    loss = terms["mse"] + settings["pearson"] * terms["pearson"]
    if contrast is not None and settings["contrastive"] > 0:
        pairs = contrast(output.fused, rois)
        terms["contrastive"] = info_nce(*pairs, settings["temperature"])
        loss = loss + settings["contrastive"] * terms["contrastive"]
    return loss, {name: term.detach() for name, term in terms.items()}


def stage2_terms(
    output: Stage2Output, voxels: Tensor, epoch: int, settings: Mapping[str, Any]
) -> Terms:
    """Return the loss of stage 2 and its terms.

    Parameters
    ----------
    output : Stage2Output
    voxels : tensor of shape (B, V)
        Observed.
    epoch : int
        0-based; the weight of the divergence grows linearly from 0 in the first `kl_warmup`.
    settings : mapping
        Section ``loss_stage2``.
    """
    terms = {"mse": F.mse_loss(output.voxels.float(), voxels)}
    loss = terms["mse"]
    if output.log_noise is not None:
        terms["nll"] = loss = gaussian_nll(output.voxels.float(), voxels, output.log_noise)
    if output.mu is not None and output.log_variance is not None:
        terms["kl"] = kl_divergence(output.mu, output.log_variance)
        loss = loss + kl_weight(epoch, settings) * terms["kl"]
    return loss, {name: term.detach() for name, term in terms.items()}


def kl_weight(epoch: int, settings: Mapping[str, Any]) -> float:
    """Return the weight of the divergence in an epoch, 0-based."""
    warmup = settings["kl_warmup"]
    return settings["kl"] * (min(1.0, epoch / warmup) if warmup > 0 else 1.0)


def stage1_loss(
    settings: Mapping[str, Any], streams: str = "both"
) -> Callable[[nn.Module, dict[str, Tensor], int, torch.Generator], Terms]:
    """Return what `train.fit` minimises for stage 1.

    Batches hold ``global`` (B, G), ``tokens`` (B, P, C) and ``rois`` (B, K).
    """

    def loss(model: nn.Module, batch: dict[str, Tensor], *_: Any) -> Terms:
        output = model(batch["global"], batch["tokens"], streams=streams)
        return stage1_terms(output, batch["rois"], getattr(model, "contrast", None), settings)

    return loss


def stage2_loss(
    settings: Mapping[str, Any],
) -> Callable[[nn.Module, dict[str, Tensor], int, torch.Generator], Terms]:
    """Return what `train.fit` minimises for stage 2.

    Batches hold ``global`` (B, G), ``mean_token`` (B, C), ``rois`` (B, K), as stage 1 predicts
    them, and ``voxels`` (B, V).
    """

    def loss(
        model: nn.Module, batch: dict[str, Tensor], epoch: int, draws: torch.Generator
    ) -> Terms:
        given = (batch[name] for name in ("global", "mean_token", "rois"))
        return stage2_terms(model(*given, generator=draws), batch["voxels"], epoch, settings)

    return loss
