"""Processor seconds of the parts of an analysis, and what they would be with more draws."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Clock:
    """Adds up the seconds of named parts.

    A part may be repeated `of` times in the whole and measured `done` times only: every repetition
    costs the same, so that the whole is `of / done` as much. `extrapolated` has the largest such
    factor of each part that was not measured whole.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.variants: dict[str, float] = {}
        self.extrapolated: dict[str, float] = {}

    @contextlib.contextmanager
    def part(
        self, name: str, done: int = 1, of: int = 1, *, variant: bool = False
    ) -> Iterator[None]:
        """Measure one part, or a cleverer variant of one that is not added up."""
        start = time.process_time()
        yield
        spent = (time.process_time() - start) * of / done
        parts = self.variants if variant else self.seconds
        parts[name] = parts.get(name, 0.0) + spent
        if of > done:
            self.extrapolated[name] = max(of / done, self.extrapolated.get(name, 1.0))

    @property
    def total(self) -> float:
        """Seconds of the whole."""
        return sum(self.seconds.values())
