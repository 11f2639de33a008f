"""Which trials are learned from and which images are tested on."""

import decoding_planted as planted
import h5py
import numpy as np
import pytest

from brainworth.bridges.decoding import trials
from brainworth.errors import BrainworthError


@pytest.fixture
def extracts(tmp_path):
    paths = {}
    for number in (1, 2):
        paths[f"subj0{number}"] = tmp_path / f"{number}.h5"
        planted.write_subject(paths[f"subj0{number}"], 1, number, n_images=90)
    return paths


def change(path, name, values):
    with h5py.File(path, "r+") as file:
        file[name][...] = values(file[name][:])


def test_shared_images_are_never_learned_from(extracts):
    # subject 2 saw image 3 once
    with h5py.File(extracts["subj02"], "r+") as file:
        ids, repetition = file["trials/nsd_id"][:], file["trials/repetition"][:]
        ids[(ids == 3) & (repetition > 0)] = 4
        file["trials/nsd_id"][...] = ids
    tested = trials.test_images(extracts, 2)
    np.testing.assert_array_equal(tested, np.delete(np.arange(60), 3))
    for path, left_out in zip(extracts.values(), (3, 1), strict=True):
        found = trials.read(path, ["V1", "faces"], tested)
        assert found.train.min() >= 60
        assert set(found.test) == set(tested)
        assert found.n_left_out == left_out
        assert len(found.train) + len(found.test) + left_out == 270
        assert len(found.train_x) == len(found.train)


def test_responses_are_z_scored_by_what_is_learned_from(extracts):
    path = extracts["subj01"]
    tested = trials.test_images(extracts, 2)
    before = trials.read(path, ["faces"], tested)
    with h5py.File(path) as file:
        values, session = file["betas"][:], file["trials/session"][:]
        shared = file["trials/shared"][:]
        np.testing.assert_array_equal(before.voxel, np.arange(1, 40, 2))
    for number in range(1, 5):
        rows = session == number
        fitted = values[rows & ~shared]
        values[rows] = (values[rows] - fitted.mean(0)) / fitted.std(0, ddof=1)
    np.testing.assert_allclose(before.train_x, values[~shared][:, 1::2], atol=1e-5)
    np.testing.assert_allclose(before.test_x, values[shared][:, 1::2], atol=1e-5)
    # responses to test images may be anything: what is learned from does not change
    change(path, "betas", lambda old: np.where(shared[:, None], 100 * old + 3, old))
    after = trials.read(path, ["faces"], tested)
    np.testing.assert_array_equal(before.train_x, after.train_x)


def test_regions_may_overlap_and_may_be_empty(extracts):
    path = extracts["subj01"]
    change(path, "voxels/region/V1", lambda old: np.ones_like(old))
    tested = trials.test_images(extracts, 2)
    found = trials.read(path, ["V1", "faces"], tested)
    assert found.train_x.shape[1] == 40
    np.testing.assert_array_equal(found.regions["faces"], np.arange(1, 40, 2))
    change(path, "voxels/region/faces", lambda old: np.zeros_like(old))
    assert list(trials.read(path, ["V1", "faces"], tested).regions) == ["V1"]
    with pytest.raises(BrainworthError, match=r"no voxel in faces; name other bridges.decoding"):
        trials.read(path, ["faces"], tested)
    with pytest.raises(BrainworthError, match="has no region words"):
        trials.read(path, ["words"], tested)


def test_subsets_are_nested_exact_and_of_whole_images():
    rng = np.random.default_rng(1)
    image = rng.permutation(np.repeat(np.arange(100), 3))
    sizes = [20, 40, 80, 160, 300]
    found = trials.nested_subsets(image, sizes, 3, rng)
    assert [len(found[size]) for size in sizes] == [3, 3, 3, 3, 1]
    for number in range(3):
        before = set()
        for size in sizes[:-1]:
            rows = found[size][number]
            assert len(set(rows)) == size
            assert before <= set(rows)
            counts = np.unique(image[rows], return_counts=True)[1]
            assert np.sum(counts < 3) <= 1
            before = set(rows)
    small = [set(image[rows]) for rows in found[80]]
    assert len(set.union(*small)) == sum(map(len, small)), "no image in common"


def test_sizes_are_doublings_that_all_have():
    assert trials.doublings(50, {"subj01": 900, "subj02": 500}, 4) == [50, 100, 200, 400]
    with pytest.raises(BrainworthError, match=r"subj02 has 399 trials .* make 3 sizes from 50 on"):
        trials.doublings(50, {"subj01": 900, "subj02": 399}, 4)


def test_too_few_test_images(extracts):
    with pytest.raises(BrainworthError, match="0 shared images were seen at least 4 times"):
        trials.test_images(extracts, 4)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("betas", lambda x: np.where(np.arange(len(x))[:, None] == 5, np.nan, x), "not numbers"),
        ("betas", lambda x: np.where(np.arange(40) == 7, 1, x), "1 voxels do not vary"),
        ("trials/shared", lambda x: x | (np.arange(len(x)) < 68), "0 trials are of images that"),
    ],
)
def test_damage_is_told(extracts, name, values, message):
    tested = trials.test_images(extracts, 2)
    change(extracts["subj01"], name, values)
    with pytest.raises(BrainworthError, match=message):
        trials.read(extracts["subj01"], ["V1", "faces"], tested)


def test_missing_file(tmp_path):
    with pytest.raises(BrainworthError, match="does not exist"):
        trials.test_images({"subj01": tmp_path / "no.h5"}, 2)
