"""What the doctor finds: in the bucket, in a tree, and on the machine."""

from __future__ import annotations

import collections
import os
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml
from fetching import HDF5, KEY

from brainworth import cli, config, machine
from brainworth.nsd import plan, registry, sizes, store

REPOSITORY = Path(__file__).parents[2]
SUBJECTS = ["subj01", "subj04"]
LAST = registry.betas_key("subj04", 2)
GZIP = b"\x1f\x8b..."


@pytest.fixture
def checkout(tmp_path, no_settings_of_this_machine):
    """A folder to examine from, with the study's own settings in ``study.yaml``."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(REPOSITORY / "config.yaml", folder)
    return folder


@pytest.fixture
def tree(tmp_path):
    """A tree of NSD's names and sizes; the session files are holes behind a signature."""
    folder = tmp_path / "tree"
    study = config.load(REPOSITORY / "config.yaml").model_copy(update={"subjects": SUBJECTS})
    change = {
        "data": study.data.model_copy(update={"sessions": 2}),
        "encoder": study.encoder.model_copy(update={"run": False}),
        "bridges": study.bridges.model_copy(update={"run": False}),
    }
    for key in plan.objects_of(study.model_copy(update=change)):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        subject = registry.betas_subject(key)
        path.write_bytes(HDF5 if subject else GZIP if key.endswith(".gz") else b"...")
        if subject:
            os.truncate(path, sizes.session_bytes(subject))
    return folder


@pytest.fixture
def bucket(lab, tree):
    """The lab, with the tree in it."""
    for path in tree.rglob("*.*"):
        if path.is_file():
            key = path.relative_to(tree).as_posix()
            lab.add(key, path, etag=f"{len(key):032x}-1")
    return lab


@pytest.fixture
def examine(checkout, capsys):
    """Run the doctor; returns the exit status and the lines by kind."""

    def run(**data):
        data = {"accept_nsd_terms": True, "sessions": 2, "backoff_s": 0.001} | data
        (checkout / "study.yaml").write_text(
            yaml.safe_dump(
                {
                    "study": "mine",
                    "subjects": SUBJECTS,
                    "data": data,
                    "encoder": {"run": False},
                    "bridges": {"run": False},
                }
            )
        )
        base, study = str(checkout / "config.yaml"), str(checkout / "study.yaml")
        status = cli.main(["doctor", study, "--base", base])
        lines = collections.defaultdict(list)
        output = capsys.readouterr().out.splitlines()
        for line in output[:-1]:
            level, text = line.split(maxsplit=1)
            lines[level].append(text)
        lines["summary"] = output[-1]
        return status, lines

    return run


@pytest.fixture
def at_bucket(bucket, examine):
    return lambda **data: examine(source="s3", endpoint_url=bucket.url, **data)


class TestBucket:
    def test_all_is_well(self, at_bucket, bucket):
        status, found = at_bucket()
        assert status == 0
        assert found["PROBLEM"] == []
        assert found["summary"].startswith("0 problems, ")
        n = len({request.key for request in bucket.requests if request.key})
        assert any(
            f"{n} of {n} objects of the study are in s3://" in line for line in found["good"]
        )
        assert any("no session or file that the registry" in line for line in found["good"])

    def test_no_byte_of_an_object_is_read(self, at_bucket, bucket):
        at_bucket()
        assert {request.key for request in bucket.gets} == {""}

    def test_missing(self, at_bucket, bucket):
        del bucket.objects[LAST]
        status, found = at_bucket()
        assert status == 1
        assert found["PROBLEM"] == [f"{LAST} is missing (404); check data.bucket"]
        assert found["summary"].startswith("1 problem, ")

    def test_forbidden(self, at_bucket, bucket):
        first = registry.betas_key("subj04", 1)
        bucket.denials |= {LAST: 403, first: 403}
        status, found = at_bucket()
        assert status == 1
        assert found["PROBLEM"] == [f"{key} is forbidden (403)" for key in (first, LAST)]
        (held_back,) = [line for line in found["note"] if "objects are forbidden" in line]
        assert held_back.startswith("2 objects are forbidden: old mirrors hold back the last three")
        assert "2023-08-20" in held_back

    @pytest.mark.parametrize("size", [1000, 500_000_000, 2_000_000_000])
    def test_a_size_that_the_geometry_forbids(self, size, at_bucket, bucket, tree):
        os.truncate(tree / LAST, size)
        bucket.add(LAST, tree / LAST, etag="0" * 32)
        status, found = at_bucket()
        assert status == 1
        (line,) = found["PROBLEM"]
        assert line.startswith(f"{LAST} has {size:,} bytes; expected 1,009,800,000 to ")
        assert "85 x 99 x 80 voxels" in line

    def test_empty(self, at_bucket, bucket):
        bucket.add(KEY, b"")
        status, found = at_bucket()
        assert status == 1
        assert "is empty in s3://" in found["PROBLEM"][0]

    @pytest.mark.parametrize(("now", "kind"), [(b"other", "changed"), (b"longer than", "resized")])
    def test_changed_since_it_was_fetched(self, now, kind, at_bucket, bucket, at_lab, tmp_path):
        bucket.add(KEY, b"first")
        store.fetch([KEY], tmp_path / "mine", at_lab, "test")
        assert at_bucket(store_dir=at_lab.store_dir)[0] == 0
        bucket.add(KEY, now)
        status, found = at_bucket(store_dir=at_lab.store_dir)
        assert status == 1
        (line,) = found["PROBLEM"]
        assert f"{KEY} was {kind} in the bucket since it was fetched (5 bytes " in line
        assert f"delete {at_lab.store_dir}/{KEY}" in line

    def test_a_fetched_file_was_changed_on_disk(self, at_bucket, bucket, at_lab, tmp_path):
        store.fetch([KEY], tmp_path / "mine", at_lab, "test")
        (Path(at_lab.store_dir) / KEY).write_bytes(b"edited")
        status, found = at_bucket(store_dir=at_lab.store_dir)
        assert status == 1
        assert "is not the file that was fetched" in found["PROBLEM"][0]

    def test_new_objects(self, at_bucket, bucket):
        folder = registry.betas_folder("subj04")
        bucket.add(registry.betas_key("subj04", 31), HDF5)
        bucket.add(f"{folder}/R2_session01.nii.gz", GZIP)  # described in the manual
        for number in range(7):
            bucket.add(f"{folder}/surprise{number}.txt", b"!")
        status, found = at_bucket()
        assert status == 0
        notes = [line for line in found["note"] if "subj04" in line]
        assert notes[0].startswith(
            "subj04 has 31 sessions in the bucket where the registry knows 30"
        )
        assert "surprise0.txt, surprise1.txt" in notes[1]
        assert notes[1].endswith("surprise4.txt and 2 more")

    def test_a_listing_that_is_not_given(self, at_bucket, bucket):
        bucket.denials[""] = 403
        status, found = at_bucket()
        assert status == 0
        assert any(line.startswith("new objects cannot be looked for") for line in found["note"])

    def test_a_busy_service_is_waited_for(self, at_bucket, bucket):
        from loopback import faults

        bucket.inject(faults.status(503, "SlowDown"), method="HEAD", times=5)
        assert at_bucket()[0] == 0

    def test_nobody_listens(self, examine):
        status, found = examine(source="s3", endpoint_url="http://127.0.0.1:1", attempts=2)
        assert status == 1
        (line,) = found["PROBLEM"]
        assert "gave up after 2 attempts, because the connection failed" in line

    def test_the_bucket_is_not_there(self, at_bucket):
        status, found = at_bucket(bucket="another-bucket")
        assert status == 1
        assert all("is missing (404); check data.bucket" in line for line in found["PROBLEM"])

    def test_terms_come_first(self, at_bucket, bucket):
        status, found = at_bucket(accept_nsd_terms=False)
        assert status == 1
        assert "NSD's terms have not been accepted" in found["PROBLEM"][0]
        assert bucket.requests == []


