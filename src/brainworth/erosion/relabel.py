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
        The same by the same single-precision code (errors near 1e-8) after relabelling, so that
        equal similarities tie exactly.
    """
    n_subjects, n_permutations, n_stimuli = permutations.shape
    matrices = np.stack([squareform(row.astype(np.float32)) for row in standardised])
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
    return observed[0], null


@kernel
def _relabelled(matrices, permutations, answer):  # pragma: no cover
    """Fill answer[m, pair] with the dot products of relabelled upper triangles.

    A row of each subject is gathered into a buffer that stays in the first-level cache, and all
    pairs are multiplied from there: the matrices are read once a permutation, not once a pair.
    """
    n_subjects, n_stimuli = matrices.shape[:2]
    gathered = np.empty((n_subjects, n_stimuli), np.float32)
    for m in range(permutations.shape[1]):
        answer[m] = 0
        for i in range(n_stimuli - 1):
            n = n_stimuli - 1 - i
            for s in range(n_subjects):
                labels = permutations[s, m, i + 1 :]
                source = matrices[s, permutations[s, m, i]]
                row = gathered[s]
                for j in range(n):
                    row[j] = source[labels[j]]
            pair = 0
            for s in range(n_subjects):
                for t in range(s + 1, n_subjects):
                    total = np.float32(0)
                    for j in range(n):
                        total += gathered[s, j] * gathered[t, j]
                    answer[m, pair] += total
                    pair += 1
