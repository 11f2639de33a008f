"""How the betas of a subject were come by, in a line for its result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainworth import results
from brainworth.nsd import manifest, registry

#: What every way of downloading tells; of ranges there is more in the result of the fetch.
TOLD = ("mode", "objects", "bytes", "bytes_received", "requests")


def acquisition(
    source: str,
    download: str | None,
    subject: str,
    n_sessions: int,
    *,
    store: Path,
    fetched: Path | None,
) -> dict[str, Any]:
    """Say how the session files of a subject were come by.

    Parameters
    ----------
    source, download : str
        ``data.source`` and, for source ``s3``, ``data.download``.
    store : path
        ``data.store_dir``.
    fetched : path or None
        The result of fetching voxels, if they were fetched.

    Returns
    -------
    dict
        ``mode`` (``simulated``, ``local``, ``ranges`` or ``files``); if downloaded also
        ``objects`` (how many), ``bytes`` (of the objects), ``bytes_received`` and ``requests``
        (over the network, repeated ones included). Received and requested is what came when the
        files were made: little, where an earlier run or another study had fetched them.
    """
    if source != "s3":
        return {"mode": source}
    if download == "files":
        keys = [registry.betas_key(subject, number) for number in range(1, n_sessions + 1)]
        return manifest.acquired(store.expanduser(), keys)
    data = results.read(fetched)["data"]
    return {name: data[name] for name in TOLD}
