"""Draws of stage 1, exact in law and at a cost that does not depend on N_b.

With X = Q R, reduced-rank regression needs of N_b samples only the d x d triangle R, whose squared
diagonal is chi-squared (Bartlett), and d rows of rotated recordings, Y = Q' [recordings]. As what
the brain ignores may be rotated, only k x k blocks of R and the Gram matrix of the ignored rows of
Y are needed, and these have laws of their own (derived here). The same normal variates serve all
N_b, and the chi-squared ones grow by independent increments.
"""

from __future__ import annotations

import numpy as np

from brainworth.befs import domain
from brainworth.befs.model import Brain
from brainworth.befs.overlap import Overlap


def draw(
    brain: Brain,
    n_brain: np.ndarray,
    n_draws: int,
    rng: np.random.Generator,
    direction: np.ndarray | None = None,
) -> Overlap:
    """Draw learned subspaces, averaged over rotations of what the brain ignores.

    Parameters
    ----------
    brain : Brain
    n_brain : array of shape (m,)
        Brain samples, ascending whole numbers of d + 2 or more.
    n_draws : int
    rng : numpy Generator
    direction : array of shape (k,), optional
        Direction of the aligned part of the task among the latents; averaged over if not given.

    Returns
    -------
    Overlap
        Of arrays of shape (n_draws, m): common random numbers along the second axis.
    """
    overlaps = [
        of_projector(brain.d, block, direction)
        for block in projector_blocks(brain, n_brain, n_draws, rng)
    ]
    return stacked(overlaps)


def projector_blocks(
    brain: Brain, n_brain: np.ndarray, n_draws: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Draw the block of the learned projector on the inputs that the brain sees.

    Returns
    -------
    list of m arrays of shape (n_draws, k, k)
        A P_hat A', one a number of brain samples, for the same random numbers.
    """
    samples = domain.brain_samples(n_brain, brain.d).astype(int)
    k, p, n = brain.k, brain.p, brain.n
    factor = _root(brain.recording_covariance())
    seen_noise = rng.standard_normal((n_draws, k, n)) @ factor.T
    ignored = bartlett(rng, n_draws, p, n) @ factor.T
    ignored_gram = np.swapaxes(ignored, 1, 2) @ ignored
    turn = rng.standard_normal((n_draws, k, k))
    triangles = growing_bartlett(rng, n_draws, samples, k)
    inner = growing_bartlett(rng, n_draws, samples - brain.d + k, k)
    blocks = []
    for triangle, wishart in zip(triangles, inner, strict=True):
        seen = triangle @ brain.matrix.T + seen_noise
        gram = np.swapaxes(seen, 1, 2) @ seen + ignored_gram
        top = np.linalg.eigh(gram)[1][:, :, -k:]
        # (outside)' (outside) of the learned directions, given the noise in the ignored rows
        spread = np.swapaxes(top, 1, 2) @ ignored_gram @ top
        half = np.linalg.solve(np.swapaxes(wishart, 1, 2), _cholesky_transposed(spread))
        outside = np.swapaxes(half, 1, 2) @ half
        # a normal matrix with this covariance: any square root has the same law
        leaking = turn @ _cholesky_transposed(outside)
        inside = np.linalg.solve(triangle, seen @ top - leaking)
        total = np.swapaxes(inside, 1, 2) @ inside + outside
        blocks.append(inside @ np.linalg.solve(total, np.swapaxes(inside, 1, 2)))
    return blocks


def of_projector(d: int, block: np.ndarray, direction: np.ndarray | None = None) -> Overlap:
    """Return the overlap of learned projectors given their block C = A P_hat A'.

    Parameters
    ----------
    d : int
    block : array of shape (..., k, k)
    direction : array of shape (k,), optional

    Notes
    -----
    Averaged over rotations of what the brain ignores: there the projector has the eigenvalues
    1 - c_i besides zeros, and the part between has squared length tr(C - C^2).
    """
    k = block.shape[-1]
    p = d - k
    trace = np.einsum("...ii->...", block)
    square = np.einsum("...ij,...ji->...", block, block)
    leak = k - trace
    outside_square = p - 2 * leak + (k - 2 * trace + square)
    if direction is None:
        aligned, on_aligned = leak / k, (k - 2 * trace + square) / k
    else:
        unit = np.asarray(direction) / np.linalg.norm(direction)
        left = unit - block @ unit
        aligned, on_aligned = left @ unit, np.sum(left**2, axis=-1)
    return Overlap(
        d,
        k,
        aligned=aligned,
        misaligned=1 - leak / p,
        leak=leak,
        on_aligned=on_aligned,
        on_misaligned=(trace - square) / p,
        misaligned_square=((p - leak) ** 2 + 2 * outside_square) / (p * (p + 2)),
    )


def stacked(overlaps: list[Overlap]) -> Overlap:
    """Return overlaps of one shape along a new last axis."""
    first = overlaps[0]
    names = list(first.__dataclass_fields__)[2:]
    arrays = (np.stack([getattr(each, name) for each in overlaps], axis=-1) for name in names)
    return Overlap(first.d, first.k, *arrays)


def bartlett(rng: np.random.Generator, n_draws: int, freedom: int, size: int) -> np.ndarray:
    """Draw the triangle R of the QR decomposition of standard normal (freedom, size) matrices.

    Returns
    -------
    array of shape (n_draws, min(freedom, size), size)
    """
    rows = min(freedom, size)
    triangle = np.triu(rng.standard_normal((n_draws, rows, size)), 1)
    diagonal = np.arange(rows)
    triangle[:, diagonal, diagonal] = np.sqrt(rng.chisquare(freedom - diagonal, (n_draws, rows)))
    return triangle


def growing_bartlett(
    rng: np.random.Generator, n_draws: int, freedom: np.ndarray, size: int
) -> list[np.ndarray]:
    """Draw such triangles for ascending degrees of freedom from common random numbers.

    Returns
    -------
    list of arrays of shape (n_draws, size, size)
    """
    above = np.triu(rng.standard_normal((n_draws, size, size)), 1)
    squares = growing_chi_squares(rng, n_draws, freedom[:, None] - np.arange(size))
    diagonal = np.arange(size)
    triangles = []
    for square in np.moveaxis(squares, 1, 0):
        triangle = above.copy()
        triangle[:, diagonal, diagonal] = np.sqrt(square)
        triangles.append(triangle)
    return triangles


def growing_chi_squares(rng: np.random.Generator, n_draws: int, freedom: np.ndarray) -> np.ndarray:
    """Draw chi-squared variates that grow by independent increments along the first axis.

    Parameters
    ----------
    freedom : array of shape (m, ...)
        Degrees of freedom, not descending; 0 or below gives 0.

    Returns
    -------
    array of shape (n_draws, m, ...)
    """
    added = np.diff(np.maximum(freedom, 0), axis=0, prepend=0)
    steps = 2 * rng.standard_gamma(added / 2, (n_draws, *added.shape))
    return np.cumsum(steps, axis=1)


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return F with F F' the covariance, which may be singular."""
    values, axes = np.linalg.eigh(covariance)
    return axes * np.sqrt(np.maximum(values, 0))


def _cholesky_transposed(matrices: np.ndarray) -> np.ndarray:
    """Return F with F' F the matrices."""
    return np.swapaxes(np.linalg.cholesky(matrices), 1, 2)
