"""What can go wrong while voxels are fetched: it mends itself, or stops with one sentence."""

from __future__ import annotations

import dataclasses
import errno
import os
import threading
import time

import numpy as np
import pytest
from conftest import KEY, N_WANTED, SHAPE, choose, draw, pick, write
from loopback import faults, tls
from loopback import server as loopback_server

from brainworth.errors import BrainworthError
from brainworth.nsd import s3, store
from brainworth.nsd.ranges import session, transport


def rewritten(**headers):
    """Send the right body under other headers."""

    def fault(connection, request, answer):
        connection.respond(dataclasses.replace(answer, headers=answer.headers | headers))

    return fault


def longer(announced):
    """Send more bytes than were asked for, announced or not."""

    def fault(connection, request, answer):
        content = answer.content.read(answer.start, answer.stop)
        head = connection._head(answer).decode()
        if announced:
            head = head.replace(
                f"Content-Length: {len(content)}", f"Content-Length: {len(content) + 7}"
            )
        connection.send(head.encode() + content + b"surplus")

    return fault


def drops(pause_s):
    """Send a body byte by byte, for a while."""

    def fault(connection, request, answer):
        connection.send_head(answer)
        for at in range(40):
            connection.send_body(answer, start=at, stop=at + 1)
            time.sleep(pause_s)
        connection.hang_up()

    return fault


