"""Bringing the bytes of one object to disk over several connections at once.

The object is taken apart into stretches, each asked for by a request of its own and written to its
place in a file that has its full size from the start. Another thread follows the stretches in
order and digests them while later ones are still coming in.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainworth import config
from brainworth.nsd import s3
from brainworth.nsd.journal import Arrival, Journal, Layout
from brainworth.nsd.patience import Stop, Stopped, patiently

#: Bytes asked for at a time; what one connection can lose in a crash.
STRETCH = 16 * 2**20

#: Uploaded parts up to this size are digested as they come in; larger ones afterwards, in order.
LARGEST_PIECE = 4 * STRETCH

#: Part sizes in MiB of common upload tools, the AWS command line's first, where a service does not
#: say which was used.
COMMON_PARTS_MIB = (8, 5, 15, 16, 10, 32, 50, 64, 100, 128, 256, 512)


@dataclass(frozen=True)
class Received:
    """Digests of an object whose bytes have all arrived.

    Attributes
    ----------
    sha256 : str
        Of all bytes.
    etag_md5 : str or None
        MD5 that the ETag consists of, or begins with: of all bytes, or of the MD5s of the uploaded
        parts; None if the ETag is not made of MD5s or the size of the parts is not known.
    part_size_told : bool
        Whether the service told the size of the parts (it may have been guessed).
    received, requests : int
        Bytes that came over the network, and requests for them.
    """

    sha256: str
    etag_md5: str | None
    part_size_told: bool
    received: int
    requests: int


@dataclass(frozen=True)
class Scheme:
    """How an object is taken apart, and what is known of how it was uploaded."""

    layout: Layout
    part_size: int | None
    told: bool


def scheme(bucket: s3.Bucket, remote: s3.Remote, ranges: bool = True) -> Scheme:
    """Decide how an object is taken apart.

    Parameters
    ----------
    ranges : bool
        Whether the service sends parts of objects; if not, it is one stretch.

    Raises
    ------
    s3.Retry
        As `s3.part_size`.
    """
    part, told = None, False
    if remote.n_parts is not None:
        part = s3.part_size(bucket, remote)
        told = part is not None
        if part is None:
            guesses = (number * 2**20 for number in COMMON_PARTS_MIB)
            part = next((n for n in guesses if -(-remote.size // n) == remote.n_parts), None)
    elif remote.md5 is not None:
        part, told = remote.size, True
    largest = LARGEST_PIECE if remote.n_parts is not None else STRETCH
    piece = part if part is not None and part <= largest else STRETCH
    stretch = piece * max(1, STRETCH // piece)
    if not ranges:
        stretch = piece * -(-remote.size // piece)
    return Scheme(Layout(remote.size, piece, stretch), part, told)


def receive(
    bucket: s3.Bucket,
    remote: s3.Remote,
    how: Scheme,
    part: Path,
    journal: Journal,
    pool: Executor,
    data: config.Data,
    report: Callable[[int], None],
    stop: Stop,
) -> Received:
    """Bring what is missing of an object into its partial file.

    Parameters
    ----------
    part : path
        The partial file; made if it does not exist.
    journal : Journal
        Which stretches have arrived before; each is held against its MD5s first.
    pool : Executor
        Threads that ask, one connection each.
    report : callable
        Called with the number of bytes that are there.

    Raises
    ------
    s3.Changed, s3.NoRanges
        If the object must be begun anew, or asked for as a whole.
    BrainworthError
        If the object cannot be had, or a stretch not in ``data.attempts`` attempts.
    Stopped
        If `stop` was set.
    OSError
        If the disk is full or cannot be written.
    """
    before = journal.resume(len(how.layout))
    with _opened(part, remote.size) as descriptor:
        work = _Work(bucket, remote, how.layout, descriptor, journal, data, report, stop.child())
        futures = [
            pool.submit(work.bring, number, before.get(number)) for number in range(len(how.layout))
        ]
        from_pieces = how.part_size is not None and how.part_size == how.layout.piece
        digest = _Digest(None if from_pieces else how.part_size)
        arrivals = []
        try:
            for number, future in enumerate(futures):
                arrivals.append(future.result())
                digest.follow(descriptor, *how.layout.span(number))
                if work.halt.is_set():
                    raise Stopped(remote.key)
        except BaseException:
            work.halt.set()
            _end(futures)
            raise
        os.fsync(descriptor)
    md5s = [md5 for arrival in arrivals for md5 in arrival.md5] if from_pieces else digest.md5s()
    return Received(
        sha256=digest.sha256.hexdigest(),
        etag_md5=None if how.part_size is None else composite(md5s, remote.n_parts),
        part_size_told=how.told,
        received=sum(arrival.received for arrival in arrivals),
        requests=sum(arrival.requests for arrival in arrivals),
    )


def composite(md5s: list[str], n_parts: int | None) -> str:
    """Return the MD5 that S3 makes an ETag of: of the parts' MD5s, or the only one there is."""
    if n_parts is None:
        return md5s[0]
    joined = b"".join(bytes.fromhex(md5) for md5 in md5s)
    return hashlib.md5(joined, usedforsecurity=False).hexdigest()


