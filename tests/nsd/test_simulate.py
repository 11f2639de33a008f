"""Simulated NSD: the real files' layout byte for byte, and the truth that was planted in them.

Files are read with h5py, nibabel, scipy and pandas directly, never with this package's readers.
"""

from __future__ import annotations

import hashlib
import time

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import scipy.io

from brainworth.errors import BrainworthError
from brainworth.nsd import registry, rois
from brainworth.nsd.simulate import (
    all_subjects,
    anatomy,
    experiment,
    one_subject,
    paths,
    scales,
    truth,
)

TINY = scales.SCALES["tiny"]
FULL = scales.SCALES["full"]
SUBJECTS = list(registry.SUBJECTS)


def volume(tiny, key):
    return np.asarray(nib.load(tiny.root / key).dataobj)


def betas_path(tiny, subject, session):
    return tiny.root / registry.betas_key(subject, session)


def read_betas(tiny, subject, session):
    """Read a session as (750, x, y, z) int16."""
    with h5py.File(betas_path(tiny, subject, session), "r") as file:
        return file["betas"][:].transpose(0, 3, 2, 1)


def truth_of(tiny, subject):
    with h5py.File(tiny.root / paths.subject_truth_key(subject), "r") as file:
        return {name: file[name][:] for name in file}


@pytest.fixture(scope="session")
def expdesign(tiny):
    return scipy.io.loadmat(tiny.root / registry.EXPDESIGN)


@pytest.fixture(scope="session")
def stim_info(tiny):
    return pd.read_csv(tiny.root / registry.STIM_INFO)


def nsd_ids(expdesign, subject, n_sessions):
    """List the 0-based 73K ids of a subject's trials."""
    order = expdesign["masterordering"][0, : 750 * n_sessions].astype(int)
    return expdesign["subjectim"][SUBJECTS.index(subject), order - 1].astype(int) - 1


# The tree


def test_files_are_the_announced_ones(tiny):
    written = {str(f.relative_to(tiny.root)) for f in tiny.root.rglob("*") if f.is_file()}
    announced = paths.experiment_keys()
    for subject, n in tiny.sessions.items():
        announced += paths.subject_keys(subject, n)
    assert len(announced) == len(set(announced))
    assert written == set(announced)


def test_nothing_that_a_study_reads_is_missing(tiny):
    volumes = rois.volumes_of(list(rois.REGIONS))
    for subject, n in tiny.sessions.items():
        keys = registry.subject_keys(subject, n, volumes)
        assert set(keys) <= set(paths.subject_keys(subject, n))
    assert {*registry.design_keys(), *registry.atlas_keys()} <= set(paths.experiment_keys())


def test_sessions_are_in_nsds_proportions(tiny):
    assert list(tiny.sessions.values()) == [3, 3, 2, 2, 3, 2, 3, 2]
    small = scales.SCALES["small"]
    assert list(small.sessions.values()) == [8, 8, 6, 6, 8, 6, 8, 6]
    assert scales.n_sessions("small", "subj04", "all") == 6
    assert scales.n_sessions("small", "subj04", 2) == 2
    assert scales.n_sessions("small", "subj04", 7) == 6
    assert FULL.sessions == registry.SESSIONS


# Betas


@pytest.mark.parametrize("subject", ["subj01", "subj04", "subj08"])
def test_layout_of_the_betas_is_matlabs(tiny, subject):
    x, y, z = TINY.volume_shape[subject]
    with h5py.File(betas_path(tiny, subject, 2), "r") as file:
        assert list(file) == ["betas"]
        betas = file["betas"]
        assert betas.dtype == np.dtype("<i2")
        assert betas.shape == (750, z, y, x)
        assert betas.chunks == (750, 1, 1, 1)
        assert betas.compression is None
        assert betas.id.get_create_plist().get_nfilters() == 0
        assert betas.id.get_num_chunks() == x * y * z  # also outside the brain
        chunks = [
            betas.id.get_chunk_info_by_coord((0, k, j, i))
            for k in range(z)
            for j in range(y)
            for i in range(x)
        ]
        assert {chunk.size for chunk in chunks} == {1500}
        offsets = np.array([chunk.byte_offset for chunk in chunks])
        assert np.all(np.diff(offsets) >= 1500)  # x fastest, then y, then z
        i, j, k = x // 2, y // 3, z - 2
        chunk = betas.id.get_chunk_info_by_coord((0, k, j, i))
        raw = betas_path(tiny, subject, 2).read_bytes()
        voxel = np.frombuffer(raw, "<i2", 750, chunk.byte_offset)
        np.testing.assert_array_equal(voxel, betas[:, k, j, i])


