"""Progress over the bytes of many objects, and a line in the log for each that is there."""

from __future__ import annotations

import threading
import time

from tqdm import tqdm

from brainworth.nsd.manifest import Entry


def gigabytes(n_bytes: float) -> str:
    """Write a number of bytes in GB (10^9), or in MB or kB where it is small."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= 0.1 * size:
            return f"{n_bytes / size:,.2f} {unit}"
    return f"{n_bytes / 1e3:,.1f} kB"


def line(entry: Entry, seconds: float) -> str:
    """Write what was done for an object, for the log of a rule."""
    against = {"md5": "its MD5", "parts": "the MD5s of its parts", "size": "its size"}
    rate = entry.received / 1e6 / seconds if seconds > 0 else 0.0
    return (
        f"{entry.key}: {gigabytes(entry.size)} in {seconds:.1f} s, {rate:.1f} MB/s, "
        f"{entry.requests} requests, held against {against[entry.verified]}"
    )


class Progress:
    """A bar over the bytes of many objects, with rate and time left; several threads move it.

    Parameters
    ----------
    label : str
        What is being fetched.
    total : int
        Bytes of all objects.
    there : dict from key to int
        Bytes of each object that were there before.
    """

    def __init__(self, label: str, total: int, there: dict[str, int]):
        self._there = dict(there)
        self.start = time.monotonic()
        self._lock = threading.Lock()
        self._bar = tqdm(
            desc=label,
            total=total,
            initial=sum(there.values()),
            unit="B",
            unit_scale=True,
            disable=None,  # quiet where stderr is not a terminal
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def report(self, key: str, there: int) -> None:
        """Say how many bytes of an object are there; fewer than before after a restart."""
        with self._lock:
            self._bar.update(there - self._there[key])
            self._there[key] = there
