"""Voxels of session files of any layout that HDF5 knows, through h5py on byte ranges.

h5py asks for one thing after another, so the index costs a round trip a node; the chunks
themselves are asked for all at once, beforehand. Where a few voxels would take most of the file
(contiguous values, chunks that hold whole volumes), that is said instead.
"""

from __future__ import annotations

import atexit
import bisect
import ctypes
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from brainworth.errors import BrainworthError
from brainworth.nsd import betas, rois

BLOCK = 2**14
MOST_BLOCKS_AHEAD = 64
LARGEST_SHARE = 0.5  # of the file; above, whole files are the better way
BATCH_BYTES = 2**26  # of chunks in memory at a time

#: Takes ranges (start, stop), returns their bytes in the same order.
ReadMany = Callable[[list[tuple[int, int]]], list[bytes]]


@atexit.register
def _close_hdf5() -> None:
    """Close what failed reads left open, while Python lives: HDF5 would call it after its end."""
    for library in Path(h5py.__file__).parents[1].glob("h5py.libs/libhdf5-*.so*"):
        ctypes.CDLL(str(library)).H5close()


class RangeFile(io.RawIOBase):
    """A file whose bytes are fetched when they are asked for, in blocks that are kept.

    Reading on where the last block ended fetches ever more blocks ahead.

    Parameters
    ----------
    read : callable
        Reads many ranges at once.
    size : int
        Bytes of the file.
    """

    def __init__(self, read: ReadMany, size: int):
        super().__init__()
        self._read = read
        self._size = size
        self._at = 0
        self._blocks: dict[int, bytes] = {}
        self._starts: list[int] = []
        self._extents: list[bytes] = []
        self._next = -1
        self._ahead = 1
        self.failure: BaseException | None = None

    def preload(self, spans: list[tuple[int, int]]) -> None:
        """Fetch ranges at once, and forget those of the last call."""
        spans = sorted(spans)
        self._starts = [start for start, _ in spans]
        self._extents = self._read(spans)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer as far as the file goes; with zeros once something has failed.

        An exception must not pass through HDF5, which would keep the file open until the
        interpreter ends, and read from it then: `failure` keeps it for the caller.
        """
        stop = max(self._at, min(self._at + len(buffer), self._size))
        n = stop - self._at
        content = bytes(n)
        if self.failure is None:
            try:
                content = self._take(self._at, stop)
            except BaseException as error:
                self.failure = error
        buffer[:n] = content
        self._at = stop
        return n

    def _take(self, start: int, stop: int) -> bytes:
        if start >= stop:
            return b""
        place = bisect.bisect_right(self._starts, start) - 1
        if place >= 0 and stop <= self._starts[place] + len(self._extents[place]):
            first = start - self._starts[place]
            return self._extents[place][first : first + stop - start]
        first, last = start // BLOCK, (stop - 1) // BLOCK
        missing = [number for number in range(first, last + 1) if number not in self._blocks]
        if missing:
            sequential = missing[0] == self._next
            self._ahead = min(2 * self._ahead, MOST_BLOCKS_AHEAD) if sequential else 1
            end = min(last + self._ahead, -(-self._size // BLOCK))
            missing += [n for n in range(last + 1, end) if n not in self._blocks]
            spans = [(n * BLOCK, min((n + 1) * BLOCK, self._size)) for n in missing]
            self._blocks |= dict(zip(missing, self._read(spans), strict=True))
            self._next = max(missing) + 1
        joined = b"".join(self._blocks[number] for number in range(first, last + 1))
        return joined[start - first * BLOCK : stop - first * BLOCK]


@dataclass(frozen=True)
class _Part:
    """Voxels that lie in the same chunks: rows of the table, box, ranges of the file."""

    rows: np.ndarray
    box: tuple[slice, slice, slice]  # z, y, x
    spans: list[tuple[int, int]]


def read_voxels(
    read: ReadMany, size: int, name: str, table: rois.VoxelTable
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read voxels of a session file.

    Parameters
    ----------
    read : callable
        Reads many ranges at once.
    size : int
        Bytes of the file.
    name : str
        What to call it in messages.
    table : VoxelTable
        V voxels.

    Yields
    ------
    rows : array of shape (N,), int
        Voxels of the table, in batches; each comes once.
    values : array of shape (N, 750), int16

    Raises
    ------
    BrainworthError
        If it is damaged, is no session file, belongs to other volumes, or would have to be
        fetched for the most part.
    """
    source = RangeFile(read, size)
    try:
        with h5py.File(source, "r") as file:
            dataset = betas.check_betas(file, name, table.shape)
            parts = _parts(dataset, table)
            _refuse_most(parts, dataset, size, name, len(table))
            for batch in _batches(parts):
                source.preload([span for part in batch for span in part.spans])
                rows = np.concatenate([part.rows for part in batch])
                values = np.concatenate([_values(dataset, part, table) for part in batch])
                if source.failure is not None:
                    raise source.failure
                yield rows, values
    except (OSError, RuntimeError, KeyError, BrainworthError) as error:
        if source.failure is not None:
            raise source.failure from None
        if isinstance(error, BrainworthError):
            raise
        raise BrainworthError(
            f"{name} cannot be read as HDF5 ({error}); it is truncated or damaged: check "
            "data.bucket and data.endpoint_url"
        ) from None