def test_betas_files_have_the_oldest_hdf5_structures(tiny):
    path = betas_path(tiny, "subj01", 1)
    with h5py.File(path, "r") as file:
        superblock, *_ = file.id.get_create_plist().get_version()
    assert superblock == 0
    content = path.read_bytes()
    assert content[:9] == b"\x89HDF\r\n\x1a\n\x00"
    assert content.count(b"TREE\x01") >= 2160 // 64  # v1 B-tree nodes over chunks
    for newer in (b"BTHD", b"FAHD", b"EAHD", b"OHDR"):
        assert newer not in content


def test_size_of_a_session_extrapolates_to_nsds(tiny):
    """NSD's subj01: 1043.7 MiB a session, 699,192 voxels, 4.35 % more than the chunks."""
    overhead = []
    for subject in SUBJECTS:
        voxels = np.prod(TINY.volume_shape[subject])
        size = betas_path(tiny, subject, 1).stat().st_size
        assert size == betas_path(tiny, subject, 2).stat().st_size
        overhead.append(size / (1500 * voxels) - 1)
        assert 0.03 < overhead[-1] < 0.06
    voxels = np.prod(FULL.volume_shape["subj01"])
    assert voxels == 699_192
    extrapolated = voxels * 1500 * (1 + np.mean(overhead)) / 2**20
    assert extrapolated == pytest.approx(1043.7, rel=0.01)


def test_full_scale_is_nsds():
    assert FULL.volume_shape == registry.VOLUME_SHAPE
    assert (FULL.planned_sessions, FULL.images, FULL.shared, FULL.n_73k) == (40, 10000, 1000, 73000)
    assert FULL.n_73k * FULL.image_size**2 * 3 == 39_556_875_000
    for scale in scales.SCALES.values():
        assert scale.planned_sessions * 750 == 3 * scale.images
        assert scale.images == 10 * scale.shared
        assert len(set(scale.volume_shape.values())) == 8
        assert all(len(set(shape)) >= 2 for shape in scale.volume_shape.values())


@pytest.mark.parametrize("subject", ["subj02", "subj06"])
def test_betas_are_zero_outside_the_brain_and_where_invalid(tiny, subject):
    brain = np.zeros(TINY.volume_shape[subject], dtype=bool)
    brain[tuple(truth_of(tiny, subject)["ijk"].T)] = True
    assert 0.3 < brain.mean() < 0.6
    n_invalid = 0
    for session in range(1, tiny.sessions[subject] + 1):
        betas = read_betas(tiny, subject, session)
        silent = np.all(betas == 0, axis=0)
        assert np.all(silent[~brain])
        valid = volume(tiny, registry.valid_key(subject, session))
        assert valid.dtype == np.uint8
        assert set(np.unique(valid)) <= {0, 1}
        np.testing.assert_array_equal(valid == 1, ~silent)
        n_invalid += np.count_nonzero(silent & brain)
        varying = betas[:, ~silent].std(axis=0)
        assert varying.min() > 0
    assert n_invalid < 0.02 * brain.sum() * tiny.sessions[subject]


def test_some_voxels_are_invalid_in_some_sessions(tiny):
    missing = 0
    for subject, n in tiny.sessions.items():
        n_brain = len(truth_of(tiny, subject)["ijk"])
        for session in range(1, n + 1):
            missing += n_brain - np.count_nonzero(
                volume(tiny, registry.valid_key(subject, session))
            )
    assert missing > 0


