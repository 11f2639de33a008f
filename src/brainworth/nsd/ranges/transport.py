"""Range requests for one object at a time: many connections, every answer checked.

A request costs some hundred microseconds here, a tenth of what the S3 client takes, which is used
only to ask for an object's size and version. Retries, pauses and sentences are those of whole
files (`patience.patiently`, `s3.meaning`).
"""

from __future__ import annotations

import contextlib
import itertools
import re
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import urllib3

from brainworth import config
from brainworth.errors import BrainworthError
from brainworth.nsd import s3
from brainworth.nsd.patience import patiently

SLOWEST = 20_000  # bytes a second of one connection; slower ones are given up
_PIECE = 2**16
_SMALL = 2**15  # bytes of an answer whose duration is taken for the latency
_AHEAD = 4  # requests handed out beforehand, per connection


@dataclass
class Traffic:
    """What was sent and received.

    Attributes
    ----------
    requests, bytes : int
        Requests, and bytes of the bodies of ranges, failed ones included.
    retries : int
        Requests that had to be sent again.
    """

    requests: int = 0
    bytes: int = 0
    retries: int = 0


class Connections:
    """Connections to a bucket; see `connect`.

    Attributes
    ----------
    traffic : Traffic
        Since the connections were opened.
    readings : int
        How often each range is read: 2 where two readings are compared, else 1.
    """

    def __init__(self, bucket: s3.Bucket, data: config.Data):
        self.bucket = bucket
        self.data = data
        self.traffic = Traffic()
        self._base = _base_url(bucket, data)
        secure = self._base.startswith("https://")
        twice = data.verify_ranges == "twice" or (data.verify_ranges == "auto" and not secure)
        self.readings = 2 if twice else 1
        # The second reading has connections of its own.
        self._managers = [_manager(self._base, data) for _ in range(self.readings)]
        self._pools = [ThreadPoolExecutor(data.parallel_ranges) for _ in range(self.readings)]
        self._lock = threading.Lock()
        self._latencies: list[float] = []
        self._bandwidth: float | None = None

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)
        for manager in self._managers:
            manager.clear()

    def count_question(self) -> None:
        """Count a request that was sent beside the range requests."""
        with self._lock:
            self.traffic.requests += 1

    @property
    def latency_s(self) -> float:
        """Median duration of small requests so far, in seconds."""
        with self._lock:
            return statistics.median(self._latencies) if self._latencies else 0.0

    @property
    def bandwidth(self) -> float | None:
        """Bytes a second of all connections together in the last large `read`."""
        return self._bandwidth

    def read(
        self, remote: s3.Remote, ranges: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, bytes]]:
        """Read byte ranges of an object.

        Parameters
        ----------
        remote : s3.Remote
            The object and its version.
        ranges : list of (start, stop)
            Bytes ``start`` to ``stop - 1``.

        Yields
        ------
        number : int
            Of the range, in the order of arrival.
        content : bytes
            Exactly its bytes.

        Raises
        ------
        s3.Changed
            If the object has another version now.
        BrainworthError
            If it cannot be had, or not in ``data.attempts`` attempts.
        """
        arrived: SimpleQueue[tuple[int, bytes | None, BaseException | None]] = SimpleQueue()
        abandon = threading.Event()

        def work(number: int, start: int, stop: int) -> None:
            try:
                content = patiently(
                    lambda: self._verified(remote, start, stop),
                    remote.key,
                    self.data,
                    abandon,
                    final=(s3.Changed,),
                )
                arrived.put((number, content, None))
            except BaseException as error:
                arrived.put((number, None, error))

        waiting = enumerate(ranges)
        under_way = 0
        begun, received = time.monotonic(), self.traffic.bytes
        try:
            for number, span in itertools.islice(waiting, _AHEAD * self.data.parallel_ranges):
                self._pools[0].submit(work, number, *span)
                under_way += 1
            while under_way:
                number, content, error = arrived.get()
                under_way -= 1
                if error is not None:
                    raise error
                following = next(waiting, None)
                if following is not None:
                    self._pools[0].submit(work, following[0], *following[1])
                    under_way += 1
                yield number, content
        finally:
            # Nobody may go on in the background: the next reading could be of another version.
            abandon.set()
            while under_way:
                arrived.get()
                under_way -= 1
        received = self.traffic.bytes - received
        if received > 2**20:
            self._bandwidth = received / (time.monotonic() - begun)

    def _verified(self, remote: s3.Remote, start: int, stop: int) -> bytes:
        if self.readings == 1:
            return self._once(self._managers[0], remote, start, stop)
        # With other ends, so that no cache on the way answers with what it sent before.
        before, after = int(start > 0), int(stop < remote.size)
        other = self._pools[1].submit(
            self._once, self._managers[1], remote, start - before, stop + after
        )
        try:
            first = self._once(self._managers[0], remote, start, stop)
        finally:
            wait([other])
        second = other.result()
        if first != second[before : len(second) - after]:
            raise self._retry(f"two readings of bytes {start} to {stop - 1} differ")
        return first

    def _once(
        self, manager: urllib3.PoolManager, remote: s3.Remote, start: int, stop: int
    ) -> bytes:
        headers = {
            "Range": f"bytes={start}-{stop - 1}",
            "If-Match": f'"{remote.etag}"',
            "Accept-Encoding": "identity",
        }
        begun = time.monotonic()
        try:
            with self._lock:
                self.traffic.requests += 1
            response = manager.urlopen(
                "GET",
                f"{self._base}/{quote(remote.key)}",
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=s3.CONNECT_TIMEOUT_S, read=s3.READ_TIMEOUT_S),
            )
            try:
                self._check(response, remote, start, stop)
                content = self._body(response, stop - start, begun)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise self._retry(f"the connection failed ({_reason(error)})") from error
        if stop - start <= _SMALL:
            with self._lock:
                self._latencies.append(time.monotonic() - begun)
        return content

    def _check(self, response: Any, remote: s3.Remote, start: int, stop: int) -> None:
        status = response.status
        if status == 200:
            raise BrainworthError(
                f"{remote.key}: {self.bucket.place} answers with the whole object where a range of "
                "bytes was asked for; set data.download: files"
            )
        if status != 206:
            document = response.read(_PIECE) if status >= 400 else b""
            code = re.search(rb"<Code>([A-Za-z0-9.]+)</Code>", document)
            word = code[1].decode() if code else response.headers.get("Location", "no reason given")
            error = s3.meaning(self.bucket, remote.key, status, word)
            with self._lock:
                self.traffic.retries += isinstance(error, s3.Retry)
            raise error
        etag = response.headers.get("ETag")
        if etag is not None and etag.strip('"') != remote.etag:
            raise s3.Changed("the object changed in the bucket during the download")
        told = response.headers.get("Content-Range", "nothing")
        if told != f"bytes {start}-{stop - 1}/{remote.size}":
            raise self._retry(f"bytes {start} to {stop - 1} were asked for, and {told} answered")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise self._retry("the answer came compressed, although that was not asked for")

    def _body(self, response: Any, length: int, begun: float) -> bytes:
        latest = begun + s3.READ_TIMEOUT_S + length / SLOWEST
        pieces, there = [], 0
        while piece := response.read1(min(_PIECE, length + 1 - there)):
            pieces.append(piece)
            there += len(piece)
            with self._lock:
                self.traffic.bytes += len(piece)
            if there > length:
                break
            if time.monotonic() > latest:
                raise self._retry(f"only {there} of {length} bytes arrived in time")
        if there != length:
            more = "more than " if there > length else ""
            raise self._retry(f"{more}{min(there, length)} bytes arrived where {length} belong")
        return b"".join(pieces)

    def _retry(self, reason: str) -> s3.Retry:
        with self._lock:
            self.traffic.retries += 1
        return s3.Retry(reason)


