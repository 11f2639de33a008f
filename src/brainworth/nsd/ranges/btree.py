"""From a chunk index (B-tree of version 1) to the addresses of the chunks of some voxels.

The tree is searched level by level and only towards the voxels wanted; all nodes of a level are
asked for at once, so that the number of round trips is the depth of the tree. Nothing is assumed
about the order in which chunks lie in the file: what counts is the keys.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from brainworth.nsd.ranges.hdf5 import SMALLEST_ADDRESS, Chunked, Damaged, OtherLayout

_HEAD = np.dtype(
    [("signature", "S4"), ("kind", "u1"), ("level", "u1"), ("count", "<u2"), ("siblings", "<u8", 2)]
)
_KEY = np.dtype([("size", "<u4"), ("mask", "<u4"), ("offset", "<u8", 5)])
_ENTRY = np.dtype([("key", _KEY), ("child", "<u8")])
MOST_LEVELS = 16

#: Takes addresses (ascending) and a length, returns as many bytes from each, shape (N, length).
Read = Callable[[np.ndarray, int], np.ndarray]


def node_bytes(node_entries: int) -> int:
    """Return the size of a node."""
    return _HEAD.itemsize + node_entries * _ENTRY.itemsize + _KEY.itemsize


def addresses(index: Chunked, ijk: np.ndarray, read: Read) -> np.ndarray:
    """Find where the chunks of voxels lie.

    Parameters
    ----------
    index : Chunked
        Of shape (750, z, y, x) in chunks of (750, 1, 1, 1).
    ijk : array of shape (V, 3), int
        0-based voxels (x, y, z), each once.
    read : callable
        Reads nodes.

    Returns
    -------
    array of shape (V,), int64
        Address of each voxel's chunk, in the order of `ijk`.

    Raises
    ------
    OtherLayout
        If a voxel has no chunk (it was never written, and is the dataset's fill value).
    Damaged
        If the tree contradicts itself: signatures, levels, counts, the order of keys, keys outside
        their parent's, sizes of chunks, addresses outside the file or claimed twice.
    """
    if not len(ijk):
        return np.empty(0, dtype=np.int64)
    order = np.argsort(_rank(index, *ijk.T.astype(np.int64)))
    wanted = _rank(index, *ijk[order].T.astype(np.int64))
    length = node_bytes(index.node_entries)
    nodes = np.array([index.root], dtype=np.int64)
    low, high = np.array([0]), np.array([np.iinfo(np.int64).max])
    of_node = np.zeros(len(wanted), dtype=np.int64)  # the node below which each voxel is
    level = None
    visited = []
    while True:
        _check_places(index, nodes, length, "a node")
        visited.append(nodes)
        keys, children, counts, here, entries = _decode(index, nodes, read, length)
        if level is not None and here != level - 1:
            raise Damaged(f"level {here} of the chunk index follows level {level}")
        level = here
        _check_keys(keys, counts, low, high)
        entry = _child_of(keys, of_node, wanted)
        if np.any((entry < 0) | (entry >= counts[of_node])):
            raise OtherLayout("a voxel has no chunk")
        if level == 0:
            break
        flat = of_node * index.node_entries + entry
        chosen, of_node = np.unique(flat, return_inverse=True)
        row, column = np.divmod(chosen, index.node_entries)
        low, high = keys[row, column], keys[row, column + 1]
        nodes = children[row, column]
        # Read in the order of addresses, whatever the order of keys.
        place = np.argsort(nodes)
        nodes, low, high = nodes[place], low[place], high[place]
        of_node = np.argsort(place)[of_node]
    if np.any(keys[of_node, entry] != wanted):
        raise OtherLayout("a voxel has no chunk")
    _check_entries(index, entries, of_node, entry)
    found = children[of_node, entry]
    _check_places(index, found, _chunk_bytes(index), "a chunk", np.concatenate(visited), length)
    result = np.empty(len(ijk), dtype=np.int64)
    result[order] = found
    return result


def _decode(
    index: Chunked, nodes: np.ndarray, read: Read, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, np.ndarray]:
    """Return keys as ranks, children, numbers of entries, level, and the raw keys of entries."""
    raw = read(nodes, length)
    head = np.ascontiguousarray(raw[:, : _HEAD.itemsize]).view(_HEAD)[:, 0]
    bad = np.flatnonzero((head["signature"] != b"TREE") | (head["kind"] != 1))
    if bad.size:
        raise Damaged(f"there is no node of the chunk index at byte {nodes[bad[0]]}")
    counts = head["count"].astype(np.int64)
    if np.any((counts < 1) | (counts > index.node_entries)):
        raise Damaged(f"a node of the chunk index has {counts.max()} or no entries")
    levels = np.unique(head["level"])
    if len(levels) > 1 or levels[0] >= MOST_LEVELS:
        raise Damaged(f"nodes of one level of the chunk index say {levels.tolist()}")
    body = np.ascontiguousarray(raw[:, _HEAD.itemsize :])
    entries = body[:, : -_KEY.itemsize].copy().view(_ENTRY)
    last = body[:, -_KEY.itemsize :].copy().view(_KEY)
    raw_keys = np.concatenate([entries["key"], last], axis=1)
    keys = _ranks_of_keys(index, raw_keys, counts)
    children = entries["child"]
    inside = np.arange(index.node_entries) < counts[:, None]
    if np.any(inside & (children >= 2**62)):
        raise Damaged("the chunk index leads outside the file")
    return keys, children.astype(np.int64), counts, int(levels[0]), entries["key"]


def _ranks_of_keys(index: Chunked, raw: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Turn keys into numbers of the same order; behind the last key of a node, the largest."""
    used = np.arange(raw.shape[1]) <= counts[:, None]
    offset = raw["offset"]
    dims = np.array([*index.shape, 2], dtype=np.uint64)
    step = np.array([*index.chunks, 2], dtype=np.uint64)
    # The last key of a level is one chunk beyond the last one, in every dimension.
    if np.any(used[:, :, None] & ((offset > dims + step) | (offset % step != 0))):
        raise Damaged("a key of the chunk index is no chunk of the dataset")
    t, z, y, x, _ = np.moveaxis(np.where(used[:, :, None], offset, 0), -1, 0).astype(np.int64)
    ranks = _rank(index, x, y, z)
    ranks[t > 0] = np.iinfo(np.int64).max  # beyond all voxels, which begin at trial 0
    ranks[~used] = np.iinfo(np.int64).max
    return ranks


def _rank(index: Chunked, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return numbers in the order of keys: z slowest, x fastest; each may be one too large."""
    _, _, n_y, n_x = index.shape
    return (z * (n_y + 2) + y) * (n_x + 2) + x


def _check_keys(keys: np.ndarray, counts: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    used = np.arange(1, keys.shape[1]) <= counts[:, None]
    if np.any(used & (keys[:, 1:] <= keys[:, :-1])):
        raise Damaged("the keys of a node of the chunk index do not ascend")
    last = np.take_along_axis(keys, counts[:, None], axis=1)[:, 0]
    if np.any((keys[:, 0] < low) | (last > high)):
        raise Damaged("a node of the chunk index holds keys that are not its parent's")


def _child_of(keys: np.ndarray, of_node: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the entry of its node whose keys enclose each voxel."""
    entry = np.empty(len(wanted), dtype=np.int64)
    ordered = np.argsort(of_node, kind="stable")
    edges = np.searchsorted(of_node[ordered], np.arange(len(keys) + 1))
    for node, (start, stop) in enumerate(itertools.pairwise(edges)):
        mine = ordered[start:stop]
        entry[mine] = np.searchsorted(keys[node], wanted[mine], side="right") - 1
    return entry


def _check_entries(
    index: Chunked, entries: np.ndarray, of_node: np.ndarray, entry: np.ndarray
) -> None:
    chosen = entries[of_node, entry]
    if np.any(chosen["size"] != _chunk_bytes(index)) or np.any(chosen["mask"]):
        raise Damaged(f"a chunk has another size than {_chunk_bytes(index)} bytes, or a filter")


def _check_places(
    index: Chunked,
    places: np.ndarray,
    length: int,
    what: str,
    others: np.ndarray | None = None,
    others_length: int = 0,
) -> None:
    """Refuse places outside the file, places that overlap, and places that overlap others."""
    if np.any((places < SMALLEST_ADDRESS) | (places > index.end - length)):
        raise Damaged(f"{what} of the chunk index lies outside the file")
    starts = np.sort(places)
    if np.any(np.diff(starts) < length):
        raise Damaged(f"two places of the chunk index overlap ({what})")
    if others is not None:
        others = np.sort(others)
        before = np.searchsorted(others, starts + length) - 1
        hit = (before >= 0) & (others[before] + others_length > starts)
        if np.any(hit):
            raise Damaged(f"{what} lies in a node of the chunk index")


def _chunk_bytes(index: Chunked) -> int:
    return 2 * index.chunks[0]
