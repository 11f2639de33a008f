"""Downloading one object so that it can be interrupted at any moment.

In the store an object is either whole and described by ``.manifest/KEY.json``, or partial in
``.partial/KEY.part``, with the ETag it belongs to beside it. A partial object is never a Snakemake
output, because Snakemake deletes the outputs of a job that failed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from brainworth import config, files
from brainworth.errors import BrainworthError
from brainworth.nsd import registry, s3, verify

LONGEST_PAUSE_S = 60.0
LOCK_POLL_S = 0.1

T = TypeVar("T")


class Stopped(Exception):
    """The download was given up because another one failed or the user interrupted."""


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
    """

    key: str
    etag: str
    size: int
    sha256: str


def kept(store: Path, known: registry.NsdObject) -> Entry | None:
    """Return the entry of an object that the store holds whole, or None. Asks no server."""
    try:
        entry = Entry(**_read_json(_manifest(store, known.key)))
        size = (store / known.key).stat().st_size
    except (TypeError, OSError):
        return None
    if (entry.key, entry.size) != (known.key, size):
        return None
    if known.size not in (None, size) or known.sha256 not in (None, entry.sha256):
        return None
    return entry


def resumable(store: Path, remote: s3.Remote) -> int:
    """Return the number of bytes of this very version of an object that have arrived before."""
    part = _partial(store, remote.key, ".part")
    if not part.exists() or _read_json(_note(part)) != _version(remote):
        return 0
    size = part.stat().st_size
    return size if size <= remote.size else 0


def head(bucket: s3.Bucket, known: registry.NsdObject) -> s3.Remote:
    """Ask for an object's size and ETag, and compare the size with the registry's.

    Raises
    ------
    s3.Retry, BrainworthError
        As `s3.head`; also if the size is not NSD's.
    """
    remote = s3.head(bucket, known.key)
    if known.size not in (None, remote.size):
        raise BrainworthError(
            f"{known.key} has {remote.size} bytes in {bucket.place} where NSD's has {known.size}; "
            "check data.bucket and data.endpoint_url"
        )
    return remote


def download(
    bucket: s3.Bucket,
    known: registry.NsdObject,
    store: Path,
    data: config.Data,
    report: Callable[[str, int], None],
    stop: threading.Event,
) -> Entry:
    """Bring one object into the store, going on from what has arrived before.

    Parameters
    ----------
    bucket : s3.Bucket
        Where it comes from.
    known : registry.NsdObject
        The object.
    store : Path
        Root of the store.
    data : config.Data
        ``attempts`` and ``backoff_s`` are used.
    report : callable
        Called with the key and the number of its bytes that are there.
    stop : threading.Event
        Set to give up between two blocks.

    Returns
    -------
    Entry
        The verified object: length, the registry's size and SHA-256 where known, MD5 where the
        ETag is one, and the signature of the file format.

    Raises
    ------
    BrainworthError
        If the object cannot be had, or not in ``data.attempts`` attempts.
    Stopped
        If `stop` was set.
    """
    with locked(_partial(store, known.key, ".lock"), stop):
        entry = kept(store, known)  # another process may have finished it meanwhile
        if entry is None:
            entry = patiently(
                lambda: _attempt(bucket, known, store, report, stop), known.key, data, stop
            )
        report(entry.key, entry.size)
        return entry


def patiently(attempt: Callable[[], T], key: str, data: config.Data, stop: threading.Event) -> T:
    """Call `attempt` until it raises no `s3.Retry`, ``data.attempts`` times at most.

    The pause before attempt n + 1 is ``backoff_s * 2**(n - 1)`` seconds, at most a minute, times a
    random factor between 0.5 and 1, so that many jobs do not come back at the same moment.

    Raises
    ------
    BrainworthError
        If no attempt succeeded.
    Stopped
        If `stop` was set.
    """
    reason = ""
    for number in range(data.attempts):
        if number > 0:
            pause = min(data.backoff_s * 2 ** (number - 1), LONGEST_PAUSE_S)
            stop.wait(pause * random.uniform(0.5, 1))
        if stop.is_set():
            raise Stopped(key)
        try:
            return attempt()
        except s3.Retry as error:
            reason = str(error)
    raise BrainworthError(
        f"{key}: gave up after {data.attempts} attempts, because {reason}; check the network and "
        "data.endpoint_url, then run again, which goes on from what has arrived"
    )