@contextlib.contextmanager
def connect(data: config.Data) -> Iterator[Connections]:
    """Open the bucket of a configuration for range requests.

    Raises
    ------
    BrainworthError
        As `s3.connect`.
    """
    with s3.connect(data) as bucket, contextlib.closing(Connections(bucket, data)) as connections:
        yield connections


def _base_url(bucket: s3.Bucket, data: config.Data) -> str:
    """Return the bucket's URL: BUCKET.HOST at Amazon, HOST/BUCKET elsewhere (as in `s3`)."""
    parts = urlsplit(bucket.client.meta.endpoint_url)
    if data.endpoint_url or "." in bucket.name:
        return urlunsplit(
            (parts.scheme, parts.netloc, f"{parts.path.rstrip('/')}/{bucket.name}", "", "")
        )
    return urlunsplit((parts.scheme, f"{bucket.name}.{parts.netloc}", "", "", ""))


def _manager(base: str, data: config.Data) -> urllib3.PoolManager:
    parts = urlsplit(base)
    settings = {
        "maxsize": data.parallel_ranges,
        "block": True,
        "cert_reqs": "CERT_REQUIRED",
        "ca_certs": s3.certificates(data),
    }
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        return urllib3.ProxyManager(proxy, **settings)
    return urllib3.PoolManager(**settings)


def _reason(error: Exception) -> str:
    """Return the sentence in an exception of urllib3, without the objects it names."""
    return (
        re.sub(r"^<?\w*\(?[^:]*object at 0x[0-9a-f]+>?:? ?", "", str(error)) or type(error).__name__
    )
