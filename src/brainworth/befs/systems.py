"""The systems of a study, from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainworth.befs import model
from brainworth.befs.model import Brain
from brainworth.stats import stream


def brain(settings: Mapping[str, Any], seed: int, **changes: Any) -> Brain:
    """Return the brain of a section ``befs.fmri`` or ``befs.small``.

    Parameters
    ----------
    settings : mapping
        ``inputs``, ``latents``, ``channels``, ``latents_per_channel``, ``stimulus_share`` and
        ``latent_share_of_noise``.
    seed : int
        Root seed; the pooling matrix depends on it and on the sizes alone.
    **changes
        Take the place of settings.
    """
    chosen = {**settings, **changes}
    latents, channels = chosen["latents"], chosen["channels"]
    rng = stream(seed, "befs", "pooling", channels, latents, chosen["latents_per_channel"])
    return model.calibrated(
        chosen["inputs"],
        model.pooling(channels, latents, chosen["latents_per_channel"], rng),
        stimulus=chosen["stimulus_share"],
        latent_share=chosen["latent_share_of_noise"],
    )


def described(system: Brain) -> dict[str, Any]:
    """Return what a reader needs to know of a system."""
    b = system.strengths
    return {
        "d": system.d,
        "k": system.k,
        "n": system.n,
        "brain_snr": system.snr,
        "latent_noise": system.latent_noise,
        "measurement_noise": system.measurement_noise,
        "mean_effective_noise": float(np.trace(system.gamma) / system.k),
        "gram_eigenvalues": [float(b[0]), float(np.median(b)), float(b[-1])],
    }


def samples(first: float, last: float, n: int) -> np.ndarray:
    """Return n whole numbers of samples, evenly spaced on a logarithmic scale."""
    return np.round(np.geomspace(first, last, n))
