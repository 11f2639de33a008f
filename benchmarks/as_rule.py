"""Scripts of the workflow, run without Snakemake."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class Files(dict):
    """Files by name, as Snakemake hands them to a script."""

    __getattr__ = dict.__getitem__


def run(
    script: Path,
    *,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, str],
    params: Mapping[str, Any],
    log: Path,
) -> None:
    """Run the script of a rule in this process; the rule has the name of the script."""
    workflow = SimpleNamespace(
        rule=script.stem,
        input=Files(inputs),
        output=Files(outputs),
        params=SimpleNamespace(**params),
        log=[str(log)],
    )
    runpy.run_path(str(script), {"snakemake": workflow})
