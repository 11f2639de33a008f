"""Files that are either whole or absent."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

#: What `whole` calls a file that is being written.
LEFTOVER = re.compile(r"\..+\.\d+\.[0-9a-f]{8}\.part")


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`, moved into place if the block succeeds.

    A crash leaves at most a ``.NAME.PID.TOKEN.part`` file, never a short file under the final name.
    Each writer has its own, so the last of several writers wins, with a whole file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        yield part
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def remove_leftovers(folders: Iterable[Path]) -> list[Path]:
    """Remove what writers that were killed left behind, and return it.

    Only for a moment at which nobody writes there: a file of a living writer looks the same.
    """
    left = [
        path
        for folder in folders
        for path in sorted(folder.rglob(".*.part"))
        if LEFTOVER.fullmatch(path.name)
    ]
    for path in left:
        path.unlink(missing_ok=True)
    return left


def sha256(path: str | Path) -> str:
    """Return the SHA-256 digest of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
