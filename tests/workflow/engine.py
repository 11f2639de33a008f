"""What builds an image from the Dockerfile and runs it: Docker, Podman or Buildah."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from project import ROOT

IMAGE = "brainworth-test"
#: Asks the part of an engine that does the work whether it is there.
QUESTIONS = {"docker": "docker info", "podman": "podman info", "buildah": "buildah info"}


def run(*command: str, cwd: Path | None = None) -> tuple[str, str]:
    """Run a command; returns what it printed and its messages, or fails with both."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout, done.stderr


@dataclass(frozen=True)
class Engine:
    """One of them, by name."""

    name: str

    def build(self) -> None:
        """Build the image; BRAINWORTH_CONTAINER_BUILD holds more options, such as mirrors."""
        more = shlex.split(os.environ.get("BRAINWORTH_CONTAINER_BUILD", ""))
        verb = ["bud", "--layers"] if self.name == "buildah" else ["build"]
        run(self.name, *verb, "-t", IMAGE, "-f", "containers/Dockerfile", *more, ".", cwd=ROOT)

    @contextmanager
    def mounting(self, folder: Path, user: str) -> Iterator[Container]:
        """Yield a container of the image with a folder as /study, and remove it."""
        # without root, these two have the caller as their root
        as_user = ["--user", user] if os.geteuid() == 0 or self.name == "docker" else []
        options = (*as_user, "-v", f"{folder}:/study")
        if self.name != "buildah":
            yield Container(self.name, options, IMAGE, ())
            return
        made = run("buildah", "from", "--pull-never", IMAGE)[0].strip()
        try:
            settings = json.loads(run("buildah", "inspect", made)[0])["OCIv1"]["config"]
            yield Container("buildah", options, made, tuple(settings["Entrypoint"]))
        finally:
            run("buildah", "rm", made)


@dataclass(frozen=True)
class Container:
    """A way to run commands in the image."""

    engine: str
    options: tuple[str, ...]
    made: str
    entrypoint: tuple[str, ...]

    def __call__(self, *arguments: str, program: str | None = None) -> str:
        """Run the entry point of the image, or another program; returns all that it said."""
        if self.engine == "buildah":
            command = (program,) if program else self.entrypoint
            said = run("buildah", "run", *self.options, self.made, "--", *command, *arguments)
        else:
            other = ("--entrypoint", program) if program else ()
            said = run(self.engine, "run", "--rm", *self.options, *other, self.made, *arguments)
        return "".join(said)


def find() -> Engine | None:
    """Return the first engine that answers, or that BRAINWORTH_CONTAINER_ENGINE names."""
    wanted = os.environ.get("BRAINWORTH_CONTAINER_ENGINE")
    for name, question in QUESTIONS.items():
        if wanted in (None, name) and shutil.which(name):
            asked = subprocess.run(question.split(), capture_output=True)
            if asked.returncode == 0:
                return Engine(name)
    return None
