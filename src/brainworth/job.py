"""What every script of the pipeline does around its own work.

A script is a thin adapter; this is the part common to all: the configuration it was given, one
thread for linear algebra (so that results do not depend on the number of cores), a log, and one
readable sentence when something is wrong with the input.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from brainworth import files, results
from brainworth.errors import BrainworthError


@contextlib.contextmanager
def job(workflow: Any) -> Iterator[dict[str, Any]]:
    """Run the work of a rule.

    Parameters
    ----------
    workflow : object
        What the workflow hands to a script: `params.config` is JSON from dotted configuration key
        to value, `log` holds the path of the log.

    Yields
    ------
    dict
        From dotted configuration key to value: what this rule may know of the configuration.
    """
    log = Path(workflow.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    start = time.monotonic()
    try:
        with threadpool_limits(1):
            yield json.loads(workflow.params.config)
    except BrainworthError as error:
        # Bad input: the sentence is what helps; where it was raised is for the developers.
        place = traceback.extract_tb(error.__traceback__)[-1]
        raised = f"(raised in {place.name}, {Path(place.filename).name} line {place.lineno})"
        _append(log, f"{error}\n{raised}\n")
        sys.exit(f"\n{workflow.rule}: {error}\n")
    except BaseException:
        _append(log, traceback.format_exc())
        raise
    _append(log, f"done in {time.monotonic() - start:.1f} s\n")


def notes(workflow: Any) -> Callable[[str], None]:
    """Return a function that adds a line, with the time, to the log of a rule."""

    def note(line: str) -> None:
        _append(Path(workflow.log[0]), f"{time.strftime('%H:%M:%S')} {line}\n")

    return note


def write_result(
    workflow: Any,
    given: Mapping[str, Any],
    study: str,
    data: Mapping[str, Any],
    sha256: Callable[[str | Path], str] = files.sha256,
) -> None:
    """Write the result of a rule to its output ``json``, with the digests of its inputs.

    Parameters
    ----------
    sha256 : callable
        Returns the SHA-256 of an input; by default it is read for that.
    """
    inputs: dict[str, str] = {}
    for name, value in workflow.input.items():
        if isinstance(value, str):
            inputs[name] = value
        else:
            inputs |= {f"{name}/{Path(file).name}": file for file in value}
    results.write(
        workflow.output.json,
        data,
        study=study,
        rule=workflow.rule,
        params={key: value for key, value in given.items() if key != "study"},
        inputs=inputs,
        seed=given.get("seed"),
        sha256=sha256,
    )


def _append(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as handle:
        handle.write(text)
