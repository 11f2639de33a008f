"""Permutation test of RDM similarity: every subject's stimuli are relabelled independently.

Independent relabellings give each pair of subjects its exact marginal null and all pairs their
joint null: relative relabellings compose, which one relabelling shared by all pairs would violate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import squareform

from brainworth import stats
from brainworth.erosion.compiled import in_blocks, kernel

BLOCK = 25
# Matrices of more stimuli leave the second-level cache, and are kept as 16-bit integers.
MOST_STIMULI_AS_FLOATS = 256


def draw(seed: int, subjects: Sequence[str], n_permutations: int, n_stimuli: int) -> np.ndarray:
    """Draw relabellings of the stimuli for each subject.

    Parameters
    ----------
    seed : int
        Root seed of the study.
    subjects : sequence of str
        A subject's relabellings depend on its name only, not on who else is there.
    n_permutations : int
    n_stimuli : int

    Returns
    -------
    array of shape (S, n_permutations, I), uint16 or uint32
        Use the same ones in every region, so that a maximum over regions has its joint null.
    """
    kind = np.uint16 if n_stimuli <= np.iinfo(np.uint16).max + 1 else np.uint32
    identity = np.arange(n_stimuli, dtype=kind)
    answer = np.empty((len(subjects), n_permutations, n_stimuli), dtype=kind)
    for own, subject in zip(answer, subjects, strict=True):
        own[:] = identity
        stats.stream(seed, "rsa", "permutation", subject).permuted(own, axis=1, out=own)
    return answer


def similarities(
    standardised: np.ndarray, permutations: np.ndarray, n_threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Compare all pairs of subjects, as they are and relabelled.

    Parameters
    ----------
    standardised : array of shape (S, P)
        RDMs from `compare.standardise`.
    permutations : array of shape (S, m, I), unsigned integer
        Relabellings from `draw`.
    n_threads : int
        Does not change the result.

    Returns
    -------
    observed : array of shape (S (S - 1) / 2,)
        Similarity of each pair, in the order of `numpy.triu_indices(S, 1)`.
    null : array of shape (m, S (S - 1) / 2)
        The same by the same code after relabelling, so that equal similarities tie exactly.

    Notes
    -----
    Both are rounded, to about 1e-7: they are for p-values, and for estimates there is `compare`.
    """
    n_subjects, n_permutations, n_stimuli = permutations.shape
    matrices, scale = _compact(standardised, n_stimuli)
    identity = np.arange(n_stimuli, dtype=permutations.dtype)
    pairs = n_subjects * (n_subjects - 1) // 2
    observed, null = np.empty((1, pairs)), np.empty((n_permutations, pairs))
    _relabelled(matrices, np.broadcast_to(identity, (n_subjects, 1, n_stimuli)).copy(), observed)
    in_blocks(
        lambda part: _relabelled(matrices, np.ascontiguousarray(permutations[:, part]), null[part]),
        n_permutations,
        BLOCK,
        n_threads,
    )
    s, t = np.triu_indices(n_subjects, 1)
    null /= scale[s] * scale[t]
    return observed[0] / (scale[s] * scale[t]), null


def mean_similarity(
    standardised: np.ndarray, permutations: np.ndarray, n_threads: int = 1
) -> tuple[float, np.ndarray]:
    """Compare all pairs of subjects, as they are and relabelled, and return means over pairs only.

    A third of the work of `similarities`: the mean follows from the length of the sum of all RDMs.

    Parameters
    ----------
    standardised, permutations, n_threads
        As for `similarities`.

    Returns
    -------
    observed : float
    null : array of shape (m,)
        By the same code, and rounded as in `similarities`.
    """
    n_subjects, n_permutations, n_stimuli = permutations.shape
    matrices, scale = _compact(standardised, n_stimuli, common=True)
    identity = np.arange(n_stimuli, dtype=permutations.dtype)
    observed, null = np.empty(1), np.empty(n_permutations)
    _squared_sums(matrices, np.broadcast_to(identity, (n_subjects, 1, n_stimuli)).copy(), observed)
    in_blocks(
        lambda part: _squared_sums(
            matrices, np.ascontiguousarray(permutations[:, part]), null[part]
        ),
        n_permutations,
        BLOCK,
        n_threads,
    )
    own = sum(float(np.sum(one.astype(np.float64) ** 2)) / 2 for one in matrices)
    unit = scale[0] ** 2 * n_subjects * (n_subjects - 1)
    return float(observed[0] - own) / unit, (null - own) / unit


