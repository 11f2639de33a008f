"""Fetching from a bucket, or over a network, that misbehaves."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading

import pytest
from fetching import (
    BETAS,
    CONTENT,
    KEY,
    MEBI,
    NCSNR,
    assert_fetched,
    assert_nothing_fetched,
    entry_of,
    journal_of,
    n_arrived,
    partial,
    random_bytes,
)
from loopback import faults

from brainworth.errors import BrainworthError
from brainworth.nsd import download, patience, registry, s3, store, transfer

PLACES = [0, MEBI + 5, 3 * MEBI + 1]  # bytes of the first, a middle and the last stretch
PARTS = 3 * MEBI // 2  # uploaded parts that are no multiple of a stretch


@pytest.fixture(params=["md5", "parts", "opaque"])
def object_of(request, lab, stretches):
    """`KEY` as uploaded at once, in parts, or under an ETag that says nothing."""
    if request.param == "parts":
        lab.add(KEY, CONTENT, part_size=PARTS)
    elif request.param == "opaque":
        lab.add(KEY, CONTENT, etag="opaque")
    return request.param


class TestOneStretch:
    """An object that is small enough for one request."""

    def test_truncated_body_is_resumed(self, lab, at_lab, root):
        lab.inject(faults.cut_after(2 * MEBI + 1000))
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        first, second = lab.gets
        assert first.range is None
        assert second.range == f"bytes={2 * MEBI + 1000}-"
        assert first.if_match == second.if_match == f'"{lab.objects[KEY].etag}"'

    def test_reset_connection_is_resumed(self, lab, at_lab, root):
        lab.inject(faults.reset_after(2 * MEBI))
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert lab.gets[1].range is not None

    def test_a_service_without_ranges(self, lab, at_lab, root):
        lab.inject(faults.cut_after(2 * MEBI))
        lab.inject(faults.ignore_range())
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert len(lab.gets) == 2

    @pytest.mark.parametrize("etag", ["0123456789abcdef0123456789abcdef-3", "opaque"])
    def test_other_etags_are_not_taken_for_an_md5(self, etag, lab, at_lab, root):
        lab.add(KEY, CONTENT, etag=etag)
        assert store.fetch([KEY], root, at_lab, "test")[0].etag == etag
        assert_fetched(root, at_lab)
        assert entry_of(at_lab)["verified"] == "size"


class TestStretches:
    """Faults at the first, a middle and the last stretch, under each kind of ETag."""

    @pytest.mark.parametrize("place", PLACES)
    @pytest.mark.parametrize(
        "fault",
        [
            faults.cut_after(1000),
            faults.cut_after(0),
            faults.reset_after(2000),
            faults.no_answer(),
            faults.status(503, "SlowDown"),
            faults.status(500, "InternalError"),
            faults.status(400, "RequestTimeout"),
            faults.status(429, "TooManyRequests"),
            faults.wrong_content_range(),
            faults.shift_range(1),
        ],
        ids=lambda fault: fault.__qualname__.split(".")[0],
    )
    def test_it_is_mended_and_nothing_comes_twice(self, object_of, place, fault, lab, at_lab, root):
        lab.inject(fault, covers=place)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        n_stretches = 3 if object_of == "parts" else 4
        assert len(lab.gets) == n_stretches + 1
        assert entry_of(at_lab)["verified"] == ("size" if object_of == "opaque" else object_of)

    @pytest.mark.parametrize("place", PLACES)
    @pytest.mark.parametrize("part_size", [None, PARTS, MEBI // 2])
    def test_a_wrong_byte_is_found(self, part_size, place, lab, at_lab, root, stretches):
        lab.add(KEY, CONTENT, part_size=part_size)
        lab.inject(faults.corrupt(place), covers=place)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert len(lab.gets) == 2 * (3 if part_size == PARTS else 4)  # all of it anew

    def test_the_object_changes_while_stretches_come_in(self, object_of, lab, at_lab, root):
        changed = random_bytes(2 * MEBI + 7, seed=2)
        lab.inject(faults.replace_with(changed), covers=2 * MEBI)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab, changed)

    def test_an_etag_that_changes_in_an_answer(self, object_of, lab, at_lab, root):
        lab.inject(faults.changed_etag(), covers=2 * MEBI)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)

    def test_parts_too_large_to_be_digested_as_they_come(
        self, lab, at_lab, root, stretches, monkeypatch
    ):
        monkeypatch.setattr(transfer, "LARGEST_PIECE", MEBI)
        lab.add(KEY, CONTENT, part_size=PARTS)
        lab.inject(faults.corrupt(2 * MEBI), covers=2 * MEBI)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert entry_of(at_lab)["verified"] == "parts"
        assert len(lab.gets) == 8

    def test_a_service_that_does_not_tell_the_size_of_parts(self, lab, at_lab, root, monkeypatch):
        """5 MiB is guessed from the number of parts; 6 MiB is not, and the ETag is no help."""
        monkeypatch.setattr(s3, "part_size", lambda *_: None)
        content = random_bytes(11 * MEBI)
        for part_size, verified in ((5 * MEBI, "parts"), (6 * MEBI, "size")):
            key = f"nsddata/{part_size}.bin"
            lab.add(key, content, part_size=part_size)
            store.fetch([key], root, at_lab, "test")
            assert entry_of(at_lab, key)["verified"] == verified

    def test_a_service_without_ranges_is_asked_for_the_whole(self, object_of, lab, at_lab, root):
        lab.inject(faults.ignore_range(), times=None)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert lab.gets[-1].range is None

    def test_a_stalled_connection_is_given_up(self, lab, at_lab, root, stretches, monkeypatch):
        monkeypatch.setattr(s3, "READ_TIMEOUT_S", 0.2)
        gate = threading.Event()
        lab.inject(faults.stall_after(MEBI // 2, gate), covers=MEBI)
        store.fetch([KEY], root, at_lab, "test")
        gate.set()
        assert_fetched(root, at_lab)

    def test_a_slow_connection_is_not(self, lab, at_lab, root, stretches, monkeypatch):
        monkeypatch.setattr(s3, "READ_TIMEOUT_S", 0.2)
        lab.inject(faults.slow(3e6), covers=MEBI)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert len(lab.gets) == 4


class TestRefusals:
    def test_slow_down_is_obeyed(self, lab, at_lab, root):
        lab.inject(faults.status(503, "SlowDown"), times=2)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert len(lab.gets) == 3

    def test_the_pauses_grow(self, data, monkeypatch):
        pauses = []

        def busy():
            raise s3.Retry("the service is busy")

        stop = threading.Event()
        monkeypatch.setattr(stop, "wait", pauses.append)
        slow = data.model_copy(update={"backoff_s": 10.0, "attempts": 6})
        with pytest.raises(BrainworthError, match="gave up after 6 attempts, because the service"):
            patience.patiently(busy, KEY, slow, stop)
        for pause, longest in zip(pauses, (10, 20, 40, 60, 60), strict=True):
            assert longest / 2 <= pause <= longest

    def test_requests_are_repeated_by_us_alone(self, lab, at_lab, root):
        lab.denials[KEY] = 503
        with pytest.raises(BrainworthError, match="gave up after 4 attempts, because the service"):
            store.fetch([KEY], root, at_lab, "test")
        assert [request.method for request in lab.requests] == ["HEAD"] * 4

    def test_corruption_for_ever_is_an_error(self, lab, at_lab, root, stretches):
        lab.inject(faults.corrupt(), times=None)
        with pytest.raises(BrainworthError, match=rf"{KEY}: gave up after 4 .* are damaged \(MD5"):
            store.fetch([KEY], root, at_lab, "test")
        assert_nothing_fetched(root, at_lab)
        assert not partial(at_lab).exists()
        assert not journal_of(at_lab).exists()

    def test_corruption_against_the_registry(self, lab, at_lab, root, monkeypatch, stretches):
        monkeypatch.setitem(registry.KNOWN_SHA256, KEY, hashlib.sha256(CONTENT).hexdigest())
        lab.add(KEY, CONTENT, etag="0123456789abcdef0123456789abcdef-7")
        lab.inject(faults.corrupt())
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert len(lab.gets) == 8

    def test_a_web_page_is_not_a_betas_file(self, lab, at_lab, root):
        lab.add(BETAS, b"<html>please log in</html>")
        with pytest.raises(BrainworthError, match="what arrived is not in HDF5 format"):
            store.fetch([BETAS], root, at_lab, "test")
        assert_nothing_fetched(root, at_lab, BETAS)

    def test_forbidden(self, lab, at_lab, root):
        lab.denials[KEY] = 403
        with pytest.raises(BrainworthError) as raised:
            store.fetch([KEY], root, at_lab, "test")
        assert f"{KEY} is forbidden" in str(raised.value)
        assert "old mirrors hold back the last three sessions" in str(raised.value)
        assert "2023-08-20" in str(raised.value)
        assert len(lab.requests) == 1

    def test_forbidden_between_two_stretches(self, lab, at_lab, root, stretches):
        lab.inject(faults.status(403, "AccessDenied"), covers=2 * MEBI)
        with pytest.raises(BrainworthError, match="is forbidden"):
            store.fetch([KEY], root, at_lab, "test")
        assert_nothing_fetched(root, at_lab)
        store.fetch([KEY], root, at_lab, "test")  # access is back
        assert_fetched(root, at_lab)

    def test_deleted_between_two_stretches(self, lab, at_lab, root, stretches):
        lab.inject(faults.status(404, "NoSuchKey"), covers=2 * MEBI)
        with pytest.raises(BrainworthError, match=rf"{KEY} does not exist"):
            store.fetch([KEY], root, at_lab, "test")

    def test_not_found(self, lab, at_lab, root):
        with pytest.raises(BrainworthError, match=rf"{NCSNR} does not exist .*data\.endpoint_url"):
            store.fetch([NCSNR], root, at_lab, "test")
        assert len(lab.requests) == 1

    def test_any_other_refusal_is_final(self, lab, at_lab, root):
        lab.denials[KEY] = 405
        with pytest.raises(BrainworthError, match=rf"{KEY} was refused .*status 405.*data\.region"):
            store.fetch([KEY], root, at_lab, "test")
        assert len(lab.requests) == 1

    def test_nobody_listens(self, at_lab, root):
        closed = at_lab.model_copy(update={"endpoint_url": "http://127.0.0.1:1", "attempts": 2})
        with pytest.raises(BrainworthError, match=r"gave up after 2 .*the connection failed"):
            store.fetch([KEY], root, closed, "test")

    def test_a_name_that_nobody_knows(self, at_lab, root, monkeypatch):
        def unknown(*_, **__):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        nowhere = at_lab.model_copy(update={"endpoint_url": "http://s3.invalid", "attempts": 2})
        with pytest.raises(BrainworthError, match=r"gave up after 2 .*the connection failed.*s3"):
            store.fetch([KEY], root, nowhere, "test")

    @pytest.mark.parametrize("change", [{"endpoint_url": "nonsense"}, {"bucket": "Not A Bucket"}])
    def test_nonsense_in_the_configuration(self, change, at_lab, root):
        with pytest.raises(BrainworthError, match=r"data\.endpoint_url"):
            store.fetch([KEY], root, at_lab.model_copy(update=change), "test")

    def test_the_registry_knows_the_size(self, lab, at_lab, root, monkeypatch):
        monkeypatch.setitem(registry.KNOWN_SIZES, KEY, 11)
        with pytest.raises(BrainworthError, match="where NSD's has 11"):
            store.fetch([KEY], root, at_lab, "test")
        assert lab.gets == []

    def test_an_empty_object(self, lab, at_lab, root):
        lab.add(KEY, b"")
        with pytest.raises(BrainworthError, match=f"{KEY} is empty in s3://"):
            store.fetch([KEY], root, at_lab, "test")

    def test_the_first_error_stops_the_others(self, lab, at_lab, root):
        keys = [f"nsddata/{number}.bin" for number in range(8)]
        for key in keys:
            lab.add(key, CONTENT)
        gate = threading.Event()
        lab.inject(faults.status(403, "AccessDenied"))
        lab.inject(faults.dribble_after(0, gate))
        with pytest.raises(BrainworthError, match="is forbidden"):
            store.fetch(keys, root, at_lab.model_copy(update={"parallel": 2}), "test")
        gate.set()
        assert len(lab.gets) <= 3
        assert not root.exists()

    def test_one_stretch_that_fails_stops_the_others(self, lab, at_lab, root, stretches):
        lab.inject(faults.status(403, "AccessDenied"), covers=0)
        lab.inject(faults.slow(4e6), times=None)
        two = at_lab.model_copy(update={"parallel": 2})
        with pytest.raises(BrainworthError, match="is forbidden"):
            store.fetch([KEY], root, two, "test")
        assert len(lab.gets) <= 3


class TestDisk:
    def test_full_while_stretches_come_in(self, lab, at_lab, root, stretches, monkeypatch):
        """Where no room can be reserved, a disk can still fill up."""
        write, left = os.pwrite, [2]

        def full(*arguments):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            one = at_lab.model_copy(update={"parallel": 1})
            with pytest.raises(BrainworthError, match=r"No space left on device; data\.store_dir"):
                store.fetch([KEY], root, one, "test")
        assert_nothing_fetched(root, at_lab)
        there = n_arrived(at_lab)
        lab.forget()
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert len(lab.gets) == 4 - there

    def test_no_room_can_be_reserved(self, lab, at_lab, root, monkeypatch):
        def unsupported(*_):
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")

        monkeypatch.setattr(os, "posix_fallocate", unsupported)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)

    def test_a_folder_that_cannot_be_written(self, lab, at_lab, root, monkeypatch):
        def refuse(path, *arguments):  # chmod would not stop root, who runs tests in containers
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(BrainworthError, match=r"Permission denied; data\.store_dir .* must be"):
            store.fetch([KEY], root, at_lab, "test")

    def test_a_file_system_without_locks(self, lab, at_lab, root, monkeypatch):
        def refuse(*_):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(download.fcntl, "flock", refuse)
        with pytest.raises(BrainworthError, match=r"cannot be locked \(No locks available"):
            store.fetch([KEY], root, at_lab, "test")
