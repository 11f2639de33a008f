"""Regions: volumes of labels, label tables, and the voxels they make."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest

from brainworth.errors import BrainworthError
from brainworth.nsd import registry, rois

SUBJECT = "subj01"
SHAPE = (5, 7, 4)
ATLAS = registry.roi_key(SUBJECT, "Kastner2015")
FACES = registry.roi_key(SUBJECT, "floc-faces")
ATLAS_TABLE = registry.label_table_key(SUBJECT, "Kastner2015")
FACES_TABLE = registry.label_table_key(SUBJECT, "floc-faces")


def write_volume(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.diag([1.8, 1.8, 1.8, 1])), path)


def write_table(path, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["0 Unknown", *(f"{n} {name}\t    " for n, name in enumerate(labels, start=1))]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def atlas():
    """A volume as NSD's: -1 not cortex, 0 cortex without a label, 1..N."""
    volume = np.full(SHAPE, -1, dtype=np.int16)
    volume[:, 2:, :] = 0
    volume[0, 3, 1] = 1  # V1v
    volume[4, 3, 1] = 2  # V1d
    volume[1, 5, 0] = 2
    volume[2, 6, 3] = 7  # hV4
    return volume


@pytest.fixture
def faces():
    volume = np.full(SHAPE, -1, dtype=np.int16)
    volume[:, 2:, :] = 0
    volume[4, 3, 1] = 1  # OFA, where V1d is too
    volume[0, 6, 3] = 3  # FFA-2
    return volume


@pytest.fixture
def root(tmp_path, atlas, faces):
    write_volume(tmp_path / ATLAS, atlas)
    write_volume(tmp_path / FACES, faces)
    write_table(tmp_path / ATLAS_TABLE, registry.LABELS["Kastner2015"])
    write_table(tmp_path / FACES_TABLE, registry.LABELS["floc-faces"])
    return tmp_path


def refusal(root, *regions):
    with pytest.raises(BrainworthError) as caught:
        rois.find_voxels(root, SUBJECT, list(regions))
    return str(caught.value)


def test_voxels_are_those_with_the_label(root):
    table = rois.find_voxels(root, SUBJECT, ["V1", "hV4", "faces"])
    # z slowest, then y, then x: as they lie in the betas files.
    assert table.ijk.tolist() == [[1, 5, 0], [0, 3, 1], [4, 3, 1], [0, 6, 3], [2, 6, 3]]
    assert table.shape == SHAPE
    assert len(table) == 5
    assert {name: mask.tolist() for name, mask in table.regions.items()} == {
        "V1": [True, True, True, False, False],
        "hV4": [False, False, False, False, True],
        "faces": [False, False, True, True, False],
    }


def test_neither_unlabelled_cortex_nor_what_is_no_cortex_is_in_a_region(root, atlas):
    """The masks `!= 0` and `!= -1` are classic mistakes; here each would count many voxels."""
    table = rois.find_voxels(root, SUBJECT, ["V1"])
    assert len(table) == 3
    assert np.count_nonzero(atlas != 0) == 44
    assert np.count_nonzero(atlas != -1) == 100


def test_order_is_that_of_the_flattened_betas(root, atlas):
    atlas[...] = 1  # every voxel
    write_volume(root / ATLAS, atlas)
    table = rois.find_voxels(root, SUBJECT, ["V1"])
    x, y, z = table.ijk.T
    n_x, n_y, n_z = SHAPE
    flat = (z * n_y + y) * n_x + x
    assert flat.tolist() == list(range(n_x * n_y * n_z))


def test_regions_merge_the_parts_of_the_atlas():
    assert rois.REGIONS["V1"] == ("Kastner2015", ("V1v", "V1d"))
    assert rois.REGIONS["V3ab"] == ("Kastner2015", ("V3A", "V3B"))
    assert rois.REGIONS["faces"] == ("floc-faces", registry.LABELS["floc-faces"])
    for volume, labels in rois.REGIONS.values():
        assert set(labels) <= set(registry.LABELS[volume])
    used = [label for volume, labels in rois.REGIONS.values() for label in labels]
    assert len(used) == len(set(used))


