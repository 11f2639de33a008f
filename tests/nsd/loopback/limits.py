"""A network that is far away and narrow."""

from __future__ import annotations

import threading
import time

BURST_S = 0.01  # what a sender may catch up after having slept too long


class Bandwidth:
    """A rate shared by all connections: whoever sends waits for its turn.

    Parameters
    ----------
    bytes_per_s : float or None
        None for as fast as the machine is.
    """

    def __init__(self, bytes_per_s: float | None):
        self.bytes_per_s = bytes_per_s
        self._free_at = 0.0
        self._lock = threading.Lock()

    def take(self, n: int) -> None:
        """Wait until `n` more bytes may be sent."""
        if self.bytes_per_s is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - BURST_S) + n / self.bytes_per_s
            pause = self._free_at - now
        if pause > 0:
            time.sleep(pause)
