"""Going on after an interruption: journals, kills, several processes, and the disk."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fetching import (
    CONTENT,
    KEY,
    KILLED,
    MEBI,
    assert_fetched,
    assert_nothing_fetched,
    child,
    journal_of,
    n_arrived,
    partial,
    random_bytes,
    wait_for,
)
from loopback import faults

from brainworth.errors import BrainworthError
from brainworth.nsd import store

HEAD = {"version": 1, "etag": hashlib.md5(CONTENT).hexdigest(), "size": len(CONTENT)}
HEAD |= {"piece": MEBI, "stretch": MEBI}


def line(number: int, content: bytes = CONTENT) -> str:
    md5 = hashlib.md5(content[number * MEBI : (number + 1) * MEBI]).hexdigest()
    arrival = {"stretch": number, "md5": [md5], "received": MEBI, "requests": 1}
    return json.dumps(arrival) + "\n"


def leave(data, journal: str | bytes, content: bytes = CONTENT) -> None:
    """Leave a partial file and a journal as an earlier run might have."""
    partial(data).parent.mkdir(parents=True, exist_ok=True)
    partial(data).write_bytes(content)
    journal = journal.encode() if isinstance(journal, str) else journal
    journal_of(data).write_bytes(journal)


class TestJournal:
    """Four stretches of 1 MiB; each test says how many must still be asked for."""

    def asked_for(self, lab, data, root) -> int:
        store.fetch([KEY], root, data, "test")
        assert_fetched(root, data)
        return len(lab.gets)

    def test_what_has_arrived_is_not_asked_for_again(self, lab, at_lab, root, stretches):
        leave(at_lab, json.dumps(HEAD) + "\n" + line(0) + line(3))
        assert self.asked_for(lab, at_lab, root) == 2
        assert {request.range for request in lab.gets} == {
            f"bytes={MEBI}-{2 * MEBI - 1}",
            f"bytes={2 * MEBI}-{3 * MEBI - 1}",
        }

    def test_complete_but_for_the_end(self, lab, at_lab, root, stretches):
        leave(at_lab, json.dumps(HEAD) + "\n" + "".join(map(line, range(4))))
        assert self.asked_for(lab, at_lab, root) == 0

    @pytest.mark.parametrize(
        ("lines", "n"),
        [
            (line(0) + line(1)[:-1], 3),  # torn: the line feed is missing
            (line(0) + line(1)[:-30], 3),
            (line(0) + "\0" * 200 + line(1), 3),  # a block that was never written
            (line(0) + '{"stretch": 1}\n' + line(2), 2),
            (line(0) + '{"stretch": "1", "md5": [], "received": 0, "requests": 0}\n', 3),
            (line(0) + '{"stretch": 1, "md5": null, "received": 0, "requests": 0}\n', 3),
            (line(0) + "[]\n" + line(1), 3),
            (line(0) * 3, 3),
            (line(0).replace('"stretch": 0', '"stretch": 7') + line(1), 3),
            (line(0).replace('"stretch": 0', '"stretch": -1') + line(1), 3),
            (line(0).replace('"stretch": 0', '"stretch": 2') + line(1), 3),  # other bytes
            ("", 4),
        ],
    )
    def test_damaged_lines_cost_only_what_they_spoke_of(
        self, lines, n, lab, at_lab, root, stretches
    ):
        leave(at_lab, json.dumps(HEAD) + "\n" + lines)
        assert self.asked_for(lab, at_lab, root) == n

    def test_a_torn_line_is_not_continued(self, lab, at_lab, root, stretches):
        """After a second interruption, what came after the tear counts too."""
        leave(at_lab, json.dumps(HEAD) + "\n" + line(0) + line(1)[:-30])
        lab.inject(faults.status(403, "AccessDenied"), covers=3 * MEBI)
        one = at_lab.model_copy(update={"parallel": 1})
        with pytest.raises(BrainworthError, match="forbidden"):
            store.fetch([KEY], root, one, "test")
        lab.forget()
        assert self.asked_for(lab, at_lab, root) == 1

    @pytest.mark.parametrize(
        "journal",
        [
            b"",
            b"\n",
            b"{",
            b"\xff\xfe\x00",
            (json.dumps(HEAD | {"version": 2}) + "\n" + line(0)).encode(),
            (json.dumps(HEAD | {"etag": "another"}) + "\n" + line(0)).encode(),
            (json.dumps(HEAD | {"size": 1}) + "\n" + line(0)).encode(),
            (json.dumps(HEAD | {"stretch": 2 * MEBI}) + "\n" + line(0)).encode(),
            (json.dumps(HEAD | {"stretch": 0}) + "\n" + line(0)).encode(),
            (json.dumps(HEAD | {"stretch": None}) + "\n" + line(0)).encode(),
            line(0).encode(),
        ],
    )
    def test_a_journal_of_something_else_is_not_used(self, journal, lab, at_lab, root, stretches):
        leave(at_lab, journal)
        assert self.asked_for(lab, at_lab, root) == 4

    def test_bytes_that_are_not_those_of_the_journal(self, lab, at_lab, root, stretches):
        """Writes that were lost in a power cut, though the journal was not."""
        damaged = CONTENT[:MEBI] + bytes(MEBI) + CONTENT[2 * MEBI :]
        leave(at_lab, json.dumps(HEAD) + "\n" + "".join(map(line, range(4))), damaged)
        assert self.asked_for(lab, at_lab, root) == 1

    def test_a_partial_file_that_is_too_short(self, lab, at_lab, root, stretches):
        leave(at_lab, json.dumps(HEAD) + "\n" + line(0) + line(1), CONTENT[: MEBI + 5])
        assert self.asked_for(lab, at_lab, root) == 3

    def test_a_partial_file_that_is_too_long(self, lab, at_lab, root, stretches):
        leave(at_lab, json.dumps(HEAD) + "\n" + line(0) + line(1), CONTENT + b"more")
        assert self.asked_for(lab, at_lab, root) == 2

    def test_a_journal_without_its_file(self, lab, at_lab, root, stretches):
        leave(at_lab, json.dumps(HEAD) + "\n" + line(0))
        partial(at_lab).unlink()
        assert self.asked_for(lab, at_lab, root) == 4

    def test_a_file_without_its_journal(self, lab, at_lab, root, stretches):
        leave(at_lab, "")
        journal_of(at_lab).unlink()
        assert self.asked_for(lab, at_lab, root) == 4

    def test_the_object_changed_between_two_runs(self, lab, at_lab, root, stretches):
        leave(at_lab, json.dumps(HEAD) + "\n" + line(0) + line(1))
        changed = random_bytes(2 * MEBI, seed=2)
        lab.add(KEY, changed)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab, changed)

    def test_stretches_that_came_before_giving_up_are_kept(self, lab, at_lab, root, stretches):
        lab.inject(faults.cut_after(10), covers=3 * MEBI - 1, times=4)
        with pytest.raises(BrainworthError, match=r"gave up after 4 attempts, .*connection failed"):
            store.fetch([KEY], root, at_lab, "test")
        assert_nothing_fetched(root, at_lab)
        there = n_arrived(at_lab)
        lab.forget()
        assert self.asked_for(lab, at_lab, root) == 4 - there


class TestDisk:
    def test_too_small(self, lab, at_lab, root, monkeypatch):
        usage = shutil.disk_usage(root.parent)._replace(free=3 * MEBI)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        with pytest.raises(
            BrainworthError, match=r"\(data.store_dir\) has 3.15 MB free but 1 NSD.* 3.16 MB more"
        ):
            store.fetch([KEY], root, at_lab, "test")
        assert lab.gets == []

    def test_room_that_is_reserved_already_does_not_count(
        self, lab, at_lab, root, monkeypatch, stretches
    ):
        lab.inject(faults.status(403, "AccessDenied"), covers=3 * MEBI)
        with pytest.raises(BrainworthError, match="forbidden"):
            store.fetch([KEY], root, at_lab, "test")
        usage = shutil.disk_usage(root.parent)._replace(free=MEBI)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)

    def test_no_room_for_the_whole(self, lab, at_lab, root):
        """A limit on file size stands in for a full disk: both refuse the room."""
        limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        limit += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({2 * MEBI}, {2 * MEBI}))\n"
        output, _ = child(at_lab, root, [KEY], before=limit).communicate(timeout=30)
        assert b"BrainworthError" in output
        assert b"must be a folder that can be written, with room for the downloads" in output
        assert lab.gets == []
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)

    def test_the_store_is_a_file(self, at_lab, root):
        Path(at_lab.store_dir).write_text("")
        with pytest.raises(BrainworthError, match=r"data\.store_dir .* must be a folder"):
            store.fetch([KEY], root, at_lab, "test")

    def test_the_store_is_not_the_folder_of_the_study(self, lab, at_lab):
        with pytest.raises(BrainworthError, match=r"both data\.store_dir and the folder of this"):
            store.fetch([KEY], Path(at_lab.store_dir), at_lab, "test")
        assert lab.requests == []


class TestProcesses:
    def test_kill_and_resume(self, lab, at_lab, root, stretches):
        gate = threading.Event()
        lab.inject(faults.stall_after(100, gate), covers=2 * MEBI)
        process = child(at_lab, root, [KEY])
        wait_for(lambda: n_arrived(at_lab) == 3, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        gate.set()
        assert_nothing_fetched(root, at_lab)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert len(lab.gets) == 5
        assert lab.gets[-1].range == f"bytes={2 * MEBI}-{3 * MEBI - 1}"

    def test_ctrl_c_leaves_what_has_arrived(self, lab, at_lab, root, stretches):
        gate = threading.Event()
        lab.inject(faults.dribble_after(0, gate), covers=2 * MEBI)
        process = child(at_lab, root, [KEY])
        wait_for(lambda: n_arrived(at_lab) == 3, process)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        gate.set()
        assert b"KeyboardInterrupt" in output
        assert process.returncode != 0
        assert_nothing_fetched(root, at_lab)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert len(lab.gets) == 5

    def test_two_processes_download_an_object_once(self, lab, at_lab, tmp_path, stretches):
        gate = threading.Event()
        lab.inject(faults.stall_after(100, gate), covers=2 * MEBI)
        roots = [tmp_path / "one", tmp_path / "two"]
        processes = [child(at_lab, root, [KEY]) for root in roots]
        # two HEADs to plan, then HEAD and four GETs by the holder of the lock
        wait_for(lambda: len(lab.requests) == 7, processes[0])
        time.sleep(0.3)
        gate.set()
        for process in processes:
            output, _ = process.communicate(timeout=30)
            assert process.returncode == 0, output.decode()
        assert len(lab.gets) == 4
        for root in roots:
            assert_fetched(root, at_lab)

    def test_killed_again_and_again_it_ends_in_the_same_file(self, lab, at_lab, root, stretches):
        """SIGKILL at 24 random moments, in a download that takes about half a second."""
        content = random_bytes(8 * MEBI, seed=4)
        lab.add(KEY, content, part_size=MEBI // 2)
        lab.bandwidth.bytes_per_s = 16e6
        rng = random.Random(1)
        moments = [rng.uniform(0.05, 0.5) for _ in range(24)]
        arguments = json.dumps([at_lab.model_dump(), str(root), [KEY], MEBI, moments])
        done = subprocess.run(
            [sys.executable, "-c", KILLED, arguments], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        ends = done.stdout.split()
        assert ends[-1] == "0"
        assert ends.count("9") >= 2  # until it was there; the runs after that have nothing to do
        assert_fetched(root, at_lab, content)
        assert lab.bytes_sent < (ends.count("9") + 1) * len(content)
