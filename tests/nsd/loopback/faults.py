"""What can go wrong with an answer; see `Server.inject` for when.

A fault is called with the connection, the request and the answer that would have been right, and
answers in its place.
"""

from __future__ import annotations

import dataclasses
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loopback.server import Answer, Connection, Request

Fault = Callable[["Connection", "Request", "Answer"], None]
DROP = 2**14


def cut_after(n: int) -> Fault:
    """Send the first n bytes of the body, then close the connection in good order."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        connection.send_head(answer)
        connection.send_body(answer, stop=n)
        connection.hang_up()

    return fault


def reset_after(n: int) -> Fault:
    """Send the first n bytes of the body, then reset the connection."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        connection.send_head(answer)
        connection.send_body(answer, stop=n)
        time.sleep(0.1)  # a reset overtakes bytes that were not read yet
        abort = struct.pack("ii", 1, 0)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
        connection.hang_up(abort=True)

    return fault


def no_answer() -> Fault:
    """Close the connection without a word."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        connection.hang_up()

    return fault


def stall_after(n: int, gate: threading.Event, longest_s: float = 30.0) -> Fault:
    """Send the first n bytes at once and nothing until the gate opens, then the rest."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        connection.send_head(answer)
        connection.send_body(answer, stop=n)
        gate.wait(longest_s)
        connection.send_body(answer, start=n)

    return fault


def dribble_after(n: int, gate: threading.Event) -> Fault:
    """Send the first n bytes at once and the rest in drops of 16 KiB, until the gate opens."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        connection.send_head(answer)
        connection.send_body(answer, stop=n)
        for at in range(n, answer.length, DROP):
            gate.wait(0.02)
            connection.send_body(answer, start=at, stop=at + DROP)

    return fault


def corrupt(at: int | None = None) -> Fault:
    """Send a body of the right length in which one byte is wrong.

    `at` is the byte's place in the object (which the request must cover), by default the first
    byte asked for.
    """

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        place = 0 if at is None else at - answer.start
        connection.send_head(answer)
        connection.send_body(answer, stop=place)
        right = answer.content.read(answer.start + place, answer.start + place + 1)
        connection.send(bytes([right[0] ^ 1]))
        connection.send_body(answer, start=place + 1)

    return fault


def ignore_range() -> Fault:
    """Answer with the whole object and status 200, whatever range was asked for."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        connection.respond(connection.server.whole(request))

    return fault


def shift_range(by: int) -> Fault:
    """Answer with another range than was asked for, and say so in Content-Range."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        size = answer.content.size
        start, stop = min(answer.start + by, size - 1), min(answer.stop + by, size)
        headers = answer.headers | {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
        connection.respond(
            dataclasses.replace(answer, start=start, stop=stop, headers=headers, status=206)
        )

    return fault


def wrong_content_range() -> Fault:
    """Send the right bytes under a Content-Range of other ones."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        span = f"bytes {answer.start + 1}-{answer.stop}/{answer.content.size}"
        connection.respond(
            dataclasses.replace(answer, headers=answer.headers | {"Content-Range": span})
        )

    return fault


def changed_etag(etag: str = "0" * 32) -> Fault:
    """Send the right bytes under another ETag."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        connection.respond(
            dataclasses.replace(answer, headers=answer.headers | {"ETag": f'"{etag}"'})
        )

    return fault


def status(number: int, code: str) -> Fault:
    """Answer with an error document of S3."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        connection.refuse(request, number, code)

    return fault


def slow(bytes_per_s: float) -> Fault:
    """Send the right answer slowly."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        connection.send_head(answer)
        for at in range(0, answer.length, DROP):
            connection.send_body(answer, start=at, stop=at + DROP)
            time.sleep(DROP / bytes_per_s)

    return fault


def replace_with(content: bytes) -> Fault:
    """Put other contents under the key just before answering."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        connection.server.add(request.key, content)
        connection.follow(request)

    return fault


def and_then(first: Fault, then: Callable[[], None]) -> Fault:
    """Answer with a fault, and do something to the server afterwards."""

    def fault(connection: Connection, request: Request, answer: Answer) -> None:
        first(connection, request, answer)
        then()

    return fault
