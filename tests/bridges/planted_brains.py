"""Small linear-Gaussian brains and tasks with a known truth."""

import numpy as np

from brainworth.befs.model import Brain

D, K, V = 24, 4, 40


def brain(seed, *, noise=1.0, d=D, k=K, n=V):
    """Draw a brain whose latents drive channels with random weights."""
    rng = np.random.default_rng([seed, 7])
    weights = rng.normal(size=(n, k)) * np.geomspace(1.3, 0.7, k)
    return Brain(d, weights, 0.1 * noise, 2.0 * noise)


def axes(seed, brain):
    """Draw the subspace of inputs that a brain sees, shape (d, k)."""
    rng = np.random.default_rng([seed, 8])
    return np.linalg.qr(rng.normal(size=(brain.d, brain.k)))[0]


def samples(brain, seen, n, rng, *, log_sd=0.0):
    """Draw n brain samples: inputs (n, d) and recordings (n, V), float32.

    The log variance of a trial's noise has the SD `log_sd` over trials, its mean variance is 1.
    """
    x = rng.normal(size=(n, brain.d))
    sizes = np.exp(log_sd * rng.normal(size=(n, 1)) / 2 - log_sd**2 / 4)
    latents = x @ seen + sizes * np.sqrt(brain.latent_noise) * rng.normal(size=(n, brain.k))
    noise = sizes * np.sqrt(brain.measurement_noise) * rng.normal(size=(n, brain.n))
    return x, (latents @ brain.matrix.T + noise).astype(np.float32)


def task(seen, misalignment, rng):
    """Draw a task of length 1, shape (d,)."""
    d = len(seen)
    inside, outside = seen @ rng.normal(size=seen.shape[1]), rng.normal(size=d)
    outside -= seen @ (seen.T @ outside)
    return np.sqrt(1 - misalignment) * inside / np.linalg.norm(inside) + np.sqrt(
        misalignment
    ) * outside / np.linalg.norm(outside)
