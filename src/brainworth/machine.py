"""Whether this machine can run a study: libraries, memory, disks, folders, GPU."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from brainworth.findings import Finding, good, note, problem
from brainworth.nsd.progress import gigabytes

OLDEST_PYTHON = (3, 11)
JOB_BYTES = 4_000_000_000  # what the largest rule asks for


def libraries(constraints: Path) -> list[Finding]:
    """Compare installed libraries with those the project is tested with.

    Parameters
    ----------
    constraints : path
        Lines ``NAME==VERSION``.
    """
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return [problem(f"Python {version}: brainworth needs 3.11 or newer")]
    if not constraints.exists():
        return [note(f"Python {version}; no {constraints} to compare libraries with")]
    differ, n = [], 0
    for name, pinned in re.findall(
        r"^([\w.-]+)==([^\s;]+)", constraints.read_text(encoding="utf-8"), re.MULTILINE
    ):
        try:
            # what a build adds to its version, such as +cpu, is no other version
            installed = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue  # an extra that was not asked for
        n += 1
        if installed != pinned:
            differ.append(f"{name} {installed} (tested with {pinned})")
    if differ:
        return [
            note(f"Python {version}; other versions than in {constraints}: {', '.join(differ)}")
        ]
    return [good(f"Python {version} and {n} libraries as in {constraints}")]


def memory() -> Finding:
    """Compare the machine's memory with what the largest job asks for."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    text = f"{gigabytes(total)} of memory; the largest job asks for {gigabytes(JOB_BYTES)}"
    return good(text) if total >= JOB_BYTES else problem(text)


def gpu() -> Finding:
    """Look for an NVIDIA GPU, which no rule needs so far."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True
        )
        names = re.findall(r"^GPU \d+: (.*?) \(", answer.stdout, re.MULTILINE)
    except (OSError, subprocess.SubprocessError):
        names = []
    return good(f"GPU: {', '.join(names)}") if names else note("no NVIDIA GPU; nothing needs one")


def folders(paths: list[Path]) -> list[Finding]:
    """Try whether files can be written to folders, or to where they would be made."""
    findings = []
    for path in paths:
        there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            findings.append(
                problem(
                    f"{path} cannot be written ({error.strerror}); change its owner, or run "
                    "elsewhere"
                )
            )
    return findings or [good(f"can be written: {', '.join(map(str, paths))}")]


def disks(needed: Mapping[Path, int]) -> list[Finding]:
    """Compare the room on each file system with what a study puts there.

    Parameters
    ----------
    needed : mapping from folder to bytes
        Folders need not exist yet; those on one file system are added up.
    """
    totals: dict[int, tuple[list[str], int, int]] = {}
    for path, n_bytes in needed.items():
        there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        names, sum_so_far, _ = totals.get(there.stat().st_dev, ([], 0, 0))
        free = shutil.disk_usage(there).free
        totals[there.stat().st_dev] = ([*names, str(path)], sum_so_far + n_bytes, free)
    findings = []
    for names, n_bytes, free in totals.values():
        text = f"disk of {', '.join(names)}: {gigabytes(n_bytes)} needed, {gigabytes(free)} free"
        findings.append(good(text) if n_bytes <= free else problem(f"{text}; make room"))
    return findings
