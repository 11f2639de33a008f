"""Targets of the encoder, against a slow computation with pandas on whole tables."""

# ruff: noqa: PD011 (values of targets, not of a table)

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from brainworth.encoder import targets
from brainworth.encoder.targets import TEST, TRAIN, VALIDATION
from brainworth.errors import BrainworthError

LABELS = ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal")
SHAPE = (4, 5, 3)
N_VOXELS, N_TRIALS, N_SESSIONS = 9, 60, 4
SETTINGS = {
    "zscore_fit": "train",
    "repeat_target": "mean",
    "validation": 0.2,
    "test": "shared",
    "max_train_images": None,
    "common_sessions": None,
    "seed": 3,
}


@dataclass
class Subject:
    """Files of one small subject, and what is in them."""

    extract: Path
    streams: Path
    table: Path
    values: np.ndarray
    trials: pd.DataFrame
    label: np.ndarray

    def make(self, **changes):
        return targets.make(self.extract, self.streams, self.table, **(SETTINGS | changes))


def write_volume(path, volume):
    image = nib.Nifti1Image(volume.astype(np.int16), np.eye(4))
    path.write_bytes(gzip.compress(image.to_bytes()))


def write_extract(path, values, trials, ijk):
    with h5py.File(path, "w") as file:
        file.attrs.update(schema="brainworth-betas/1", subject="subj01", volume_shape=SHAPE)
        file["betas"] = values
        file["voxels/ijk"] = ijk
        file["voxels/ncsnr"] = np.linspace(0.2, 1, len(ijk)).astype(np.float32)
        for name in trials:
            file[f"trials/{name}"] = trials[name].to_numpy()


@pytest.fixture
def subject(tmp_path):
    """Eighty images three times; the first twenty are shared; values with signal and noise."""
    rng = np.random.default_rng(0)
    images = np.repeat(np.sort(rng.permutation(1000)[:80]), 3)
    order = rng.permutation(240)
    trials = pd.DataFrame({"nsd_id": images[order]})
    trials["repetition"] = trials.groupby("nsd_id").cumcount()
    trials["session"] = np.repeat(np.arange(1, N_SESSIONS + 1), N_TRIALS)
    trials["shared"] = trials["nsd_id"] <= np.unique(images)[19]
    trials["matched"] = trials["shared"]
    signal = rng.normal(size=(1000, N_VOXELS))[trials["nsd_id"]]
    values = (signal + rng.normal(size=signal.shape) * np.linspace(0.5, 2, N_VOXELS)).astype("f4")
    for session in range(1, N_SESSIONS + 1):
        rows = trials["session"] == session
        values[rows] = (values[rows] - values[rows].mean(0)) / values[rows].std(0, ddof=1)
    volume = rng.integers(-1, 8, SHAPE)
    ijk = np.argwhere(np.ones(SHAPE))[rng.permutation(60)[:N_VOXELS]].astype(np.int32)
    volume[tuple(ijk.T)] = [0, 1, 2, 3, 4, 5, 6, 7, -1]
    write_volume(tmp_path / "streams.nii.gz", volume)
    # Numbers of the table, and not their usual order, say which label is which.
    lines = ["0 Unknown\t "] + [f"{n} {name}\t " for n, name in enumerate(LABELS, start=1)]
    (tmp_path / "streams.mgz.ctab").write_text("\n".join(lines))
    write_extract(tmp_path / "betas_subj01.h5", values, trials, ijk)
    return Subject(
        tmp_path / "betas_subj01.h5",
        tmp_path / "streams.nii.gz",
        tmp_path / "streams.mgz.ctab",
        values,
        trials,
        volume[tuple(ijk.T)],
    )


def rescaled(subject, fitted):
    """Z-score every session by the fitted trials, one voxel at a time."""
    found = np.empty_like(subject.values, dtype=float)
    for session in range(1, N_SESSIONS + 1):
        rows = np.flatnonzero(subject.trials["session"] == session)
        used = rows[fitted[rows]]
        for voxel in range(N_VOXELS):
            train = subject.values[used, voxel].astype(float)
            found[rows, voxel] = subject.values[rows, voxel] - np.mean(train)
            found[rows, voxel] /= np.std(train, ddof=1)
    return found


def by_image(subject, scores):
    return pd.DataFrame(scores).groupby(subject.trials["nsd_id"].to_numpy())


@pytest.mark.parametrize("zscore_fit", ["train", "all"])
def test_means_of_repetitions(subject, zscore_fit):
    found = subject.make(zscore_fit=zscore_fit)
    shared = subject.trials["shared"].to_numpy()
    fitted = ~shared if zscore_fit == "train" else np.ones(240, dtype=bool)
    expected = by_image(subject, rescaled(subject, fitted)).mean()
    np.testing.assert_allclose(found.values, expected.loc[found.nsd_id], atol=1e-5)
    np.testing.assert_array_equal(found.n_repeats, 3)
    np.testing.assert_array_equal(found.repeat, 0)


