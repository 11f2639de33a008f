"""Voxels of one session file that have arrived, kept on disk record by record.

A journal belongs to one version of one object. Each record carries a checksum; what follows the
first record that is torn or wrong is cut off when the journal is opened, so that a process may be
killed at any moment. Voxels fetched for other regions stay, and are not fetched again.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from brainworth.errors import BrainworthError
from brainworth.nsd import registry, s3

SCHEMA = "brainworth-voxel-journal/1"
_HEAD = struct.Struct("<4sII")  # magic, bytes that follow, their CRC-32
_VERSION, _VOXELS = b"BWJV", b"BWJX"
_RECORD = np.dtype(
    [("rank", "<i8"), ("address", "<i8"), ("values", "<i2", registry.TRIALS_PER_SESSION)]
)
MOST_VOXELS = 2**16  # in one record


class Journal:
    """An open journal; one process at a time (the caller holds the lock).

    Parameters
    ----------
    path : path
        The file; made if missing.
    shape : tuple
        (x, y, z) of the volume; a journal of another one is begun anew.

    Attributes
    ----------
    version : dict or None
        ``key``, ``etag`` and ``size`` of the object whose voxels are in it; None if it is empty.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]):
        self.path = path
        self.version: dict | None = None
        self._shape = list(shape)
        self._records: list[np.ndarray] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what could not be written must not be tried again on closing.
        self._file: BinaryIO = path.open("a+b", buffering=0)
        self._load()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def begin(self, remote: s3.Remote) -> None:
        """Make the journal one of this object, and empty it if it is of another version."""
        version = {"key": remote.key, "etag": remote.etag, "size": remote.size}
        if self.version == version:
            return
        self._file.truncate(0)
        self._records.clear()
        self.version = None
        header = {"schema": SCHEMA, "shape": self._shape} | version
        self._write(_VERSION, json.dumps(header).encode())
        self.version = version

    def add(self, rank: np.ndarray, address: np.ndarray, values: np.ndarray) -> None:
        """Append voxels that have arrived.

        Parameters
        ----------
        rank : array of shape (V,), int
            Voxels by number (`voxels.rank`).
        address : array of shape (V,), int
            Where in the object they lie, -1 if unknown.
        values : array of shape (V, 750), int16

        Raises
        ------
        BrainworthError
            If the disk is full, or cannot be written.
        """
        for start in range(0, len(rank), MOST_VOXELS):
            part = slice(start, start + MOST_VOXELS)
            record = np.empty(len(rank[part]), dtype=_RECORD)
            record["rank"], record["address"] = rank[part], address[part]
            record["values"] = values[part]
            self._write(_VOXELS, record.tobytes())
            self._records.append(record)

    def ranks(self) -> np.ndarray:
        """Return the numbers of all voxels that are there, ascending."""
        if not self._records:
            return np.empty(0, dtype=np.int64)
        return np.unique(np.concatenate([record["rank"] for record in self._records]))

    def collect(self, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return addresses (V,) and values (V, 750) of voxels, all of which must be there."""
        everything = np.concatenate(self._records)
        order = np.argsort(everything["rank"], kind="stable")
        place = order[np.searchsorted(everything["rank"][order], rank)]
        if np.any(everything["rank"][place] != rank):
            raise ValueError("a voxel is not in the journal")
        return everything["address"][place], everything["values"][place]

    def sync(self) -> None:
        """Have everything on the disk itself."""
        os.fsync(self._file.fileno())

    def _write(self, magic: bytes, content: bytes) -> None:
        try:
            left = memoryview(_HEAD.pack(magic, len(content), zlib.crc32(content)) + content)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise BrainworthError(
                f"{self.path}: {error.strerror}; make room in data.store_dir, then run again, "
                "which goes on from what has arrived"
            ) from error

    def _load(self) -> None:
        """Read what is whole; cut off the rest."""
        self._file.seek(0)
        content = self._file.read()
        at = 0
        while at + _HEAD.size <= len(content):
            magic, length, crc = _HEAD.unpack_from(content, at)
            body = content[at + _HEAD.size : at + _HEAD.size + length]
            if len(body) < length or zlib.crc32(body) != crc or not self._accept(magic, body, at):
                break
            at += _HEAD.size + length
        if at < len(content):
            self._file.truncate(at)

    def _accept(self, magic: bytes, body: bytes, at: int) -> bool:
        if magic == _VERSION and at == 0:
            header = json.loads(body)
            if header.pop("schema") != SCHEMA or header.pop("shape") != self._shape:
                return False
            self.version = header
            return True
        if magic == _VOXELS and at > 0 and len(body) % _RECORD.itemsize == 0:
            self._records.append(np.frombuffer(body, dtype=_RECORD))
            return True
        return False
