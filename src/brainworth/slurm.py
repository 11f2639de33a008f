"""Whether jobs can be submitted to Slurm from here, and their end be known."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import yaml

from brainworth.findings import Finding, good, note

EXECUTOR = "snakemake_executor_plugin_slurm"
#: What is added to the profile where `sacct` does not answer.
REMEDY = "slurm-status-command: squeue"


def examine(profile: Path, asks_for_cards: bool) -> list[Finding]:
    """Examine the cluster, where there is one.

    Parameters
    ----------
    profile : path
        The profile with which studies are run on it.
    asks_for_cards : bool
        Whether the study has jobs that ask for a GPU.

    Returns
    -------
    list of Finding
        Empty where there is no Slurm. None is a problem: the study may be run without it.
    """
    if shutil.which("sbatch") is None:
        return []
    silent = _failure("scontrol", "ping")
    if silent is not None:
        return [note(f"Slurm is installed, and its controller does not answer ({silent})")]
    findings = []
    if importlib.util.find_spec(EXECUTOR) is None:
        findings.append(note("Slurm is here, its executor is not: pip install -e '.[slurm]'"))
    findings.append(_status(profile))
    if asks_for_cards:
        findings.append(_cards())
    return findings


def without_accounting() -> str | None:
    """Say why `sacct` cannot tell what became of a job, or return None if it can.

    Where it cannot, a run that asks it waits for ever.
    """
    if shutil.which("sacct") is None:
        return None  # the executor sees that, and asks squeue
    return _failure("sacct", "--allocations", "--noheader", "--clusters", "all", "--name", "none")


def _status(profile: Path) -> Finding:
    settings = {}
    if profile.exists():
        settings = yaml.safe_load(profile.read_text(encoding="utf-8")) or {}
    if settings.get("slurm-status-command") == "squeue":
        return good(f"Slurm: {profile} asks squeue for the status of jobs")
    reason = without_accounting()
    if reason is None:
        return good("Slurm: sacct knows the status of jobs")
    return note(
        f"Slurm: sacct cannot tell what becomes of jobs ({reason}), so a run with profiles/slurm "
        f"will refuse to start; add the line `{REMEDY}` to {profile}"
    )


def _cards() -> Finding:
    try:
        answer = subprocess.run(
            ["sinfo", "--all", "--noheader", "--format", "%P %G"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return note(f"Slurm does not say which partitions have GPUs ({error})")
    rows = [line.split(maxsplit=1) for line in answer.stdout.splitlines()]
    # the default partition is starred
    found = sorted({row[0].rstrip("*") for row in rows if len(row) == 2 and "gpu" in row[1]})
    if found:
        return good(f"Slurm: partitions with GPUs, which jobs of this study ask for: {found}")
    return note(
        "Slurm has no GPUs, and with profiles/slurm jobs of this study ask for one each: set "
        "encoder.device to cpu, or Slurm refuses them"
    )


def _failure(*command: str) -> str | None:
    """Return why a command failed, in a line, or None if it did not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not answer within a minute"
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return lines[0] if lines else f"{command[0]} ended with status {done.returncode}"