def test_betas_have_the_size_of_percent_signal_change(tiny):
    betas = read_betas(tiny, "subj01", 1)
    percent = betas[:, betas.any(axis=0)] / 300
    assert np.median(percent.std(axis=0)) == pytest.approx(1.3, rel=0.1)
    assert np.abs(betas.astype(int)).max() < 32_767


# ROI volumes and tables


@pytest.mark.parametrize("subject", SUBJECTS)
def test_roi_volumes_hold_minus_1_0_and_the_labels(tiny, subject):
    for atlas, labels in registry.LABELS.items():
        both = volume(tiny, registry.roi_key(subject, atlas))
        assert both.shape == TINY.volume_shape[subject]
        assert both.dtype.kind == "i"
        absent = {
            n
            for n, label in enumerate(labels, start=1)
            if subject in registry.ABSENT_LABELS.get(label, ())
        }
        values = set(np.unique(both).tolist())
        if atlas in ("nsdgeneral", "streams"):
            values |= {0}  # in a small volume they can take all of cortex
        assert values == {-1, 0, *range(1, len(labels) + 1)} - absent
        left = volume(tiny, registry.roi_key(subject, atlas, "lh."))
        right = volume(tiny, registry.roi_key(subject, atlas, "rh."))
        np.testing.assert_array_equal(np.maximum(left, right), both)
        assert not np.any((left >= 0) & (right >= 0))
        # The first voxel is left: lh lies at low x; labels are in both hemispheres.
        assert np.argwhere(left >= 0)[:, 0].max() < np.argwhere(right >= 0)[:, 0].min()
        for number in set(range(1, len(labels) + 1)) - absent:
            assert np.any(left == number), (atlas, number)
            assert np.any(right == number), (atlas, number)


def test_cortex_is_the_same_in_all_volumes_and_within_the_brain(tiny):
    ijk = truth_of(tiny, "subj03")["ijk"]
    brain = np.zeros(TINY.volume_shape["subj03"], dtype=bool)
    brain[tuple(ijk.T)] = True
    cortex = [volume(tiny, registry.roi_key("subj03", atlas)) >= 0 for atlas in registry.LABELS]
    for other in cortex[1:]:
        np.testing.assert_array_equal(other, cortex[0])
    assert not np.any(cortex[0] & ~brain)
    assert np.any(brain & ~cortex[0])


@pytest.mark.parametrize("name", list(scales.SCALES))
def test_no_region_is_lost_at_any_scale(name):
    subjects = SUBJECTS if name != "full" else ["subj05"]  # the smallest
    for subject in subjects:
        place = anatomy.build(scales.SCALES[name], subject, 3)
        for atlas, labels in registry.LABELS.items():
            for number, label in enumerate(labels, start=1):
                absent = subject in registry.ABSENT_LABELS.get(label, ())
                assert np.any(place.volumes[atlas] == number) != absent


def test_volumes_have_nsds_resolution(tiny):
    header = nib.load(tiny.root / registry.roi_key("subj01", "Kastner2015")).header
    np.testing.assert_allclose(header.get_zooms(), 1.8)


def test_label_tables_carry_nsds_trailing_blanks(tiny):
    table = tiny.root / registry.label_table_key("fsaverage", "Kastner2015")
    lines = table.read_text().splitlines()
    assert len(lines) == 26
    assert lines[0].split() == ["0", "Unknown"]
    assert lines[1] == "1 V1v\t    "
    assert [line.split()[1] for line in lines[1:]] == list(registry.LABELS["Kastner2015"])
    floc = tiny.root / "nsddata/freesurfer/subj03/label/floc-words.mgz.ctab"
    assert [line.split() for line in floc.read_text().splitlines()] == [
        [str(n), name] for n, name in enumerate(("Unknown", *registry.LABELS["floc-words"]))
    ]


