"""Daemons in the foreground, each with a log, and the wait until they answer."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def succeeds(*command: str) -> bool:
    """Say whether a command ends with status 0."""
    return subprocess.run(command, capture_output=True).returncode == 0


@dataclass
class Daemons:
    """What was started and not ended yet, by name."""

    logs: Path
    running: dict[str, subprocess.Popen] = field(default_factory=dict)

    def start(
        self,
        name: str,
        *arguments: str,
        program: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a program (default: that of the same name) that stays in the foreground."""
        with (self.logs / f"{name}.out").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [program or name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | (environment or {}),
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """End a daemon without warning."""
        daemon = self.running.pop(name)
        daemon.kill()
        daemon.wait(10)

    def end(self, name: str) -> None:
        """End a daemon, if it runs."""
        daemon = self.running.pop(name, None)
        if daemon is None:
            return
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(10)

    def until(self, what: str, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for a condition; where it does not come, say what the logs say."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.1)
        logs = "\n".join(f"{path.name}: {path.read_text()[-500:]}" for path in self.logs.iterdir())
        raise RuntimeError(f"{what} did not come up\n{logs}")
