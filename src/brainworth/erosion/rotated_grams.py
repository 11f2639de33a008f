"""Inner products of contrasts that were rotated in blocks, without their many voxels.

Contrasts are rotated in one set of blocks and then in another (`variance_halves`). The inner
products that follow the first rotation are B G B', with G those of the contrasts before it and B
block-diagonal; only the pairs that share a block of the second set are wanted. Rows of B G are a
matrix product a block; each wanted entry is then one dot product as long as a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.erosion.compiled import kernel

_DRAWS = 8  # rotated at a time: the rows of a block stay in the cache


@dataclass(frozen=True)
class Wanted:
    """Which inner products are wanted, with contrasts numbered in the order of the inner blocks.

    Attributes
    ----------
    order : array of shape (D,)
        Contrasts, inner block after inner block.
    first : array of shape (inner blocks + 1,)
        Where each inner block starts.
    block, row : arrays of shape (D,)
        Inner block of a contrast, and its row there.
    outer, place : arrays of shape (D,)
        Outer block of a contrast, and its row there.
    partners, until : arrays of shape (pairs,) and (D + 1,)
        Contrast d is wanted with ``partners[until[d]:until[d + 1]]``, of its own or a later inner
        block; other pairs follow by symmetry.
    n_outer, widest : int
        Outer blocks, and the largest of all blocks.
    """

    order: np.ndarray
    first: np.ndarray
    block: np.ndarray
    row: np.ndarray
    outer: np.ndarray
    place: np.ndarray
    partners: np.ndarray
    until: np.ndarray
    n_outer: int
    widest: int


def wanted(inner: list[np.ndarray], outer: list[np.ndarray]) -> Wanted:
    """Return which inner products are wanted; `inner` and `outer` each hold every contrast once."""
    order = np.concatenate(inner)
    sizes = np.array([block.size for block in inner])
    first = np.concatenate([[0], np.cumsum(sizes)])
    block = np.repeat(np.arange(sizes.size), sizes)
    in_outer, place = np.empty(order.size, dtype=np.intp), np.empty(order.size, dtype=np.intp)
    for number, members in enumerate(outer):
        in_outer[members] = number
        place[members] = np.arange(members.size)
    own = in_outer[order]
    same = own[:, None] == own
    same &= block[:, None] <= block
    rows, partners = np.nonzero(same)
    return Wanted(
        order=order,
        first=first,
        block=block,
        row=np.arange(order.size) - first[block],
        outer=own,
        place=place[order],
        partners=partners,
        until=np.searchsorted(rows, np.arange(order.size + 1)),
        n_outer=len(outer),
        widest=max(block.size for block in [*inner, *outer]),
    )


def rotated(gram: np.ndarray, turns: list[np.ndarray], pairs: Wanted) -> np.ndarray:
    """Return inner products after m rotations of the inner blocks.

    Parameters
    ----------
    gram : array of shape (D, D), float32
        Inner products before, in the order of `pairs.order`.
    turns : list over inner blocks of arrays of shape (m, n, n), float32
        Their rotations.
    pairs : Wanted

    Returns
    -------
    array of shape (m, outer blocks, N, N), float32
        Of an outer block of n contrasts the first n rows and columns are filled.
    """
    m, n = len(turns[0]), pairs.widest
    answer = np.zeros((m, pairs.n_outer, n, n), dtype=np.float32)
    padded = np.zeros((m, len(turns), n, n), dtype=np.float32)
    for number, turn in enumerate(turns):
        padded[:, number, : turn.shape[1], : turn.shape[1]] = turn
    buffer = np.empty(min(m, _DRAWS) * n * len(gram), dtype=np.float32)
    for number, turn in enumerate(turns):
        start, stop = pairs.first[number], pairs.first[number + 1]
        rest = gram[start:stop, start:]
        for left in range(0, m, _DRAWS):
            draws = slice(left, left + _DRAWS)
            flat = turn[draws].reshape(-1, stop - start)
            shape = (len(flat), rest.shape[1])
            rows = np.matmul(flat, rest, out=buffer[: shape[0] * shape[1]].reshape(shape))
            rows = rows.reshape(-1, stop - start, rest.shape[1])
            _fill(
                rows,
                start,
                padded[draws],
                pairs.first,
                pairs.block,
                pairs.row,
                pairs.outer,
                pairs.place,
                pairs.partners,
                pairs.until,
                answer[draws],
            )
    return answer


@kernel
def _fill(
    rows, start, turns, first, block, row, outer, place, partners, until, answer
):  # pragma: no cover
    """Fill the wanted inner products of one inner block, whose rows of B G begin at `start`."""
    for m in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            own = start + i
            for q in range(until[own], until[own + 1]):
                other = partners[q]
                number = block[other]
                left = first[number] - start
                size = first[number + 1] - first[number]
                product = rows[m, i, left : left + size]
                turn = turns[m, number, row[other]]
                total = np.float32(0)
                for k in range(size):
                    total += product[k] * turn[k]
                answer[m, outer[own], place[own], place[other]] = total
                answer[m, outer[own], place[other], place[own]] = total
