"""Trying again, and stopping early."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from brainworth import config
from brainworth.errors import BrainworthError
from brainworth.nsd import s3

LONGEST_PAUSE_S = 60.0

T = TypeVar("T")


class Stopped(Exception):
    """The work was given up because another part of it failed or the user interrupted."""


class Stop(threading.Event):
    """An event that sets the events that belong to it as well."""

    def __init__(self) -> None:
        super().__init__()
        self._children: list[Stop] = []

    def child(self) -> Stop:
        """Return an event that is set with this one, and can be set alone."""
        event = Stop()
        self._children.append(event)
        if self.is_set():
            event.set()
        return event

    def set(self) -> None:
        """Set this event and those that belong to it."""
        super().set()
        for event in list(self._children):
            event.set()


def patiently(
    attempt: Callable[[], T],
    key: str,
    data: config.Data,
    stop: threading.Event,
    final: tuple[type[s3.Retry], ...] = (),
) -> T:
    """Call `attempt` until it raises no `s3.Retry`, ``data.attempts`` times at most.

    The pause before attempt n + 1 is ``backoff_s * 2**(n - 1)`` seconds, at most a minute, times a
    random factor between 0.5 and 1, so that many jobs do not come back at the same moment.

    Parameters
    ----------
    final : tuple of exception types
        Kinds of `s3.Retry` that somebody else deals with.

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
        except final:
            raise
        except s3.Retry as error:
            reason = str(error)
    raise BrainworthError(
        f"{key}: gave up after {data.attempts} attempts, because {reason}; check the network and "
        "data.endpoint_url, then run again, which goes on from what has arrived"
    )
