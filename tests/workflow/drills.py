"""Runs that are killed, and what it takes to go on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil
from project import Project

#: What a kill ends: the main process (its jobs go on), one job, or everything, as a power cut does.
VICTIMS = ("main", "job", "everything")


@dataclass
class Run:
    """Snakemake, started and not waited for."""

    process: subprocess.Popen
    log: str
    seen: set[psutil.Process] = field(default_factory=set)

    def jobs(self, script: str = "") -> list[psutil.Process]:
        """Return the processes that run a script of the workflow."""
        found = []
        with suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    command = child.cmdline()
                    if any(part.endswith(f"{script}.py") and "/tmp" in part for part in command):
                        found.append(child)
        self.seen.update(found)
        return found

    def wait_for_job(self, script: str, seconds: float = 240) -> psutil.Process:
        """Return a process that runs this script, as soon as there is one."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if jobs := self.jobs(script):
                return jobs[0]
            assert self.process.poll() is None, f"no {script}.py was run\n{self.text()}"
            time.sleep(0.02)
        raise AssertionError(f"{script}.py did not run within {seconds} s\n{self.text()}")

    def kill(self, victim: str) -> None:
        """Send SIGKILL to one of `VICTIMS` and wait for the main process."""
        jobs = self.jobs()
        if victim in ("main", "everything"):
            self.process.kill()
        if victim == "job":
            jobs = jobs[:1]
        if victim != "main":
            for job in jobs:
                with suppress(psutil.NoSuchProcess):
                    job.kill()
        self.process.wait(300)

    def wait(self, seconds: float = 600) -> int:
        """Return the exit status, if the run ends within so many seconds."""
        return self.process.wait(seconds)

    def text(self) -> str:
        with open(self.log, encoding="utf-8") as handle:
            return handle.read()


def start(
    project: Project, *arguments: str, study: str | None = "study.yaml", cores: int | None = 2
) -> Run:
    """Start Snakemake in a copy of the project; a cluster's profile has no `cores`."""
    log = str(project.folder / "drill.log")
    environment = os.environ | {"PYTHONPATH": str(project.folder / "src")}
    overlay = ["--configfile", study] if study else []
    local = ["--cores", str(cores)] if cores else []
    with open(log, "w", encoding="utf-8") as handle:
        process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", *local, *arguments, *overlay],
            cwd=project.folder,
            env=environment,
            stdout=handle,
            stderr=handle,
            start_new_session=True,
        )
    return Run(process, log)


@contextmanager
def running(
    project: Project, *arguments: str, study: str | None = "study.yaml", cores: int | None = 2
) -> Iterator[Run]:
    """Start Snakemake, and leave nothing of it behind."""
    run = start(project, *arguments, study=study, cores=cores)
    try:
        yield run
    finally:
        run.jobs()
        for job in run.seen:
            with suppress(psutil.NoSuchProcess):
                job.kill()
        with suppress(ProcessLookupError):
            os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait(60)


def unlock(project: Project, study: str | None = "study.yaml") -> None:
    """Do what the README says to do if Snakemake calls the folder locked."""
    project.snakemake("--unlock", study=study)


def random_kills(
    project: Project,
    n: int,
    seed: int,
    seconds: tuple[float, float],
    study: str | None = "study.yaml",
) -> list[tuple[str, float]]:
    """Kill runs of a study at random moments; a study that is finished begins again.

    Parameters
    ----------
    seconds : (float, float)
        A run is killed after a time that is drawn from this range.

    Returns
    -------
    list of (str, float)
        What was killed, and after how many seconds.
    """
    draw = random.Random(seed)
    kills: list[tuple[str, float]] = []
    while len(kills) < n:
        victim, delay = draw.choice(VICTIMS), draw.uniform(*seconds)
        run = start(project, study=study)
        try:
            status = run.process.wait(delay)
        except subprocess.TimeoutExpired:
            run.kill(victim)
            kills.append((victim, round(delay, 2)))
            unlock(project, study)
            continue
        assert status == 0, run.text()
        project.forget()
    return kills
