"""The voxels of all sessions of one subject, written where an extract looks for them."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from brainworth import config
from brainworth.errors import BrainworthError
from brainworth.nsd import betas, registry, rois, terms, voxels
from brainworth.nsd.ranges import cost, session
from brainworth.nsd.ranges.transport import Connections, Traffic, connect


def fetch(
    root: Path,
    subject: str,
    regions: list[str],
    n_sessions: int,
    data: config.Data,
    log: Callable[[str], None],
) -> dict[str, Any]:
    """Fetch the voxels that an extract of a subject reads.

    Parameters
    ----------
    root : path
        The study's folder, with the subject's ROI volumes, label tables, ncsnr and valid volumes;
        the voxels become ``root / registry.voxels_key(subject, session)``.
    regions : list of str
        Keys of `rois.REGIONS`.
    n_sessions : int
        Sessions, counted from the first.
    data : config.Data
        Section ``data`` of the configuration, with source ``s3``.
    log : callable
        Given a line for each object.

    Returns
    -------
    dict
        Mode, totals, and a line for each object: version, size, what was fetched of it.

    Raises
    ------
    BrainworthError
        If the terms are not accepted, or as `session.fetch` and `betas.find_candidates`.
    """
    if not data.accept_nsd_terms:
        raise BrainworthError(terms.NOT_ACCEPTED)
    numbers = range(1, n_sessions + 1)
    table = betas.find_candidates(root, subject, regions, numbers).usable
    store = Path(os.path.abspath(Path(data.store_dir).expanduser()))
    try:
        with ExitStack() as stack:
            fetched = _Sessions(stack, data, table, store, root)
            bar = stack.enter_context(_bar(f"{subject} voxels", len(table) * n_sessions))
            sessions = [fetched.one(subject, number, bar, log) for number in numbers]
    except OSError as error:
        raise BrainworthError(
            f"{error.filename or store}: {error.strerror}; data.store_dir ({store}) must be a "
            "folder that can be written, with room for the downloads"
        ) from error
    totals = ("bytes", "bytes_received", "requests", "retries")
    return {
        "subject": subject,
        "mode": "ranges",
        "n_voxels": len(table),
        "objects": len(sessions),
        **{name: sum(line[name] for line in sessions) for name in totals},
        "sessions": sessions,
    }


class _Sessions:
    """What fetching all sessions has in common; connections are opened when first needed."""

    def __init__(
        self,
        stack: ExitStack,
        data: config.Data,
        table: rois.VoxelTable,
        store: Path,
        root: Path,
    ):
        self._stack = stack
        self._data = data
        self._table = table
        self._store = store
        self._root = root
        self._connections: Connections | None = None

    def one(
        self, subject: str, number: int, bar: tqdm, log: Callable[[str], None]
    ) -> dict[str, Any]:
        """Fetch one session, write its file, and describe it."""
        key = registry.betas_key(subject, number)
        before = self._traffic()
        there = bar.n
        self._require_space()

        def report(n: int) -> None:
            # After a restart voxels arrive again that were counted before.
            bar.update(min(n, there + len(self._table) - bar.n))

        found = session.fetch(self._open, key, self._table, self._store, self._data, report)
        digest = voxels.write(
            self._root / registry.voxels_key(subject, number),
            self._table,
            found.values,
            found.address,
            key=key,
            etag=found.etag,
            size=found.size,
        )
        after = self._traffic()
        line = {
            "key": key,
            "etag": found.etag,
            "bytes": found.size,
            "source": found.source,
            "n_voxels_fetched": found.n_fetched,
            "bytes_received": after.bytes - before.bytes,
            "requests": after.requests - before.requests,
            "retries": after.retries - before.retries,
            "sha256": digest,
        }
        log(
            f"{key}: {found.n_fetched} of {len(self._table)} voxels fetched, "
            f"{line['bytes_received']} of {found.size} bytes in {line['requests']} requests "
            f"({line['retries']} again), ETag {found.etag}, from {found.source}"
        )
        return line

    def _open(self) -> Connections:
        if self._connections is None:
            self._connections = self._stack.enter_context(connect(self._data))
        return self._connections

    def _traffic(self) -> Traffic:
        if self._connections is None:
            return Traffic()
        return dataclasses.replace(self._connections.traffic)

    def _require_space(self) -> None:
        """Refuse a session for which the disk has no room, once in the store and once beside it."""
        needed = len(self._table) * np.int64(cost.VOXEL_BYTES + 32)
        for folder in (self._store, self._root):
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
            if needed > free:
                raise BrainworthError(
                    f"{folder} has {free / 1e6:,.1f} MB free but the voxels of a session need "
                    f"{needed / 1e6:,.1f} MB; make room, or set data.store_dir to a larger disk"
                )


def _bar(label: str, total: int) -> tqdm:
    # Voxels a second and the time left; quiet where stderr is not a terminal.
    return tqdm(desc=label, total=total, unit="voxel", unit_scale=True, disable=None)
