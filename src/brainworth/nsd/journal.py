"""Which parts of an object have arrived, in a form that survives a crash at any moment.

The journal is a file of JSON lines beside the partial file. The first line says which version of
which object it is about; each other line is one stretch that has arrived, with the MD5s of its
bytes. A line is written after the bytes, and what it says is checked against the bytes when a
download is resumed, so neither a torn line nor lost writes do harm.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

VERSION = 1


@dataclass(frozen=True)
class Layout:
    """How an object is taken apart.

    Attributes
    ----------
    size : int
        Bytes of the object.
    piece : int
        Bytes that one MD5 is taken of: the uploaded parts, if their size is known.
    stretch : int
        Bytes asked for at a time, a multiple of `piece`.
    """

    size: int
    piece: int
    stretch: int

    def __len__(self) -> int:
        return -(-self.size // self.stretch)

    def span(self, number: int) -> tuple[int, int]:
        """Return the first byte of a stretch and the one after its last."""
        start = number * self.stretch
        return start, min(start + self.stretch, self.size)


@dataclass(frozen=True)
class Arrival:
    """A stretch that has arrived: MD5s of its pieces, bytes received and requests made for it."""

    stretch: int
    md5: tuple[str, ...]
    received: int
    requests: int


class Journal:
    """The journal of one object; several threads may add to it.

    Parameters
    ----------
    path : path
        Where it stands.
    etag : str
        Version of the object.
    layout : Layout
        How the object is taken apart.
    """

    def __init__(self, path: Path, etag: str, layout: Layout):
        self._path = path
        self._head = {"version": VERSION, "etag": etag, **asdict(layout)}
        self._lock = threading.Lock()

    def resume(self, n: int) -> dict[int, Arrival]:
        """Return the arrivals of this very version among `n` stretches; mend a torn end.

        Without a journal of this version an empty one is begun.
        """
        lines = _lines(self._path)
        if not lines or lines[0] != self._head:
            self._path.write_text(json.dumps(self._head) + "\n", encoding="utf-8")
            return {}
        arrivals = {}
        for line in lines[1:]:
            arrival = _arrival(line)
            if arrival is not None and 0 <= arrival.stretch < n:
                arrivals[arrival.stretch] = arrival
        # Written anew, so that what is added next does not continue a torn line.
        whole = [self._head, *(asdict(arrival) for arrival in arrivals.values())]
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.write_text("".join(json.dumps(line) + "\n" for line in whole), encoding="utf-8")
        fresh.replace(self._path)
        return arrivals

    def add(self, arrival: Arrival) -> None:
        """Add a stretch whose bytes have been written."""
        line = json.dumps(asdict(arrival)) + "\n"
        with self._lock, self._path.open("a", encoding="utf-8") as handle:
            handle.write(line)


def arrived(path: Path, etag: str, size: int) -> int:
    """Return how many bytes of this version of an object a journal speaks of."""
    lines = _lines(path)
    if not lines:
        return 0
    head = lines[0]
    if (head.get("version"), head.get("etag"), head.get("size")) != (VERSION, etag, size):
        return 0
    stretch = head.get("stretch")
    if not isinstance(stretch, int) or stretch < 1:
        return 0
    layout = Layout(size, stretch, stretch)
    numbers = {arrival.stretch for line in lines[1:] if (arrival := _arrival(line)) is not None}
    spans = [layout.span(number) for number in numbers if 0 <= number < len(layout)]
    return sum(stop - start for start, stop in spans)


def _arrival(line: dict[str, Any]) -> Arrival | None:
    numbers = [line.get(name) for name in ("stretch", "received", "requests")]
    digests = line.get("md5")
    if not all(type(number) is int for number in numbers) or not isinstance(digests, list):
        return None
    return Arrival(numbers[0], tuple(map(str, digests)), numbers[1], numbers[2])


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a journal up to the first that is not one."""
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    lines = []
    for line in text.splitlines(keepends=True):
        try:
            content = json.loads(line) if line.endswith("\n") else None
        except ValueError:
            content = None
        if not isinstance(content, dict):
            break
        lines.append(content)
    return lines
