"""Merging neighbouring byte ranges into fewer requests."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

LONGEST = 2**22  # bytes of one request, so that a retry is cheap and all connections have work


@dataclass(frozen=True)
class Span:
    """One range request.

    Attributes
    ----------
    start, stop : int
        Bytes ``start`` to ``stop - 1`` of the object.
    members : slice
        The ranges in it, as a slice of the arrays that were merged.
    """

    start: int
    stop: int
    members: slice


def merge(starts: np.ndarray, length: int, gap: int, longest: int = LONGEST) -> list[Span]:
    """Merge ranges of equal length whose distance is at most `gap`.

    Parameters
    ----------
    starts : array of shape (N,), int
        Where the ranges start, strictly ascending, no two overlapping.
    length : int
        Bytes of each.
    gap : int
        Bytes between two ranges that are read rather than left out.
    longest : int
        Bytes of one request at most, unless a single range is longer.

    Returns
    -------
    list of Span
        In ascending order; every range is in exactly one.
    """
    if not len(starts):
        return []
    if np.any(np.diff(starts) < length):
        raise ValueError("ranges must ascend and must not overlap")
    far = np.flatnonzero(np.diff(starts) - length > gap) + 1
    edges = [0, *far.tolist(), len(starts)]
    found = []
    for first, last in itertools.pairwise(edges):
        at = first
        while at < last:
            # Ranges that end within `longest` of this one's start; itself in any case.
            limit = starts[at] + longest - length
            stop = max(at + 1, int(np.searchsorted(starts[at:last], limit, side="right")) + at)
            found.append(Span(int(starts[at]), int(starts[stop - 1]) + length, slice(at, stop)))
            at = stop
    return found
