"""The extract of betas, held against plain slicing, and damaged files."""

from __future__ import annotations

import gc
import os
import shutil
import tracemalloc

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from brainworth import files
from brainworth.errors import BrainworthError
from brainworth.nsd import betas, design, registry, rois

SUBJECT = "subj01"
SHAPE = (5, 7, 4)  # x, y, z: no two alike
N_SESSIONS = 3
VOXEL_CHUNKS = (750, 1, 1, 1)

# Small NSD trees are written here by hand, in NSD's layout and without the simulator.


def session_values(session):
    """Draw what MATLAB would write, h5py shape (750, z, y, x); every voxel differs."""
    rng = np.random.default_rng(session)
    n_x, n_y, n_z = SHAPE
    centre = np.arange(n_z * n_y * n_x).reshape(n_z, n_y, n_x) * 20
    noise = rng.normal(0, rng.uniform(100, 900, (n_z, n_y, n_x)), (750, n_z, n_y, n_x))
    return np.rint(centre + noise).astype(np.int16)


def write_session(root, session, values, **layout):
    path = root / registry.betas_key(SUBJECT, session)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=values, **({"chunks": VOXEL_CHUNKS} | layout))
    return path


def write_volume(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)


def valid_volume():
    return np.ones(SHAPE, dtype=np.uint8)


def label_volumes():
    """V1 is scattered over the volume; faces overlaps with it."""
    atlas = np.zeros(SHAPE, dtype=np.int16)
    atlas[:, :2] = -1
    atlas[::2, 2:, 0] = 1  # V1v
    atlas[1, 3:, 2] = 2  # V1d
    atlas[4, 6, 3] = 7  # hV4
    faces = np.zeros(SHAPE, dtype=np.int16)
    faces[0:2, 4:6, :] = 1  # OFA
    return {"Kastner2015": atlas, "floc-faces": faces}


def ncsnr_volume():
    return np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE) / 100 + 0.01


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "nsd"
    for name, volume in label_volumes().items():
        write_volume(root / registry.roi_key(SUBJECT, name), volume)
        table = root / registry.label_table_key(SUBJECT, name)
        table.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{n} {label}\t" for n, label in enumerate(registry.LABELS[name], start=1)]
        table.write_text("0 Unknown\n" + "\n".join(lines))
    write_volume(root / registry.ncsnr_key(SUBJECT), ncsnr_volume())
    for session in range(1, N_SESSIONS + 1):
        write_session(root, session, session_values(session))
        write_volume(root / registry.valid_key(SUBJECT, session), valid_volume())
    return root


@pytest.fixture
def trials():
    return make_trials(N_SESSIONS)


def make_trials(n_sessions):
    n = 750 * n_sessions
    columns = {
        "subject": [SUBJECT] * n,
        "session": np.repeat(np.arange(1, n_sessions + 1), 750),
        "trial": np.tile(np.arange(750), n_sessions),
        "image": np.arange(n) // 3,
        "nsd_id": 70_000 - np.arange(n) // 3,
        "repetition": np.arange(n) % 3,
        "shared": np.arange(n) % 2 == 0,
        "matched": np.arange(n) % 4 == 0,
    }
    return pd.DataFrame(columns)


@pytest.fixture
def extract(root, trials, tmp_path):
    """Extract the tree; return the path and the summary."""

    def function(regions=("V1", "hV4", "faces"), name="betas.h5"):
        output = tmp_path / name
        return output, betas.extract(root, SUBJECT, list(regions), trials, output)

    return function


@pytest.fixture
def refusal(extract, tmp_path):
    """Return what an extract that must fail says, and that it leaves nothing."""

    def function():
        with pytest.raises(BrainworthError) as caught:
            extract()
        assert [name for name in os.listdir(tmp_path) if name != "nsd"] == []
        return str(caught.value)

    return function


