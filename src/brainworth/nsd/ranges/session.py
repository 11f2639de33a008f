"""The voxels of one session file: index, ranges, journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainworth import config
from brainworth.errors import BrainworthError
from brainworth.nsd import betas, download, manifest, registry, rois, s3, voxels
from brainworth.nsd.patience import Stop, patiently
from brainworth.nsd.ranges import btree, cost, hdf5, other, spans
from brainworth.nsd.ranges.journal import Journal
from brainworth.nsd.ranges.transport import Connections

#: Called with the number of voxels that have arrived.
Report = Callable[[int], None]


@dataclass(frozen=True)
class Session:
    """The voxels of one session, and how they came.

    Attributes
    ----------
    key, etag : str
        The object and its version.
    size : int
        Its bytes.
    values : array of shape (V, 750), int16
    address : array of shape (V,), int64
        Where in the object the voxels lie; -1 where that is not known.
    source : {"ranges", "h5py", "journal", "store"}
        Whether ranges were fetched by the chunk index or through h5py, or all was there before: as
        voxels, or as a whole file in the store.
    n_fetched : int
        Voxels that came from the bucket this time.
    """

    key: str
    etag: str
    size: int
    values: np.ndarray
    address: np.ndarray
    source: str
    n_fetched: int


def journal_path(store: Path, key: str) -> Path:
    """Return where the store keeps the voxels of a session file."""
    return store / ".voxels" / f"{key}.journal"


def fetch(
    connect: Callable[[], Connections],
    key: str,
    table: rois.VoxelTable,
    store: Path,
    data: config.Data,
    report: Report,
) -> Session:
    """Bring voxels of a session file into the store, and return them.

    A server is only asked if voxels are missing: what the store holds, whole or by voxels, was
    verified before.

    Parameters
    ----------
    connect : callable
        Returns open connections; called if the bucket has to be asked.
    key : str
        Key of the session file.
    table : VoxelTable
        V voxels.
    store : path
        Root of the store.
    report : callable
        Told as voxels arrive.

    Raises
    ------
    BrainworthError
        If the object cannot be had, is damaged, is of other volumes, or cannot be read by ranges.
    """
    entry = manifest.kept(store, registry.describe(key))
    if entry is not None:
        values = betas.read_session(store / key, table)
        report(len(table))
        unknown = np.full(len(table), -1, dtype=np.int64)
        return Session(key, entry.etag, entry.size, values, unknown, "store", 0)
    wanted = voxels.rank(table.ijk, table.shape)
    path = journal_path(store, key)
    never = Stop()
    with download.locked(store, key, never), Journal(path, table.shape) as journal:
        missing = np.flatnonzero(~np.isin(wanted, journal.ranks()))
        how = "journal"
        if journal.version is None or missing.size:
            connections = connect()
            how = patiently(
                lambda: _attempt(connections, key, table, wanted, journal, report), key, data, never
            )
            journal.sync()
        else:
            report(len(table))
        address, values = journal.collect(wanted)
        version = journal.version
    return Session(key, version["etag"], version["size"], values, address, how, int(missing.size))


def _attempt(
    connections: Connections,
    key: str,
    table: rois.VoxelTable,
    wanted: np.ndarray,
    journal: Journal,
    report: Report,
) -> str:
    connections.count_question()
    remote = download.head(connections.bucket, registry.describe(key))
    journal.begin(remote)
    there = np.isin(wanted, journal.ranks())
    report(int(there.sum()))
    missing = np.flatnonzero(~there)
    left = rois.VoxelTable(table.ijk[missing], {}, table.shape)
    try:
        try:
            _by_index(connections, remote, left, wanted[missing], journal, report)
            return "ranges"
        except hdf5.OtherLayout:
            _by_h5py(connections, remote, left, wanted[missing], journal, report)
            return "h5py"
    except hdf5.Damaged as error:
        raise BrainworthError(
            f"{key} is damaged in {connections.bucket.place}: {error}; check data.bucket and "
            "data.endpoint_url, or set data.download: files to have the whole file verified"
        ) from None


def _by_index(
    connections: Connections,
    remote: s3.Remote,
    table: rois.VoxelTable,
    rank: np.ndarray,
    journal: Journal,
    report: Report,
) -> None:
    """Fetch voxels that are one uncompressed chunk each."""
    place = f"{remote.key} in {connections.bucket.place}"
    index = hdf5.find_dataset(_source(connections, remote), "betas")
    betas.check_shape(place, index.shape, table.shape)
    if index.chunks != (registry.TRIALS_PER_SESSION, 1, 1, 1):
        raise hdf5.OtherLayout(f"chunks of shape {index.chunks}")

    def nodes(addresses: np.ndarray, length: int) -> np.ndarray:
        content = np.empty((len(addresses), length), dtype=np.uint8)
        for members, part in _read_equal(connections, remote, addresses, length):
            content[members] = part
        return content

    address = btree.addresses(index, table.ijk, nodes)
    order = np.argsort(address)
    address, rank = address[order], rank[order]
    for members, part in _read_equal(connections, remote, address, cost.VOXEL_BYTES):
        journal.add(rank[members], address[members], part.view("<i2"))
        report(len(part))


def _by_h5py(
    connections: Connections,
    remote: s3.Remote,
    table: rois.VoxelTable,
    rank: np.ndarray,
    journal: Journal,
    report: Report,
) -> None:
    def read(ranges: list[tuple[int, int]]) -> list[bytes]:
        content: list[bytes] = [b""] * len(ranges)
        for number, part in connections.read(remote, ranges):
            content[number] = part
        return content

    place = f"{remote.key} in {connections.bucket.place}"
    for rows, values in other.read_voxels(read, remote.size, place, table):
        journal.add(rank[rows], np.full(len(rows), -1), values)
        report(len(rows))


def _source(connections: Connections, remote: s3.Remote) -> hdf5.Source:
    """Give access to the structures at the beginning of a file, which lie close together."""
    blocks: dict[int, bytes] = {}

    def read(start: int, stop: int) -> bytes:
        size = cost.FIRST_BYTES
        numbers = range(start // size, -(-stop // size))
        missing = [number for number in numbers if number not in blocks]
        ranges = [(number * size, min((number + 1) * size, remote.size)) for number in missing]
        for number, content in connections.read(remote, ranges):
            blocks[missing[number]] = content
        joined = b"".join(blocks[number] for number in numbers)
        return joined[start - numbers.start * size : stop - numbers.start * size]

    return hdf5.Source(read, remote.size)


def _read_equal(connections: Connections, remote: s3.Remote, starts: np.ndarray, length: int):
    """Read ranges of equal length, neighbours in one request; yields members and (N, length)."""
    data = connections.data
    gap = data.range_gap
    if gap == "auto":
        gap = cost.gap(
            starts,
            length,
            latency_s=connections.latency_s,
            bandwidth=connections.bandwidth or cost.FIRST_BANDWIDTH,
            parallel=data.parallel_ranges,
        )
    merged = spans.merge(starts, length, gap)
    ranges = [(span.start, span.stop) for span in merged]
    for number, content in connections.read(remote, ranges):
        span = merged[number]
        offsets = starts[span.members] - span.start
        raw = np.frombuffer(content, dtype=np.uint8)
        yield span.members, np.lib.stride_tricks.sliding_window_view(raw, length)[offsets]
