"""Fetching NSD objects: from a tree on disk, from a well-behaved bucket, and from a bad one."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import boto3
import pytest
import s3_stub
from moto.server import ThreadedMotoServer

from brainworth import config
from brainworth.errors import BrainworthError
from brainworth.nsd import download, registry, s3, store

REPOSITORY = Path(__file__).parents[2]
MEBI = 2**20
KEY = "nsddata/experiments/nsd/nsd_expdesign.mat"
BETAS = registry.betas_key("subj01", 1)
NCSNR = registry.ncsnr_key("subj01")
HDF5 = b"\x89HDF\r\n\x1a\n"

CHILD = """
import json, sys
from pathlib import Path
from brainworth import config
from brainworth.nsd import store

data, root, keys = json.loads(sys.argv[1])
store.fetch(keys, Path(root), config.Data(**data), "test")
"""


def random_bytes(n: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(n)


CONTENT = random_bytes(3 * MEBI + 12345)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("NSD_DATA_DIR", raising=False)


@pytest.fixture
def stub():
    with s3_stub.running() as server:
        server.objects[KEY] = CONTENT
        yield server


@pytest.fixture
def data(tmp_path):
    """Section `data` of config.yaml for a download into this test's folder."""
    return config.load(REPOSITORY / "config.yaml").data.model_copy(
        update={
            "source": "s3",
            "accept_nsd_terms": True,
            "store_dir": str(tmp_path / "store"),
            "attempts": 4,
            "backoff_s": 0.001,
        }
    )


@pytest.fixture
def at_stub(data, stub):
    return data.model_copy(update={"endpoint_url": stub.url})


@pytest.fixture
def root(tmp_path):
    return tmp_path / "study"


def partial(data: config.Data, key: str = KEY) -> Path:
    return Path(data.store_dir) / ".partial" / f"{key}.part"


def whole(data: config.Data, key: str = KEY) -> Path:
    return Path(data.store_dir) / key


def assert_fetched(root: Path, data: config.Data, content: bytes = CONTENT, key: str = KEY) -> None:
    """The link, the object, and the manifest are there, and nothing partial is left."""
    assert (root / key).is_symlink()
    assert os.readlink(root / key) == str(whole(data, key))
    assert (root / key).read_bytes() == content
    manifest = json.loads((Path(data.store_dir) / ".manifest" / f"{key}.json").read_text())
    assert set(manifest) == {"key", "etag", "size", "sha256"}
    assert manifest["size"] == len(content)
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert not partial(data, key).exists()
    assert [path.suffix for path in partial(data, key).parent.iterdir()] == [".lock"]


def assert_nothing_fetched(root: Path, data: config.Data, key: str = KEY) -> None:
    assert not os.path.lexists(root / key)
    assert not whole(data, key).exists()


