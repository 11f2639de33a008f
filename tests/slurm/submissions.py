"""How studies are run under the cluster of these tests, and what a run's log says of its jobs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

PROFILE = ("--workflow-profile", "profiles/slurm")
# no accounting here; and look after one second, not after 40
HERE = (*PROFILE, "--slurm-status-command", "squeue")
HERE = (*HERE, "--slurm-init-seconds-before-status-checks", "1")

Found = TypeVar("Found")


def numbers(text: str) -> list[tuple[str, str]]:
    """Return Snakemake's and Slurm's number of every submission in a run's log, in order."""
    return re.findall(r"^Job (\S+) has been submitted with SLURM jobid (\d+)", text, re.MULTILINE)


def submitted(text: str) -> int:
    """Return how many submissions a run's log tells of."""
    return len(numbers(text))


def wait_until(condition: Callable[[], Found], seconds: float = 120) -> Found:
    """Return what `condition` returns as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"did not happen within {seconds} s")