def test_ncsnr_is_not_a_number_outside_the_brain(tiny):
    known = truth_of(tiny, "subj05")
    ncsnr = volume(tiny, registry.ncsnr_key("subj05"))
    assert ncsnr.dtype == np.float32
    inside = np.zeros(ncsnr.shape, dtype=bool)
    inside[tuple(known["ijk"].T)] = True
    assert np.isnan(ncsnr[~inside]).all()
    np.testing.assert_array_equal(ncsnr[tuple(known["ijk"].T)], known["ncsnr"])
    assert known["ncsnr"].min() >= 0


# Design


def test_fields_of_the_mat_file(tiny):
    listed = {
        name: (shape, kind)
        for name, shape, kind in scipy.io.whosmat(tiny.root / registry.EXPDESIGN)
    }
    assert listed == {
        "basiccnt": ((3, 3), "double"),
        "masterordering": ((1, 2250), "double"),
        "sharedix": ((1, 75), "double"),
        "stimpattern": ((3, 12, 75), "double"),
        "subjectim": ((8, 750), "double"),
    }
    assert (tiny.root / registry.EXPDESIGN).read_bytes()[:10] == b"MATLAB 5.0"


def test_ids_of_the_mat_file_are_1_based(expdesign):
    order = expdesign["masterordering"][0]
    assert (order.min(), order.max()) == (1, 750)
    assert set(np.unique(order, return_counts=True)[1]) == {3}
    images = expdesign["subjectim"]
    # Together the subjects see every id from 1 on, and share the shared ones only.
    assert sorted(set(images.ravel())) == list(range(1, TINY.n_73k + 1))
    assert TINY.n_73k == 75 + 8 * 675
    own = images[:, 75:]
    assert np.unique(own).size == own.size
    assert not np.isin(own, expdesign["sharedix"]).any()


def test_shared_ids_ascend_and_are_the_first_columns(expdesign):
    shared = expdesign["sharedix"][0]
    assert np.all(np.diff(shared) > 0)
    np.testing.assert_array_equal(expdesign["subjectim"][:, :75], np.tile(shared, (8, 1)))


def test_stimpattern_marks_the_runs(expdesign):
    pattern = expdesign["stimpattern"]
    assert set(np.unique(pattern)) == {0, 1}
    per_run = pattern.sum(axis=2)
    np.testing.assert_array_equal(per_run, np.tile([63, 62], (3, 6)))
    assert np.all(pattern.sum(axis=(1, 2)) == 750)


def test_csv_is_0_based_in_ids_and_1_based_in_trials(expdesign, stim_info):
    assert list(stim_info.columns[1:9]) == [
        *("cocoId", "cocoSplit", "cropBox", "loss", "nsdId", "flagged", "BOLD5000", "shared1000")
    ]
    assert stim_info["nsdId"].tolist() == list(range(TINY.n_73k))
    shared = stim_info.loc[stim_info["shared1000"], "nsdId"].to_numpy()
    np.testing.assert_array_equal(shared, expdesign["sharedix"][0] - 1)
    order = expdesign["masterordering"][0].astype(int)
    for number in (1, 6):
        expected = {}
        for trial, ten_k in enumerate(order, start=1):
            nsd_id = int(expdesign["subjectim"][number - 1, ten_k - 1]) - 1
            expected.setdefault(nsd_id, []).append(trial)
        columns = [f"subject{number}_rep{r}" for r in range(3)]
        for nsd_id, row in enumerate(stim_info[columns].to_numpy().tolist()):
            assert row == expected.get(nsd_id, [0, 0, 0])
        seen = stim_info[f"subject{number}"]
        assert set(seen.index[seen == 1]) == set(expected)
        assert set(seen) == {0, 1}


#: Shared images seen >= 1, >= 2, 3 times in the first N sessions of real NSD.
REAL_COUNTS = {
    1: (47, 13, 2),
    2: (103, 30, 9),
    3: (145, 44, 12),
    5: (225, 88, 27),
    10: (416, 205, 76),
    15: (602, 343, 147),
    20: (748, 494, 249),
    27: (872, 700, 413),
    30: (907, 766, 515),
}