def test_merged_region_is_the_union_of_its_labels(tiny):
    table = rois.find_voxels(tiny.root, "subj03", list(rois.REGIONS))
    for region, (name, labels) in rois.REGIONS.items():
        volume = np.asarray(nib.load(tiny.root / registry.roi_key("subj03", name)).dataobj)
        numbers = [registry.LABELS[name].index(label) + 1 for label in labels]
        expected = {
            tuple(place) for number in numbers for place in np.argwhere(volume == number).tolist()
        }
        found = table.ijk[table.regions[region]].tolist()
        assert {tuple(place) for place in found} == expected
        assert len(found) == len(expected) > 0


def test_numbers_come_from_the_label_table_and_not_from_memory(root, atlas):
    path = root / ATLAS_TABLE
    swapped = path.read_text().replace("1 V1v", "1 x").replace("7 hV4", "7 V1v")
    path.write_text(swapped.replace("1 x", "1 hV4"))
    table = rois.find_voxels(root, SUBJECT, ["hV4"])
    assert table.ijk.tolist() == [[0, 3, 1]]


def test_region_that_a_subject_lacks_is_empty_and_not_an_error(root, faces):
    write_volume(root / FACES, np.minimum(faces, 0))
    table = rois.find_voxels(root, SUBJECT, ["V1", "faces"])
    assert table.regions["faces"].shape == (3,)
    assert not table.regions["faces"].any()


def test_no_voxel_at_all_is_an_error(root, faces):
    write_volume(root / FACES, np.minimum(faces, 0))
    assert refusal(root, "faces") == "subj01: none of the regions faces has a voxel"


def test_volumes_of_other_shapes_are_refused(root, faces):
    write_volume(root / FACES, faces[:-1])
    message = refusal(root, "V1", "faces")
    assert "subj01: ROI volumes differ in shape" in message
    assert "(5, 7, 4)" in message
    assert "(4, 7, 4)" in message


@pytest.mark.parametrize("key", [ATLAS, ATLAS_TABLE])
def test_missing_file_is_named(root, key):
    (root / key).unlink()
    assert refusal(root, "V1") == f"{root / key} does not exist; fetch it, or check the data folder"


@pytest.mark.parametrize("key", [ATLAS, ATLAS_TABLE])
def test_empty_and_foreign_files_are_named(root, key):
    for content in (b"", b"\xff\xd8\xff\xe0" * 300, b"<html>Not found</html>"):
        (root / key).write_bytes(content)
        message = refusal(root, "V1")
        assert str(root / key) in message


@pytest.mark.parametrize("cut", [1, 4, 8, 12, 40])
def test_truncated_volume_is_refused(root, cut):
    """Also when only the checksum at the end is cut off."""
    content = (root / ATLAS).read_bytes()
    (root / ATLAS).write_bytes(content[:-cut])
    message = refusal(root, "V1")
    assert f"{root / ATLAS} cannot be read as NIfTI" in message
    assert "fetch or simulate it again" in message


def test_no_flipped_bit_changes_the_voxels_in_silence(root, atlas):
    # Random labels, so that the data fill the file and most flips hit them.
    atlas[...] = np.random.default_rng(1).integers(-1, 26, SHAPE)
    write_volume(root / ATLAS, atlas)
    content = (root / ATLAS).read_bytes()
    before = rois.read_labels(root / ATLAS)
    np.testing.assert_array_equal(before, atlas)
    refused = 0
    rng = np.random.default_rng(2)
    for place in rng.choice(len(content), 150, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        (root / ATLAS).write_bytes(damaged)
        try:
            after = rois.read_labels(root / ATLAS)
        except BrainworthError:
            refused += 1
        else:
            np.testing.assert_array_equal(after, before)  # e.g. the name in the gzip header
    assert refused > 100


@pytest.mark.parametrize("bad", [0.5, np.nan, np.inf, -np.inf, -2, 40_000, 65_537, 1e20])
def test_what_is_no_label_is_refused(root, atlas, bad):
    values = atlas.astype(np.float64)
    values[3, 0, 2] = bad
    write_volume(root / ATLAS, values)
    message = refusal(root, "V1")
    assert f"{root / ATLAS} must hold integer labels from -1 (not cortex) on" in message
    assert "fetch or simulate it again" in message


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_any_type_of_whole_numbers_is_read(tmp_path, dtype):
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    write_volume(tmp_path / "v.nii.gz", values)
    read = rois.read_labels(tmp_path / "v.nii.gz")
    assert read.dtype == np.int16
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 4, 1), (5, 7, 4, 2)])
def test_volume_must_have_three_dimensions(root, shape):
    write_volume(root / ATLAS, np.zeros(shape, dtype=np.int16))
    message = refusal(root, "V1")
    assert f"{root / ATLAS} has {len(shape)} dimensions, expected 3 (x, y, z)" in message


