"""Downloading one object so that it can be interrupted at any moment.

In the store an object is either whole and described by ``.manifest/KEY.json``, or partial in
``.partial/KEY.part``, with a journal of what has arrived beside it. A partial object is never a
Snakemake output, because Snakemake deletes the outputs of a job that failed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path

from brainworth import config
from brainworth.errors import BrainworthError
from brainworth.nsd import journal, manifest, registry, s3, transfer, verify
from brainworth.nsd.manifest import Entry
from brainworth.nsd.patience import Stop, Stopped, patiently

LOCK_POLL_S = 0.1


def resumable(store: Path, remote: s3.Remote) -> int:
    """Return the number of bytes of this very version of an object that have arrived before."""
    part = _partial(store, remote.key, ".part")
    if not part.exists():
        return 0
    return journal.arrived(_partial(store, remote.key, ".journal"), remote.etag, remote.size)


def occupied(store: Path, key: str) -> int:
    """Return the bytes of disk that the partial file of an object takes up already."""
    try:
        return _partial(store, key, ".part").stat().st_blocks * 512
    except FileNotFoundError:
        return 0


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
    pool: Executor,
    report: Callable[[str, int], None],
    stop: Stop,
    passing: bool = False,
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
    pool : Executor
        Threads that ask, one connection each, shared by all objects of a job.
    report : callable
        Called with the key and the number of its bytes that are there.
    stop : Stop
        Set to give up between two blocks.
    passing : bool
        Whether the object may be dropped from the store once it has been read.

    Returns
    -------
    Entry
        The verified object: length, the registry's size and SHA-256 where known, the MD5s that the
        ETag is made of, and the signature of the file format.

    Raises
    ------
    BrainworthError
        If the object cannot be had, or not in ``data.attempts`` attempts.
    Stopped
        If `stop` was set.
    """
    with locked(store, known.key, stop):
        entry = manifest.kept(store, known)  # another process may have finished it meanwhile
        if entry is None:
            attempt = _Attempt(bucket, known, store, data, pool, report, stop, passing)
            entry = patiently(attempt, known.key, data, stop)
        report(entry.key, entry.size)
        return entry


@dataclasses.dataclass
class _Attempt:
    """One attempt after the other to bring an object."""

    bucket: s3.Bucket
    known: registry.NsdObject
    store: Path
    data: config.Data
    pool: Executor
    report: Callable[[str, int], None]
    stop: Stop
    passing: bool
    ranges: bool = True

    def __call__(self) -> Entry:
        key, store = self.known.key, self.store
        remote = head(self.bucket, self.known)
        part, notes = _partial(store, key, ".part"), _partial(store, key, ".journal")
        if resumable(store, remote) == 0:
            part.unlink(missing_ok=True)
            notes.unlink(missing_ok=True)
        self.report(key, 0)
        try:
            how = transfer.scheme(self.bucket, remote, self.ranges)
            arrived = transfer.receive(
                self.bucket,
                remote,
                how,
                part,
                journal.Journal(notes, remote.etag, how.layout),
                self.pool,
                self.data,
                lambda there: self.report(key, there),
                self.stop,
            )
        except s3.NoRanges:
            self.ranges = False
            raise
        verified, damage = _compare(remote, self.known, part, arrived)
        if damage is not None:
            part.unlink()
            notes.unlink()
            raise s3.Retry(damage)
        final = store / key
        final.parent.mkdir(parents=True, exist_ok=True)
        # An entry of an earlier version must not describe the new file, not even for a moment.
        manifest.path_of(store, key).unlink(missing_ok=True)
        part.replace(final)
        entry = Entry(
            key=key,
            etag=remote.etag,
            size=remote.size,
            sha256=arrived.sha256,
            verified=verified,
            received=arrived.received,
            requests=arrived.requests + self.bucket.asked[key],
            mtime_ns=final.stat().st_mtime_ns,
            passing=self.passing,
        )
        manifest.write(store, entry)
        notes.unlink()
        return entry


def _compare(
    remote: s3.Remote, known: registry.NsdObject, part: Path, arrived: transfer.Received
) -> tuple[str, str | None]:
    """Return what the bytes were compared with, and what is wrong with them, if anything."""
    verified, right = "size", None
    if arrived.etag_md5 is not None:
        right = remote.etag.split("-")[0]
        verified = "md5" if remote.n_parts is None else "parts"
        if arrived.etag_md5 != right and not arrived.part_size_told:
            verified, right = "size", None  # the size of the parts was a guess, and a wrong one
    if right not in (None, arrived.etag_md5):
        damage = f"are damaged (MD5 {arrived.etag_md5}, the bucket says {right})"
        return verified, f"the bytes that arrived {damage}"
    if known.sha256 not in (None, arrived.sha256):
        damage = f"are not NSD's (SHA-256 {arrived.sha256}, not {known.sha256})"
        return verified, f"the bytes that arrived {damage}"
    problem = verify.problem(part, known)
    return verified, None if problem is None else f"what arrived {problem}"


@contextlib.contextmanager
def locked(store: Path, key: str, stop: threading.Event) -> Iterator[None]:
    """Let one process or thread at a time work on an object.

    The lock file stays: deleting it would let a third process lock a new file of the same name.

    Raises
    ------
    BrainworthError
        If the file system knows no locks.
    Stopped
        If `stop` was set while waiting.
    """
    path = _partial(store, key, ".lock")
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


def _partial(store: Path, key: str, suffix: str) -> Path:
    return store / ".partial" / f"{key}{suffix}"
