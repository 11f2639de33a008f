"""Draws of stage 1 for large systems, such as fMRI with d = 4096, k = 410 and n = 10000.

The same law as `sample_stage1`, for noise that is equal in all latents and all channels: recordings
are rotated so that B fills the first k channels and the other n - k hold noise alone. Of these only
the d x d triangle of their Gram matrix is drawn (Bartlett), and the top-k subspace is found by
subspace iteration; no matrix with n rows or N_b rows ever exists.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg
from scipy.linalg import blas

from brainworth.befs import domain
from brainworth.befs.model import Brain
from brainworth.befs.overlap import Overlap
from brainworth.befs.sample_stage1 import growing_bartlett, of_projector, stacked
from brainworth.errors import BrainworthError

#: Multiplications between two orthonormalisations, and at most how many such rounds.
STEPS, ROUNDS = 3, 15
#: Largest change of the subspace, relative to its dimension, that counts as converged.
TOLERANCE = 1e-9


def draw(brain: Brain, n_brain: np.ndarray, rng: np.random.Generator) -> Overlap:
    """Draw one learned subspace for each number of brain samples, from common random numbers.

    Parameters
    ----------
    brain : Brain
        With isotropic noise.
    n_brain : array of shape (m,)
        Brain samples, ascending whole numbers of d + 2 or more.
    rng : numpy Generator

    Returns
    -------
    Overlap
        Of arrays of shape (m,), averaged over directions of the aligned part of the task.

    Raises
    ------
    BrainworthError
        If the noise is not isotropic.
    """
    if not brain.isotropic:
        raise BrainworthError(
            "large systems are drawn for noise that is equal in all latents and in all channels; "
            "give numbers, not matrices, or use sample_stage1.draw"
        )
    samples = domain.brain_samples(n_brain, brain.d).astype(int)
    k, p = brain.k, brain.p
    b = brain.strengths
    deviation = np.sqrt(brain.latent_noise * b + brain.measurement_noise)
    seen_noise = rng.standard_normal((k, k)) * deviation
    ignored = _triangle(rng, p, k) * deviation
    turn = rng.standard_normal((k, k))
    triangles = growing_bartlett(rng, 1, samples, k)
    inner = growing_bartlett(rng, 1, samples - brain.d + k, k)
    noise = _other_channels(brain, rng)
    overlaps = []
    for triangle, wishart in zip(triangles, inner, strict=True):
        signal = np.zeros((brain.d, k), order="F")
        signal[:k] = triangle[0] * np.sqrt(b) + seen_noise
        signal[k : k + len(ignored)] = ignored
        learned = _top_subspace(signal, noise)
        seen = learned[:k]
        spread = np.eye(k) - seen.T @ seen
        root = linalg.cholesky(_symmetric(spread))
        half = linalg.solve_triangular(wishart[0], root, trans="T")
        outside = half.T @ half
        leaking = turn @ linalg.cholesky(_symmetric(outside))
        inside = linalg.solve_triangular(triangle[0], seen - leaking)
        total = inside.T @ inside + outside
        block = inside @ linalg.solve(total, inside.T, assume_a="pos")
        overlaps.append(of_projector(brain.d, block))
    return stacked(overlaps)


def _other_channels(brain: Brain, rng: np.random.Generator) -> np.ndarray:
    """Draw the noise of the n - k channels without signal, up to a rotation of the channels.

    Returns
    -------
    array of shape (d, min(d, n - k))
        Lower triangular where there are at least d such channels.
    """
    others = brain.n - brain.k
    noise = np.asfortranarray(rng.standard_normal((brain.d, min(brain.d, others))))
    if others >= brain.d:
        np.fill_diagonal(noise, np.sqrt(rng.chisquare(others - np.arange(brain.d))))
    noise *= np.sqrt(brain.measurement_noise)
    return noise


def _times_gram(noise: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return N N' V, reading only the lower triangle of a square N."""
    if noise.shape[0] != noise.shape[1]:
        return noise @ (noise.T @ vectors)
    half = blas.dtrmm(1.0, noise, vectors, lower=1, trans_a=1)
    return blas.dtrmm(1.0, noise, half, lower=1, overwrite_b=1)


def _top_subspace(signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of the top-k eigenspace of S S' + N N', S of shape (d, k)."""
    size = signal.shape[1]
    basis = _orthonormal(signal)
    for _ in range(ROUNDS):
        before = basis
        for _ in range(STEPS):
            basis = signal @ (signal.T @ basis) + _times_gram(noise, basis)
        basis = _orthonormal(basis)
        # squared distance of the two subspaces
        if size - np.sum((before.T @ basis) ** 2) < TOLERANCE * size:
            return basis
    # the last latents are nearly as weak as the noise: solve the dense problem
    dense = signal @ signal.T + _times_gram(noise, np.eye(len(noise), order="F"))
    last = len(dense) - 1
    return linalg.eigh(dense, subset_by_index=(last - size + 1, last), overwrite_a=True)[1]


def _orthonormal(vectors: np.ndarray) -> np.ndarray:
    """Orthonormalise columns of moderate condition by the Cholesky factor of their Gram matrix."""
    root = linalg.cholesky(vectors.T @ vectors)
    return np.asfortranarray(blas.dtrsm(1.0, root, np.asfortranarray(vectors), side=1))


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return (matrix + matrix.T) / 2


def _triangle(rng: np.random.Generator, freedom: int, size: int) -> np.ndarray:
    rows = min(freedom, size)
    triangle = np.triu(rng.standard_normal((rows, size)), 1)
    np.fill_diagonal(triangle, np.sqrt(rng.chisquare(freedom - np.arange(rows))))
    return triangle
