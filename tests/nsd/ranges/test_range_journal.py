"""The journal: what a crash, damage or another version leaves of it."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import KEY, N_WANTED, SHAPE
from loopback import faults

from brainworth.errors import BrainworthError
from brainworth.nsd import s3, voxels
from brainworth.nsd.ranges import session
from brainworth.nsd.ranges.journal import Journal

REMOTE = s3.Remote("some/key", 10**6, "an-etag", None)


def record(n, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-32768, 32767, (n, 750), dtype=np.int16)
    return np.arange(n) + 1000 * seed, np.arange(n) * 1500 + seed, values


@pytest.fixture
def path(tmp_path):
    """A journal of four records of 1, 2, 3 and 4 voxels."""
    path = tmp_path / "folder" / "a.journal"
    with Journal(path, SHAPE) as journal:
        journal.begin(REMOTE)
        for n in (1, 2, 3, 4):
            journal.add(*record(n, n))
    return path


def test_what_was_added_comes_back(path):
    with Journal(path, SHAPE) as journal:
        assert journal.version == {"key": REMOTE.key, "etag": REMOTE.etag, "size": REMOTE.size}
        for n in (4, 1, 3, 2):
            rank, address, values = record(n, n)
            got = journal.collect(rank[::-1])
            assert np.array_equal(got[0], address[::-1])
            assert np.array_equal(got[1], values[::-1])
        assert len(journal.ranks()) == 10
        with pytest.raises(ValueError, match="not in the journal"):
            journal.collect(np.array([1001]))


def test_any_cut_leaves_whole_records(path):
    content = path.read_bytes()
    kept = set()
    for stop in sorted({*range(0, len(content), 97), len(content) - 1, len(content)}):
        path.write_bytes(content[:stop])
        with Journal(path, SHAPE) as journal:
            ranks = journal.ranks()
            kept.add(len(ranks))
            for n in (1, 2, 3, 4):
                rank, _, values = record(n, n)
                if rank[0] in ranks:
                    assert np.array_equal(journal.collect(rank)[1], values)
        assert path.stat().st_size <= stop
    assert kept == {0, 1, 3, 6, 10}


def test_any_wrong_byte_ends_the_journal_before_it(path):
    content = path.read_bytes()
    rng = random.Random(1)
    for _ in range(60):
        at = rng.randrange(len(content))
        wrong = bytearray(content)
        wrong[at] ^= 1 << rng.randrange(8)
        path.write_bytes(wrong)
        with Journal(path, SHAPE) as journal:
            assert len(journal.ranks()) in {0, 1, 3, 6}
        assert path.stat().st_size <= at


def test_records_after_a_cut_are_appended_to_what_is_whole(path):
    with path.open("ab") as file:
        file.write(b"BWJX\xff\xff")
    with Journal(path, SHAPE) as journal:
        journal.begin(REMOTE)
        journal.add(*record(5, 5))
    with Journal(path, SHAPE) as journal:
        assert len(journal.ranks()) == 15


@pytest.mark.parametrize("other", [{"etag": "another"}, {"size": 5}, {"key": "another"}], ids=str)
def test_another_version_empties_it(other, path):
    with Journal(path, SHAPE) as journal:
        journal.begin(dataclasses.replace(REMOTE, **other))
        assert journal.ranks().size == 0
    with Journal(path, SHAPE) as journal:
        assert journal.ranks().size == 0


def test_another_volume_empties_it(path):
    with Journal(path, SHAPE[::-1]) as journal:
        assert journal.version is None
        assert journal.ranks().size == 0


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"not a journal at all, but text"])
def test_something_else_in_its_place_is_replaced(content, path):
    path.write_bytes(content)
    with Journal(path, SHAPE) as journal:
        assert journal.version is None
        journal.begin(REMOTE)
        journal.add(*record(2, 2))
    with Journal(path, SHAPE) as journal:
        assert journal.version is not None
        assert len(journal.ranks()) == 2


def test_damaged_journal_is_fetched_again_from_there(fetch, example, data):
    fetch()
    path = session.journal_path(_store(data), KEY)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found, _ = fetch()
    assert 0 < found.n_fetched < N_WANTED
    assert np.array_equal(found.values, example.expected)


def test_empty_journal_of_another_volume_is_fetched_again(fetch, example, data):
    path = session.journal_path(_store(data), KEY)
    with Journal(path, SHAPE[::-1]) as journal:
        journal.begin(REMOTE)
    assert np.array_equal(fetch()[0].values, example.expected)


def _store(data):
    return Path(data.store_dir)


CHILD = """
import json, sys
from pathlib import Path
import numpy as np
from brainworth import config
from brainworth.nsd import rois, voxels
from brainworth.nsd.ranges import session, transport

