"""Stage 2 with a latent vector whose posterior sees the responses.

In the publication the posterior sees the image and the predicted clusters only, so that its latent
vector cannot stand for anything that varies from trial to trial. Here, as in a conditional
variational autoencoder (Sohn, Lee & Yan 2015, NeurIPS), the posterior of training also sees the
measured voxels, and a prior that sees the image and the clusters is drawn to it; at test there is
only the prior, and its mean is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brainworth.encoder.losses import Terms, kl_weight
from brainworth.encoder.outputs import Stage2Output
from brainworth.encoder.stage2 import LARGEST_LOG_VARIANCE, Stage2


@dataclass
class ConditionalOutput(Stage2Output):
    """What the network returns: `mu` and `log_variance` are those of the posterior.

    Attributes
    ----------
    prior_mu, prior_log_variance : tensors of shape (B, latent)
        Without responses, the posterior's are None.
    """

    prior_mu: Tensor | None = None
    prior_log_variance: Tensor | None = None


class ConditionalVae(Stage2):
    """Stage 2 with a posterior q(z | image, clusters, voxels) and a prior p(z | image, clusters).

    Parameters
    ----------
    n_global, n_channels : int
        Length of the global vector, channels of a token.
    labels : array of int, shape (V,)
        Cluster of each voxel, 0-based.
    settings : mapping
        Section ``stage2`` of the configuration.
    """

    def __init__(
        self, n_global: int, n_channels: int, labels: np.ndarray, settings: Mapping[str, Any]
    ) -> None:
        super().__init__(n_global, n_channels, labels, settings, variational=False)
        width, latent = settings["d_model"], settings["latent"]
        self.read_voxels = nn.Sequential(nn.Linear(len(labels), width), nn.GELU())
        self.posterior = nn.Linear(2 * width, 2 * latent)
        self.prior = nn.Linear(width, 2 * latent)
        self.inject = nn.Linear(latent, width)

    def forward(
        self,
        global_: Tensor,
        mean_token: Tensor,
        rois: Tensor,
        *,
        voxels: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> ConditionalOutput:
        """Predict the voxels of B images.

        Parameters
        ----------
        global_, mean_token, rois : tensors of shape (B, G), (B, C), (B, K)
        voxels : tensor of shape (B, V), optional
            Measured, in training: the latent vector is then a sample of the posterior, else it is
            the mean of the prior.
        generator : torch.Generator, optional
            Of the sample; by default the global one.
        """
        encoded = self.encode(global_, mean_token, rois)
        pooled = encoded.mean(1)
        z, prior_log_variance = _gaussian(self.prior(pooled))
        prior_mu, mu, log_variance = z, None, None
        if voxels is not None:
            seen = torch.cat([pooled, self.read_voxels(voxels)], 1)
            mu, log_variance = _gaussian(self.posterior(seen))
            noise = torch.randn(mu.shape, generator=generator, device=mu.device)
            z = mu + torch.exp(0.5 * log_variance) * noise
        tokens = encoded + self.inject(z)[:, None]
        predicted, scale = self.decode(tokens, rois, encoded[:, 0])
        return ConditionalOutput(
            predicted,
            mu,
            log_variance,
            scale,
            prior_mu=prior_mu,
            prior_log_variance=prior_log_variance,
        )


def kl_between(mu: Tensor, log_variance: Tensor, prior_mu: Tensor, prior_log: Tensor) -> Tensor:
    """Return the divergence of a diagonal normal from another, mean over images and latents.

    Parameters
    ----------
    mu, log_variance : tensors of shape (B, latent)
    prior_mu, prior_log : tensors of shape (B, latent)
        Of the other.
    """
    squares = log_variance.exp() + (mu - prior_mu).square()
    return 0.5 * (prior_log - log_variance + squares * torch.exp(-prior_log) - 1).mean()


def loss(
    settings: Mapping[str, Any],
) -> Callable[[nn.Module, dict[str, Tensor], int, torch.Generator], Terms]:
    """Return what `train.fit` minimises: as of stage 2, with the divergence from the prior.

    The decoder also sees each image with the mean of the prior, which is what it will be given at
    test: otherwise it would learn to rely on a latent vector that knows the response.

    Parameters
    ----------
    settings : mapping
        Section ``loss_stage2``.
    """

    def value(
        model: nn.Module, batch: dict[str, Tensor], epoch: int, draws: torch.Generator
    ) -> Terms:
        given = [batch[name] for name in ("global", "mean_token", "rois")]
        output = model(*given, voxels=batch["voxels"], generator=draws)
        terms = {
            "mse": F.mse_loss(model(*given).voxels.float(), batch["voxels"]),
            "mse_posterior": F.mse_loss(output.voxels.float(), batch["voxels"]),
            "kl": kl_between(
                output.mu, output.log_variance, output.prior_mu, output.prior_log_variance
            ),
        }
        errors = 0.5 * (terms["mse"] + terms["mse_posterior"])
        total = errors + kl_weight(epoch, settings) * terms["kl"]
        return total, {name: term.detach() for name, term in terms.items()}

    return value


def _gaussian(values: Tensor) -> tuple[Tensor, Tensor]:
    """Split values (B, 2 latent) into a mean and a log variance that cannot overflow."""
    mu, log_variance = values.float().chunk(2, 1)
    return mu, log_variance.clamp(-LARGEST_LOG_VARIANCE, LARGEST_LOG_VARIANCE)
