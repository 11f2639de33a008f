"""Voxels by byte ranges against whole session files, through the workflow."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from project import TINY

sys.path.insert(0, str(Path(__file__).parents[1] / "nsd"))

import loopback

pytestmark = pytest.mark.workflow


def study(name: str, url: str, **data) -> dict:
    s3 = {"source": "s3", "endpoint_url": url, "accept_nsd_terms": True, "backoff_s": 0.01}
    return TINY | {"study": name, "subjects": ["subj01", "subj05"], "data": s3 | data}


def test_both_ways_of_downloading_give_the_same_extracts(finished, project):
    with loopback.running() as server:
        server.add_folder(finished.folder / "data/tiny")
        common = {"url": server.url, "sessions": 2}
        project.write_study(study("files", download="files", **common), "files.yaml")
        project.write_study(study("ranges", store_dir="data/other", **common), "ranges.yaml")
        project.snakemake("--cores", "2", "data", study="files.yaml")
        sent = server.bytes_sent
        server.forget()
        project.snakemake("--cores", "2", "data", study="ranges.yaml")
        assert {r.range is None for r in server.gets if "betas_session" in r.key} == {False}
        assert not list(project.folder.glob("data/other/**/betas_session*.hdf5"))
        assert server.bytes_sent - sent < sent

        for subject in ("subj01", "subj05"):
            name = f"betas_{subject}"
            files, ranges = (
                project.folder / "results" / mode / "data" for mode in ("files", "ranges")
            )
            assert (files / f"{name}.h5").read_bytes() == (ranges / f"{name}.h5").read_bytes()
            whole, part = (
                json.loads((folder / f"{name}.json").read_text())["data"]
                for folder in (files, ranges)
            )
            how, why = whole.pop("acquisition"), part.pop("acquisition")
            assert whole == part
            assert (how["mode"], why["mode"]) == ("files", "ranges")
            assert set(how) == set(why)
            assert (how["objects"], how["bytes"]) == (why["objects"], why["bytes"])
            fetch = json.loads((ranges / f"fetch_voxels_{subject}.json").read_text())["data"]
            assert why["bytes_received"] == sum(s["bytes_received"] for s in fetch["sessions"])
            assert [len(session["etag"]) for session in fetch["sessions"]] == [32, 32]
            log = (project.folder / f"logs/ranges/fetch_voxels_{subject}.log").read_text()
            assert log.count("voxels fetched") == 2

        again = project.snakemake("--cores", "1", "-n", "data", study="ranges.yaml")
        assert "Nothing to be done" in again.stdout + again.stderr

        # One region more: of the voxels, only what is missing is fetched.
        more = study("ranges", store_dir="data/other", **common) | {"rois": ["V1", "faces", "hV4"]}
        project.write_study(more, "ranges.yaml")
        server.forget()
        project.snakemake("--cores", "2", "data", study="ranges.yaml")
        fetch = json.loads((ranges / "fetch_voxels_subj05.json").read_text())["data"]
        assert all(0 < s["n_voxels_fetched"] < fetch["n_voxels"] / 2 for s in fetch["sessions"])


def test_other_sources_say_how_their_betas_came(finished):
    data = finished.data()
    assert data["data/betas_subj01.json"]["acquisition"] == {"mode": "simulated"}