@pytest.fixture(scope="module")
def full_orders():
    return [experiment.draw_master_ordering(FULL, seed) for seed in range(4)]


def seen_in(order, n_sessions):
    return np.bincount(order[: n_sessions * 750], minlength=10_001)[1:]


def test_repetitions_are_spread_over_sessions_as_in_nsd(full_orders):
    for n_sessions, real in REAL_COUNTS.items():
        seen = np.array([seen_in(order, n_sessions)[:1000] for order in full_orders])
        mean = [(seen >= k).sum(axis=1).mean() for k in (1, 2, 3)]
        np.testing.assert_allclose(mean, real, rtol=0.2, atol=10)
    for n_sessions, real in ((30, (9209, 7846, 5445)), (32, (9411, 8355, 6234))):
        seen = np.array([seen_in(order, n_sessions) for order in full_orders])
        mean = [(seen >= k).sum(axis=1).mean() for k in (1, 2, 3)]
        np.testing.assert_allclose(mean, real, rtol=0.01)


def test_whole_order_shows_all_images_three_times(full_orders):
    for order in full_orders:
        assert order.size == 30_000
        assert set(seen_in(order, 40)) == {3}
        counts = [np.count_nonzero(seen_in(order, n)[:1000]) for n in range(1, 41)]
        assert counts == sorted(counts)
        assert counts[-1] == 1000


# Stimuli


@pytest.fixture(scope="session")
def images(tiny):
    with h5py.File(tiny.root / paths.IMAGE_TRUTH, "r") as file:
        return {name: file[name][:] for name in file}


def test_layout_of_the_stimuli(tiny):
    with h5py.File(tiny.root / registry.STIMULI, "r") as file:
        assert list(file) == ["imgBrick"]
        brick = file["imgBrick"]
        assert brick.shape == (TINY.n_73k, 24, 24, 3)
        assert brick.dtype == np.uint8
        assert brick.compression is None
        pixels = brick[:]
    assert 110 < pixels.mean() < 146
    assert np.mean((pixels == 0) | (pixels == 255)) < 0.01
    assert not np.array_equal(pixels[..., 0], pixels[..., 1])  # coloured
    assert np.unique(pixels.reshape(len(pixels), -1), axis=0).shape[0] == len(pixels)


def test_features_can_be_read_from_the_pixels(tiny, images):
    with h5py.File(tiny.root / registry.STIMULI, "r") as file:
        pixels = file["imgBrick"][:].reshape(TINY.n_73k, -1) / 128 - 1
    # A texture is there without its feature too, and needs an intercept.
    pixels = np.column_stack([pixels, np.ones(TINY.n_73k)])
    features = images["features"]
    train = np.arange(len(features)) % 5 > 0
    gram = pixels[train].T @ pixels[train]
    weights = np.linalg.solve(gram, pixels[train].T @ features[train])
    left = features[~train] - pixels[~train] @ weights
    r2 = 1 - left.var(axis=0) / features[~train].var(axis=0)
    assert np.median(r2) > 0.95
    assert r2.min() > 0.8
    # Not because there are many pixels: of another image, they say nothing.
    assert np.median(1 - (features[~train] - (pixels[~train] @ weights)[::-1]).var(axis=0)) < -0.5


# The truth


def test_features_are_independent_standard_normal(tiny, images):
    features = images["features"].astype(float)
    n_features = tiny.simulation.shared_features + 8 * tiny.simulation.individual_features
    assert features.shape == (TINY.n_73k, n_features)
    covariance = features.T @ features / len(features)
    np.testing.assert_allclose(
        covariance, np.eye(n_features), atol=6 / np.sqrt(len(features)) * 1.5
    )


def test_log_variance_is_as_asked(tiny, images):
    log_variance = images["log_variance"].astype(float)
    n = log_variance.shape[1]
    spread = tiny.simulation.variance_log_sd
    np.testing.assert_allclose(log_variance.std(axis=1), spread, rtol=5 / np.sqrt(2 * n))
    np.testing.assert_allclose(np.exp(log_variance).mean(axis=1), 1, atol=5 * 0.45 / np.sqrt(n))
    correlation = np.corrcoef(log_variance)[np.triu_indices(8, 1)]
    share = tiny.simulation.variance_shared_fraction
    np.testing.assert_allclose(correlation, share, atol=5 / np.sqrt(n))