def garbage(connection, request, answer):
    """Put bytes into the stream below the encryption."""
    connection.send_head(answer)
    os.write(connection.socket.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
    connection.hang_up()


def redirect(connection, request, answer):
    elsewhere = {"Location": "https://elsewhere.example/"}
    connection.respond(dataclasses.replace(answer, status=301, headers=answer.headers | elsewhere))


def web_page(connection, request, answer):
    page = b"<html>Please log in</html>"
    stored = loopback_server.Stored(page, etag="none")
    connection.respond(loopback_server.Answer(502, {}, stored, 0, len(page)))


def wrong_byte(connection, request, answer):
    """Change a byte that both readings of a range hold, unlike the first of the second one."""
    faults.corrupt(answer.start + 10)(connection, request, answer)


GATE = threading.Event()  # never opened

RECOVERS = {
    "connection closed before the answer": faults.no_answer(),
    "cut before the body": faults.cut_after(0),
    "cut in the body": faults.cut_after(700),
    "reset before the body": faults.reset_after(0),
    "reset in the body": faults.reset_after(700),
    "503 SlowDown": faults.status(503, "SlowDown"),
    "500 InternalError": faults.status(500, "InternalError"),
    "429": faults.status(429, "TooManyRequests"),
    "400 RequestTimeout": faults.status(400, "RequestTimeout"),
    "403 Throttling": faults.status(403, "ThrottlingException"),
    "a proxy's web page": web_page,
    "one byte wrong": wrong_byte,
    "another range": faults.shift_range(1500),
    "another Content-Range": faults.wrong_content_range(),
    "no Content-Range": rewritten(**{"Content-Range": ""}),
    "more bytes than announced": longer(announced=False),
    "more bytes, announced": longer(announced=True),
    "compressed": rewritten(**{"Content-Encoding": "gzip"}),
    "stalled before the body": faults.stall_after(0, GATE, 1),
    "stalled in the body": faults.stall_after(700, GATE, 1),
    "drop by drop": drops(0.02),
    "another ETag for a moment": faults.changed_etag(),
}
PLACES = ("head", "leaf", "datum")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(s3, "READ_TIMEOUT_S", 0.3)
    monkeypatch.setattr(transport, "SLOWEST", 1e7)


@pytest.fixture
def place(example):
    """Bytes of the object that only one kind of request covers."""
    return {"head": 0, "leaf": example.leaf, "datum": example.datum}.__getitem__


# Stalls wait for the timeout, wherever they are.
CASES = [
    (what, where)
    for what in RECOVERS
    for where in PLACES
    if where == "datum" or not what.startswith("stalled")
]
# A connection on which more came than belongs is given up for a fresh one, without a word; a new
# version begins anew as a whole.
WITHOUT_RETRY = ("more bytes than announced", "another ETag for a moment")


@pytest.mark.parametrize(("what", "where"), CASES)
def test_mends_itself(what, where, place, fetch, server, example, impatient):
    server.inject(RECOVERS[what], covers=place(where))
    found, traffic = fetch()
    assert np.array_equal(found.values, example.expected)
    assert (traffic.retries == 0) == (what in WITHOUT_RETRY)


def always(fault):
    return {"fault": fault, "times": None}


STOPS = {
    "403": (always(faults.status(403, "AccessDenied")), "hold back the last three sessions"),
    "404": (always(faults.status(404, "NoSuchKey")), "does not exist in s3://"),
    "redirect": (always(redirect), r"refused .*\(status 301, https://elsewhere"),
    "whole object": (always(faults.ignore_range()), "whole object .* set data.download: files"),
    "400": (always(faults.status(400, "InvalidRequest")), r"refused .*\(status 400, InvalidReq"),
    "busy for ever": (always(faults.status(503, "SlowDown")), "gave up after 3 .* busy"),
    "closed for ever": (always(faults.no_answer()), "gave up after 3 .* connection failed"),
    "cut for ever": (always(faults.cut_after(3)), "gave up after 3 .* connection failed"),
    "reset for ever": (always(faults.reset_after(0)), "gave up after 3 .* connection failed"),
    "other ranges for ever": (always(faults.shift_range(4)), "gave up after 3 .* answered"),
    "other version for ever": (always(faults.changed_etag()), "gave up after 3 .* changed"),
    "stalled for ever": (always(faults.stall_after(9, GATE, 1)), "gave up after 3 .* timed out"),
    "drop by drop for ever": (always(drops(0.02)), "gave up after 3 .* in time"),
}


@pytest.mark.parametrize("what", STOPS)
def test_stops_with_one_sentence_and_goes_on(what, fetch, server, example, impatient, data):
    fault, said = STOPS[what]
    server.inject(fault["fault"], covers=example.datum, times=fault["times"])
    with pytest.raises(BrainworthError, match=said) as caught:
        fetch()
    assert "\n" not in str(caught.value)
    assert KEY in str(caught.value)
    assert "0x" not in str(caught.value)
    server.forget()
    found, _ = fetch()
    assert np.array_equal(found.values, example.expected)
    if "version" not in what:
        assert 0 < found.n_fetched < N_WANTED


@pytest.mark.parametrize(
    ("status", "said"), [(403, "forbidden .* last three sessions"), (404, "does not exist")]
)
def test_object_that_cannot_be_had(status, said, fetch, server):
    server.denials[KEY] = status
    with pytest.raises(BrainworthError, match=said):
        fetch()


def test_busy_when_asked_for_size_and_version(fetch, server, example):
    server.inject(faults.status(503, "SlowDown"), method="HEAD")
    assert np.array_equal(fetch()[0].values, example.expected)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nsd.invalid"])
def test_no_service_at_all(url, fetch):
    with pytest.raises(BrainworthError, match="gave up after 3 attempts, because the connection"):
        fetch(endpoint_url=url)


@pytest.mark.parametrize("base", ["http://127.0.0.1:9/b", "http://nsd.invalid/b"])
def test_service_that_disappears(base, fetch, example):
    """The address is not found, or nobody answers there, after the first question."""

    def lose(connections):
        connections._base = base

    with pytest.raises(BrainworthError, match=r"gave up after 3 .*connection failed \([^<]*\)"):
        fetch(prepare=lose)
    assert np.array_equal(fetch()[0].values, example.expected)


def replace_by(server, content):
    """Put another object under the key when this request comes; S3 then refuses it."""

    def fault(connection, request, answer):
        server.add(KEY, content)
        connection.refuse(request, 412, "PreconditionFailed")

    return fault


@pytest.fixture
def other(tmp_path):
    values = draw(SHAPE, 99)
    order = np.random.default_rng(1).permutation(int(np.prod(SHAPE)))
    return values, write(tmp_path / "other.hdf5", values, order)


@pytest.mark.parametrize("where", PLACES)
def test_object_replaced_while_it_is_fetched(where, place, fetch, server, other, example):
    server.inject(replace_by(server, other[1]), covers=place(where))
    found, _ = fetch()
    assert np.array_equal(found.values, pick(other[0], example.table))
    assert found.etag == server.objects[KEY].etag


def test_object_replaced_between_two_runs(fetch, server, other, example):
    server.inject(faults.status(404, "NoSuchKey"), covers=example.datum, times=None)
    with pytest.raises(BrainworthError):
        fetch()
    server.forget()
    server.add(KEY, other[1])
    found, _ = fetch()
    assert found.n_fetched > 0
    assert np.array_equal(found.values, pick(other[0], example.table))


def test_wrong_volume_is_refused_before_voxels_are_fetched(fetch, server):
    with pytest.raises(BrainworthError, match="betas and masks are not of one subject"):
        fetch(choose((8, 9, 7), 5, 1))
    assert len(server.gets) == 2  # the beginning of the file, twice


def test_no_room_is_said_and_mended(fetch, example, monkeypatch):
    class Full:
        """A disk with room for a few records, and half of the next."""

        def __init__(self, file):
            self._file, self._left = file, 20_000

        def write(self, block):
            if self._left == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            n = self._file.write(block[: self._left])
            self._left -= n
            return n

        def __getattr__(self, name):
            return getattr(self._file, name)

    begin = session.Journal.begin

    def begin_on_full_disk(journal, remote):
        begin(journal, remote)
        journal._file = Full(journal._file)

    with monkeypatch.context() as patch:
        patch.setattr(session.Journal, "begin", begin_on_full_disk)
        with pytest.raises(BrainworthError, match=r"No space left .* make room") as caught:
            fetch()
    assert "\n" not in str(caught.value)
    found, _ = fetch()
    assert N_WANTED - 14 < found.n_fetched < N_WANTED
    assert np.array_equal(found.values, example.expected)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return tls.authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(authority, example):
    with loopback_server.running(tls=authority[1]) as running:
        running.add(KEY, example.content)
        yield running


TLS_FAULTS = {
    "garbage below the encryption": garbage,
    "cut": faults.cut_after(700),
    "reset": faults.reset_after(10),
    "no answer": faults.no_answer(),
}


@pytest.mark.parametrize("what", TLS_FAULTS)
def test_faults_over_tls(what, fetch, secure, authority, example):
    secure.inject(TLS_FAULTS[what], covers=example.datum)
    found, traffic = fetch(endpoint_url=secure.url, ca_bundle=str(authority[0]))
    assert np.array_equal(found.values, example.expected)
    assert traffic.retries >= 1


@pytest.mark.parametrize("variable", s3.CA_VARIABLES)
def test_authority_from_the_environment(variable, fetch, secure, authority, example, monkeypatch):
    monkeypatch.setenv(variable, str(authority[0]))
    assert np.array_equal(fetch(endpoint_url=secure.url)[0].values, example.expected)


def test_unknown_authority_is_not_trusted(fetch, secure):
    with pytest.raises(BrainworthError, match="certificate verify failed"):
        fetch(endpoint_url=secure.url)
    assert secure.gets == []


def test_missing_file_of_authorities_is_named(fetch, secure):
    with pytest.raises(BrainworthError, match=r"/no/such.pem \(data.ca_bundle\) does not exist"):
        fetch(endpoint_url=secure.url, ca_bundle="/no/such.pem")


def test_each_range_is_read_once_over_tls_and_twice_without(
    fetch, server, secure, authority, tmp_path
):
    fetch()
    plain = [request.range for request in server.gets]
    fetch(endpoint_url=secure.url, ca_bundle=str(authority[0]), store_dir=str(tmp_path / "tls"))
    once = [request.range for request in secure.gets]
    assert len(once) == len(set(once))
    assert set(once) < set(plain)
    assert len(plain) == 2 * len(once)
    server.forget()
    fetch(verify_ranges="once", store_dir=str(tmp_path / "once"))
    assert sorted(request.range for request in server.gets) == sorted(once)


def test_every_request_names_the_version(fetch, server, example):
    fetch()
    assert {request.if_match for request in server.gets} == {f'"{server.objects[KEY].etag}"'}
    assert None not in {request.range for request in server.gets}


@pytest.mark.parametrize("gap", [0, 1500, 10_000, "auto"])
@pytest.mark.parametrize("parallel", [1, 7])
def test_gap_and_parallel_requests_change_nothing(gap, parallel, fetch, example):
    found, _ = fetch(range_gap=gap, parallel_ranges=parallel)
    assert np.array_equal(found.values, example.expected)
    n_x, n_y, _ = SHAPE
    x, y, z = example.table.ijk.T
    assert np.array_equal(found.address, example.chunks[(z * n_y + y) * n_x + x])


def test_what_is_there_is_not_asked_for(fetch, server, example):
    fetch()
    server.forget()
    found, traffic = fetch()
    assert (found.source, found.n_fetched) == ("journal", 0)
    assert (server.requests, traffic.requests) == ([], 0)
    assert np.array_equal(found.values, example.expected)


def test_more_voxels_later_are_all_that_is_fetched(fetch, server, example):
    few = type(example.table)(example.table.ijk[::2], {}, SHAPE)
    fetch(few)
    found, _ = fetch()
    assert found.n_fetched == N_WANTED - len(few)
    assert np.array_equal(found.values, example.expected)


def test_whole_file_in_the_store_is_used(fetch, server, data, example, tmp_path):
    store.fetch([KEY], tmp_path / "study", data.model_copy(update={"download": "files"}), "test")
    server.forget()
    found, _ = fetch()
    assert (found.source, server.requests) == ("store", [])
    assert np.array_equal(found.values, example.expected)