def test_images_are_split_once(subject):
    found = subject.make()
    ids = [set(found.nsd_id[found.rows(split)]) for split in (TRAIN, VALIDATION, TEST)]
    assert [len(part) for part in ids] == [48, 12, 20]
    assert not (ids[0] & ids[1]) | (ids[0] & ids[2]) | (ids[1] & ids[2])
    assert ids[2] == set(subject.trials.loc[subject.trials["shared"], "nsd_id"])
    for split in (TRAIN, VALIDATION, TEST):
        assert np.all(np.diff(found.nsd_id[found.rows(split)]) > 0)
    other = subject.make(seed=4)
    assert set(other.nsd_id[other.rows(TEST)]) == ids[2]
    assert set(other.nsd_id[other.rows(VALIDATION)]) != ids[1]


def test_single_trials_for_training_only(subject):
    found = subject.make(repeat_target="single")
    rows = found.rows(TRAIN)
    assert len(rows) == 3 * 48
    np.testing.assert_array_equal(found.n_repeats[rows], 1)
    scores = rescaled(subject, ~subject.trials["shared"].to_numpy())
    trials = subject.trials.set_index(["nsd_id", "repetition"])
    place = pd.Series(np.arange(240), index=trials.index)
    for row in rows:
        trial = place[(found.nsd_id[row], found.repeat[row])]
        np.testing.assert_allclose(found.values[row], scores[trial], atol=1e-5)
    plain = subject.make()
    for split in (VALIDATION, TEST):
        np.testing.assert_array_equal(
            found.values[found.rows(split)], plain.values[plain.rows(split)]
        )
    np.testing.assert_array_equal(np.unique(found.nsd_id[rows]), plain.nsd_id[plain.rows(TRAIN)])


def test_means_that_are_z_scored_again(subject):
    found, plain = subject.make(repeat_target="mean_z"), subject.make()
    rows = plain.rows(TRAIN)
    mean, spread = plain.values[rows].mean(0), plain.values[rows].std(0, ddof=1)
    np.testing.assert_allclose(found.values, (plain.values - mean) / spread, atol=1e-5)
    np.testing.assert_allclose(found.noise_variance, plain.noise_variance / spread**2, rtol=1e-5)


def test_noise_of_a_trial_is_the_pooled_variance_over_repetitions(subject):
    found = subject.make()
    shared = subject.trials["shared"].to_numpy()
    scores = rescaled(subject, ~shared)
    of_images = by_image(subject, scores).var(ddof=1)
    tested = found.nsd_id[found.rows(TEST)]
    np.testing.assert_allclose(found.noise_variance, of_images.loc[tested].mean(), rtol=1e-4)
    noise = of_images.drop(index=tested).mean()
    total = scores[~shared].var(axis=0, ddof=1)
    expected = np.sqrt(np.maximum(total - noise, 0) / noise)
    np.testing.assert_allclose(found.ncsnr_own, expected, rtol=1e-3)
    np.testing.assert_allclose(found.ncsnr, np.linspace(0.2, 1, N_VOXELS), rtol=1e-6)


def test_nothing_of_test_images_is_in_training_rows(subject):
    """Leakage: other values of test trials change no training target, unless all are z-scored."""
    one = {fit: subject.make(zscore_fit=fit) for fit in ("train", "all")}
    shared = subject.trials["shared"].to_numpy()
    changed = subject.values.copy()
    changed[shared] = 3 * changed[shared] + 1
    with h5py.File(subject.extract, "a") as file:
        file["betas"][:] = changed
    two = {fit: subject.make(zscore_fit=fit) for fit in ("train", "all")}
    for split in (TRAIN, VALIDATION):
        rows = one["train"].rows(split)
        np.testing.assert_array_equal(one["train"].values[rows], two["train"].values[rows])
        assert not np.allclose(one["all"].values[rows], two["all"].values[rows], atol=0.05)
    np.testing.assert_array_equal(one["train"].ncsnr_own, two["train"].ncsnr_own)
    rows = one["train"].rows(TEST)
    assert not np.allclose(one["train"].values[rows], two["train"].values[rows], atol=0.05)


def test_groups_of_streams(subject):
    expected = [{1: 1, 2: 2, 3: 2, 4: 2, 5: 3, 6: 3, 7: 3}.get(int(n), 0) for n in subject.label]
    found = subject.make()
    assert found.group.tolist() == expected == [0, 1, 2, 2, 2, 3, 3, 3, 0]
    names = LABELS[::-1]
    lines = [f"{n} {name}" for n, name in enumerate(names, start=1)]
    subject.table.write_text("\n".join(lines))
    assert subject.make().group.tolist() == [0, 3, 3, 3, 2, 2, 2, 1, 0]


