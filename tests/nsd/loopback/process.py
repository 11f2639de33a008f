"""The server in a process of its own, so that it does not share an interpreter with its client.

python process.py FOLDER [--latency-ms 30] [--megabytes-per-s 50] [--part-mib 8] [--tls FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent


@contextlib.contextmanager
def in_process(
    folder: Path,
    latency_s: float = 0.0,
    bytes_per_s: float | None = None,
    part_size: int | None = None,
    tls: Path | None = None,
) -> Iterator[str]:
    """Serve the files of a folder; yields the URL of the service.

    Parameters
    ----------
    part_size : int, optional
        Files larger than this are as if uploaded in parts of this size; whole MiB.
    tls : path, optional
        Folder in which an authority is made (``authority.pem``); HTTPS if given.
    """
    command = [sys.executable, str(HERE / "process.py"), str(folder)]
    command += ["--latency-ms", str(latency_s * 1000)]
    if bytes_per_s is not None:
        command += ["--megabytes-per-s", str(bytes_per_s / 1e6)]
    if part_size is not None:
        command += ["--part-mib", str(part_size // 2**20)]
    if tls is not None:
        command += ["--tls", str(tls)]
    # It ends when its standard input does, so also when its parent is killed.
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        if not url:
            raise RuntimeError("the loopback server did not start; its message is above")
        yield url
    finally:
        server.communicate()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--megabytes-per-s", type=float)
    parser.add_argument("--part-mib", type=int)
    parser.add_argument("--tls", type=Path)
    given = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    from loopback import server, tls

    context = tls.authority(given.tls)[1] if given.tls else None
    rate = None if given.megabytes_per_s is None else given.megabytes_per_s * 1e6
    with server.running(given.latency_ms / 1000, rate, context) as service:
        service.add_folder(given.folder, given.part_mib * 2**20 if given.part_mib else None)
        print(service.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    # As a program, this folder comes first on the path, and its modules would hide others.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
    main()
