"""Files are whole or absent."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from brainworth import files


def write_and_fail(path, error):
    with files.whole(path) as part:
        part.write_text("half")
        raise error


def test_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    with files.whole(path) as part:
        part.write_text("content")
        assert not path.exists()
        assert part.parent == path.parent  # so that moving it is one step
    assert path.read_text() == "content"
    assert os.listdir(path.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_nothing(error, tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(error):
        write_and_fail(path, error)
    assert os.listdir(tmp_path) == []


def test_failure_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        write_and_fail(path, RuntimeError)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), files.whole(tmp_path / "a.txt"):
        pass
    assert os.listdir(tmp_path) == []


def test_killed_writer_leaves_no_file_under_the_final_name(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from brainworth import files\n"
            "with files.whole(sys.argv[1]) as part:\n"
            "    part.write_text('half'); print('there', flush=True); time.sleep(60)\n",
            str(path),
        ],
        stdout=subprocess.PIPE,
    )
    assert child.stdout.readline() == b"there\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert path.read_text() == "old"
    left = sorted(os.listdir(tmp_path))
    assert len(left) == 2
    assert left[0].startswith(".a.txt.")
    assert left[0].endswith(".part")


def test_concurrent_writers_in_one_process_do_not_mix(tmp_path):
    path = tmp_path / "a.txt"
    contents = [letter * 100_000 for letter in "abcdefgh"]
    failures = []
    barrier = threading.Barrier(len(contents))

    def write(content):
        try:
            with files.whole(path) as part:
                barrier.wait()
                for start in range(0, len(content), 1000):
                    with part.open("a") as handle:
                        handle.write(content[start : start + 1000])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert path.read_text() in contents
    assert os.listdir(tmp_path) == ["a.txt"]


def test_reader_never_sees_a_part_while_processes_write(tmp_path):
    path = tmp_path / "a.txt"
    program = (
        "import sys\n"
        "from brainworth import files\n"
        "for _ in range(40):\n"
        "    with files.whole(sys.argv[1]) as part:\n"
        "        with part.open('w') as handle:\n"
        "            for _ in range(100): handle.write(sys.argv[2] * 1000); handle.flush()\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(path), letter]) for letter in "xy"
    ]
    seen = set()
    while any(child.poll() is None for child in children):
        if path.exists():
            seen.add(path.read_text())
        time.sleep(0.001)
    assert [child.returncode for child in children] == [0, 0]
    seen.add(path.read_text())
    assert seen <= {"x" * 100_000, "y" * 100_000}
    assert os.listdir(tmp_path) == ["a.txt"]


def test_sha256_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "a"
    content = bytes(range(256)) * 10_000
    path.write_bytes(content)
    assert files.sha256(path) == hashlib.sha256(content).hexdigest()
    path.write_bytes(b"")
    assert files.sha256(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_only_what_killed_writers_left_is_removed(tmp_path):
    kept = [
        tmp_path / name for name in (".mine.part", "a.h5", ".a.h5.12.part", "x.12.0123abcd.part")
    ]
    left = [tmp_path / "deep" / ".a.h5.4711.0123abcd.part", tmp_path / ".b.7.ffffffff.part"]
    (tmp_path / "deep").mkdir()
    for path in (*kept, *left):
        path.touch()
    assert set(files.remove_leftovers([tmp_path, tmp_path / "absent"])) == set(left)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


def test_what_a_writer_writes_is_known_as_such(tmp_path):
    with files.whole(tmp_path / "a.json") as part:
        assert files.LEFTOVER.fullmatch(part.name)
        part.touch()
