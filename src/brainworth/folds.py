"""Cross-validation folds over stimuli."""

from __future__ import annotations

import numpy as np


def folds(n: int, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Assign units to folds of equal size, at random.

    Parameters
    ----------
    n : int
        Units, e.g. stimuli: all trials of a stimulus belong to one fold.
    n_folds : int
        At most `n`.

    Returns
    -------
    array of shape (n,), int
        Fold of each unit, 0..n_folds-1; sizes differ by one at most.

    Raises
    ------
    ValueError
        If there are fewer units than folds, or fewer than two folds.
    """
    if not 2 <= n_folds <= n:
        raise ValueError(f"{n} units cannot be split into {n_folds} folds")
    return rng.permutation(np.arange(n) % n_folds)