def members(region):
    """List (x, y, z) of a region by loops, in the order of the betas files."""
    volumes = label_volumes()
    name = "floc-faces" if region == "faces" else "Kastner2015"
    numbers = {"V1": (1, 2), "hV4": (7,), "faces": (1, 2, 3, 4, 5)}[region]
    n_x, n_y, n_z = SHAPE
    return [
        (x, y, z)
        for z in range(n_z)
        for y in range(n_y)
        for x in range(n_x)
        if volumes[name][x, y, z] in numbers
    ]


def bypass(root, session, voxel):
    """Read and z-score one voxel of one session with nothing of this package."""
    x, y, z = voxel
    with h5py.File(root / registry.betas_key(SUBJECT, session), "r") as file:
        percent = file["betas"][:, z, y, x].astype(np.float64) / 300
    return (percent - percent.mean()) / percent.std(ddof=1)


def scores(path, region):
    """Read the z-scored betas of a region, (trials, voxels)."""
    return betas.read_responses(path, region).values  # noqa: PD011 (no DataFrame)


# Values


@pytest.mark.parametrize("region", ["V1", "hV4", "faces"])
def test_extract_agrees_with_plain_slicing(root, extract, region):
    path, summary = extract()
    found = scores(path, region)
    voxels = members(region)
    assert found.shape == (750 * N_SESSIONS, len(voxels))
    assert found.dtype == np.float32
    for column, voxel in enumerate(voxels):
        expected = np.concatenate([bypass(root, s, voxel) for s in range(1, N_SESSIONS + 1)])
        assert np.abs(found[:, column] - expected).max() < 1e-5
    assert summary["n_dropped"] == {
        "ncsnr_not_a_number": 0,
        "invalid_in_a_session": 0,
        "constant_in_a_session": 0,
    }


def test_extract_agrees_with_plain_slicing_on_simulated_nsd(tiny, tmp_path):
    expdesign = design.read_expdesign(tiny.root / registry.EXPDESIGN)
    table = design.match(expdesign, {"subj04": tiny.sessions["subj04"]}, 1)
    path = tmp_path / "betas.h5"
    betas.extract(tiny.root, "subj04", ["V2", "places"], table, path)
    with h5py.File(path, "r") as file:
        ijk = file["voxels/ijk"][:]
        found = file["betas"][:]
    rng = np.random.default_rng(1)
    for session in (1, 2):
        with h5py.File(tiny.root / registry.betas_key("subj04", session), "r") as file:
            stored = file["betas"][:]
        for column in rng.choice(len(ijk), 50, replace=False):
            x, y, z = ijk[column]
            percent = stored[:, z, y, x] / 300
            expected = (percent - percent.mean()) / percent.std(ddof=1)
            rows = slice((session - 1) * 750, session * 750)
            assert np.abs(found[rows, column] - expected).max() < 1e-5


def test_axes_are_not_confused(root, trials, tmp_path):
    """One voxel stands out; a transposed or wrongly flattened mask would miss it."""
    x, y, z = 4, 6, 3  # hV4
    for session in range(1, N_SESSIONS + 1):
        values = np.random.default_rng(session).integers(-9, 9, (750, *SHAPE[::-1]), dtype=np.int16)
        values[:, z, y, x] = np.arange(750) + session
        write_session(root, session, values)
    betas.extract(root, SUBJECT, ["hV4"], trials, tmp_path / "b.h5")
    column = scores(tmp_path / "b.h5", "hV4")[:750, 0]
    assert np.all(np.diff(column) > 0)


def test_scores_of_every_session_have_mean_0_and_sd_1(extract):
    path, _ = extract()
    values = scores(path, "V1").astype(np.float64).reshape(N_SESSIONS, 750, -1)
    assert np.abs(values.mean(axis=1)).max() < 1e-6
    assert np.abs(values.std(axis=1, ddof=1) - 1).max() < 1e-6


