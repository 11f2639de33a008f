"""Comparison of RDMs, under rsatoolbox's names.

``corr`` is Pearson's correlation of the dissimilarities, ``spearman`` the same of their ranks,
``rho-a`` the expectation of Spearman's over random tie breaking, ``cosine`` is not centred. Each is
the dot product of vectors that are standardised once, which is what makes permutation tests fast.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainworth.errors import BrainworthError

COMPARISONS = ("spearman", "corr", "rho-a", "cosine")
RANKED = ("spearman", "rho-a")


def standardise(
    vectors: np.ndarray, comparison: str, names: Sequence[str] | None = None
) -> np.ndarray:
    """Scale RDMs so that the dot product of two rows is their comparison.

    Parameters
    ----------
    vectors : array of shape (..., P)
        Condensed RDMs.
    comparison : {"spearman", "corr", "rho-a", "cosine"}
    names : sequence of str, optional
        What to call each RDM in an error; by default its index.

    Returns
    -------
    array of shape (..., P), float64

    Raises
    ------
    BrainworthError
        If an RDM holds NaN or infinity or is constant (for ``cosine``: all zero).
    """
    _require_known(comparison)
    vectors = np.asarray(vectors, dtype=np.float64)
    rows = vectors.reshape(-1, vectors.shape[-1])
    _require_comparable(rows, comparison, names)
    if comparison in RANKED:
        rows = ranks(rows)
    centre = 0.0 if comparison == "cosine" else rows.mean(axis=1, keepdims=True)
    standard = rows - centre
    if comparison == "rho-a":
        n = rows.shape[1]
        standard /= np.sqrt((float(n) ** 3 - n) / 12)
    else:
        # Dividing by the largest value first keeps the squares of tiny distances from vanishing.
        standard /= np.abs(standard).max(axis=1, keepdims=True)
        standard /= np.sqrt(np.einsum("ij,ij->i", standard, standard))[:, None]
    return standard.reshape(vectors.shape)


def compare(a: np.ndarray, b: np.ndarray, comparison: str) -> np.ndarray:
    """Compare every RDM of one set with every RDM of another.

    Parameters
    ----------
    a : array of shape (S, P)
    b : array of shape (T, P)
    comparison : {"spearman", "corr", "rho-a", "cosine"}

    Returns
    -------
    array of shape (S, T)
        The same numbers as rsatoolbox's ``compare``.
    """
    left = standardise(a, comparison)
    right = left if b is a else standardise(b, comparison)
    return left @ right.T


def noise_ceiling(vectors: np.ndarray, comparison: str) -> tuple[float, float]:
    """Return the lower and upper noise ceiling of a group of RDMs (Nili et al. 2014).

    Parameters
    ----------
    vectors : array of shape (S, P)
        RDMs of S >= 2 subjects.
    comparison : {"spearman", "corr", "rho-a", "cosine"}

    Returns
    -------
    lower, upper : float
        Mean over subjects of the comparison with the pooled RDM of the other subjects (lower)
        and of all subjects (upper); the same numbers as rsatoolbox's ``boot_noise_ceiling``.
    """
    own = standardise(vectors, comparison)
    names = ["the pooled RDM"] * len(own)
    others, everyone = (
        standardise(pool, comparison, names) for pool in pooled(vectors, comparison)
    )
    return float(np.einsum("ij,ij->i", own, others).mean()), float((own @ everyone).mean())


def pooled(vectors: np.ndarray, comparison: str) -> tuple[np.ndarray, np.ndarray]:
    """Pool RDMs into the one that is most similar to all of them, with one left out and with none.

    Parameters
    ----------
    vectors : array of shape (S, P)
        RDMs of S >= 2 subjects.
    comparison : {"spearman", "corr", "rho-a", "cosine"}

    Returns
    -------
    others : array of shape (S, P)
        For each subject, the sum over the other subjects of ranks (``spearman``, ``rho-a``) or of
        standardised dissimilarities.
    everyone : array of shape (P,)
        The same sum over all subjects.
    """
    _require_known(comparison)
    if len(vectors) < 2:
        raise BrainworthError(f"a noise ceiling needs at least 2 subjects, there is {len(vectors)}")
    # Sums of mid-ranks are exact in floating point, so ties between sums survive.
    scaled = ranks(vectors) if comparison in RANKED else standardise(vectors, comparison)
    everyone = scaled.sum(axis=0)
    return everyone - scaled, everyone


def ranks(vectors: np.ndarray) -> np.ndarray:
    """Rank each row from 1; ties get the mean of their ranks.

    Parameters
    ----------
    vectors : array of shape (S, P)

    Returns
    -------
    array of shape (S, P), float64
    """
    answer = np.empty(vectors.shape)
    for row, values in zip(answer, vectors, strict=True):
        order = np.argsort(values)
        ordered = values[order]
        first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        counts = np.diff(first, append=values.size)
        row[order] = np.repeat(first + (counts + 1) / 2, counts)
    return answer


def _require_known(comparison: str) -> None:
    if comparison not in COMPARISONS:
        raise BrainworthError(
            f"unknown comparison {comparison!r}; choose one of {', '.join(COMPARISONS)}"
        )


def _require_comparable(rows: np.ndarray, comparison: str, names: Sequence[str] | None) -> None:
    for index, row in enumerate(rows):
        name = f"RDM {index}" if names is None else names[index]
        if row.size < 2:
            raise BrainworthError(
                f"{name} has {row.size} dissimilarities; a comparison needs at least 3 stimuli"
            )
        low, high = row.min(), row.max()
        if not np.isfinite(high - low):
            raise BrainworthError(f"{name} holds NaN or infinity; check what it was computed from")
        if low == high and (comparison != "cosine" or high == 0):
            raise BrainworthError(
                f"{name} is constant (every dissimilarity is {high:g}), so its similarity to other "
                "RDMs is undefined; check what it was computed from or leave it out"
            )
