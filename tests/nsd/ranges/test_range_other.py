"""Session files of other layouts, the files of voxels, and all sessions of a subject."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
from conftest import KEY, SHAPE, choose, draw, pick, write
from loopback import faults

from brainworth.errors import BrainworthError
from brainworth.nsd import betas, design, registry, voxels
from brainworth.nsd.ranges import session, subject

LAYOUTS = {
    "gzip": {"chunks": (750, 1, 1, 1), "compression": "gzip"},
    "shuffle and checksum": {"chunks": (750, 1, 1, 1), "shuffle": True, "fletcher32": True},
    "blocks": {"chunks": (750, 2, 2, 3)},
    "blocks of half the trials": {"chunks": (375, 1, 2, 1)},
}


def write_layout(path, values, libver="earliest", **layout):
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("betas", data=values, **layout)
    return path.read_bytes()


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_layouts_are_read_through_h5py(layout, libver, fetch, server, tmp_path):
    values = draw(SHAPE, 5) // 500
    server.add(KEY, write_layout(tmp_path / "a.hdf5", values, libver, **LAYOUTS[layout]))
    table = choose(SHAPE, 9, 6)
    found, _ = fetch(table)
    assert found.source == "h5py"
    assert np.array_equal(found.values, pick(values, table))
    assert set(found.address) == {-1}


@pytest.mark.parametrize("libver", ["v108", "latest"])
def test_plain_chunks_in_newer_files_are_read_through_h5py(libver, fetch, server, tmp_path):
    values = draw(SHAPE, 5)
    content = write_layout(tmp_path / "a.hdf5", values, (libver, libver), chunks=(750, 1, 1, 1))
    server.add(KEY, content)
    table = choose(SHAPE, 9, 6)
    found, traffic = fetch(table)
    assert found.source == "h5py"
    assert np.array_equal(found.values, pick(values, table))
    assert traffic.bytes < len(content)


def test_chunks_never_written_are_the_fill_value(fetch, server, tmp_path):
    values = draw((3, 3, 3), 1)
    server.add(KEY, write(tmp_path / "a.hdf5", values, order=range(0, 27, 2)))
    table = choose((3, 3, 3), 8, 1)
    found, _ = fetch(table)
    path = tmp_path / "a.hdf5"
    assert np.array_equal(found.values, betas.read_session(path, table))
    assert not found.values.any(axis=1).all()


@pytest.mark.parametrize(
    ("layout", "how"),
    [
        ({"chunks": None}, "in one piece"),
        ({"chunks": (1, 7, 8, 9)}, r"in chunks of \(1, 7, 8, 9\)"),
    ],
)
def test_layouts_that_would_take_the_whole_file_are_named(layout, how, fetch, server, tmp_path):
    server.add(KEY, write_layout(tmp_path / "a.hdf5", draw(SHAPE, 1), **layout))
    said = rf"5 voxels would take 0.8 of 0.\d MB, since /betas is stored {how}; set data.download"
    with pytest.raises(BrainworthError, match=said):
        fetch(choose(SHAPE, 5, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.move("betas", "alphas"), "has no dataset /betas"),
        (lambda file: file.attrs.clear(), "float32, expected int16"),
    ],
    ids=["no betas", "floats"],
)
def test_files_that_are_no_sessions_are_named(change, said, fetch, server, tmp_path):
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", (750, 7, 8, 9), np.float32, chunks=(750, 1, 1, 1))
        change(file)
    server.add(KEY, path.read_bytes())
    with pytest.raises(BrainworthError, match=said):
        fetch()


def test_no_hdf5_at_all_is_named(fetch, server):
    server.add(KEY, b"<html>Service moved</html>" * 1000)
    with pytest.raises(BrainworthError, match="cannot be read as HDF5"):
        fetch()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.status(403, "AccessDenied"), "last three sessions"),
        (faults.no_answer(), "gave up after 3"),
        (faults.changed_etag(), "gave up after 3 .* changed"),
    ],
)
def test_faults_below_h5py_keep_their_sentence(fault, said, fetch, server, tmp_path):
    values = draw(SHAPE, 5)
    server.add(KEY, write_layout(tmp_path / "a.hdf5", values, chunks=(750, 2, 2, 3)))
    server.inject(fault, nth=4, times=None)
    with pytest.raises(BrainworthError, match=said):
        fetch(choose(SHAPE, 9, 6))


# The files of voxels.


@pytest.fixture
def product(example, tmp_path):
    path = tmp_path / "a.voxels.h5"
    about = {"key": KEY, "etag": "e", "size": 5}
    voxels.write(path, example.table, example.expected, np.arange(90), **about)
    return path


def test_voxels_are_read_like_a_session(product, example):
    assert np.array_equal(betas.read_session(product, example.table), example.expected)
    few = type(example.table)(example.table.ijk[60:3:-7], {}, SHAPE)
    assert np.array_equal(betas.read_session(product, few), pick(example.values, few))


def test_voxels_of_a_session_give_the_same_bytes(product, example, tmp_path):
    again = tmp_path / "again.h5"
    about = {"key": KEY, "etag": "e", "size": 5}
    voxels.write(again, example.table, example.expected, np.arange(90), **about)
    assert again.read_bytes() == product.read_bytes()


def test_missing_voxels_are_counted(product, example):
    everything = choose(SHAPE, int(np.prod(SHAPE)), 0)
    with pytest.raises(BrainworthError, match=r"lacks 414 of the 504 voxels asked for, the first"):
        betas.read_session(product, everything)


def test_changed_values_are_refused(product, example):
    with h5py.File(product, "a") as file:
        file["betas"][3, 4] += 1
    with pytest.raises(BrainworthError, match="was changed after it was written"):
        betas.read_session(product, example.table)


def test_another_volume_is_refused(product, example):
    other = type(example.table)(example.table.ijk[:1] * 0, {}, (8, 9, 7))
    with pytest.raises(BrainworthError, match="not of one subject"):
        betas.read_session(product, other)


def test_truncated_file_of_voxels_is_refused(product, example):
    product.write_bytes(product.read_bytes()[:5000])
    with pytest.raises(BrainworthError, match="truncated or damaged"):
        betas.read_session(product, example.table)


# All sessions of a subject.

REGIONS = ["V1", "hV4", "faces"]


@pytest.fixture
def study(tiny, server, tmp_path):
    """A study's folder with the volumes of subj02, and its sessions in the bucket."""
    root = tmp_path / "study"
    volumes = list(registry.LABELS)
    for key in [*registry.volume_keys("subj02", 2, volumes), *registry.atlas_keys()]:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tiny.root / key, root / key)
    for number in (1, 2):
        key = registry.betas_key("subj02", number)
        server.add(key, tiny.root / key)
    return root


