"""An S3 server on 127.0.0.1 that misbehaves on request.

It serves ``GET`` and ``HEAD`` of the objects in `S3Stub.objects`, with ranges and If-Match, and
writes down what it was asked. Each GET takes the next of `S3Stub.faults`, if there is one.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

BUCKET = "natural-scenes-dataset"
DROP = 2**14


class Request(NamedTuple):
    method: str
    key: str
    range: str | None
    if_match: str | None


Fault = Callable[["Handler", bytes], None]


def cut_after(n: int) -> Fault:
    """Send the first n bytes of the body, then close the connection in good order."""

    def fault(handler: Handler, body: bytes) -> None:
        handler.start(body)
        handler.wfile.write(body[:n])
        handler.close_connection = True

    return fault


def reset_after(n: int) -> Fault:
    """Send the first n bytes of the body, then reset the connection."""

    def fault(handler: Handler, body: bytes) -> None:
        handler.start(body)
        handler.wfile.write(body[:n])
        time.sleep(0.1)  # a reset overtakes bytes that were not read yet
        abort = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
        handler.connection.close()
        handler.close_connection = True

    return fault


def dribble_after(n: int, gate: threading.Event) -> Fault:
    """Send the first n bytes at once and the rest in drops, until the gate opens."""

    def fault(handler: Handler, body: bytes) -> None:
        handler.start(body)
        handler.wfile.write(body[:n])
        for at in range(n, len(body), DROP):
            gate.wait(0.02)
            handler.wfile.write(body[at : at + DROP])

    return fault


def corrupt(handler: Handler, body: bytes) -> None:
    """Send a body of the right length in which one byte is wrong."""
    handler.start(body)
    handler.wfile.write(bytes([body[0] ^ 1]) + body[1:])


def ignore_range(handler: Handler, body: bytes) -> None:
    """Answer with the whole object, whatever range was asked for."""
    handler.range_start = 0
    whole = handler.server.objects[handler.key]
    handler.start(whole)
    handler.wfile.write(whole)


def status(number: int, code: str) -> Fault:
    """Answer with an error document of S3."""

    def fault(handler: Handler, body: bytes) -> None:
        handler.refuse(number, code)

    return fault


def replace_with(content: bytes) -> Fault:
    """Put other contents under the key just before answering."""

    def fault(handler: Handler, body: bytes) -> None:
        handler.server.objects[handler.key] = content
        handler.answer_get()

    return fault


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Stub
    range_start = 0

    @property
    def key(self) -> str:
        return self.path.split("?")[0].removeprefix(f"/{BUCKET}/")

    def do_HEAD(self) -> None:
        self.note()
        denial = self.server.denials.get(self.key)
        if denial or self.key not in self.server.objects:
            self.refuse(denial or 404, "")
        else:
            self.range_start = 0
            self.start(self.server.objects[self.key], status=200)

    def do_GET(self) -> None:
        self.note()
        with self.server.lock:
            fault = self.server.faults.popleft() if self.server.faults else None
        self.answer_get(fault)

    def answer_get(self, fault: Fault | None = None) -> None:
        content = self.server.objects[self.key]
        wanted = self.headers["If-Match"]
        if fault is None and wanted not in (None, f'"{self.server.etag(self.key)}"'):
            self.refuse(412, "PreconditionFailed")
            return
        span = self.headers["Range"]
        self.range_start = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
        body = content[self.range_start :]
        if fault is not None:
            fault(self, body)
        else:
            self.start(body)
            self.wfile.write(body)

    def start(self, body: bytes, status: int | None = None) -> None:
        size = len(self.server.objects[self.key])
        self.send_response(status or (206 if self.range_start else 200))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{self.server.etag(self.key)}"')
        if self.range_start:
            self.send_header("Content-Range", f"bytes {self.range_start}-{size - 1}/{size}")
        self.end_headers()

    def refuse(self, number: int, code: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.send_response(number)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text)

    def note(self) -> None:
        request = Request(self.command, self.key, self.headers["Range"], self.headers["If-Match"])
        with self.server.lock:
            self.server.requests.append(request)

    def log_message(self, *args: object) -> None:
        pass


class S3Stub(ThreadingHTTPServer):
    """The server; `etags` and `denials` (key to status) override what follows from `objects`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.denials: dict[str, int] = {}
        self.faults: deque[Fault] = deque()
        self.requests: list[Request] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def gets(self) -> list[Request]:
        return [request for request in self.requests if request.method == "GET"]

    def etag(self, key: str) -> str:
        return self.etags.get(key, hashlib.md5(self.objects[key]).hexdigest())

    def handle_error(self, *args: object) -> None:
        pass  # clients that are killed hang up


@contextlib.contextmanager
def running() -> Iterator[S3Stub]:
    server = S3Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