class _Work:
    """What the threads that work on one object share."""

    def __init__(
        self,
        bucket: s3.Bucket,
        remote: s3.Remote,
        layout: Layout,
        descriptor: int,
        journal: Journal,
        data: config.Data,
        report: Callable[[int], None],
        halt: Stop,
    ):
        self.bucket, self.remote, self.layout = bucket, remote, layout
        self.descriptor, self.journal, self.data = descriptor, journal, data
        self.halt = halt
        self._report = report
        self._there = 0
        self._lock = threading.Lock()

    def bring(self, number: int, before: Arrival | None) -> Arrival:
        """Bring one stretch, unless it is there; the first failure halts the others."""
        try:
            if before is not None and self._is_there(number, before):
                return before
            stretch = _Stretch(self, number)
            patiently(
                stretch.attempt,
                self.remote.key,
                self.data,
                self.halt,
                final=(s3.Changed, s3.NoRanges),
            )
            arrival = Arrival(number, tuple(stretch.md5s), stretch.received, stretch.requests)
            self.journal.add(arrival)
            return arrival
        except BaseException:
            self.halt.set()
            raise

    def move(self, n: int) -> None:
        """Count bytes that have come (or, negative, must come again)."""
        with self._lock:
            self._there += n
            self._report(self._there)

    def _is_there(self, number: int, arrival: Arrival) -> bool:
        start, stop = self.layout.span(number)
        digest = _Digest(self.layout.piece)
        digest.follow(self.descriptor, start, stop)
        if tuple(digest.md5s()) != arrival.md5:
            return False
        self.move(stop - start)
        return True


class _Stretch:
    """One stretch on its way: what is there of it, and the MD5s of its pieces."""

    def __init__(self, work: _Work, number: int):
        self.work = work
        self.start, self.stop = work.layout.span(number)
        self.received = self.requests = 0
        self.at = self.start
        self.md5s: list[str] = []
        self._digest: Any = None

    def attempt(self) -> None:
        """Ask for what is missing of the stretch."""
        work = self.work
        self.requests += 1
        start, blocks = s3.get(work.bucket, work.remote, self.at, self.stop)
        with contextlib.closing(blocks):
            if start != self.at:
                if self.start != 0:
                    raise s3.NoRanges("the service does not send parts of objects")
                work.move(-self.at)
                self.at, self.md5s, self._digest = 0, [], None
            for block in blocks:
                self._take(memoryview(block))
                if work.halt.is_set():
                    raise Stopped(work.remote.key)
        if self.at < self.stop:
            there = f"{self.at - self.start} of {self.stop - self.start}"
            raise s3.Retry(f"the body ended after {there} bytes")

    def _take(self, block: memoryview) -> None:
        n = min(len(block), self.stop - self.at)
        self.received += len(block)
        while n > 0:
            piece = self.work.layout.piece
            here = min(n, piece - self.at % piece)
            _write(self.work.descriptor, block[:here], self.at)
            self._digest = self._digest or hashlib.md5(usedforsecurity=False)
            self._digest.update(block[:here])
            self.at += here
            if self.at % piece == 0 or self.at == self.stop:
                self.md5s.append(self._digest.hexdigest())
                self._digest = None
            self.work.move(here)
            block, n = block[here:], n - here


class _Digest:
    """SHA-256 of a file read in order, and the MD5s of its parts of one size (None: no MD5)."""

    def __init__(self, part_size: int | None):
        self.sha256 = hashlib.sha256()
        self._part_size = part_size
        self._md5s: list[Any] = []
        self._room = 0

    def follow(self, descriptor: int, start: int, stop: int) -> None:
        """Go on with bytes `start` to `stop`; a file that ends earlier counts as it is."""
        at = start
        while at < stop:
            block = memoryview(os.pread(descriptor, min(s3.BLOCK, stop - at), at))
            if not block:
                return
            at += len(block)
            if self._part_size is None:
                self.sha256.update(block)
                continue
            self.sha256.update(block)
            while block:
                if self._room == 0:
                    self._md5s.append(hashlib.md5(usedforsecurity=False))
                    self._room = self._part_size
                here = min(self._room, len(block))
                self._md5s[-1].update(block[:here])
                self._room -= here
                block = block[here:]

    def md5s(self) -> list[str]:
        """Return the MD5s of the parts so far, the last one perhaps of less than a part."""
        return [digest.hexdigest() for digest in self._md5s]


@contextlib.contextmanager
def _opened(part: Path, size: int) -> Iterator[int]:
    """Open the partial file with room for all of the object."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
        os.ftruncate(descriptor, size)  # also where there was more, or no room can be reserved
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, block: memoryview, at: int) -> None:
    while block:
        n = os.pwrite(descriptor, block, at)
        block, at = block[n:], at + n


def _end(futures: list[Future[Arrival]]) -> None:
    """Wait for all threads to stop, and raise what made them stop, if one of them did."""
    for future in futures:
        future.cancel()
    wait(futures)
    errors = [
        error
        for future in futures
        if not future.cancelled() and (error := future.exception()) is not None
    ]
    for kind in (s3.Changed, s3.NoRanges):
        for error in errors:
            if isinstance(error, kind):
                raise error
    for error in errors:
        if not isinstance(error, Stopped):
            raise error
