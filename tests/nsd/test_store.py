"""Fetching NSD objects: from a tree on disk and from a well-behaved bucket."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import os
import sys
import urllib.request
import warnings
from pathlib import Path

import boto3
import loopback
import pytest
from fetching import (
    BETAS,
    CONTENT,
    HDF5,
    KEY,
    MEBI,
    NCSNR,
    assert_fetched,
    assert_nothing_fetched,
    entry_of,
    journal_of,
    partial,
    random_bytes,
    whole,
)
from loopback import faults, tls
from moto.server import ThreadedMotoServer

from brainworth.errors import BrainworthError
from brainworth.nsd import journal, manifest, registry, store


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
        reset = urllib.request.Request(f"{url}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()  # moto's buckets outlive its server
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
    bucket = loopback.BUCKET
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

    def test_an_upload_in_parts_is_held_against_its_etag(self, at_moto, data, root, stretches):
        """As moto computes it; it does not tell the size of the parts, 5 MiB, which is guessed."""
        store.fetch([BETAS], root, at_moto, "test")
        assert_fetched(root, data, BETAS_CONTENT, BETAS)
        assert entry_of(data, BETAS)["verified"] == "parts"

    def test_a_download_is_resumed(self, at_moto, data, root, stretches):
        """Ranges and If-Match as a second implementation understands them."""
        store.fetch([BETAS], root / "first", at_moto, "test")
        etag = entry_of(data, BETAS)["etag"]
        whole(data, BETAS).unlink()
        size = len(BETAS_CONTENT)
        partial(data, BETAS).write_bytes(BETAS_CONTENT[: 4 * MEBI] + bytes(size - 4 * MEBI))
        notes = journal.Journal(journal_of(data, BETAS), etag, journal.Layout(size, MEBI, MEBI))
        notes.resume(7)
        for number in (0, 1, 3):
            block = BETAS_CONTENT[number * MEBI : (number + 1) * MEBI]
            md5 = hashlib.md5(block).hexdigest()
            notes.add(journal.Arrival(number, (md5,), MEBI, 1))
        store.fetch([BETAS], root, at_moto, "test")
        assert_fetched(root, data, BETAS_CONTENT, BETAS)

    def test_a_key_that_is_not_there(self, at_moto, data, root):
        with pytest.raises(BrainworthError, match=r"does not exist in s3://.*check data\.bucket"):
            store.fetch([KEY, registry.betas_key("subj08", 40)], root, at_moto, "test")
        assert_nothing_fetched(root, data)


class TestStore:
    def test_an_object_in_the_store_needs_no_request(self, lab, at_lab, root, tmp_path):
        first = store.fetch([KEY], root, at_lab, "test")
        lab.requests.clear()
        second = store.fetch([KEY], tmp_path / "another study", at_lab, "test")
        assert lab.requests == []
        assert second[0].path.read_bytes() == CONTENT
        assert (second[0].etag, second[0].sha256) == (first[0].etag, first[0].sha256)

    def test_a_shortened_object_is_downloaded_again(self, lab, at_lab, root):
        store.fetch([KEY], root, at_lab, "test")
        os.truncate(whole(at_lab), 1000)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert len(lab.gets) == 2

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": "other"}'])
    def test_a_damaged_manifest_counts_as_none(self, text, lab, at_lab, root):
        store.fetch([KEY], root, at_lab, "test")
        (Path(at_lab.store_dir) / ".manifest" / f"{KEY}.json").write_text(text)
        store.fetch([KEY], root, at_lab, "test")
        assert_fetched(root, at_lab)
        assert len(lab.gets) == 2

    def test_only_what_is_missing_is_asked_for(self, lab, at_lab, root):
        lab.add(NCSNR, gzip.compress(b"ncsnr"))
        store.fetch([KEY], root, at_lab, "test")
        lab.requests.clear()
        store.fetch([KEY, NCSNR], root, at_lab, "test")
        assert {request.key for request in lab.requests} == {NCSNR}


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
def test_progress_is_drawn_on_a_terminal_only(is_terminal, lab, at_lab, root, monkeypatch):
    terminal = Terminal(is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    lab.inject(faults.corrupt())  # the bar goes back once
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.fetch([KEY], root, at_lab, "design")
    if is_terminal:
        assert "design: 100%" in terminal.text
        assert "3.16M/3.16M" in terminal.text
    else:
        assert terminal.text == ""


def test_progress_follows_the_bytes_also_backwards(lab, at_lab, root, monkeypatch):
    reported = []
    monkeypatch.setattr(store.Progress, "report", lambda self, key, there: reported.append(there))
    lab.inject(faults.cut_after(MEBI))
    lab.inject(faults.replace_with(CONTENT[: 2 * MEBI]))
    store.fetch([KEY], root, at_lab, "test")
    # Nothing, one block, and no more; the object changed: nothing, two blocks, and the end.
    assert reported == [0, MEBI, 0, MEBI, 2 * MEBI, 2 * MEBI]


def test_the_log_has_a_line_for_each_object(lab, at_lab, root):
    lines = []
    lab.add(BETAS, HDF5 + CONTENT, part_size=MEBI)
    store.fetch([KEY], root, at_lab, "test")
    store.fetch([KEY, BETAS], root, at_lab, "test", lines.append)
    assert lines[0] == f"1 of 2 objects are in {at_lab.store_dir} already"
    assert lines[1] == "1 to fetch: 3.16 MB, 0.0 kB there"
    assert lines[2].startswith(f"{BETAS}: 3.16 MB in ")
    assert lines[2].endswith(" MB/s, 4 requests, held against the MD5s of its parts")
    assert len(lines) == 3


class TestEntries:
    """What the store knows of the objects in it."""

    def test_bytes_and_requests_are_counted_repeated_ones_too(self, lab, at_lab, root, stretches):
        lab.add(BETAS, HDF5 + CONTENT)
        lab.inject(faults.cut_after(1000), key=BETAS, covers=0)
        store.fetch([KEY, BETAS], root, at_lab, "test")
        known = manifest.acquired(Path(at_lab.store_dir), [KEY, BETAS, NCSNR])
        size = 2 * len(CONTENT) + len(HDF5)
        assert known == {
            "mode": "files",
            "objects": 2,
            "bytes": size,
            "bytes_received": size,
            "requests": len(lab.requests),
        }

    def test_the_digest_of_a_file_of_the_store_is_not_computed_again(
        self, lab, at_lab, root, monkeypatch
    ):
        store.fetch([KEY], root, at_lab, "test")
        right = hashlib.sha256(CONTENT).hexdigest()
        monkeypatch.setattr(manifest.files, "sha256", lambda path: "read")
        assert manifest.sha256(root / KEY) == right
        assert manifest.sha256(whole(at_lab)) == right

    @pytest.mark.parametrize("change", ["touched", "rewritten", "longer", "no entry", "elsewhere"])
    def test_the_digest_of_any_other_file_is(self, change, lab, at_lab, root, tmp_path):
        store.fetch([KEY], root, at_lab, "test")
        path, entry = whole(at_lab), manifest.path_of(Path(at_lab.store_dir), KEY)
        content = CONTENT
        if change == "touched":
            os.utime(path)
        elif change == "rewritten":
            content = random_bytes(len(CONTENT), seed=3)
            path.write_bytes(content)
        elif change == "longer":
            content = CONTENT + b"!"
            state = path.stat()
            path.write_bytes(content)
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        elif change == "no entry":
            entry.unlink()
        else:
            entry.write_text(entry.read_text().replace(hashlib.sha256(CONTENT).hexdigest(), "no"))
            (root / KEY).unlink()
            (root / KEY).write_bytes(content)
        assert manifest.sha256(root / KEY) == hashlib.sha256(content).hexdigest()

    def test_an_entry_of_before_is_still_good(self, lab, at_lab, root):
        store.fetch([KEY], root, at_lab, "test")
        known = entry_of(at_lab)
        old = {name: known[name] for name in ("key", "etag", "size", "sha256")}
        manifest.path_of(Path(at_lab.store_dir), KEY).write_text(manifest.json.dumps(old))
        lab.forget()
        store.fetch([KEY], root, at_lab, "test")
        assert lab.requests == []
        assert manifest.sha256(root / KEY) == known["sha256"]  # read, for want of a time


class TestTls:
    def test_an_authority_of_our_own(self, data, root, tmp_path, monkeypatch):
        bundle, context = tls.authority(tmp_path / "tls")
        with loopback.running(tls=context) as server:
            server.add(KEY, CONTENT)
            secure = data.model_copy(update={"endpoint_url": server.url})
            with pytest.raises(BrainworthError, match=r"gave up after 4 .*CERTIFICATE_VERIFY"):
                store.fetch([KEY], root, secure, "test")
            monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
            store.fetch([KEY], root, secure, "test")
        assert_fetched(root, data)
