"""The JSON envelope in which every result of the pipeline is kept.

One envelope holds one rule's result: what was asked (``params``), what it was computed from
(``inputs``, as digests), with what (``software``, ``git_commit``, ``seed``), and the ``data``.
``digest`` is the SHA-256 of all of that but ``created``.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainworth import __version__, files
from brainworth.errors import BrainworthError

SCHEMA = "brainworth-result/1"
SIGNIFICANT_DIGITS = 12
KEYS = (
    *("schema", "study", "rule", "params", "inputs", "seed", "software", "git_commit"),
    *("data", "digest", "created"),
)
SOFTWARE = ("numpy", "scipy", "h5py", "nibabel", "numba", "torch", "matplotlib", "snakemake")


def write(
    path: str | Path,
    data: Mapping[str, Any],
    *,
    study: str,
    rule: str,
    params: Mapping[str, Any],
    inputs: Mapping[str, str | Path],
    seed: int | None,
    sha256: Callable[[str | Path], str] = files.sha256,
) -> None:
    """Write one result.

    Parameters
    ----------
    path : path
        The JSON file; it appears whole or not at all.
    data : mapping
        The result. NumPy scalars and arrays become numbers and lists; numbers are rounded to 12
        significant digits. A missing number is ``None``; NaN and infinity are refused.
    study, rule : str
        Which study and which rule this is.
    params : mapping
        The configuration keys the rule was given.
    inputs : mapping from name to path
        The files it read; their SHA-256 digests are stored, of results those that they carry.
    seed : int or None
        Root seed, if the rule draws random numbers.
    sha256 : callable
        Returns the SHA-256 of an input; by default it is read for that.

    Raises
    ------
    BrainworthError
        If `data` holds NaN, infinity, or a type that JSON has no word for.
    """
    envelope = {
        "schema": SCHEMA,
        "study": study,
        "rule": rule,
        "params": to_plain(params, "params"),
        "inputs": {name: input_digest(file, sha256) for name, file in sorted(inputs.items())},
        "seed": seed,
        "software": software(),
        "git_commit": git_commit(),
        "data": to_plain(data, "data"),
    }
    envelope["digest"] = digest(envelope)
    envelope["created"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with files.whole(path) as part:
        part.write_text(json.dumps(envelope, indent=1) + "\n", encoding="utf-8")


def read(path: str | Path) -> dict[str, Any]:
    """Read one result and check that it is whole.

    Raises
    ------
    BrainworthError
        If the file is missing, is not a result of this pipeline, or was changed after it was
        written.
    """
    try:
        envelope = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; run the rule that writes it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BrainworthError(f"{path} is not JSON ({error}); delete it and run again") from None
    if not isinstance(envelope, dict) or envelope.get("schema") != SCHEMA:
        raise BrainworthError(f"{path} is not a result of schema {SCHEMA}; delete it and run again")
    missing = [key for key in KEYS if key not in envelope]
    if missing:
        raise BrainworthError(f"{path} lacks {', '.join(missing)}; delete it and run again")
    if digest(envelope) != envelope["digest"]:
        raise BrainworthError(
            f"{path} was changed after it was written (its digest does not match); "
            "delete it and run again"
        )
    return envelope


def input_digest(path: str | Path, sha256: Callable[[str | Path], str] = files.sha256) -> str:
    """Return the digest of an input; of a result the one it carries, free of times.

    Parameters
    ----------
    sha256 : callable
        Returns the SHA-256 of any other file.
    """
    if Path(path).suffix == ".json":
        with contextlib.suppress(BrainworthError):
            return read(path)["digest"]
    return sha256(path)


def digest(envelope: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an envelope without its ``digest`` and ``created`` entries."""
    kept = {key: value for key, value in envelope.items() if key not in ("digest", "created")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def to_plain(value: Any, place: str) -> Any:
    """Turn NumPy values into JSON ones, rounded to 12 significant digits.

    Raises
    ------
    BrainworthError
        For NaN, infinity or an unknown type; `place` names where it stands.
    """
    if isinstance(value, Mapping):
        return {str(key): to_plain(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist(), place)
    if isinstance(value, list | tuple):
        return [to_plain(item, f"{place}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BrainworthError(
                f"{place} is {value}; a number that is not there must be written as null, "
                "with the reason beside it"
            )
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    raise BrainworthError(f"{place} has type {type(value).__name__}, which JSON cannot hold")


def software() -> dict[str, str]:
    """Return the versions of Python and of the libraries that numbers depend on."""
    # The library's own is asked of the code that runs: another version may be installed.
    versions = {"python": platform.python_version(), "brainworth": __version__}
    return versions | {name: importlib.metadata.version(name) for name in SOFTWARE}


def git_commit(folder: Path | None = None) -> str | None:
    """Return the commit of a checkout (``-dirty`` if edited), or None outside one.

    Parameters
    ----------
    folder : path, optional
        A folder of the checkout. By default the folder of this file, unless the environment
        variable ``BRAINWORTH_GIT_COMMIT`` says what the main process of the workflow found.
    """
    known = os.environ.get("BRAINWORTH_GIT_COMMIT")
    if folder is None and known is not None:
        return known or None
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    here = folder or Path(__file__).resolve().parent
    try:
        answer = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip() or None
