"""Orthogonal Procrustes alignment of pairs (Schönemann 1966) and of groups (Gower 1975).

All that a rotation needs is the cross-product of two sets of scores, so that groups are aligned
from small matrices, whatever the number of stimuli.
"""

from __future__ import annotations

import numpy as np


def rotation(cross: np.ndarray) -> np.ndarray:
    """Return the orthogonal Q that maximises tr(Q' cross).

    Parameters
    ----------
    cross : array of shape (D, D)
        X'Y of scores X, Y of shape (I, D): then X Q is as close to Y as a rotation or reflection
        can bring it, and Q is the one of `scipy.linalg.orthogonal_procrustes(X, Y)`.
    """
    left, _, right = np.linalg.svd(cross)
    return left @ right


def generalized(
    cross: np.ndarray, start: np.ndarray | None = None, tolerance: float = 1e-5, most: int = 100
) -> np.ndarray:
    """Rotate all members of a group to their common mean.

    Every member in turn is rotated to the mean of the others, until the sum of cross-products of
    all pairs, which each step can only raise, stops growing.

    Parameters
    ----------
    cross : array of shape (S, S, D, D)
        ``cross[s, t]`` is X_s' X_t.
    start : array of shape (S, D, D), optional
        Rotations to begin with; by default, everyone's to the first member.
    tolerance : float
        Relative growth in one round below which it stops.
    most : int
        Rounds at most.

    Returns
    -------
    array of shape (S, D, D)
        Q_s; deterministic. The group as a whole may be rotated freely.
    """
    n = len(cross)
    if n == 1:
        return np.eye(cross.shape[-1])[None] if start is None else start.copy()
    q = np.stack([rotation(cross[s, 0]) for s in range(n)]) if start is None else start.copy()
    before = -np.inf
    for _ in range(most):
        fit = 0.0
        for s in range(n):
            target = sum(cross[s, t] @ q[t] for t in range(n) if t != s)
            q[s] = rotation(target)
            fit += float(np.sum(q[s] * target))
        if fit - before <= tolerance * abs(fit):
            break
        before = fit
    return q


def cross_products(scores: np.ndarray) -> np.ndarray:
    """Return the cross-products of all pairs of score matrices (S, I, D): (S, S, D, D)."""
    n_subjects, _, n = scores.shape
    flat = scores.transpose(0, 2, 1).reshape(n_subjects * n, -1)
    product = flat @ flat.T
    return product.reshape(n_subjects, n, n_subjects, n).transpose(0, 2, 1, 3)