def test_zscore_of_extreme_integers_keeps_its_digits():
    rng = np.random.default_rng(2)
    values = np.stack(
        [
            rng.choice([-32768, 32767], 750),
            32767 - rng.integers(0, 2, 750),  # one step of variation far from zero
            np.r_[32767, np.full(749, -32768)],
            rng.integers(-32768, 32768, 750),
        ]
    ).astype(np.int16)
    scores, constant = betas.zscore(values)
    plain = values.astype(np.float64)
    plain = (plain - plain.mean(axis=1, keepdims=True)) / plain.std(axis=1, ddof=1, keepdims=True)
    assert not constant.any()
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, plain, atol=1e-5, rtol=1e-6)


def test_zscore_marks_what_does_not_vary():
    values = np.zeros((4, 750), dtype=np.int16)
    values[1] = -32768
    values[2, 300] = 1
    values[3] = np.arange(750)
    scores, constant = betas.zscore(values)
    assert constant.tolist() == [True, True, False, False]
    assert np.all(scores[:2] == 0)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[2:].std(axis=1, ddof=1), 1, rtol=1e-5)


# Layouts of the file


LAYOUTS = {
    "contiguous": {"chunks": None},
    "one voxel, gzip": {"compression": "gzip"},
    "one voxel, shuffled": {"shuffle": True},
    "one voxel, checksums": {"fletcher32": True},
    "one voxel, packed": {"scaleoffset": 0},
    "one voxel, lzf and shuffled": {"compression": "lzf", "shuffle": True},
    "blocks": {"chunks": (100, 2, 3, 2)},
    "trials": {"chunks": (1, *SHAPE[::-1]), "compression": "gzip"},
    "half a voxel": {"chunks": (375, 1, 1, 1)},
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_layout_of_the_file_does_not_change_the_values(root, layout):
    table = rois.find_voxels(root, SUBJECT, ["V1", "hV4", "faces"])
    path = root / registry.betas_key(SUBJECT, 1)
    expected = betas.read_session(path, table)
    values = session_values(1)
    for row, (x, y, z) in zip(expected, table.ijk, strict=True):
        np.testing.assert_array_equal(row, values[:, z, y, x])
    write_session(root, 1, values, **LAYOUTS[layout])
    read = betas.read_session(path, table)
    assert read.dtype == np.int16
    np.testing.assert_array_equal(read, expected)


def test_voxels_in_any_order_are_read(root):
    table = rois.find_voxels(root, SUBJECT, ["V1"])
    order = np.random.default_rng(3).permutation(len(table))
    turned = rois.VoxelTable(table.ijk[order], {}, SHAPE)
    path = root / registry.betas_key(SUBJECT, 2)
    for layout in ({}, {"chunks": None}):
        write_session(root, 2, session_values(2), **layout)
        read = betas.read_session(path, turned)
        np.testing.assert_array_equal(read, betas.read_session(path, table)[order])


def test_chunk_that_was_never_written_is_zero_as_hdf5_says(root, extract):
    """A voxel without a chunk has no data: it is constant, dropped and counted."""
    values = session_values(2)
    x, y, z = members("V1")[3]
    path = root / registry.betas_key(SUBJECT, 2)
    with h5py.File(path, "w") as file:
        n_x, n_y, n_z = SHAPE
        data = file.create_dataset("betas", (750, n_z, n_y, n_x), dtype="i2", chunks=VOXEL_CHUNKS)
        for place in np.ndindex(n_z, n_y, n_x):
            if place != (z, y, x):
                data[(slice(None), *place)] = values[(slice(None), *place)]
    table = rois.find_voxels(root, SUBJECT, ["V1"])
    read = betas.read_session(path, table)
    for row, (i, j, k) in zip(read, table.ijk.tolist(), strict=True):
        expected = 0 if (i, j, k) == (x, y, z) else values[:, k, j, i]
        np.testing.assert_array_equal(row, np.broadcast_to(expected, 750))
    _, summary = extract()
    assert summary["n_dropped"]["constant_in_a_session"] == 1


# What is dropped, and how it is counted


def region_line(summary, region):
    (line,) = [line for line in summary["regions"] if line["region"] == region]
    return line


@pytest.fixture
def spoiled(root):
    """Spoil voxels of V1 one by one, each in its own way."""
    v1 = members("V1")
    ncsnr = ncsnr_volume()
    ncsnr[v1[0]] = np.nan
    ncsnr[v1[1]] = np.inf
    write_volume(root / registry.ncsnr_key(SUBJECT), ncsnr)
    valid = valid_volume()
    valid[v1[1]] = 0  # counted once, for its ncsnr
    valid[v1[2]] = 0
    write_volume(root / registry.valid_key(SUBJECT, 2), valid)
    values = session_values(3)
    for voxel, constant in ((v1[3], 0), (v1[4], 123)):
        x, y, z = voxel
        values[:, z, y, x] = constant
    x, y, z = v1[5]
    values[:2, z, y, x] = (-32768, 32767)
    write_session(root, 3, values)
    return v1


def test_dropped_voxels_are_gone_and_counted(root, extract, spoiled):
    path, summary = extract()
    kept = spoiled[5:]
    found = {tuple(v) for region in ("V1", "hV4", "faces") for v in members(region)}
    assert summary["n_dropped"] == {
        "ncsnr_not_a_number": 2,
        "invalid_in_a_session": 1,
        "constant_in_a_session": 2,
    }
    assert summary["n_voxels_found"] == len(found)
    assert summary["n_voxels"] == len(found) - 5
    assert summary["n_saturated_values"] == 2
    line = region_line(summary, "V1")
    assert (line["n_voxels"], line["n_dropped"]) == (len(kept), 5)
    assert line["median_ncsnr"] == pytest.approx(np.median([ncsnr_volume()[v] for v in kept]))
    found = scores(path, "V1")
    assert found.shape == (2250, len(kept))
    assert np.isfinite(found).all()
    for column, voxel in enumerate(kept):
        expected = np.concatenate([bypass(root, s, voxel) for s in (1, 2, 3)])
        assert np.abs(found[:, column] - expected).max() < 1e-5


def test_voxel_table_follows_the_drops(extract, spoiled):
    path, _ = extract()
    with h5py.File(path, "r") as file:
        ijk = [tuple(v) for v in file["voxels/ijk"][:].tolist()]
        ncsnr = file["voxels/ncsnr"][:]
        regions = {name: file["voxels/region"][name][:] for name in file["voxels/region"]}
        assert file["betas"].shape == (2250, len(ijk))
        assert "betas_kept" not in file
        assert file.attrs["volume_shape"].tolist() == list(SHAPE)
    np.testing.assert_array_equal(ncsnr, [ncsnr_volume()[voxel] for voxel in ijk])
    for region, mask in regions.items():
        expected = [v for v in members(region) if v not in spoiled[:5]]
        assert [voxel for voxel, inside in zip(ijk, mask, strict=True) if inside] == expected


def test_saturated_values_of_voxels_outside_the_regions_do_not_count(root, extract):
    values = session_values(1)
    values[:, 0, 0, 0] = 32767  # not cortex
    write_session(root, 1, values)
    assert extract()[1]["n_saturated_values"] == 0


def test_region_without_voxels_is_kept_as_empty(root, extract):
    faces = np.zeros(SHAPE, dtype=np.int16)
    write_volume(root / registry.roi_key(SUBJECT, "floc-faces"), faces)
    path, summary = extract()
    assert region_line(summary, "faces") == {
        "region": "faces",
        "n_voxels": 0,
        "n_dropped": 0,
        "median_ncsnr": None,
    }
    assert scores(path, "faces").shape == (2250, 0)
    assert betas.read_responses(path, "faces").session.shape == (2250,)


def test_no_voxel_left_is_an_error(root, refusal):
    write_volume(root / registry.ncsnr_key(SUBJECT), np.full(SHAPE, np.nan, dtype=np.float32))
    message = refusal()
    assert message.startswith("subj01: none of ")
    assert "check ncsnr.nii.gz and the valid_sessionNN volumes" in message


def test_nothing_but_constants_is_an_error(root, refusal):
    write_session(root, 2, np.full((750, *SHAPE[::-1]), 7, dtype=np.int16))
    assert "subj01: every voxel is constant in some session" in refusal()


def test_a_session_that_is_a_copy_of_another_is_refused(root, refusal):
    first, second = (root / registry.betas_key(SUBJECT, session) for session in (1, 2))
    shutil.copy(first, second)
    message = refusal()
    assert "subj01: sessions 1 and 2 hold the same values" in message
    assert "betas_session02.hdf5" in message


def test_a_trial_of_zeros_is_refused(root, refusal):
    with h5py.File(root / registry.betas_key(SUBJECT, 2), "r+") as file:
        file["betas"][6] = 0
    assert "trial 6 (counted from 0) is zero in every voxel, 1 such trials" in refusal()


def test_sessions_used_decide_what_is_dropped(root, spoiled, tmp_path):
    """A voxel bad in session 3 stays if only sessions 1 and 2 are used."""
    two = make_trials(2)
    summary = betas.extract(root, SUBJECT, ["V1"], two, tmp_path / "two.h5")
    assert summary["n_dropped"]["constant_in_a_session"] == 0
    assert summary["n_dropped"]["invalid_in_a_session"] == 1
    assert (summary["n_sessions"], summary["n_trials"]) == (2, 1500)
    one = betas.extract(root, SUBJECT, ["V1"], make_trials(1), tmp_path / "one.h5")
    assert one["n_dropped"]["invalid_in_a_session"] == 0


# Damaged input


def test_missing_file_is_named(root, refusal):
    for key in (
        registry.betas_key(SUBJECT, 2),
        registry.valid_key(SUBJECT, 3),
        registry.ncsnr_key(SUBJECT),
    ):
        kept = (root / key).read_bytes()
        (root / key).unlink()
        expected = f"{root / key} does not exist; fetch it, or check the data folder"
        assert refusal() == expected
        (root / key).write_bytes(kept)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_truncated_betas_are_refused(root, refusal, share):
    path = root / registry.betas_key(SUBJECT, 2)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    message = refusal()
    assert f"{path} cannot be read" in message
    assert "truncated or damaged: delete it and fetch or simulate it again" in message


def test_download_with_a_hole_is_refused(root, refusal):
    """The size is right, but what lies behind the hole cannot be found."""
    path = root / registry.betas_key(SUBJECT, 2)
    content = bytearray(path.read_bytes())
    node = content.index(b"TREE", content.index(b"TREE") + 4)
    content[node : node + 8] = bytes(8)
    path.write_bytes(content)
    message = refusal()
    assert f"{path} cannot be read" in message
    assert "fetch or simulate it again" in message


def test_foreign_file_is_refused(root, refusal):
    path = root / registry.betas_key(SUBJECT, 1)
    path.write_bytes(b"<html>Not found</html>" * 100)
    assert f"{path} cannot be read" in refusal()


def test_file_without_betas_is_refused(root, refusal):
    path = root / registry.betas_key(SUBJECT, 1)
    for name in ("beta", "betas/values"):  # the second makes /betas a group
        with h5py.File(path, "w") as file:
            file[name] = np.zeros(3)
        message = refusal()
        assert f"{path} has no dataset /betas" in message
        assert "fetch or simulate it again" in message


@pytest.mark.parametrize(
    "shape",
    [
        (750, *SHAPE),  # not MATLAB's order
        (*SHAPE, 750),
        (749, *SHAPE[::-1]),
        (750, 4, 7, 6),
        (750, 4 * 7 * 5),
    ],
)
def test_betas_of_another_shape_are_refused(root, refusal, shape):
    path = write_session(root, 2, np.ones(shape, dtype=np.int16), chunks=None)
    message = refusal()
    assert f"{path}: /betas has shape {shape}, expected (750, 4, 7, 5) (trials, z, y, x)" in message
    assert "ROI masks of shape (5, 7, 4) (x, y, z)" in message


@pytest.mark.parametrize("dtype", ["f4", "f8", "u2", "i4", ">i2"])
def test_betas_of_another_type_are_refused(root, refusal, dtype):
    values = session_values(2).astype(dtype)
    if dtype.startswith("f"):
        values[:, 1] = np.nan
    path = write_session(root, 2, values)
    message = refusal()
    assert f"{path}: /betas is " in message
    assert "expected int16 (percent x 300)" in message


@pytest.mark.parametrize("key", [registry.valid_key(SUBJECT, 2), registry.ncsnr_key(SUBJECT)])
def test_volumes_of_another_subject_are_refused(root, refusal, key):
    write_volume(root / key, np.ones(SHAPE[::-1], dtype=np.float32))
    message = refusal()
    assert f"{root / key} has shape (4, 7, 5), but the ROI masks have (5, 7, 4)" in message


@pytest.mark.parametrize("key", [registry.valid_key(SUBJECT, 2), registry.ncsnr_key(SUBJECT)])
def test_damaged_volumes_are_refused(root, refusal, key):
    content = (root / key).read_bytes()
    for damaged in (content[:-5], content[:40], b""):
        (root / key).write_bytes(damaged)
        message = refusal()
        assert f"{root / key} cannot be read as NIfTI" in message
        assert "fetch or simulate it again" in message


# The file as a whole


def test_failure_in_the_last_session_leaves_the_old_extract(extract, tmp_path, monkeypatch):
    path, _ = extract()
    before = path.read_bytes()
    read = betas.read_session

    def fail_late(file, table):
        if "session03" in file.name:
            raise KeyboardInterrupt
        return read(file, table)

    monkeypatch.setattr(betas, "read_session", fail_late)
    with pytest.raises(KeyboardInterrupt):
        extract()
    assert path.read_bytes() == before
    with pytest.raises(KeyboardInterrupt):
        extract(name="other.h5")
    assert sorted(os.listdir(tmp_path)) == ["betas.h5", "nsd"]


def test_same_input_gives_the_same_bytes(extract, spoiled):
    first, _ = extract(name="a.h5")
    second, _ = extract(name="b.h5")
    assert files.sha256(first) == files.sha256(second)


def test_trial_table_is_in_the_extract(extract, trials):
    path, summary = extract()
    with h5py.File(path, "r") as file:
        for name in file["trials"]:
            np.testing.assert_array_equal(file["trials"][name][:], trials[name])
        assert set(file["trials"]) == set(trials) - {"subject"}
        assert file.attrs["schema"] == betas.SCHEMA
    assert (summary["subject"], summary["n_trials"], summary["n_sessions"]) == (SUBJECT, 2250, 3)


@pytest.mark.parametrize("seed", range(3))
def test_chosen_rows_are_those_of_the_whole(extract, seed):
    path, _ = extract()
    rows = np.sort(np.random.default_rng(seed).choice(2250, 40, replace=False))
    for region in ("V1", "faces"):
        everything = betas.read_responses(path, region)
        some = betas.read_responses(path, region, rows)
        for name in ("values", "session", "nsd_id", "repetition"):
            expected = getattr(everything, name)[rows]
            np.testing.assert_array_equal(getattr(some, name), expected)
        assert (some.subject, some.region) == (SUBJECT, region)
    none = betas.read_responses(path, "V1", np.array([], dtype=int))
    assert none.nsd_id.size == 0


@pytest.mark.parametrize("layout", [{"chunks": (5, 64)}, {}])
@pytest.mark.parametrize("voxels", [[], [0, 63, 64, 200, 299], [150], [255, 256, 298]])
def test_only_chunks_that_hold_a_region_are_read(tmp_path, layout, voxels):
    voxels = np.array(voxels, dtype=int)
    values = np.random.default_rng(1).normal(size=(5, 300))
    with h5py.File(tmp_path / "e.h5", "w") as file:
        data = file.create_dataset("betas", data=values, **layout)
        found, columns = np.empty((5, voxels.size)), 0
        for part, span in betas._spans(voxels, data):
            found[:, part] = data[:, span][:, voxels[part] - span.start]
            columns += span.stop - span.start
    np.testing.assert_array_equal(found, values[:, voxels])
    width = 64 if layout else 300
    held = np.unique(voxels // width)
    assert columns == sum(min(width, 300 - width * chunk) for chunk in held)


def test_region_voxels_are_indices_into_the_extract(extract):
    path, _ = extract()
    with h5py.File(path, "r") as file:
        ijk = file["voxels/ijk"][:]
    found = ijk[betas.region_voxels(path, "faces")].tolist()
    assert [tuple(voxel) for voxel in found] == members("faces")


def test_unknown_region_is_refused(extract):
    path, _ = extract()
    with pytest.raises(BrainworthError, match=r"has no region V2; it was made with V1, faces, hV4"):
        betas.read_responses(path, "V2")


def test_damaged_extract_is_refused(extract):
    path, _ = extract()
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"text" * 1000):
        path.write_bytes(damaged)
        with pytest.raises(BrainworthError, match=r"betas\.h5 cannot be read .*run again"):
            betas.read_responses(path, "V1")
    with h5py.File(path, "w") as file:
        file["betas"] = np.zeros(3)
    with pytest.raises(BrainworthError, match=r"betas\.h5 is not an extract of schema"):
        betas.read_responses(path, "V1")
    path.unlink()
    with pytest.raises(BrainworthError, match=r"betas\.h5 does not exist; run the rule"):
        betas.read_responses(path, "V1")


# Memory


def peak_of(function, *arguments):
    """Return the most memory that Python and NumPy held while a function ran, in bytes."""
    gc.collect()
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_peak_memory_does_not_grow_with_sessions(tmp_path):
    """Ten sessions of 6,000 voxels are 180 MB as float32; one session is in memory at a time."""
    shape, few, many = (20, 20, 15), 2, 10
    root = tmp_path / "nsd"
    write_volume(root / registry.roi_key(SUBJECT, "Kastner2015"), np.ones(shape, dtype=np.int16))
    table = root / registry.label_table_key(SUBJECT, "Kastner2015")
    table.parent.mkdir(parents=True)
    names = enumerate(registry.LABELS["Kastner2015"], start=1)
    table.write_text("\n".join(f"{n} {name}" for n, name in names))
    write_volume(root / registry.ncsnr_key(SUBJECT), np.ones(shape, dtype=np.float32))
    values = np.random.default_rng(1).integers(-900, 900, (750, *shape[::-1]), dtype=np.int16)
    values[:, 0, 0, 0] = 0  # so that the extract is rewritten without a constant voxel
    first = write_session(root, 1, values, chunks=None)
    for session in range(1, many + 1):
        write_volume(root / registry.valid_key(SUBJECT, session), np.ones(shape, dtype=np.uint8))
        if session > 1:
            path = root / registry.betas_key(SUBJECT, session)
            shutil.copy(first, path)
            with h5py.File(path, "r+") as file:
                file["betas"][0, 1, 1, 1] = session  # sessions must differ
    peaks = []
    for n_sessions in (few, many):
        trials = make_trials(n_sessions)
        output = tmp_path / f"{n_sessions}.h5"
        peaks.append(peak_of(betas.extract, root, SUBJECT, ["V1"], trials, output))
    session_bytes = 750 * np.prod(shape) * 4
    assert peaks[0] > session_bytes / 2  # the measure sees what an extract needs
    # Eight more sessions piled up would be eight times this, or four as int16.
    assert peaks[1] - peaks[0] < 0.5 * session_bytes
