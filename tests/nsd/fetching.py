"""What the tests of acquisition share: contents, places in the store, and child processes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from brainworth import config
from brainworth.nsd import registry

MEBI = 2**20
KEY = "nsddata/experiments/nsd/nsd_expdesign.mat"
BETAS = registry.betas_key("subj01", 1)
NCSNR = registry.ncsnr_key("subj01")
HDF5 = b"\x89HDF\r\n\x1a\n"

# A run in the background may have been started with Ctrl-C switched off; the child turns it on.
CHILD = """
import json, signal, sys
from pathlib import Path
from brainworth import config
from brainworth.nsd import store, transfer

signal.signal(signal.SIGINT, signal.default_int_handler)
data, root, keys, transfer.STRETCH = json.loads(sys.argv[1])
store.fetch(keys, Path(root), config.Data(**data), "test")
"""

# Forks of a process that has imported everything, each killed after so many seconds, and the last
# left to itself; prints how each ended.
KILLED = """
import json, os, signal, sys, time
from pathlib import Path
from brainworth import config
from brainworth.nsd import store, transfer

data, root, keys, transfer.STRETCH, moments = json.loads(sys.argv[1])
for moment in [*moments, None]:
    process = os.fork()
    if process == 0:
        store.fetch(keys, Path(root), config.Data(**data), "test")
        os._exit(0)
    if moment is not None:
        time.sleep(moment)
        os.kill(process, signal.SIGKILL)
    print(os.waitpid(process, 0)[1], flush=True)
"""


def random_bytes(n: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(n)


CONTENT = random_bytes(3 * MEBI + 12345)


def partial(data: config.Data, key: str = KEY) -> Path:
    return Path(data.store_dir) / ".partial" / f"{key}.part"


def journal_of(data: config.Data, key: str = KEY) -> Path:
    return Path(data.store_dir) / ".partial" / f"{key}.journal"


def whole(data: config.Data, key: str = KEY) -> Path:
    return Path(data.store_dir) / key


def entry_of(data: config.Data, key: str = KEY) -> dict:
    return json.loads((Path(data.store_dir) / ".manifest" / f"{key}.json").read_text())


def assert_fetched(root: Path, data: config.Data, content: bytes = CONTENT, key: str = KEY) -> None:
    """The link, the object, and its entry are there, and nothing partial is left."""
    assert (root / key).is_symlink()
    assert os.readlink(root / key) == str(whole(data, key))
    assert (root / key).read_bytes() == content
    entry = entry_of(data, key)
    assert entry["size"] == len(content)
    assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert entry["mtime_ns"] == whole(data, key).stat().st_mtime_ns
    assert not partial(data, key).exists()
    assert [path.suffix for path in partial(data, key).parent.iterdir()] == [".lock"]


def assert_nothing_fetched(root: Path, data: config.Data, key: str = KEY) -> None:
    assert not os.path.lexists(root / key)
    assert not whole(data, key).exists()


def child(
    data: config.Data, root: Path, keys: list[str], stretch: int = MEBI, before: str = ""
) -> subprocess.Popen:
    """Fetch in a process of its own, a stretch of 1 MiB at a time."""
    arguments = json.dumps([data.model_dump(), str(root), keys, stretch])
    return subprocess.Popen(
        [sys.executable, "-c", before + CHILD, arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def n_arrived(data: config.Data, key: str = KEY) -> int:
    """Count the stretches in the journal."""
    path = journal_of(data, key)
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


def wait_for(condition, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert process.poll() is None, process.stdout.read().decode()
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)
