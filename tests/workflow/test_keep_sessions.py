"""Session files that are dropped once their voxels have been taken."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest
from project import TINY

sys.path.insert(0, str(Path(__file__).parents[1] / "nsd"))

import loopback

pytestmark = pytest.mark.workflow

CORES = 2
STUDY = TINY | {"subjects": ["subj01", "subj05"]}


def test_a_small_disk_is_enough_for_all_sessions(finished, project):
    common = {"source": "s3", "accept_nsd_terms": True, "backoff_s": 0.01, "download": "files"}
    with loopback.running(bytes_per_s=20e6) as server:
        server.add_folder(finished.folder / "data/tiny")
        data = common | {"endpoint_url": server.url, "keep_sessions": False}
        project.write_study(STUDY | {"data": data | {"sessions": 2}})
        most = watch(
            project.folder / "data/store", lambda: project.snakemake("--cores", str(CORES), "data")
        )
        assert 1 <= most <= CORES
        assert not list(project.folder.glob("data/**/betas_session??.hdf5"))

        keeping = data | {"keep_sessions": True, "store_dir": "data/other"}
        project.write_study(
            STUDY | {"study": "kept", "data": keeping | {"sessions": 2}}, "kept.yaml"
        )
        project.snakemake("--cores", str(CORES), "data", study="kept.yaml")
        for subject in STUDY["subjects"]:
            dropped, kept = (
                project.folder / "results" / study / "data" for study in ("tiny", "kept")
            )
            name = f"betas_{subject}"
            assert (dropped / f"{name}.h5").read_bytes() == (kept / f"{name}.h5").read_bytes()
            found = [
                json.loads((folder / f"{name}.json").read_text())["data"]["acquisition"]
                for folder in (dropped, kept)
            ]
            assert found[0] == found[1]
            assert found[0]["objects"] == 2

        assert project.planned("data") == set()
        # The extract is made again from the voxels; only other regions need the sessions again.
        (project.folder / "results/tiny/data/betas_subj01.h5").unlink()
        assert project.planned("data") == {"data", "extract_betas"}
        server.forget()
        more = STUDY | {"rois": ["V1", "faces", "hV4"], "data": data | {"sessions": 2}}
        project.write_study(more)
        project.snakemake("--cores", str(CORES), "data")
        fetched = [request.key for request in server.gets if "betas_session" in request.key]
        assert len(set(fetched)) == 2 * len(STUDY["subjects"])
        assert not list(project.folder.glob("data/store/**/betas_session??.hdf5"))


def watch(store: Path, work) -> int:
    """Return the most session files, whole or partial, that the store held during some work."""
    most, done = 0, threading.Event()

    def look():
        nonlocal most
        while not done.wait(0.005):
            there = {
                path.name.removesuffix(".part") + path.parts[-4]
                for pattern in ("betas_session??.hdf5", "betas_session??.hdf5.part")
                for path in store.rglob(pattern)
            }
            most = max(most, len(there))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return most
