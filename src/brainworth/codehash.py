"""A hash of the code a script runs, for deciding what to run again.

It follows the imports of a script inside this package and hashes the syntax trees, without
docstrings: comments, whitespace, docstrings and file times do not count, so a fresh clone is not
out of date.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = "brainworth"


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


@functools.cache
def _tree(file: Path) -> ast.Module:
    """Parse a file, once, and drop its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return tree


@functools.cache
def _fingerprint(file: Path) -> str:
    return f"{file.name}:{ast.dump(_tree(file))}"


@functools.cache
def _imports(file: Path, source: Path) -> tuple[Path, ...]:
    names: list[str] = []
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{file}, line {node.lineno}: imports must be absolute")
            module = node.module or ""
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    found = []
    for name in names:
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
