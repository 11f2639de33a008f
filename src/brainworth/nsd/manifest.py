"""What the store knows about the objects it holds whole.

``.manifest/KEY.json`` is written after an object was verified and moved to its place, and holds
what identifies the file on disk, so that nobody has to read a gigabyte again to know its digest.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from brainworth import files
from brainworth.nsd import registry

FOLDER = ".manifest"


@dataclass(frozen=True)
class Entry:
    """An object that is whole and verified in the store.

    Attributes
    ----------
    key : str
        Key of the object.
    etag : str
        Its ETag when it was downloaded.
    size : int
        Size in bytes.
    sha256 : str
        SHA-256 of its bytes.
    verified : str
        What the bytes were compared with: ``md5`` (the ETag is their MD5), ``parts`` (the ETag is
        made of the MD5s of the uploaded parts), or ``size`` (the ETag says nothing about them).
    received, requests : int
        Bytes that came over the network for it, and requests for them.
    mtime_ns : int or None
        When the file was last written, in nanoseconds since 1970.
    passing : bool
        Whether it may be dropped once it has been read (``data.keep_sessions: false``).
    """

    key: str
    etag: str
    size: int
    sha256: str
    verified: str = "size"
    received: int = 0
    requests: int = 0
    mtime_ns: int | None = None
    passing: bool = False


def path_of(store: Path, key: str) -> Path:
    """Return where the entry of an object stands."""
    return store / FOLDER / f"{key}.json"


def read(store: Path, key: str) -> Entry | None:
    """Return an entry whatever the file is like, or None if there is none that can be read."""
    try:
        return Entry(**json.loads(path_of(store, key).read_text(encoding="utf-8")))
    except (TypeError, ValueError, OSError):
        return None


def write(store: Path, entry: Entry) -> None:
    """Write an entry; it appears whole or not at all."""
    with files.whole(path_of(store, entry.key)) as text:
        text.write_text(json.dumps(asdict(entry), indent=1) + "\n", encoding="utf-8")


def kept(store: Path, known: registry.NsdObject) -> Entry | None:
    """Return the entry of an object that the store holds whole, or None. Asks no server."""
    entry = read(store, known.key)
    if entry is None or entry.key != known.key or not _same_file(store / known.key, entry):
        return None
    if known.size not in (None, entry.size) or known.sha256 not in (None, entry.sha256):
        return None
    return entry


def claim(store: Path, entry: Entry) -> Entry:
    """Keep an object for good that was fetched only to be read once."""
    if entry.passing:
        entry = dataclasses.replace(entry, passing=False)
        write(store, entry)
    return entry


def drop(store: Path, key: str) -> bool:
    """Delete an object that was fetched only to be read once; return whether it was one.

    Its entry stays, and says what had been read.
    """
    entry = read(store, key)
    if entry is None or not entry.passing:
        return False
    (store / key).unlink(missing_ok=True)
    return True


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, from the store's entry if the file is the one it describes.

    Parameters
    ----------
    path : path
        A file, or a link to one. It is the store's if the entry's size and modification time are
        the file's; any other file is read.
    """
    target = Path(os.path.realpath(path))
    for folder in target.parents:
        key = target.relative_to(folder).as_posix()
        entry = read(folder, key)
        if entry is not None:
            known = entry.mtime_ns is not None and _same_file(target, entry)
            return entry.sha256 if known else files.sha256(target)
    return files.sha256(target)


def acquired(store: Path, keys: Iterable[str]) -> dict[str, str | int]:
    """Sum up how objects came into the store, for the provenance of a result.

    Returns
    -------
    dict
        ``mode`` (``files``), ``objects``, ``bytes`` (their sizes), ``bytes_received`` and
        ``requests`` (over the network, repeated ones included).
    """
    entries = [entry for key in keys if (entry := read(store, key)) is not None]
    return {
        "mode": "files",
        "objects": len(entries),
        "bytes": sum(entry.size for entry in entries),
        "bytes_received": sum(entry.received for entry in entries),
        "requests": sum(entry.requests for entry in entries),
    }


def _same_file(path: Path, entry: Entry) -> bool:
    try:
        state = path.stat()
    except OSError:
        return False
    return state.st_size == entry.size and entry.mtime_ns in (None, state.st_mtime_ns)