class TestTree:
    def test_all_is_well(self, examine, tree):
        status, found = examine(source="local", local_dir=str(tree))
        assert status == 0
        assert any(f"objects of the study are in {tree}" in line for line in found["good"])

    def test_what_is_wrong_with_files(self, examine, tree):
        os.truncate(tree / LAST, 1000)
        (tree / registry.ncsnr_key("subj01")).write_bytes(b"<html>")
        (tree / KEY).unlink()
        status, found = examine(source="local", local_dir=str(tree))
        assert status == 1
        lines = sorted(found["PROBLEM"])
        assert lines[0] == f"{KEY} does not exist"
        assert lines[1] == f"{registry.ncsnr_key('subj01')} is not in gzip format"
        assert lines[2].startswith(f"{LAST} has 1,000 bytes; expected")

    def test_no_tree_is_named(self, examine):
        status, found = examine(source="local")
        assert status == 1
        assert "no NSD tree is named" in found["PROBLEM"][0]


class TestMachine:
    def test_a_simulated_study_needs_nothing_else(self, examine):
        status, found = examine(source="simulated")
        assert status == 0
        assert "the data are simulated; nothing is fetched" in found["good"]

    def test_the_disk_is_too_small(self, at_bucket, monkeypatch):
        usage = shutil.disk_usage("/")._replace(free=4_000_000_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        assert at_bucket(download="ranges")[0] == 0
        status, found = at_bucket(download="files")
        assert status == 1
        (line,) = found["PROBLEM"]
        assert line.startswith("disk of ")
        assert "needed, 4.00 GB free; make room" in line

    def test_folders_on_one_disk_are_added_up(self, tmp_path, monkeypatch):
        usage = shutil.disk_usage("/")._replace(free=1_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        (fits,) = machine.disks({tmp_path / "a": 500, tmp_path / "b" / "c": 500})
        (full,) = machine.disks({tmp_path / "a": 500, tmp_path / "b" / "c": 501})
        assert (fits.level, full.level) == ("good", "PROBLEM")

    def test_a_folder_that_cannot_be_written(self, examine, monkeypatch):
        def refuse(**_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
        status, found = examine(source="simulated")
        assert status == 1
        assert "data cannot be written (Permission denied)" in found["PROBLEM"][0]

    def test_libraries(self, tmp_path):
        pins = tmp_path / "constraints.txt"
        assert machine.libraries(pins)[0].level == "note"
        pins.write_text((REPOSITORY / "constraints.txt").read_text())
        assert machine.libraries(pins)[0].level == "good"
        pins.write_text("numpy==0.1\nnot-installed==1.0\n# comment\n")
        (finding,) = machine.libraries(pins)
        assert finding.level == "note"
        assert "(tested with 0.1)" in finding.text
        assert "not-installed" not in finding.text

    def test_memory(self, monkeypatch):
        assert machine.memory().level == "good"
        monkeypatch.setattr(machine, "JOB_BYTES", 10**18)
        assert machine.memory().level == "PROBLEM"

    def test_gpu(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert machine.gpu().level == "note"
        script = tmp_path / "nvidia-smi"
        script.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-1)'\n")
        script.chmod(0o755)
        assert machine.gpu().text == "GPU: NVIDIA H200"
        script.write_text("#!/bin/sh\nexit 9\n")
        assert machine.gpu().level == "note"