def _attempt(
    bucket: s3.Bucket,
    known: registry.NsdObject,
    store: Path,
    report: Callable[[str, int], None],
    stop: threading.Event,
) -> Entry:
    remote = head(bucket, known)
    part = _partial(store, known.key, ".part")
    if resumable(store, remote) == 0:
        part.unlink(missing_ok=True)
        with files.whole(_note(part)) as note:
            note.write_text(json.dumps(_version(remote)) + "\n", encoding="utf-8")
        part.touch()

    sha256, md5 = _receive(bucket, remote, part, report, stop)
    damage = _damage(remote, known, part, sha256, md5)
    if damage is not None:
        part.unlink()
        raise s3.Retry(damage)

    entry = Entry(known.key, remote.etag, remote.size, sha256)
    final, manifest = store / known.key, _manifest(store, known.key)
    final.parent.mkdir(parents=True, exist_ok=True)
    # A manifest of an earlier version must not describe the new file, not even for a moment.
    manifest.unlink(missing_ok=True)
    part.replace(final)
    with files.whole(manifest) as text:
        text.write_text(json.dumps(asdict(entry), indent=1) + "\n", encoding="utf-8")
    _note(part).unlink()
    return entry


def _receive(
    bucket: s3.Bucket,
    remote: s3.Remote,
    part: Path,
    report: Callable[[str, int], None],
    stop: threading.Event,
) -> tuple[str, str]:
    """Append what is missing to the partial file; return its SHA-256 and MD5."""
    with part.open("r+b") as handle:
        hashes = (hashlib.sha256(), hashlib.md5(usedforsecurity=False))
        there = 0
        while block := handle.read(s3.BLOCK):
            there += _update(hashes, block)
        report(remote.key, there)
        if there < remote.size:
            start, blocks = s3.get(bucket, remote, there)
            if start != there:
                handle.seek(0)
                handle.truncate()
                hashes = (hashlib.sha256(), hashlib.md5(usedforsecurity=False))
                there = 0
            with contextlib.closing(blocks):
                for block in blocks:
                    handle.write(block)
                    handle.flush()
                    there += _update(hashes, block)
                    report(remote.key, there)
                    if stop.is_set():
                        raise Stopped(remote.key)
        os.fsync(handle.fileno())
    if there < remote.size:
        raise s3.Retry(f"the body ended after {there} of {remote.size} bytes")
    return hashes[0].hexdigest(), hashes[1].hexdigest()


def _damage(
    remote: s3.Remote, known: registry.NsdObject, part: Path, sha256: str, md5: str
) -> str | None:
    size = part.stat().st_size
    if size != remote.size:
        return f"{size} bytes arrived where the bucket announced {remote.size}"
    if remote.md5 not in (None, md5):
        return f"the bytes that arrived are damaged (MD5 {md5}, the bucket says {remote.md5})"
    if known.sha256 not in (None, sha256):
        return f"the bytes that arrived are not NSD's (SHA-256 {sha256}, not {known.sha256})"
    problem = verify.problem(part, known)
    return None if problem is None else f"what arrived {problem}"


def _update(hashes: tuple[Any, ...], block: bytes) -> int:
    for digest in hashes:
        digest.update(block)
    return len(block)


@contextlib.contextmanager
def locked(path: Path, stop: threading.Event) -> Iterator[None]:
    """Let one process or thread at a time work on an object.

    The lock file stays: deleting it would let a third process lock a new file of the same name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stop.wait(LOCK_POLL_S):
                    raise Stopped(str(path)) from None
            except OSError as error:
                raise BrainworthError(
                    f"{path} cannot be locked ({error.strerror}); put data.store_dir on a file "
                    "system that knows file locks"
                ) from error
        yield


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _version(remote: s3.Remote) -> dict[str, Any]:
    return {"etag": remote.etag, "size": remote.size}


def _manifest(store: Path, key: str) -> Path:
    return store / ".manifest" / f"{key}.json"


def _partial(store: Path, key: str, suffix: str) -> Path:
    return store / ".partial" / f"{key}{suffix}"


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