def _compact(
    standardised: np.ndarray, n_stimuli: int, *, common: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return square matrices in a small type, and what each subject's was multiplied by.

    With `common`, by the same number for all.
    """
    if n_stimuli <= MOST_STIMULI_AS_FLOATS:
        floats = [squareform(row.astype(np.float32)) for row in standardised]
        return np.stack(floats), np.ones(len(floats))
    scale = np.iinfo(np.int16).max / np.abs(standardised).max(axis=1)
    if common:
        scale[:] = scale.min()
    rounded = np.rint(standardised * scale[:, None]).astype(np.int16)
    return np.stack([squareform(row) for row in rounded]), scale


@kernel
def _squared_sums(matrices, permutations, answer):  # pragma: no cover
    """Fill answer[m] with the squared length of the sum of relabelled upper triangles."""
    n_subjects, n_permutations, n_stimuli = permutations.shape
    total = np.empty(n_stimuli, np.float32)
    gathered = np.empty(n_stimuli, matrices.dtype)
    relative = np.empty((n_subjects, n_stimuli), permutations.dtype)
    for m in range(n_permutations):
        for s in range(1, n_subjects):
            for i in range(n_stimuli):
                relative[s, permutations[0, m, i]] = permutations[s, m, i]
        squares = 0.0
        for i in range(n_stimuli - 1):
            n = n_stimuli - 1 - i
            own = matrices[0, i, i + 1 :]
            for j in range(n):
                total[j] = own[j]
            for s in range(1, n_subjects):
                labels = relative[s, i + 1 :]
                source = matrices[s, relative[s, i]]
                for j in range(n):
                    gathered[j] = source[labels[j]]
                for j in range(n):
                    total[j] += gathered[j]
            row = np.float32(0)
            for j in range(n):
                row += total[j] * total[j]
            squares += row
        answer[m] = squares


@kernel
def _relabelled(matrices, permutations, answer):  # pragma: no cover
    """Fill answer[m, pair] with the dot products of relabelled upper triangles.

    Row by row, all subjects are gathered into a buffer that stays in the first-level cache, and all
    pairs are multiplied there: the matrices are read once a permutation, not once a pair.
    """
    n_subjects, n_permutations, n_stimuli = permutations.shape
    # A row of zeros makes the number of subjects even.
    rows = np.zeros((n_subjects + n_subjects % 2, n_stimuli), np.float32)
    gathered = np.empty(n_stimuli, matrices.dtype)
    sums = np.empty((len(rows), len(rows)))
    relative = np.empty((n_subjects, n_stimuli), permutations.dtype)
    for m in range(n_permutations):
        # Only relative labels matter, so the first subject keeps its own: one gather less.
        for s in range(1, n_subjects):
            for i in range(n_stimuli):
                relative[s, permutations[0, m, i]] = permutations[s, m, i]
        sums[:] = 0
        for i in range(n_stimuli - 1):
            n = n_stimuli - 1 - i
            own = matrices[0, i, i + 1 :]
            row = rows[0]
            for j in range(n):
                row[j] = own[j]
            for s in range(1, n_subjects):
                labels = relative[s, i + 1 :]
                source = matrices[s, relative[s, i]]
                for j in range(n):
                    gathered[j] = source[labels[j]]
                row = rows[s]
                for j in range(n):
                    row[j] = gathered[j]
            _add_products(rows, n, sums)
        pair = 0
        for s in range(n_subjects):
            for t in range(s + 1, n_subjects):
                answer[m, pair] = sums[s, t]
                pair += 1


@kernel
def _add_products(rows, n, sums):  # pragma: no cover
    """Add the dot products of the first n columns to the upper triangle of `sums`.

    Two rows by two at a time: every number that is loaded is used twice.
    """
    for s in range(0, len(rows), 2):
        a, b = rows[s], rows[s + 1]
        ab = np.float32(0)
        for j in range(n):
            ab += a[j] * b[j]
        sums[s, s + 1] += ab
        for t in range(s + 2, len(rows), 2):
            c, d = rows[t], rows[t + 1]
            ac = ad = bc = bd = np.float32(0)
            for j in range(n):
                ac += a[j] * c[j]
                ad += a[j] * d[j]
                bc += b[j] * c[j]
                bd += b[j] * d[j]
            sums[s, t] += ac
            sums[s, t + 1] += ad
            sums[s + 1, t] += bc
            sums[s + 1, t + 1] += bd
