"""The same students fitted to raw data: slow, plain, and for tests and benchmarks only.

Inputs, recordings and labels are drawn sample by sample and fitted as the paper describes; the
coordinates are those in which the brain sees the first k inputs.
"""

from __future__ import annotations

import numpy as np

from brainworth.befs.model import Brain


def learn_subspace(brain: Brain, n_brain: int, rng: np.random.Generator) -> np.ndarray:
    """Draw brain data and fit the encoding model by reduced-rank regression (lemma 6).

    Returns
    -------
    array of shape (d, k)
        Orthonormal basis of the learned subspace.
    """
    inputs = rng.standard_normal((n_brain, brain.d))
    latents = inputs[:, : brain.k]
    latents = latents + rng.standard_normal(latents.shape) @ _root(brain.latent_covariance(brain.k))
    noise = rng.standard_normal((n_brain, brain.n))
    if np.ndim(brain.measurement_noise) == 0:
        noise *= np.sqrt(brain.measurement_noise)
    else:
        noise = noise @ _root(brain.measurement_noise)
    recordings = latents @ brain.matrix.T + noise
    gram = inputs.T @ inputs
    coefficients = np.linalg.solve(gram, inputs.T @ recordings)
    fitted = coefficients.T @ gram @ coefficients
    top = np.linalg.eigh(fitted)[1][:, -brain.k :]
    return np.linalg.qr(coefficients @ top)[0]


def task_vector(
    brain: Brain,
    misalignment: float,
    rng: np.random.Generator,
    direction: np.ndarray | None = None,
) -> np.ndarray:
    """Draw task coefficients of squared length 1, of which `misalignment` is not seen.

    Parameters
    ----------
    direction : array of shape (k,), optional
        Direction of the aligned part; random if not given.
    """
    seen = rng.standard_normal(brain.k) if direction is None else np.asarray(direction, float)
    ignored = rng.standard_normal(brain.p)
    seen = seen * np.sqrt(1 - misalignment) / np.linalg.norm(seen)
    ignored = ignored * np.sqrt(misalignment) / np.linalg.norm(ignored)
    return np.concatenate([seen, ignored])


def learn_task(
    basis: np.ndarray,
    beta: np.ndarray,
    noise: float,
    n_task: int,
    kappa: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw task data and fit the penalised student.

    Parameters
    ----------
    basis : array of shape (d, k)
        Of the learned subspace; k = 0 gives ridge regression.
    beta : array of shape (d,)
    noise : float
        Variance of the label noise.
    n_task : int
    kappa : array of shape (l,)
        Penalties N_t lambda, one fit each.

    Returns
    -------
    array of shape (l, d)
        Errors of the coefficients.
    """
    inputs = rng.standard_normal((n_task, beta.size))
    labels = inputs @ beta + np.sqrt(noise) * rng.standard_normal(n_task)
    complement = np.eye(beta.size) - basis @ basis.T
    gram, moments = inputs.T @ inputs, inputs.T @ labels
    return np.stack([np.linalg.solve(gram + each * complement, moments) - beta for each in kappa])


def shifted_covariances(k: int, beta: np.ndarray, strength: float) -> dict[str, np.ndarray]:
    """Return the test covariances of `shift`: isotropic, on, off, and the missed direction."""
    d = beta.size
    on = np.diag((np.arange(d) < k).astype(float))
    ignored = np.where(np.arange(d) < k, 0.0, beta)
    length = np.linalg.norm(ignored)
    unit = ignored / length if length > 0 else ignored
    return {
        "isotropic": np.eye(d),
        "on": on,
        "off": np.eye(d) - on,
        "missed": np.eye(d) + strength * np.outer(unit, unit),
    }


def _root(covariance: np.ndarray) -> np.ndarray:
    values, axes = np.linalg.eigh(covariance)
    return (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
