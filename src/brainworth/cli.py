"""The command ``brainworth``: what one wants to know around a run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from brainworth import __version__, acquisition, config, timing
from brainworth.befs import command as befs
from brainworth.errors import BrainworthError


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 fine, 1 bad input or problems found)."""
    parser = argparse.ArgumentParser(prog="brainworth", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    for name, what in (
        ("check", "say whether a configuration is valid, and why not"),
        ("summary", "print where the PDF is and what each stage took"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("study", nargs="*", type=Path, help="files laid over the base")
        command.add_argument(
            "--base", type=Path, default=Path("config.yaml"), help="default: %(default)s"
        )
    commands.add_parser("schema", help="print the JSON schema of config.yaml")
    acquisition.add_to(commands)
    befs.add_to(commands)

    given = parser.parse_args(arguments)
    try:
        if given.command == "schema":
            print(config.schema(), end="")
            return 0
        if given.command in ("value", "budget"):
            print(befs.answer(given))
            return 0
        study = config.load(given.base, *given.study)
        if given.command in ("plan", "doctor"):
            text, status = acquisition.answer(given, study)
            print(text)
            return status
        if given.command == "check":
            print(f"study {study.study}: valid")
        else:
            print(timing.summary(study.study))
    except BrainworthError as error:
        print(f"brainworth: {error}", file=sys.stderr)
        return 1
    return 0