def _parts(dataset: h5py.Dataset, table: rois.VoxelTable) -> list[_Part]:
    n_trials, n_z, n_y, n_x = dataset.shape
    if dataset.chunks is None:
        start = dataset.id.get_offset()
        spans = [] if start is None else [(start, start + dataset.id.get_storage_size())]
        everything = (slice(0, n_z), slice(0, n_y), slice(0, n_x))
        return [_Part(np.arange(len(table)), everything, spans)]
    steps, *box = dataset.chunks
    corner = table.ijk[:, ::-1] // box * box  # z, y, x
    corners, member = np.unique(corner, axis=0, return_inverse=True)
    rows = np.split(np.argsort(member, kind="stable"), np.cumsum(np.bincount(member))[:-1])
    parts = []
    for place, mine in zip(corners.tolist(), rows, strict=True):
        spans = []
        for trial in range(0, n_trials, steps):
            info = dataset.id.get_chunk_info_by_coord((trial, *place))
            if info.byte_offset is not None:
                spans.append((info.byte_offset, info.byte_offset + info.size))
        ends = [min(at + n, most) for at, n, most in zip(place, box, (n_z, n_y, n_x), strict=True)]
        parts.append(_Part(mine, tuple(map(slice, place, ends)), spans))
    return sorted(parts, key=lambda part: part.spans[:1])


def _refuse_most(
    parts: list[_Part], dataset: h5py.Dataset, size: int, name: str, n_voxels: int
) -> None:
    needed = sum(stop - start for part in parts for start, stop in part.spans)
    if needed > LARGEST_SHARE * size:
        how = f"in chunks of {dataset.chunks}" if dataset.chunks else "in one piece"
        raise BrainworthError(
            f"{name}: {n_voxels} voxels would take {needed / 1e6:,.1f} of {size / 1e6:,.1f} MB, "
            f"since /betas is stored {how}; set data.download: files"
        )


def _batches(parts: list[_Part]) -> Iterator[list[_Part]]:
    batch, held = [], 0
    for part in parts:
        batch.append(part)
        held += sum(stop - start for start, stop in part.spans)
        if held > BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _values(dataset: h5py.Dataset, part: _Part, table: rois.VoxelTable) -> np.ndarray:
    block = dataset[(slice(None), *part.box)]
    z, y, x = (table.ijk[part.rows, axis] - part.box[2 - axis].start for axis in (2, 1, 0))
    return block[:, z, y, x].T