def test_variance_can_be_switched_off(tiny):
    still = tiny.simulation.model_copy(update={"variance_log_sd": 0.0})
    assert np.all(truth.draw_images(TINY, still, 1).log_variance == 0)


@pytest.mark.parametrize("subject", ["subj01", "subj08"])
def test_weights_hold_the_asked_share_and_strength(tiny, subject):
    known = truth_of(tiny, subject)
    number = SUBJECTS.index(subject)
    power = np.sum(known["weights"].astype(float) ** 2, axis=1)
    np.testing.assert_allclose(np.sqrt(power / (1 - power)), known["ncsnr"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(known["noise_loadings"], axis=1), 1, rtol=1e-5)
    cortex = volume(tiny, registry.roi_key(subject, "streams"))[tuple(known["ijk"].T)] >= 0
    assert np.all(known["weights"][~cortex] == 0)
    assert np.all(power[cortex] > 0)
    shared = known["weights"][:, : tiny.simulation.shared_features].astype(float)
    fraction = np.sum(shared[cortex] ** 2, axis=1) / power[cortex]
    assert fraction.mean() == pytest.approx(tiny.simulation.shared_fraction[number], abs=0.05)


def in_regions(tiny, subject):
    """Mark the brain voxels of a subject that lie in a region of the analysis."""
    ijk = tuple(truth_of(tiny, subject)["ijk"].T)
    inside = np.zeros(ijk[0].size, dtype=bool)
    for name, labels in rois.REGIONS.values():
        numbers = [registry.LABELS[name].index(label) + 1 for label in labels]
        inside |= np.isin(volume(tiny, registry.roi_key(subject, name))[ijk], numbers)
    return inside


def zscored(tiny, subject):
    """Read the brain voxels of all sessions, z-scored within session, (trials, voxels)."""
    ijk = truth_of(tiny, subject)["ijk"]
    sessions = []
    for session in range(1, tiny.sessions[subject] + 1):
        values = read_betas(tiny, subject, session)[:, *ijk.T].astype(float)
        with np.errstate(invalid="ignore"):
            sessions.append((values - values.mean(axis=0)) / values.std(axis=0, ddof=1))
    return np.concatenate(sessions)


def ncsnr_by_nsds_recipe(values, ids):
    """Estimate ncsnr as NSD's export_noiseceiling.m: images with exactly three trials."""
    by_image = {}
    for trial, nsd_id in enumerate(ids.tolist()):
        by_image.setdefault(nsd_id, []).append(trial)
    triples = np.array([trials for trials in by_image.values() if len(trials) == 3])
    noise_variance = np.mean([values[trials].var(axis=0, ddof=1) for trials in triples], axis=0)
    signal_variance = np.maximum(0, 1 - noise_variance)
    return np.sqrt(signal_variance) / np.sqrt(noise_variance), len(triples)


@pytest.mark.parametrize("subject", ["subj01", "subj05", "subj07"])
def test_nsds_recipe_finds_the_planted_ncsnr(tiny, expdesign, subject):
    planted = truth_of(tiny, subject)["ncsnr"].astype(float)
    values = zscored(tiny, subject)
    estimate, n_images = ncsnr_by_nsds_recipe(values, nsd_ids(expdesign, subject, 3))
    assert n_images == 750
    there = np.isfinite(estimate)
    regions = in_regions(tiny, subject) & there
    assert regions.sum() > 300
    assert np.corrcoef(planted[regions], estimate[regions])[0, 1] > 0.95
    ratio = np.median(estimate[regions] / planted[regions])
    assert ratio == pytest.approx(1, abs=0.06)
    asked = tiny.simulation.ncsnr[SUBJECTS.index(subject)]
    assert np.median(planted[regions]) == pytest.approx(asked, rel=0.08)
    # No signal was planted outside cortex; chance alone gives a signal share of a few percent.
    silent = there & (planted == 0)
    assert silent.sum() > 100
    assert np.median(estimate[silent]) < 0.15


def test_responses_follow_the_planted_maps(tiny, expdesign, images):
    """Regressing responses on the features gives the weights back, the right way round."""
    subject = "subj02"
    known = truth_of(tiny, subject)
    values = zscored(tiny, subject)
    simulation = tiny.simulation
    first = simulation.shared_features + simulation.individual_features * 1  # the second subject
    columns = [*range(16), *range(first, first + 16)]
    assert truth.own_features(subject, simulation).tolist() == columns
    ids = nsd_ids(expdesign, subject, 3)
    regions = in_regions(tiny, subject) & np.isfinite(values).all(axis=0)
    predictors = images["features"][ids][:, columns].astype(float)
    weights, *_ = np.linalg.lstsq(predictors, values[:, regions], rcond=None)
    planted = known["weights"][regions].astype(float)
    assert np.corrcoef(weights.T.ravel(), planted.ravel())[0, 1] > 0.95
    slope = np.sum(weights.T * planted) / np.sum(planted**2)
    assert slope == pytest.approx(1, abs=0.03)
    # The features of another subject explain nothing.
    other = images["features"][ids][:, 16 + 5 * 16 : 16 + 6 * 16].astype(float)
    weights, *_ = np.linalg.lstsq(other, values[:, regions], rcond=None)
    assert np.mean(weights**2) < 2 / len(ids)


def test_noise_is_shared_as_asked(tiny, images, expdesign):
    """Among voxels without signal: correlation = global share + spatial share * loadings."""
    subject = "subj01"
    known = truth_of(tiny, subject)
    values = zscored(tiny, subject)
    silent = (known["ncsnr"] == 0) & np.isfinite(values).all(axis=0)
    correlation = np.corrcoef(values[:, silent].T)
    loadings = known["noise_loadings"][silent].astype(float)
    pairs = np.triu_indices(silent.sum(), 1)
    predictors = np.column_stack([np.ones(pairs[0].size), (loadings @ loadings.T)[pairs]])
    (common, spatial), *_ = np.linalg.lstsq(predictors, correlation[pairs], rcond=None)
    assert common == pytest.approx(tiny.simulation.noise_global_fraction, abs=0.02)
    assert spatial == pytest.approx(tiny.simulation.noise_spatial_fraction, abs=0.03)


def test_noise_depends_on_the_stimulus_as_planted(tiny, images, expdesign):
    subject = "subj05"
    known = truth_of(tiny, subject)
    values = zscored(tiny, subject)
    silent = (known["ncsnr"] == 0) & np.isfinite(values).all(axis=0)
    ids = nsd_ids(expdesign, subject, 3)
    observed = np.log(np.mean(values[:, silent] ** 2, axis=1))
    planted = images["log_variance"][SUBJECTS.index(subject), ids].astype(float)
    slope, _ = np.polyfit(planted, observed, 1)
    assert slope == pytest.approx(1, abs=0.08)
    assert np.corrcoef(planted, observed)[0, 1] > 0.8


def test_session_effects_are_as_asked(tiny):
    subject = "subj01"
    known = truth_of(tiny, subject)
    ijk = known["ijk"]
    sessions = [read_betas(tiny, subject, s)[:, *ijk.T] / 300 for s in (1, 2, 3)]
    there = np.all([np.any(values != 0, axis=0) for values in sessions], axis=0)
    means = np.array([values.mean(axis=0) for values in sessions])[:, there]
    spread = np.sqrt(np.mean(means.var(axis=0, ddof=1)))
    n = there.sum()
    assert spread == pytest.approx(tiny.simulation.session_offset_sd, rel=5 / np.sqrt(4 * n) + 0.02)
    sds = np.log([values[:, there].std(axis=0) for values in sessions])
    spread = np.sqrt(np.mean(sds.var(axis=0, ddof=1)))
    # 750 trials estimate a log SD to 1 / sqrt(1500) = 0.026, which adds to the planted 0.1.
    expected = np.hypot(tiny.simulation.session_gain_log_sd, 1 / np.sqrt(1500))
    assert spread == pytest.approx(expected, rel=0.1)
    amplitude = np.exp(sds.mean(axis=0)) / known["amplitude"][there]
    assert np.median(amplitude) == pytest.approx(1, abs=0.03)


# Reproducibility


def digests(root):
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def again(tiny, tmp_path_factory):
    """The experiment and two subjects, written later and in another order."""
    time.sleep(1.1)  # so that a time of writing in a file would show
    root = tmp_path_factory.mktemp("again")
    all_subjects.write(root, tiny.simulation, tiny.seed)
    for subject in ("subj08", "subj04"):
        one_subject.write(root, tiny.simulation, subject, 2, tiny.seed)
    return digests(root)


def test_same_seed_gives_the_same_bytes(tiny, again):
    expected = digests(tiny.root)
    assert len(again) > 60
    assert again == {key: expected[key] for key in again}


def test_fewer_sessions_are_the_first_ones(tiny, tmp_path):
    all_subjects.write(tmp_path, tiny.simulation, tiny.seed)
    one_subject.write(tmp_path, tiny.simulation, "subj03", 1, tiny.seed)
    expected = digests(tiny.root)
    written = digests(tmp_path)
    assert registry.betas_key("subj03", 1) in written
    assert registry.betas_key("subj03", 2) not in written
    assert written == {key: expected[key] for key in written}


def test_another_seed_gives_other_data(tiny, tmp_path, again):
    all_subjects.write(tmp_path, tiny.simulation, tiny.seed + 1)
    one_subject.write(tmp_path, tiny.simulation, "subj04", 2, tiny.seed + 1)
    written = digests(tmp_path)
    same = {key for key in written if written[key] == again[key]}
    # Only the label tables hold nothing random. Without an invalid voxel, a valid volume is the
    # brain mask.
    assert all(key.endswith(".ctab") or "/valid_session" in key for key in same)
    assert registry.betas_key("subj04", 1) not in same


def test_sessions_and_subjects_have_noise_of_their_own(tiny):
    first, second = (read_betas(tiny, "subj01", s) for s in (1, 2))
    other = read_betas(tiny, "subj04", 1)
    shape = tuple(min(a, b) for a, b in zip(first.shape, other.shape, strict=True))
    centre = tuple(slice(n // 2 - 2, n // 2 + 2) for n in shape[1:])
    series = [
        values[:, *centre].reshape(750, -1).astype(float) for values in (first, second, other)
    ]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        correlation = np.corrcoef(series[a].mean(axis=1), series[b].mean(axis=1))[0, 1]
        assert abs(correlation) < 0.2


def test_damaged_truth_is_named(tiny, tmp_path):
    path = tmp_path / "subj01.h5"
    content = (tiny.root / paths.subject_truth_key("subj01")).read_bytes()
    for damaged in (b"", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(BrainworthError, match=r"subj01\.h5 cannot be read .*run that again"):
            truth.read_subject(path)
    with h5py.File(path, "w") as file:
        file["ijk"] = np.zeros((1, 3))
    with pytest.raises(BrainworthError, match=r"subj01\.h5 cannot be read"):
        truth.read_subject(path)
    with pytest.raises(BrainworthError, match=r"none\.h5 cannot be read"):
        truth.read_images(tmp_path / "none.h5")


def test_truth_survives_its_file(tiny, images):
    read = truth.read_images(tiny.root / paths.IMAGE_TRUTH)
    for name, values in images.items():
        np.testing.assert_array_equal(getattr(read, name), values)
    mine = truth.read_subject(tiny.root / paths.subject_truth_key("subj06"))
    for name, values in truth_of(tiny, "subj06").items():
        np.testing.assert_array_equal(getattr(mine, name), values)
