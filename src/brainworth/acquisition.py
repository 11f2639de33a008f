"""The subcommands ``brainworth plan`` and ``brainworth doctor``."""

from __future__ import annotations

import argparse
import contextlib
import math
from pathlib import Path

from brainworth import doctor
from brainworth.config import Config
from brainworth.errors import BrainworthError
from brainworth.findings import report
from brainworth.nsd import plan, store

DEFAULT = plan.Network()


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add both subcommands to a parser's subcommands."""
    for name, what in (
        ("plan", "say what a study costs in bytes, requests, disk and time, before it is fetched"),
        ("doctor", "say whether a study can run here, and whether all its data can be had"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("study", nargs="*", type=Path, help="files laid over the base")
        command.add_argument(
            "--base", type=Path, default=Path("config.yaml"), help="default: %(default)s"
        )
        if name == "plan":
            command.add_argument(
                "--bandwidth-mbit",
                type=float,
                default=DEFAULT.bandwidth_mbit,
                help="megabits a second of all connections (default: %(default)s)",
            )
            command.add_argument(
                "--latency-ms",
                type=float,
                default=DEFAULT.latency_ms,
                help="milliseconds to the first byte of an answer (default: %(default)s)",
            )


def answer(given: argparse.Namespace, study: Config) -> tuple[str, int]:
    """Return what a subcommand prints, and its exit status.

    Raises
    ------
    BrainworthError
        If bandwidth or latency is impossible.
    """
    root = given.base.parent
    if given.command == "doctor":
        findings = doctor.examine(study, root)
        return report(findings), int(any(finding.level == "PROBLEM" for finding in findings))
    if not (0 < given.bandwidth_mbit < math.inf and 0 <= given.latency_ms < math.inf):
        raise BrainworthError(
            "--bandwidth-mbit must be above 0 and --latency-ms not below 0, both finite"
        )
    network = plan.Network(given.bandwidth_mbit, given.latency_ms)
    where = store.store_of(study.data, root)
    if study.rdms.file is None and study.data.source == "local":
        with contextlib.suppress(BrainworthError):  # no tree is named yet: voxels are estimated
            where = store.tree_of(study.data)
    return plan.table(plan.make(study, network, where), network), 0
