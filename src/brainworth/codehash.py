"""A hash of the code a script runs, for deciding what to run again.

It follows the imports of a script inside this package and hashes the syntax trees, without
docstrings: comments, whitespace, docstrings and file times do not count, so a fresh clone is not
out of date. Parsing the whole library takes longer than all else that a start of Snakemake does, so
what a file came to may be kept, under the digest of its bytes.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import sys
from pathlib import Path

from brainworth import files

PACKAGE = "brainworth"
# From the digest of a file's bytes to the names it imports and its syntax tree as text: what was
# read from an earlier process, and what this one came across.
_kept: dict[str, tuple[list[str], str]] = {}
_used: dict[str, tuple[list[str], str]] = {}


def code_hash(script: Path, source: Path, more: tuple[Path, ...] = ()) -> str:
    """Hash a script and every module of this package that it imports, directly or not.

    Parameters
    ----------
    script : path
        A Python file.
    source : path
        The folder that holds the package, e.g. ``src``.
    more : tuple of path
        Modules that the script imports by a name that it is given.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    text = "\n".join(_fingerprint(file) for file in files_of(script, source, more))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def files_of(script: Path, source: Path, more: tuple[Path, ...] = ()) -> list[Path]:
    """Return the script and the modules of this package that it reaches, sorted."""
    seen: set[Path] = set()
    waiting = [script, *more]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting.extend(_imports(file, source))
    return [script, *sorted(seen - {script})]


def recall(cache: Path) -> None:
    """Take over what an earlier process made of files, if this Python and this module did so.

    Parameters
    ----------
    cache : path
        What `keep` wrote; one that is absent, damaged or of another version is passed over.
    """
    try:
        found = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if isinstance(found, dict) and found.get("version") == _version():
        _kept.update(found["files"])


def keep(cache: Path) -> None:
    """Write what this process made of the files it hashed, unless `cache` held all of it.

    Parameters
    ----------
    cache : path
        A file; its folder is made. Files that were not hashed in this process are dropped from it.
    """
    if _used.keys() - _kept.keys():
        with files.whole(cache) as part:
            text = json.dumps({"version": _version(), "files": _used})
            part.write_text(text, encoding="utf-8")


@functools.cache
def _version() -> str:
    """Return what the text of a syntax tree depends on, besides the file."""
    return f"{sys.version} {files.sha256(__file__)}"


@functools.cache
def _read(file: Path) -> tuple[list[str], str]:
    """Return the dotted names that a file imports, and its syntax tree without docstrings."""
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest not in _used:
        _used[digest] = _kept.get(digest) or _parse(content, file)
    return _used[digest]


def _parse(content: bytes, file: Path) -> tuple[list[str], str]:
    tree = ast.parse(content, filename=str(file))
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{file}, line {node.lineno}: imports must be absolute")
            module = node.module or ""
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return names, ast.dump(tree)


def _fingerprint(file: Path) -> str:
    return f"{file.name}:{_read(file)[1]}"


@functools.cache
def _imports(file: Path, source: Path) -> tuple[Path, ...]:
    found = []
    for name in _read(file)[0]:
        if name == PACKAGE or name.startswith(f"{PACKAGE}."):
            found += _files(name, source)
    return tuple(dict.fromkeys(found))


def _files(name: str, source: Path) -> list[Path]:
    """Return the files that importing a dotted name runs; none if it is no module."""
    parts = name.split(".")
    packages = [source.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts))]
    module = source.joinpath(*parts).with_suffix(".py")
    package = source.joinpath(*parts, "__init__.py")
    last = [file for file in (module, package) if file.is_file()]
    return [file for file in packages if file.is_file()] + last
