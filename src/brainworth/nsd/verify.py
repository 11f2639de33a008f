"""Whether a file can be the NSD object that it is named after."""

from __future__ import annotations

from pathlib import Path

from brainworth.nsd import registry

#: First bytes of a file, by the end of its key (HDF5 File Format Specification; RFC 1952).
SIGNATURES = {".hdf5": ("HDF5", b"\x89HDF\r\n\x1a\n"), ".gz": ("gzip", b"\x1f\x8b")}


def problem(path: Path, known: registry.NsdObject) -> str | None:
    """Say what is wrong with a file.

    Looks at the file's kind, its size and its first bytes; the contents are not read.

    Parameters
    ----------
    path : Path
        The file, under any name.
    known : registry.NsdObject
        The object that it should be.

    Returns
    -------
    str or None
        What is wrong, to be read after the file's name ("does not exist"), or None if nothing is.
    """
    name, signature = SIGNATURES.get(Path(known.key).suffix, ("", b""))
    try:
        if not path.exists():
            broken = path.is_symlink()
            return "is a link to a file that is not there" if broken else "does not exist"
        if not path.is_file():
            return "is not a file"
        size = path.stat().st_size
        with path.open("rb") as handle:
            start = handle.read(len(signature))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if size == 0:
        return "is empty"
    if known.size is not None and size != known.size:
        return f"has {size} bytes where NSD's has {known.size}"
    if start != signature:
        return f"is not in {name} format"
    return None