@pytest.fixture
def trials(tiny):
    expdesign = design.read_expdesign(tiny.root / registry.EXPDESIGN)
    return design.match(expdesign, {"subj02": 2}, 1)


def test_extracts_are_the_same_from_voxels_and_from_sessions(
    study, tiny, trials, data, server, tmp_path
):
    lines = []
    told = subject.fetch(study, "subj02", REGIONS, 2, data, lines.append)
    whole, part = tmp_path / "whole.h5", tmp_path / "part.h5"
    expected = betas.extract(tiny.root, "subj02", REGIONS, trials, whole)
    found = betas.extract(study, "subj02", REGIONS, trials, part, registry.voxels_key)
    assert part.read_bytes() == whole.read_bytes()
    assert found == expected

    assert told["mode"] == "ranges"
    assert told["objects"] == len(lines) == 2
    assert told["n_voxels"] == expected["n_voxels"] + expected["n_dropped"]["constant_in_a_session"]
    assert told["bytes_received"] == sum(s["bytes_received"] for s in told["sessions"])
    assert told["requests"] == len(server.requests)
    stored = [server.objects[registry.betas_key("subj02", number)] for number in (1, 2)]
    assert [s["etag"] for s in told["sessions"]] == [s.etag for s in stored]
    assert told["bytes"] == sum(s.size for s in stored)
    assert all("voxels fetched" in line and "ETag" in line for line in lines)

    again = subject.fetch(study, "subj02", REGIONS, 2, data, lines.append)
    assert (again["requests"], again["bytes_received"]) == (0, 0)
    assert [s["source"] for s in again["sessions"]] == ["journal"] * 2
    assert [s["sha256"] for s in again["sessions"]] == [s["sha256"] for s in told["sessions"]]


def test_terms_come_first(study, data, server):
    refused = data.model_copy(update={"accept_nsd_terms": False})
    with pytest.raises(BrainworthError, match="terms have not been accepted"):
        subject.fetch(study, "subj02", REGIONS, 2, refused, print)
    assert server.requests == []


def test_too_small_a_disk_is_said_before_anything_is_fetched(study, data, server, monkeypatch):
    usage = shutil.disk_usage(study)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    with pytest.raises(BrainworthError, match=r"0.0 MB free but the voxels of a session need"):
        subject.fetch(study, "subj02", REGIONS, 2, data, print)
    assert server.requests == []


def test_store_that_cannot_be_made_is_named(study, data, tmp_path):
    (tmp_path / "file").write_text("")
    given = data.model_copy(update={"store_dir": str(tmp_path / "file" / "store")})
    with pytest.raises(BrainworthError, match=r"Not a directory; data.store_dir"):
        subject.fetch(study, "subj02", REGIONS, 2, given, print)


def test_interrupted_subject_keeps_its_first_session(study, data, server):
    server.denials[registry.betas_key("subj02", 2)] = 403
    with pytest.raises(BrainworthError, match=r"betas_session02\.hdf5 is forbidden"):
        subject.fetch(study, "subj02", REGIONS, 2, data, print)
    assert (study / registry.voxels_key("subj02", 1)).exists()
    server.denials.clear()
    told = subject.fetch(study, "subj02", REGIONS, 2, data, print)
    assert [s["source"] for s in told["sessions"]] == ["journal", "ranges"]


def test_journal_lies_apart_from_whole_files(tmp_path):
    path = session.journal_path(tmp_path, KEY)
    assert path.relative_to(tmp_path).parts[0] == ".voxels"