# A run in the background may have been started with Ctrl-C switched off; the child turns it on.
RESTORE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def child(data: config.Data, root: Path, keys: list[str]) -> subprocess.Popen:
    arguments = json.dumps([data.model_dump(), str(root), keys])
    return subprocess.Popen(
        [sys.executable, "-c", RESTORE + CHILD, arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_for_bytes(path: Path, n: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 30
    while not path.exists() or path.stat().st_size < n:
        assert process.poll() is None, process.stdout.read().decode()
        assert time.monotonic() < deadline, f"{path} did not reach {n} bytes"
        time.sleep(0.01)


class TestTerms:
    @pytest.mark.parametrize("source", ["local", "s3"])
    def test_terms_must_be_accepted_first(self, source, data, root):
        refused = data.model_copy(update={"source": source, "accept_nsd_terms": False})
        with pytest.raises(BrainworthError) as raised:
            store.fetch([KEY], root, refused, "test")
        message = str(raised.value)
        for part in (
            *("research and educational use only", "passed on", "everyone in the team"),
            *("Allen et al. 2022", "IIS-1822683", "IIS-1822929", "form first"),
            "data.accept_nsd_terms: true",
        ):
            assert part in message
        assert not root.exists()

    def test_simulated_data_are_not_fetched(self, data, root):
        simulated = data.model_copy(update={"source": "simulated"})
        with pytest.raises(BrainworthError, match=r"data\.source is simulated"):
            store.fetch([KEY], root, simulated, "test")


class TestLocal:
    @pytest.fixture
    def tree(self, tmp_path):
        """A tree with a file of each format; the two with a signature hold little else."""
        tree = tmp_path / "tree"
        contents = {KEY: b"MATLAB 5.0", BETAS: HDF5 + b"...", NCSNR: gzip.compress(b"...")}
        for key, content in contents.items():
            (tree / key).parent.mkdir(parents=True, exist_ok=True)
            (tree / key).write_bytes(content)
        return tree

    @pytest.fixture
    def local(self, data, tree):
        return data.model_copy(update={"source": "local", "local_dir": str(tree)})

    def test_files_are_linked_not_copied(self, local, tree, root):
        fetched = store.fetch([KEY, BETAS, NCSNR, KEY], root, local, "test")
        assert [item.key for item in fetched] == [KEY, BETAS, NCSNR, KEY]
        assert fetched[0] == store.Fetched(KEY, root / KEY, 10, "local", None, None)
        for item in fetched:
            assert os.readlink(item.path) == str(tree / item.key)
        assert sorted(path.name for path in (root / KEY).parent.iterdir()) == [Path(KEY).name]

    def test_a_correct_link_is_left_alone(self, local, root):
        store.fetch([KEY], root, local, "test")
        before = os.lstat(root / KEY)
        store.fetch([KEY], root, local, "test")
        assert os.lstat(root / KEY).st_ino == before.st_ino

    def test_a_wrong_link_is_replaced(self, local, tree, root):
        (root / KEY).parent.mkdir(parents=True)
        (root / KEY).symlink_to("/nowhere")
        store.fetch([KEY], root, local, "test")
        assert os.readlink(root / KEY) == str(tree / KEY)

    def test_the_tree_may_come_from_the_environment(self, local, tree, root, monkeypatch):
        unnamed = local.model_copy(update={"local_dir": None})
        with pytest.raises(BrainworthError, match=r"set data\.local_dir or the .* NSD_DATA_DIR"):
            store.fetch([KEY], root, unnamed, "test")
        monkeypatch.setenv("NSD_DATA_DIR", str(tree))
        store.fetch([KEY], root, unnamed, "test")
        assert os.readlink(root / KEY) == str(tree / KEY)

    def test_a_relative_tree_gives_absolute_links(self, local, tree, root, monkeypatch):
        monkeypatch.chdir(tree.parent)
        store.fetch([KEY], root, local.model_copy(update={"local_dir": tree.name}), "test")
        assert os.readlink(root / KEY) == str(tree / KEY)

    @pytest.mark.parametrize(
        ("made", "state"), [(False, r"cannot be read \(No such file"), (True, "is empty; expected")]
    )
    def test_tree_missing_or_empty(self, made, state, local, tmp_path, root):
        if made:
            (tmp_path / "other").mkdir()
        other = local.model_copy(update={"local_dir": str(tmp_path / "other")})
        with pytest.raises(BrainworthError, match=rf"other \(data.local_dir\) {state}"):
            store.fetch([KEY], root, other, "test")

    def test_missing_files_are_all_counted_before_anything_is_linked(self, local, tree, root):
        missing = [registry.betas_key("subj02", session) for session in range(1, 10)]
        with pytest.raises(BrainworthError) as raised:
            store.fetch([KEY, *missing], root, local, "test")
        message = str(raised.value)
        assert message.startswith(f"9 of 10 NSD objects cannot be used from {tree}")
        assert f"{missing[0]} does not exist" in message
        assert missing[5] not in message
        assert "; and 4 more" in message
        assert not root.exists()

    @pytest.mark.parametrize(
        ("key", "content", "problem"),
        [
            (KEY, b"", "is empty"),
            (BETAS, b"", "is empty"),
            (BETAS, HDF5[:5], "is not in HDF5 format"),
            (BETAS, b"<html>not found</html>", "is not in HDF5 format"),
            (NCSNR, b"\x1f", "is not in gzip format"),
            (NCSNR, b"\x5c\x01\x00\x00", "is not in gzip format"),
        ],
    )
    def test_damaged_files(self, key, content, problem, local, tree, root):
        (tree / key).write_bytes(content)
        with pytest.raises(BrainworthError, match=f"{key} {problem}"):
            store.fetch([key], root, local, "test")
        assert not root.exists()

    def test_a_folder_in_place_of_a_file(self, local, tree, root):
        (tree / KEY).unlink()
        (tree / KEY).mkdir()
        with pytest.raises(BrainworthError, match=f"{KEY} is not a file"):
            store.fetch([KEY], root, local, "test")

    def test_a_link_without_contents(self, local, tree, root):
        (tree / KEY).unlink()
        (tree / KEY).symlink_to(tree / ".annex" / "not-downloaded")
        with pytest.raises(BrainworthError, match="is a link to a file that is not there"):
            store.fetch([KEY], root, local, "test")

    def test_an_unreadable_file(self, local, root, monkeypatch):
        def refuse(*args):  # chmod would not stop root, who runs tests in containers
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(BrainworthError, match="cannot be read: Permission denied"):
            store.fetch([KEY], root, local, "test")

    def test_the_registry_knows_the_size(self, local, root, monkeypatch):
        monkeypatch.setitem(registry.KNOWN_SIZES, KEY, 11)
        with pytest.raises(BrainworthError, match="has 10 bytes where NSD's has 11"):
            store.fetch([KEY], root, local, "test")

    def test_files_of_the_user_are_never_replaced(self, local, tree, root):
        (root / KEY).parent.mkdir(parents=True)
        (root / KEY).write_text("mine")
        with pytest.raises(BrainworthError, match="is a file of its own"):
            store.fetch([KEY], root, local, "test")
        with pytest.raises(BrainworthError, match="is a file of its own"):
            store.fetch([KEY], tree, local, "test")
        assert (root / KEY).read_text() == "mine"
        assert (tree / KEY).read_bytes() == b"MATLAB 5.0"


BETAS_CONTENT = HDF5 + random_bytes(6 * MEBI)
CONTENTS = {
    KEY: random_bytes(200_000),
    NCSNR: gzip.compress(b"ncsnr"),
    registry.label_table_key("subj01", "floc-faces"): b"0 Unknown\t 0 0 0 0\n",
}


@pytest.fixture(scope="module")
def moto():
    """Address of a bucket that holds `CONTENTS`, and the betas as a multipart upload."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        client = boto3.client(
            "s3",
            region_name="us-east-2",
            endpoint_url=url,
            aws_access_key_id="none",
            aws_secret_access_key="none",
        )
        with contextlib.closing(client):
            fill(client)
        yield url
    server.stop()


def fill(client) -> None:
    bucket = s3_stub.BUCKET
    where = {"LocationConstraint": "us-east-2"}
    client.create_bucket(Bucket=bucket, ACL="public-read", CreateBucketConfiguration=where)
    for key, content in CONTENTS.items():
        client.put_object(Bucket=bucket, Key=key, Body=content, ACL="public-read")
    upload = client.create_multipart_upload(Bucket=bucket, Key=BETAS, ACL="public-read")
    about = {"Bucket": bucket, "Key": BETAS, "UploadId": upload["UploadId"]}
    parts = []
    for number, part in enumerate((BETAS_CONTENT[: 5 * MEBI], BETAS_CONTENT[5 * MEBI :]), 1):
        answer = client.upload_part(PartNumber=number, Body=part, **about)
        parts.append({"ETag": answer["ETag"], "PartNumber": number})
    client.complete_multipart_upload(MultipartUpload={"Parts": parts}, **about)


class TestBucket:
    """The normal path, against an independent implementation of S3."""

    @pytest.fixture
    def at_moto(self, data, moto):
        return data.model_copy(update={"endpoint_url": moto})

    def test_objects_are_downloaded_verified_and_linked(self, at_moto, root):
        contents = CONTENTS | {BETAS: BETAS_CONTENT}
        fetched = store.fetch(list(contents), root, at_moto, "test")
        assert [item.key for item in fetched] == list(contents)
        for item in fetched:
            assert item.path == root / item.key
            assert item.path.read_bytes() == contents[item.key]
            assert item.sha256 == hashlib.sha256(contents[item.key]).hexdigest()
            assert (item.size, item.source) == (len(contents[item.key]), "s3")
        etags = {item.key: item.etag for item in fetched}
        assert etags[KEY] == hashlib.md5(contents[KEY]).hexdigest()
        assert etags[BETAS].endswith("-2")

    def test_a_download_is_resumed(self, at_moto, data, root):
        """Ranges and If-Match as a second implementation understands them."""
        content = CONTENTS[KEY]
        partial(data).parent.mkdir(parents=True)
        partial(data).write_bytes(content[:70_000])
        note = {"etag": hashlib.md5(content).hexdigest(), "size": len(content)}
        partial(data).with_suffix(".part.json").write_text(json.dumps(note))
        store.fetch([KEY], root, at_moto, "test")
        assert_fetched(root, data, content)

    def test_a_key_that_is_not_there(self, at_moto, data, root):
        with pytest.raises(BrainworthError, match=r"does not exist in s3://.*check data\.bucket"):
            store.fetch([KEY, registry.betas_key("subj08", 40)], root, at_moto, "test")
        assert_nothing_fetched(root, data)


class TestFaults:
    def test_truncated_body_is_resumed(self, stub, at_stub, root):
        stub.faults.append(s3_stub.cut_after(2 * MEBI + 1000))
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        first, second = stub.gets
        assert first.range is None
        assert second.range == f"bytes={2 * MEBI + 1000}-"
        assert first.if_match == second.if_match == f'"{stub.etag(KEY)}"'

    def test_reset_connection_is_resumed(self, stub, at_stub, root):
        stub.faults.append(s3_stub.reset_after(2 * MEBI))
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert stub.gets[1].range is not None

    def test_a_body_cut_again_and_again_is_left_resumable(self, stub, at_stub, root):
        stub.faults.extend([s3_stub.cut_after(MEBI), *[s3_stub.cut_after(10)] * 3])
        with pytest.raises(BrainworthError, match=r"gave up after 4 attempts, .*connection failed"):
            store.fetch([KEY], root, at_stub, "test")
        assert_nothing_fetched(root, at_stub)
        assert partial(at_stub).read_bytes() == CONTENT[: MEBI + 30]
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert stub.gets[-1].range == f"bytes={MEBI + 30}-"

    def test_slow_down_is_obeyed(self, stub, at_stub, root):
        stub.faults.extend([s3_stub.status(503, "SlowDown")] * 2)
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert len(stub.gets) == 3

    def test_the_pauses_grow(self, data, monkeypatch):
        pauses = []

        def busy():
            raise s3.Retry("the service is busy")

        stop = threading.Event()
        monkeypatch.setattr(stop, "wait", pauses.append)
        slow = data.model_copy(update={"backoff_s": 10.0, "attempts": 6})
        with pytest.raises(BrainworthError, match="gave up after 6 attempts, because the service"):
            download.patiently(busy, KEY, slow, stop)
        for pause, longest in zip(pauses, (10, 20, 40, 60, 60), strict=True):
            assert longest / 2 <= pause <= longest

    def test_requests_are_repeated_by_us_alone(self, stub, at_stub, root):
        stub.denials[KEY] = 503
        with pytest.raises(BrainworthError, match="gave up after 4 attempts, because the service"):
            store.fetch([KEY], root, at_stub, "test")
        assert [request.method for request in stub.requests] == ["HEAD"] * 4

    def test_corruption_is_found_and_mended(self, stub, at_stub, root):
        stub.faults.append(s3_stub.corrupt)
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert [request.range for request in stub.gets] == [None, None]

    def test_corruption_for_ever_is_an_error(self, stub, at_stub, root):
        stub.faults.extend([s3_stub.corrupt] * 10)
        with pytest.raises(BrainworthError, match=rf"{KEY}: gave up after 4 .* are damaged \(MD5"):
            store.fetch([KEY], root, at_stub, "test")
        assert_nothing_fetched(root, at_stub)
        assert not partial(at_stub).exists()

    def test_corruption_against_the_registry(self, stub, at_stub, root, monkeypatch):
        monkeypatch.setitem(registry.KNOWN_SHA256, KEY, hashlib.sha256(CONTENT).hexdigest())
        stub.etags[KEY] = "0123456789abcdef0123456789abcdef-7"
        stub.faults.append(s3_stub.corrupt)
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert len(stub.gets) == 2

    def test_a_web_page_is_not_a_betas_file(self, stub, at_stub, root):
        stub.objects[BETAS] = b"<html>please log in</html>"
        with pytest.raises(BrainworthError, match="what arrived is not in HDF5 format"):
            store.fetch([BETAS], root, at_stub, "test")
        assert_nothing_fetched(root, at_stub, BETAS)

    @pytest.mark.parametrize("etag", ["0123456789abcdef0123456789abcdef-3", "opaque"])
    def test_other_etags_are_not_taken_for_an_md5(self, etag, stub, at_stub, root):
        stub.etags[KEY] = etag
        assert store.fetch([KEY], root, at_stub, "test")[0].etag == etag
        assert_fetched(root, at_stub)

    def test_object_changed_between_head_and_get(self, stub, at_stub, root):
        changed = random_bytes(MEBI, seed=2)
        stub.faults.append(s3_stub.replace_with(changed))
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub, changed)

    def test_object_changed_between_two_attempts(self, stub, at_stub, root):
        changed = random_bytes(3 * MEBI, seed=2)

        def cut_and_change(handler, body):
            s3_stub.cut_after(2 * MEBI)(handler, body)
            stub.objects[KEY] = changed

        stub.faults.append(cut_and_change)
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub, changed)
        assert [request.range for request in stub.gets] == [None, None]

    def test_object_changed_just_before_the_resumed_part(self, stub, at_stub, root):
        changed = random_bytes(3 * MEBI, seed=2)
        stub.faults.extend([s3_stub.cut_after(2 * MEBI), s3_stub.replace_with(changed)])
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub, changed)
        assert [request.range for request in stub.gets] == [None, f"bytes={2 * MEBI}-", None]

    def test_a_service_without_ranges(self, stub, at_stub, root):
        stub.faults.extend([s3_stub.cut_after(2 * MEBI), s3_stub.ignore_range])
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert len(stub.gets) == 2

    def test_a_partial_file_that_is_complete_needs_no_more_bytes(self, stub, at_stub, root):
        partial(at_stub).parent.mkdir(parents=True)
        partial(at_stub).write_bytes(CONTENT)
        note = {"etag": stub.etag(KEY), "size": len(CONTENT)}
        partial(at_stub).with_suffix(".part.json").write_text(json.dumps(note))
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert stub.gets == []

    @pytest.mark.parametrize("note", [None, "{", '{"etag": "another", "size": 1}'])
    def test_a_partial_file_of_unknown_origin_is_not_used(self, note, stub, at_stub, root):
        partial(at_stub).parent.mkdir(parents=True)
        partial(at_stub).write_bytes(b"?" * MEBI)
        if note is not None:
            partial(at_stub).with_suffix(".part.json").write_text(note)
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert [request.range for request in stub.gets] == [None]

    def test_forbidden(self, stub, at_stub, root):
        stub.denials[KEY] = 403
        with pytest.raises(BrainworthError) as raised:
            store.fetch([KEY], root, at_stub, "test")
        assert f"{KEY} is forbidden" in str(raised.value)
        assert "old mirrors hold back the last three sessions" in str(raised.value)
        assert "2023-08-20" in str(raised.value)
        assert len(stub.requests) == 1

    def test_not_found(self, stub, at_stub, root):
        with pytest.raises(BrainworthError, match=rf"{NCSNR} does not exist .*data\.endpoint_url"):
            store.fetch([NCSNR], root, at_stub, "test")
        assert len(stub.requests) == 1

    def test_any_other_refusal_is_final(self, stub, at_stub, root):
        stub.denials[KEY] = 405
        with pytest.raises(BrainworthError, match=rf"{KEY} was refused .*status 405.*data\.region"):
            store.fetch([KEY], root, at_stub, "test")
        assert len(stub.requests) == 1

    def test_nobody_listens(self, at_stub, root):
        closed = at_stub.model_copy(update={"endpoint_url": "http://127.0.0.1:1", "attempts": 2})
        with pytest.raises(BrainworthError, match=r"gave up after 2 .*the connection failed"):
            store.fetch([KEY], root, closed, "test")

    @pytest.mark.parametrize("change", [{"endpoint_url": "nonsense"}, {"bucket": "Not A Bucket"}])
    def test_nonsense_in_the_configuration(self, change, at_stub, root):
        with pytest.raises(BrainworthError, match=r"data\.endpoint_url"):
            store.fetch([KEY], root, at_stub.model_copy(update=change), "test")

    def test_the_registry_knows_the_size(self, stub, at_stub, root, monkeypatch):
        monkeypatch.setitem(registry.KNOWN_SIZES, KEY, 11)
        with pytest.raises(BrainworthError, match="where NSD's has 11"):
            store.fetch([KEY], root, at_stub, "test")
        assert stub.gets == []

    def test_an_empty_object(self, stub, at_stub, root):
        stub.objects[KEY] = b""
        with pytest.raises(BrainworthError, match=f"{KEY} is empty in s3://"):
            store.fetch([KEY], root, at_stub, "test")

    def test_the_first_error_stops_the_others(self, stub, at_stub, root):
        keys = [f"nsddata/{number}.bin" for number in range(8)]
        stub.objects.update(dict.fromkeys(keys, CONTENT))
        gate = threading.Event()
        stub.faults.extend([s3_stub.status(403, "AccessDenied"), s3_stub.dribble_after(0, gate)])
        with pytest.raises(BrainworthError, match="is forbidden"):
            store.fetch(keys, root, at_stub.model_copy(update={"parallel": 2}), "test")
        gate.set()
        assert len(stub.gets) <= 3
        assert not root.exists()


class TestDisk:
    def test_too_small(self, stub, at_stub, root, monkeypatch):
        usage = shutil.disk_usage(root.parent)._replace(free=3 * MEBI)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        with pytest.raises(BrainworthError, match=r"\(data.store_dir\) has 0.00 GB free but 1 NSD"):
            store.fetch([KEY], root, at_stub, "test")
        assert stub.gets == []

    def test_only_the_bytes_that_are_missing_count(self, stub, at_stub, root, monkeypatch):
        stub.faults.extend([s3_stub.cut_after(MEBI), *[s3_stub.status(503, "SlowDown")] * 3])
        with pytest.raises(BrainworthError, match="gave up"):
            store.fetch([KEY], root, at_stub, "test")
        usage = shutil.disk_usage(root.parent)._replace(free=3 * MEBI)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)

    def test_full_during_the_download(self, stub, at_stub, root):
        """A limit on file size stands in for a full disk: both make `write` fail."""
        script = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        script += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({2 * MEBI}, {2 * MEBI}))\n{CHILD}"
        arguments = json.dumps([at_stub.model_dump(), str(root), [KEY]])
        run = subprocess.run([sys.executable, "-c", script, arguments], capture_output=True)
        assert b"BrainworthError" in run.stderr
        assert b"must be a folder that can be written, with room for the downloads" in run.stderr
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert stub.gets[-1].range == f"bytes={2 * MEBI}-"

    def test_the_store_is_a_file(self, at_stub, root):
        Path(at_stub.store_dir).write_text("")
        with pytest.raises(BrainworthError, match=r"data\.store_dir .* must be a folder"):
            store.fetch([KEY], root, at_stub, "test")

    def test_the_store_is_not_the_folder_of_the_study(self, stub, at_stub):
        with pytest.raises(BrainworthError, match=r"both data\.store_dir and the folder of this"):
            store.fetch([KEY], Path(at_stub.store_dir), at_stub, "test")
        assert stub.requests == []


class TestStore:
    def test_an_object_in_the_store_needs_no_request(self, stub, at_stub, root, tmp_path):
        first = store.fetch([KEY], root, at_stub, "test")
        stub.requests.clear()
        second = store.fetch([KEY], tmp_path / "another study", at_stub, "test")
        assert stub.requests == []
        assert second[0].path.read_bytes() == CONTENT
        assert (second[0].etag, second[0].sha256) == (first[0].etag, first[0].sha256)

    def test_a_shortened_object_is_downloaded_again(self, stub, at_stub, root):
        store.fetch([KEY], root, at_stub, "test")
        os.truncate(whole(at_stub), 1000)
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert len(stub.gets) == 2

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": "other"}'])
    def test_a_damaged_manifest_counts_as_none(self, text, stub, at_stub, root):
        store.fetch([KEY], root, at_stub, "test")
        (Path(at_stub.store_dir) / ".manifest" / f"{KEY}.json").write_text(text)
        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert len(stub.gets) == 2

    def test_only_what_is_missing_is_asked_for(self, stub, at_stub, root):
        stub.objects[NCSNR] = gzip.compress(b"ncsnr")
        store.fetch([KEY], root, at_stub, "test")
        stub.requests.clear()
        store.fetch([KEY, NCSNR], root, at_stub, "test")
        assert {request.key for request in stub.requests} == {NCSNR}


class TestProcesses:
    def test_kill_and_resume(self, stub, at_stub, root):
        gate = threading.Event()
        stub.faults.append(s3_stub.dribble_after(2 * MEBI + 100, gate))
        process = child(at_stub, root, [KEY])
        wait_for_bytes(partial(at_stub), 2 * MEBI, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        gate.set()
        assert_nothing_fetched(root, at_stub)

        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert [request.range for request in stub.gets] == [None, f"bytes={2 * MEBI}-"]

    def test_ctrl_c_leaves_what_has_arrived(self, stub, at_stub, root):
        gate = threading.Event()
        stub.faults.append(s3_stub.dribble_after(2 * MEBI, gate))
        process = child(at_stub, root, [KEY])
        wait_for_bytes(partial(at_stub), 2 * MEBI, process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        gate.set()  # lets the block on its way arrive
        output, _ = process.communicate(timeout=20)
        assert b"KeyboardInterrupt" in output
        assert process.returncode != 0
        assert_nothing_fetched(root, at_stub)
        there = partial(at_stub).stat().st_size

        store.fetch([KEY], root, at_stub, "test")
        assert_fetched(root, at_stub)
        assert stub.gets[-1].range == f"bytes={there}-"

    def test_two_processes_download_an_object_once(self, stub, at_stub, tmp_path):
        gate = threading.Event()
        stub.faults.append(s3_stub.dribble_after(2 * MEBI, gate))
        roots = [tmp_path / "one", tmp_path / "two"]
        processes = [child(at_stub, root, [KEY]) for root in roots]
        deadline = time.monotonic() + 30
        while len(stub.requests) < 4:  # two HEADs to plan, then HEAD and GET by the holder
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.3)
        gate.set()
        for process in processes:
            output, _ = process.communicate(timeout=30)
            assert process.returncode == 0, output.decode()
        assert len(stub.gets) == 1
        for root in roots:
            assert_fetched(root, at_stub)


class Terminal:
    """Enough of a terminal for tqdm."""

    encoding = "utf-8"

    def __init__(self, is_terminal):
        self.is_terminal = is_terminal
        self.text = ""

    def isatty(self):
        return self.is_terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_drawn_on_a_terminal_only(is_terminal, stub, at_stub, root, monkeypatch):
    terminal = Terminal(is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    stub.faults.append(s3_stub.corrupt)  # the bar goes back once
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.fetch([KEY], root, at_stub, "design")
    if is_terminal:
        assert "design: 100%" in terminal.text
        assert "3.16M/3.16M" in terminal.text
    else:
        assert terminal.text == ""


def test_progress_follows_the_bytes_also_backwards(stub, at_stub, root, monkeypatch):
    reported = []
    monkeypatch.setattr(store.Progress, "report", lambda self, key, there: reported.append(there))
    stub.faults.extend([s3_stub.cut_after(MEBI), s3_stub.replace_with(CONTENT[: 2 * MEBI])])
    store.fetch([KEY], root, at_stub, "test")
    # Nothing, one block, the same resumed; the object changed: nothing, two blocks, and the end.
    assert reported == [0, MEBI, MEBI, 0, MEBI, 2 * MEBI, 2 * MEBI]
