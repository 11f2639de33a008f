"""Processor seconds of the parts of a program, and where its memory grew, from the outside.

Functions are replaced by wrappers that look at the clock, so that what is measured is the program
as it is. A part's seconds are its own: those of parts that it calls are theirs.
"""

from __future__ import annotations

import functools
import importlib
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Phases:
    """Adds up what named functions take.

    Attributes
    ----------
    seconds : dict from name to float
        Processor seconds of this process.
    calls : dict from name to int
    grew_in : list of (name, MB)
        The part at whose end the process was larger than ever before, by at least 50 MB, and how
        large it had been at most.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self.grew_in: list[tuple[str, float]] = []
        self._inner = [0.0]
        self._peak = 0.0

    def watch(self, functions: Mapping[str, str]) -> None:
        """Watch functions, given as ``module:function`` or ``module:class.function`` by name."""
        for name, place in functions.items():
            module, _, path = place.partition(":")
            owner: Any = importlib.import_module(module)
            *outer, last = path.split(".")
            for each in outer:
                owner = getattr(owner, each)
            setattr(owner, last, self._wrapped(name, getattr(owner, last)))

    def _wrapped(self, name: str, function: Callable) -> Callable:
        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.process_time() - start
                own = spent - self._inner.pop()
                self._inner[-1] += spent
                self.seconds[name] = self.seconds.get(name, 0.0) + own
                self.calls[name] = self.calls.get(name, 0) + 1
                now = peak_mb()
                if now > self._peak + 50:
                    self._peak = now
                    self.grew_in.append((name, round(now)))

        return watched


def peak_mb() -> float:
    """Return the high-water mark of this process's memory (Linux)."""
    # not getrusage: that one counts the process that started this one as well
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
