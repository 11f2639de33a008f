"""What a bucket holds: bytes or files, with the ETags that S3 would give them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 2**20


@dataclass
class Stored:
    """One object.

    Attributes
    ----------
    source : bytes or Path
        Its contents.
    part_size : int or None
        Size of the parts it was uploaded in; None for a single upload.
    etag : str
        MD5 of the contents; for parts, MD5 of the parts' MD5s and their number.
    """

    source: bytes | Path
    part_size: int | None = None
    etag: str = ""
    size: int = field(init=False)
    _descriptor: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.source, Path):
            self._descriptor = os.open(self.source, os.O_RDONLY)
            self.size = os.fstat(self._descriptor).st_size
        else:
            self.size = len(self.source)
        self.etag = self.etag or self._etag()

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes `start` to `stop` (exclusive)."""
        if self._descriptor is None:
            return self.source[start:stop]
        return os.pread(self._descriptor, stop - start, start)

    def descriptor(self) -> int | None:
        """Return the open file, for sendfile; None for bytes."""
        return self._descriptor

    def n_parts(self) -> int:
        """Return the number of uploaded parts."""
        return 1 if self.part_size is None else max(1, -(-self.size // self.part_size))

    def part(self, number: int) -> tuple[int, int]:
        """Return start and stop of a part, counted from 1."""
        if self.part_size is None:
            return 0, self.size
        start = (number - 1) * self.part_size
        return start, min(start + self.part_size, self.size)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _etag(self) -> str:
        digests = []
        for number in range(1, self.n_parts() + 1):
            digest = hashlib.md5(usedforsecurity=False)
            at, stop = self.part(number)
            while at < stop:
                block = self.read(at, min(at + BLOCK, stop))
                digest.update(block)
                at += len(block)
            digests.append(digest)
        if self.part_size is None:
            return digests[0].hexdigest()
        joined = hashlib.md5(b"".join(digest.digest() for digest in digests))
        return f"{joined.hexdigest()}-{len(digests)}"
