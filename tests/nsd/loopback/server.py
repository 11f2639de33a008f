"""The server: HTTP/1.1 over threads, GET and HEAD of objects, and the listing of the bucket."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from loopback.faults import Fault
from loopback.limits import Bandwidth
from loopback.listing import listing
from loopback.objects import Stored

BUCKET = "natural-scenes-dataset"
PIECE = 2**16
REASONS = {200: "OK", 206: "Partial Content", 304: "Not Modified", 403: "Forbidden"}
REASONS |= {404: "Not Found", 412: "Precondition Failed", 416: "Range Not Satisfiable"}


@dataclass(frozen=True)
class Request:
    """One request, as it came."""

    method: str
    key: str
    range: str | None
    if_match: str | None
    query: dict[str, str] = field(default_factory=dict, compare=False)
    if_none_match: str | None = field(default=None, compare=False)
    bucket: str = field(default=BUCKET, compare=False)


@dataclass(frozen=True)
class Answer:
    """An answer: status and headers, and bytes `start` to `stop` of the content."""

    status: int
    headers: dict[str, str]
    content: Stored
    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


class Refused(Exception):
    """The request has an error for an answer."""

    def __init__(self, status: int, code: str):
        super().__init__(code)
        self.status, self.code = status, code


@dataclass
class Rule:
    """A fault, and which requests it meets."""

    fault: Fault
    method: str
    key: str
    covers: int | None
    skip: int
    times: int | None

    def meets(self, request: Request, answer: Answer) -> bool:
        """Say whether this request meets the fault, and count it."""
        if request.method != self.method or not fnmatch.fnmatchcase(request.key, self.key):
            return False
        if self.covers is not None and not answer.start <= self.covers < answer.stop:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class Server:
    """An S3 service with one public bucket.

    Parameters
    ----------
    latency_s : float
        Pause before every answer; connections pause side by side.
    bytes_per_s : float or None
        What all connections together may send.
    tls : ssl.SSLContext or None
        Serves HTTPS if given (see `tls.authority`).

    Attributes
    ----------
    objects : dict from key to Stored
        What is there; see `add`.
    denials : dict from key to int
        Keys that are answered with this status; the empty key is the listing.
    requests : list of Request
        What was asked, in order of arrival.
    bytes_sent : int
        Bytes of bodies sent.
    """

    def __init__(
        self,
        latency_s: float = 0.0,
        bytes_per_s: float | None = None,
        tls: ssl.SSLContext | None = None,
    ):
        self.objects: dict[str, Stored] = {}
        self.denials: dict[str, int] = {}
        self.requests: list[Request] = []
        self.bytes_sent = 0
        self.latency_s = latency_s
        self.bandwidth = Bandwidth(bytes_per_s)
        self.lock = threading.Lock()
        self._rules: list[Rule] = []
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def gets(self) -> list[Request]:
        return [request for request in self.requests if request.method == "GET"]

    def add(
        self, key: str, content: bytes | Path, part_size: int | None = None, etag: str = ""
    ) -> Stored:
        """Put an object into the bucket, as uploaded at once or in parts."""
        stored = self.objects[key] = Stored(content, part_size, etag)
        return stored

    def add_folder(self, folder: Path, part_size: int | None = None) -> None:
        """Put all files below a folder into the bucket, under their relative paths.

        Those larger than `part_size` are as if uploaded in parts of that size, as the AWS command
        line does with 8 MiB.
        """
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                large = part_size is not None and path.stat().st_size > part_size
                self.add(path.relative_to(folder).as_posix(), path, part_size if large else None)

    def inject(
        self,
        fault: Fault,
        *,
        key: str = "*",
        method: str = "GET",
        covers: int | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> None:
        """Let requests meet a fault.

        Parameters
        ----------
        key : str
            Pattern of keys (as in a shell).
        covers : int, optional
            Only requests for a range that holds this byte of the object.
        nth : int
            The first of such requests to meet the fault, counted from 1.
        times : int or None
            How many requests meet it; None for all.

        A request meets the first of the faults injected that fits it and is not used up.
        """
        with self.lock:
            self._rules.append(Rule(fault, method, key, covers, nth - 1, times))

    def forget(self) -> None:
        """Drop all faults, and the requests written down."""
        with self.lock:
            self._rules.clear()
            self.requests.clear()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake `accept`
        self._listener.close()
        with self.lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for stored in self.objects.values():
            stored.close()

    def answer(self, request: Request) -> Answer:
        """Return the right answer to a request for an object, or raise `Refused`."""
        if request.bucket != BUCKET:
            raise Refused(404, "NoSuchBucket")
        denial = self.denials.get(request.key)
        if denial is not None:
            raise Refused(denial, {403: "AccessDenied"}.get(denial, "Denied"))
        if request.key not in self.objects:
            raise Refused(404, "NoSuchKey")
        stored = self.objects[request.key]
        if request.if_match not in (None, "*", f'"{stored.etag}"', stored.etag):
            raise Refused(412, "PreconditionFailed")
        if request.if_none_match in ("*", f'"{stored.etag}"'):
            raise Refused(304, "NotModified")
        headers = {
            "ETag": f'"{stored.etag}"',
            "Accept-Ranges": "bytes",
            "Last-Modified": "Sun, 20 Aug 2023 00:00:00 GMT",
            "Content-Type": "binary/octet-stream",
        }
        start, stop, partial = _span(request, stored)
        if "partNumber" in request.query and stored.part_size is not None:
            headers["x-amz-mp-parts-count"] = str(stored.n_parts())
        if partial:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{stored.size}"
        return Answer(206 if partial else 200, headers, stored, start, stop)

    def whole(self, request: Request) -> Answer:
        """Return the answer of a service that knows no ranges."""
        return self.answer(Request("GET", request.key, None, None))

    def fault_for(self, request: Request, answer: Answer) -> Fault | None:
        with self.lock:
            return next((rule.fault for rule in self._rules if rule.meets(request, answer)), None)

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self._open.add(accepted)
        try:
            # Clients that are killed hang up, and some refuse our certificate: that is the test.
            with contextlib.suppress(OSError):
                wrapped = (
                    self._tls.wrap_socket(accepted, server_side=True) if self._tls else accepted
                )
                Connection(self, wrapped).serve()
                wrapped.close()
        finally:
            with self.lock:
                self._open.discard(accepted)
            accepted.close()


class Connection:
    """One client's connection, which asks one thing after another."""

    def __init__(self, server: Server, accepted: socket.socket):
        self.server = server
        self.socket = accepted
        self._open = True
        self._headless = False
        self._received = b""

    def serve(self) -> None:
        while self._open and (request := self._next()) is not None:
            with self.server.lock:
                self.server.requests.append(request)
            if self.server.latency_s:
                time.sleep(self.server.latency_s)
            self._headless = request.method == "HEAD"
            try:
                answer = self._respond_to(request)
            except Refused as error:
                self.refuse(request, error.status, error.code)
                continue
            fault = self.server.fault_for(request, answer)
            if fault is None:
                self.respond(answer)
            else:
                fault(self, request, answer)

    def follow(self, request: Request) -> None:
        """Send the right answer, as things are now."""
        try:
            answer = self._respond_to(request)
        except Refused as error:
            self.refuse(request, error.status, error.code)
        else:
            self.respond(answer)

    def respond(self, answer: Answer) -> None:
        """Send an answer."""
        if not self._headless and answer.length <= PIECE:
            body = answer.content.read(answer.start, answer.stop)
            self.send(self._head(answer) + body, of_body=len(body))
        else:
            self.send_head(answer)
            self.send_body(answer)

    def refuse(self, request: Request, status: int, code: str) -> None:
        """Send an error document of S3."""
        document = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{code}</Message><Key>{request.key}</Key></Error>"
        ).encode()
        headers = {"Content-Type": "application/xml"}
        empty = Stored(b"" if status == 304 else document, etag="none")
        self.respond(Answer(status, headers, empty, 0, empty.size))

    def send_head(self, answer: Answer) -> None:
        self.send(self._head(answer))

    def send_body(self, answer: Answer, start: int = 0, stop: int | None = None) -> None:
        """Send bytes of the body, counted from its beginning."""
        if self._headless:
            return
        at = min(answer.start + start, answer.stop)
        end = answer.stop if stop is None else min(answer.start + stop, answer.stop)
        descriptor = answer.content.descriptor()
        quick = descriptor is not None and not isinstance(self.socket, ssl.SSLSocket)
        limited = self.server.bandwidth.bytes_per_s is not None
        while at < end:
            n = min(end - at, PIECE if limited else 16 * PIECE)
            self.server.bandwidth.take(n)
            if quick:
                n = os.sendfile(self.socket.fileno(), descriptor, at, n)
                self._count(n)
            else:
                self.send(answer.content.read(at, at + n), of_body=n, taken=True)
            at += n

    def send(self, content: bytes, of_body: int = 0, taken: bool = False) -> None:
        if not taken:
            self.server.bandwidth.take(len(content))
        self.socket.sendall(content)
        self._count(of_body)

    def hang_up(self, abort: bool = False) -> None:
        """Close the connection after this answer."""
        self._open = False
        if abort:
            self.socket.close()

    def _count(self, n: int) -> None:
        if n:
            with self.server.lock:
                self.server.bytes_sent += n

    def _head(self, answer: Answer) -> bytes:
        lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines += [f"Content-Length: {answer.length}", "Server: loopback", "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def _respond_to(self, request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            self._open = False  # there may be a body, which nobody reads
            raise Refused(405, "MethodNotAllowed")
        if request.key:
            return self.server.answer(request)
        if request.bucket != BUCKET:
            raise Refused(404, "NoSuchBucket")
        if "" in self.server.denials:
            raise Refused(self.server.denials[""], "AccessDenied")
        with self.server.lock:
            objects = dict(self.server.objects)
        document = Stored(listing(BUCKET, objects, request.query), etag="none")
        return Answer(200, {"Content-Type": "application/xml"}, document, 0, document.size)

    def _next(self) -> Request | None:
        while b"\r\n\r\n" not in self._received:
            more = self.socket.recv(PIECE)
            if not more:
                return None
            self._received += more
        head, self._received = self._received.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        if headers.get("connection", "").lower() == "close":
            self._open = False
        return Request(
            method,
            key,
            headers.get("range"),
            headers.get("if-match"),
            dict(parse_qsl(query, keep_blank_values=True)),
            headers.get("if-none-match"),
            bucket,
        )


def _span(request: Request, stored: Stored) -> tuple[int, int, bool]:
    """Return start, stop, and whether that is a part (S3 ignores ranges it does not know)."""
    if "partNumber" in request.query:
        number = int(request.query["partNumber"])
        if not 1 <= number <= stored.n_parts():
            raise Refused(416, "InvalidPartNumber")
        return *stored.part(number), True
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.range or "")
    if found is None or found.groups() == ("", ""):
        return 0, stored.size, False
    first, last = found.groups()
    if not first:
        start, stop = max(0, stored.size - int(last)), stored.size
    else:
        start = int(first)
        stop = stored.size if not last else min(int(last) + 1, stored.size)
    if start >= stored.size or start >= stop:
        raise Refused(416, "InvalidRange")
    return start, stop, True


@contextlib.contextmanager
def running(
    latency_s: float = 0.0, bytes_per_s: float | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """Run a server in threads of this process."""
    server = Server(latency_s, bytes_per_s, tls)
    try:
        yield server
    finally:
        server.close()