data, ijk, shape, key, product = json.loads(sys.argv[1])
data = config.Data(**data)
table = rois.VoxelTable(np.array(ijk, dtype=np.int32), {}, tuple(shape))
with transport.connect(data) as connections:
    found = session.fetch(
        lambda: connections, key, table, Path(data.store_dir), data, lambda n: None
    )
voxels.write(
    Path(product), table, found.values, found.address, key=key, etag=found.etag, size=found.size
)
"""


RUNNER = """
import os, sys, time

def run(arguments):
    sys.argv[1] = arguments
    exec(sys.argv[2], {})

exec(sys.argv[2].partition("data, ijk")[0], {})  # its imports, once for all
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        sys.stdout = open(os.devnull, "w")
        run(sys.argv[1])
        os._exit(0)
    if float(line) >= 0:
        time.sleep(float(line))
        os.kill(pid, 9)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def test_killed_at_any_moment_it_ends_in_the_same_bytes(fetch, server, data, example, tmp_path):
    """At least 20 times SIGKILL, at random moments of a fetch, then one run to the end."""
    table = example.table
    found, _ = fetch(store_dir=str(tmp_path / "undisturbed"))
    right = tmp_path / "right.h5"
    version = {"key": KEY, "etag": found.etag, "size": found.size}
    voxels.write(right, table, found.values, found.address, **version)

    product = tmp_path / "product.h5"
    given = data.model_copy(update={"parallel_ranges": 1})
    arguments = json.dumps([given.model_dump(), table.ijk.tolist(), SHAPE, KEY, str(product)])
    journal = session.journal_path(_store(data), KEY)
    server.latency_s = 0.002
    rng = random.Random(3)
    kills, sizes = 0, set()
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, arguments, CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as runner:

        def run(until: float) -> int:
            """Fetch in a process of its own, killed after `until` seconds (never if negative)."""
            runner.stdin.write(f"{until}\n")
            runner.stdin.flush()
            return int(runner.stdout.readline())

        while kills < 20:
            kills += run(rng.uniform(0.05, 0.8)) == -signal.SIGKILL
            sizes.add(journal.stat().st_size if journal.exists() else 0)
            if product.exists():
                assert product.read_bytes() == right.read_bytes()
                product.unlink()
                journal.unlink()  # begin anew, so that all kills meet work
            elif kills % 3 == 0 and journal.exists():
                # as a machine that lost power would leave it
                os.truncate(journal, rng.randrange(journal.stat().st_size + 1))
        assert run(-1) == 0
        runner.stdin.close()
    assert product.read_bytes() == right.read_bytes()
    assert len(sizes) > 5  # they were killed at different places


def test_two_processes_share_the_work(server, data, example, tmp_path):
    products = [tmp_path / f"{number}.h5" for number in range(2)]
    children = []
    for product in products:
        arguments = [data.model_dump(), example.table.ijk.tolist(), SHAPE, KEY, str(product)]
        children.append(subprocess.Popen([sys.executable, "-c", CHILD, json.dumps(arguments)]))
    assert [child.wait() for child in children] == [0, 0]
    assert products[0].read_bytes() == products[1].read_bytes()
    ranges = [request.range for request in server.gets]
    assert len(ranges) == len(set(ranges))  # each range once, beside its second reading


def test_interrupted_fetch_goes_on(fetch, server, example):
    server.inject(faults.no_answer(), nth=100, times=None)
    with pytest.raises(BrainworthError, match="gave up"):
        fetch()
    server.forget()
    found, _ = fetch()
    assert 0 < found.n_fetched < N_WANTED
    assert np.array_equal(found.values, example.expected)
