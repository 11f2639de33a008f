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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from brainworth import results
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
    start = time.monotonic()
    try:
        with threadpool_limits(1):
            yield json.loads(workflow.params.config)
    except BrainworthError as error:
        # Bad input: the sentence is what helps; where it was raised is for the developers.
        place = traceback.extract_tb(error.__traceback__)[-1]
        raised = f"(raised in {place.name}, {Path(place.filename).name} line {place.lineno})"
        log.write_text(f"{error}\n{raised}\n", encoding="utf-8")
        sys.exit(f"\n{workflow.rule}: {error}\n")
    except BaseException:
        log.write_text(traceback.format_exc(), encoding="utf-8")
        raise
    log.write_text(f"done in {time.monotonic() - start:.1f} s\n", encoding="utf-8")


def write_result(
    workflow: Any, given: Mapping[str, Any], study: str, data: Mapping[str, Any]
) -> None:
    """Write the result of a rule to its output ``json``, with the digests of its inputs."""
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
    )