def test_uncompressed_and_scaled_volumes_are_read(tmp_path):
    values = np.random.default_rng(3).normal(size=(3, 4, 5)).astype(np.float32)
    write_volume(tmp_path / "v.nii", values)
    np.testing.assert_array_equal(rois.read_volume(tmp_path / "v.nii"), values)
    image = nib.Nifti1Image(np.full((2, 2, 2), 3, dtype=np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 1)
    (tmp_path / "s.nii.gz").write_bytes(gzip.compress(image.to_bytes()))
    expected = np.asarray(nib.load(tmp_path / "s.nii.gz").dataobj)
    np.testing.assert_array_equal(rois.read_volume(tmp_path / "s.nii.gz"), expected)


# Label tables


def read_table(tmp_path, content):
    path = tmp_path / "t.mgz.ctab"
    path.write_bytes(content)
    return rois.read_label_table(path)


def test_names_may_carry_tabs_blanks_and_colours(tmp_path):
    content = b"0 Unknown\n 1 V1v\t    \n2\tV1d\t\t\r\n\n  3 V2v  25 5 25 0 \n"
    expected = {"Unknown": 0, "V1v": 1, "V1d": 2, "V2v": 3}
    assert read_table(tmp_path, content) == expected


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"0 Unknown\n1\n", 2),  # truncated
        (b"0 Unknown\none V1v\n", 2),
        (b"0 Unknown\n1 V1v\n2 V1v\n", 3),  # the same name twice
        (b"--3 V1v\n", 1),
        (b"1.5 V1v\n", 1),
        ("² V1v\n".encode(), 1),
        (b"V1v 1\n", 1),
    ],
)
def test_damaged_line_is_named(tmp_path, content, line):
    with pytest.raises(BrainworthError, match=rf"t\.mgz\.ctab, line {line}: expected 'NUMBER NAME"):
        read_table(tmp_path, content)


@pytest.mark.parametrize("content", [b"", b"\n \t\n"])
def test_empty_table_is_refused(tmp_path, content):
    with pytest.raises(BrainworthError, match=r"t\.mgz\.ctab is empty.*fetch or simulate it again"):
        read_table(tmp_path, content)


def test_binary_table_is_refused(tmp_path):
    with pytest.raises(
        BrainworthError, match=r"t\.mgz\.ctab is not text.*fetch or simulate it again"
    ):
        read_table(tmp_path, b"\xff\xfe1 V1v\n")


def test_missing_label_is_named_with_the_region(root):
    path = root / ATLAS_TABLE
    path.write_text(path.read_text().replace("V1d", "V9"))
    message = refusal(root, "V1")
    assert f"{path} has no label V1d, needed for region V1; it has Unknown, V1v, V9" in message


def test_nsdgeneral_is_what_is_1_in_its_volume(tiny):
    volume = np.asarray(nib.load(tiny.root / registry.roi_key("subj03", "nsdgeneral")).dataobj)
    found = rois.find_voxels(tiny.root, "subj03", ["nsdgeneral"])
    assert len(found) == np.sum(volume == 1)
    assert np.all(volume[tuple(found.ijk.T)] == 1)
