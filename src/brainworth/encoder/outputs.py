"""What the networks of the two stages return."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Stage1Output:
    """Clusters predicted from B images.

    Attributes
    ----------
    rois : tensor of shape (B, K)
        The prediction.
    fused : tensor of shape (B, D)
        Features of the image, for the contrastive term and for transfer to another subject.
    global_rois, local_rois : tensors of shape (B, K), or None
        What either stream predicts.
    gate : tensor of shape (B, 2), or None
        Weights of the global and of the local stream; they sum to 1.
    """

    rois: Tensor
    fused: Tensor
    global_rois: Tensor | None = None
    local_rois: Tensor | None = None
    gate: Tensor | None = None


@dataclass
class Stage2Output:
    """Voxels predicted from B images and their clusters.

    Attributes
    ----------
    voxels : tensor of shape (B, V)
        The prediction.
    mu, log_variance : tensors of shape (B, latent), or None
        Of the posterior of the latent vector.
    scale : tensor of shape (B, 1), or None
        By which the amplitude of an image was multiplied.
    log_noise : tensor of shape (B, V), or None
        Logarithm of the variance around the prediction.
    """

    voxels: Tensor
    mu: Tensor | None = None
    log_variance: Tensor | None = None
    scale: Tensor | None = None
    log_noise: Tensor | None = None