def test_images_that_everybody_saw_three_times(subject):
    """Of the shared images, those that were shown three times in the sessions all have."""
    found = subject.make(test="test515", common_sessions=3)
    early = subject.trials[(subject.trials["session"] <= 3) & subject.trials["shared"]]
    counts = early["nsd_id"].value_counts()
    assert 2 <= (counts == 3).sum() < 20
    assert set(found.nsd_id[found.rows(TEST)]) == set(counts.index[counts == 3])
    assert len(np.unique(found.nsd_id)) == 80


def test_fewer_training_images(subject):
    found, plain = subject.make(max_train_images=10), subject.make()
    assert len(found.rows(TRAIN)) == 10
    assert set(found.nsd_id[found.rows(TRAIN)]) < set(plain.nsd_id[plain.rows(TRAIN)])
    for split in (VALIDATION, TEST):
        np.testing.assert_array_equal(
            found.values[found.rows(split)], plain.values[plain.rows(split)]
        )


def test_numbers_of_repetitions_may_differ(subject):
    """The last session is not used: some images were shown once or twice."""
    used = (subject.trials["session"] < 4).to_numpy()
    with h5py.File(subject.extract) as file:
        ijk = file["voxels/ijk"][:]
    write_extract(subject.extract, subject.values[used], subject.trials[used], ijk)
    found = subject.make()
    counts = subject.trials[used]["nsd_id"].value_counts()
    assert set(counts) == {1, 2, 3}
    np.testing.assert_array_equal(found.n_repeats, counts.loc[found.nsd_id])
    shared = subject.trials["shared"].to_numpy()
    scores = rescaled(subject, ~shared)[used]
    expected = pd.DataFrame(scores).groupby(subject.trials[used]["nsd_id"].to_numpy()).mean()
    np.testing.assert_allclose(found.values, expected.loc[found.nsd_id], atol=1e-5)
    summary = targets.summary(found)
    repeats = summary["splits"]["test"]["repeats"]
    assert sum(row["n_rows"] for row in repeats) == len(found.rows(TEST))


def test_they_survive_their_file(subject, tmp_path):
    made = subject.make(repeat_target="single")
    targets.write(tmp_path / "targets.h5", made)
    found = targets.read(tmp_path / "targets.h5")
    for name, values in vars(made).items():
        np.testing.assert_array_equal(getattr(found, name), values)
        if isinstance(values, np.ndarray):
            assert getattr(found, name).dtype == values.dtype


def test_bad_files(subject, tmp_path):
    with pytest.raises(BrainworthError, match="does not exist; run the rule"):
        targets.read(tmp_path / "none.h5")
    with pytest.raises(BrainworthError, match="no file of targets of schema"):
        targets.read(subject.extract)
    targets.write(tmp_path / "targets.h5", subject.make())
    content = (tmp_path / "targets.h5").read_bytes()
    (tmp_path / "targets.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(BrainworthError, match=r"cannot be read .* delete it and run again"):
        targets.read(tmp_path / "targets.h5")


def test_streams_of_another_subject(subject):
    write_volume(subject.streams, np.zeros((5, 4, 3)))
    with pytest.raises(BrainworthError, match="not of one subject"):
        subject.make()


def test_a_table_of_another_volume(subject):
    subject.table.write_text("1 V1v\n2 V1d\n")
    with pytest.raises(BrainworthError, match="has no label early"):
        subject.make()


def test_no_repetitions(subject):
    """Every image is shown once: the noise of a trial cannot be known."""
    with h5py.File(subject.extract) as file:
        ijk = file["voxels/ijk"][:]
    once = subject.trials.drop_duplicates("nsd_id").index
    trials = subject.trials.loc[once].assign(session=1)
    write_extract(subject.extract, subject.values[once], trials, ijk)
    with pytest.raises(BrainworthError, match="no test image was shown twice"):
        subject.make()


def test_no_test_images(subject):
    with h5py.File(subject.extract, "a") as file:
        file["trials/shared"][:] = False
    with pytest.raises(BrainworthError, match="has 0 test images, and needs at least 2"):
        subject.make()


def test_a_session_of_test_images_only(subject):
    with h5py.File(subject.extract, "a") as file:
        first = file["trials/session"][:] == 1
        file["trials/shared"][:] |= np.isin(file["trials/nsd_id"][:], file["trials/nsd_id"][first])
    with pytest.raises(BrainworthError, match="session 1: 0 trials are of images that are not"):
        subject.make()
    subject.make(zscore_fit="all")
