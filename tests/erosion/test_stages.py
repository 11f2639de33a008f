"""The erosion stage on a tiny simulated study: readers, RDMs, results, planted values."""

import json
import shutil

import h5py
import numpy as np
import pytest

from brainworth import results
from brainworth.erosion import (
    fingerprinting,
    heteroscedasticity,
    measure,
    noise,
    planted,
    rdms,
    rsa,
    variance,
)
from brainworth.erosion import responses as shared
from brainworth.erosion.crossnobis import crossnobis_rdm
from brainworth.erosion.dissimilarity import correlation_rdm
from brainworth.errors import BrainworthError
from brainworth.nsd import betas
from brainworth.nsd.simulate import truth

REGIONS = ["V1", "faces"]
FEW = {"n_bootstrap": 100, "interval": 0.95, "seed": 1}


@pytest.fixture(scope="module")
def measured(study):
    return measure.measure(study.extracts, REGIONS, seed=1)


def run_heteroscedasticity(extracts, regions=REGIONS, n_threads=1):
    return heteroscedasticity.analyse(
        extracts, regions, n_surrogates=100, n_threads=n_threads, **FEW
    )


def copy_with(study, tmp_path, change):
    """Copy the extracts, editing each with `change(file, subject)`."""
    copies = {}
    for subject, path in study.extracts.items():
        copies[subject] = tmp_path / path.name
        shutil.copy(path, copies[subject])
        with h5py.File(copies[subject], "r+") as file:
            change(file, subject)
    return copies


def test_responses_are_the_matched_trials(study):
    item = shared.read(study.extracts["subj01"], "V1")
    trials = study.trials[(study.trials["subject"] == "subj01") & study.trials["matched"]]
    ids = np.sort(trials["nsd_id"].unique())
    np.testing.assert_array_equal(shared.matched_stimuli(study.extracts), ids)
    np.testing.assert_array_equal(ids[item.stimulus], trials["nsd_id"])
    np.testing.assert_array_equal(item.repetition, trials["repetition"])
    np.testing.assert_array_equal(item.session, trials["session"])
    with h5py.File(study.extracts["subj01"]) as file:
        rows = np.flatnonzero(file["trials/matched"][:])
        expected = file["betas"][:][rows][:, file["voxels/region/V1"][:]]
    np.testing.assert_array_equal(item.values, expected)


def test_mean_patterns_equal_a_loop(study):
    item = shared.read(study.extracts["subj03"], "faces")
    expected = [item.values[item.stimulus == i].mean(axis=0) for i in range(item.n_stimuli)]
    np.testing.assert_allclose(shared.mean_patterns(item), expected, atol=1e-12)
    first = [
        item.values[(item.stimulus == i) & (item.repetition == 0)][0] for i in range(item.n_stimuli)
    ]
    np.testing.assert_allclose(shared.repetition_patterns(item, 2)[0], first, atol=1e-12)
    with pytest.raises(ValueError, match="at least one"):
        shared.mean_patterns(item, item.repetition == 2)


def test_subjects_with_other_stimuli_are_refused(study, tmp_path):
    def change(file, subject):
        if subject == "subj03":
            file["trials/matched"][...] = np.roll(file["trials/matched"][:], 1)

    with pytest.raises(BrainworthError, match="differ in their matched stimuli"):
        shared.matched_stimuli(copy_with(study, tmp_path, change))


def test_rdms_are_those_of_mean_patterns(study, measured):
    region = measured.regions[0]
    assert [item.label for item in measured.regions] == REGIONS
    assert region.subjects == ("subj01", "subj03", "subj05")
    item = shared.read(study.extracts["subj03"], "V1")
    np.testing.assert_allclose(
        region.full["correlation"][1], correlation_rdm(shared.mean_patterns(item)), atol=1e-12
    )
    assert len(region.repeats) == 2
    np.testing.assert_allclose(
        region.repeats[1, 1],
        correlation_rdm(shared.mean_patterns(item, item.repetition == 1)),
        atol=1e-12,
    )


def test_crossnobis_is_whitened_by_images_that_are_not_matched(study, measured):
    path = study.extracts["subj03"]
    item = shared.read(path, "V1")
    trials = study.trials[study.trials["subject"] == "subj03"]
    counts = trials[~trials["nsd_id"].isin(shared.matched_stimuli(study.extracts))].groupby(
        "nsd_id"
    )
    others = np.sort(counts.size()[counts.size() > 1].index)
    assert 10 < others.size < measure.MOST_NOISE_IMAGES
    rows = np.flatnonzero(trials["nsd_id"].isin(others))
    responses = betas.read_responses(path, "V1", rows)
    model = noise.estimate(
        responses.values.astype(float), np.searchsorted(others, responses.nsd_id)
    )
    region = measured.regions[0]
    np.testing.assert_allclose(
        region.full["crossnobis"][1], crossnobis_rdm(item.values, item.stimulus, model), atol=1e-12
    )
    assert region.shrinkage[1] == pytest.approx(model.shrinkage)
    plain = measure.measure(study.extracts, REGIONS, seed=1, noise="none").regions[0]
    assert plain.shrinkage is None
    np.testing.assert_allclose(
        plain.full["crossnobis"][1], crossnobis_rdm(item.values, item.stimulus), atol=1e-12
    )


def test_rdms_are_the_same_written_region_by_region_in_threads(study, measured, tmp_path):
    measure.write(tmp_path / "rdms.h5", study.extracts, REGIONS, 1, n_threads=3)
    stored = rdms.read(tmp_path / "rdms.h5")
    np.testing.assert_array_equal(stored.stimuli, measured.stimuli)
    for one, two in zip(stored.regions, measured.regions, strict=True):
        assert (one.subjects, one.n_voxels, one.shrinkage) == (
            two.subjects,
            two.n_voxels,
            two.shrinkage,
        )
        for name in ("correlation", "crossnobis"):
            np.testing.assert_array_equal(one.full[name], two.full[name])
        np.testing.assert_array_equal(one.repeats, two.repeats)
        np.testing.assert_array_equal(one.mismatched, two.mismatched)


def test_too_few_other_images_for_the_noise_are_refused(study, tmp_path):
    def change(file, subject):
        used = file["trials/matched"][:]
        ids = file["trials/nsd_id"][:]
        ids[~used] = 80_000 + np.arange(np.count_nonzero(~used))
        file["trials/nsd_id"][...] = ids

    extracts = copy_with(study, tmp_path, change)
    with pytest.raises(BrainworthError, match=r"subj01 saw 0 images twice .*noise to none"):
        measure.measure(extracts, REGIONS, seed=1)
    measure.measure(extracts, REGIONS, seed=1, noise="none")


def test_mismatched_images_are_as_many_and_seen_as_often(study):
    path = study.extracts["subj01"]
    rows, image = measure._draw_mismatched(path, 1)
    with h5py.File(path) as file:
        nsd_id = file["trials/nsd_id"][:]
        matched = file["trials/matched"][:]
    assert np.unique(image).size == np.unique(nsd_id[matched]).size
    assert (np.diff(rows) > 0).all()
    counts = np.bincount(image)
    for number in range(counts.size):
        ids = nsd_id[rows[image == number]]
        assert np.unique(ids).size == 1
        assert counts[number] == np.count_nonzero(nsd_id == ids[0]) >= 2
    other, _ = measure._draw_mismatched(path, 2)
    assert not np.array_equal(rows, other)


def test_a_region_missing_in_one_subject_is_left_out_there_and_counted(study, tmp_path):
    def change(file, subject):
        if subject == "subj05":
            file["voxels/region/faces"][...] = False

    extracts = copy_with(study, tmp_path, change)
    region = measure.measure(extracts, REGIONS, seed=1).regions[1]
    assert region.subjects == ("subj01", "subj03")
    found = run_heteroscedasticity(extracts)
    assert [item["n_subjects"] for item in found["regions"]] == [3, 2]
    found = fingerprinting.analyse(extracts, REGIONS, n_permutations=100, n_subsamples=2, **FEW)
    assert [item["n_subjects"] for item in found["regions"]] == [3, 2]
    assert found["regions"][1]["rdm"]["identifiability"]["p_familywise"] is None


def test_a_region_missing_everywhere_is_named(study, tmp_path):
    def change(file, subject):
        file["voxels/region/faces"][...] = False

    extracts = copy_with(study, tmp_path, change)
    assert run_heteroscedasticity(extracts)["missing_regions"] == ["faces"]
    measured = measure.measure(extracts, REGIONS, seed=1)
    assert [item.label for item in measured.regions] == ["V1"]
    assert measured.missing == ("faces",)
    rdms.write(tmp_path / "rdms.h5", measured)
    assert rdms.read(tmp_path / "rdms.h5").missing == ("faces",)
    with pytest.raises(BrainworthError, match="none of faces has 5 voxels in two subjects"):
        measure.measure(extracts, ["faces"], seed=1)


def test_heteroscedasticity_result_is_complete_and_repeatable(study):
    found = run_heteroscedasticity(study.extracts)
    plain = results.to_plain(found, "data")
    assert json.dumps(plain) == json.dumps(
        results.to_plain(run_heteroscedasticity(study.extracts, n_threads=2), "data")
    )
    region = plain["regions"][0]
    item = shared.read(study.extracts["subj01"], "V1")
    profile = [
        item.values[item.stimulus == i].var(axis=0, ddof=1).mean() for i in range(item.n_stimuli)
    ]
    row = region["subjects"][0]
    assert row["cv"] == pytest.approx(np.std(profile) / np.mean(profile))
    assert row["n_trials"] == len(item.stimulus)
    assert sum(row["n_stimuli_by_repetitions"].values()) == plain["n_stimuli"]
    for null in ("rotation", "exchange", "exchange_within_session"):
        assert 0 < row["null"][null]["cv"]["p"] <= 1


def test_heteroscedasticity_refuses_single_repetitions(study, tmp_path):
    def change(file, subject):
        file["trials/matched"][...] &= file["trials/repetition"][:] == 0

    with pytest.raises(BrainworthError, match="at least 2 times, there are 0"):
        run_heteroscedasticity(copy_with(study, tmp_path, change))


def test_fewer_than_ten_stimuli_are_refused(study, tmp_path):
    few = shared.matched_stimuli(study.extracts)[:9]

    def change(file, subject):
        file["trials/matched"][...] &= np.isin(file["trials/nsd_id"][:], few)

    with pytest.raises(BrainworthError, match=r"at least 10 stimuli .* there are 9"):
        run_heteroscedasticity(copy_with(study, tmp_path, change))


def test_planted_values_are_those_of_noise_free_responses(study):
    found = planted.planted(
        study.extracts,
        study.truths,
        study.images,
        REGIONS,
        study.simulation,
        "corr",
        ["rsa", "fingerprinting", "heteroscedasticity"],
    )
    about = truth.read_subject(study.truths["subj03"])
    features = truth.read_images(study.images).features
    ids = shared.matched_stimuli(study.extracts)
    columns = truth.own_features("subj03", study.simulation)
    with h5py.File(study.extracts["subj03"]) as file:
        ijk = file["voxels/ijk"][:][file["voxels/region/V1"][:]]
    rows = [int(np.flatnonzero((about.ijk == place).all(axis=1))[0]) for place in ijk]
    clean = features[ids][:, columns] @ about.weights[rows].T
    other = truth.read_subject(study.truths["subj01"])
    with h5py.File(study.extracts["subj01"]) as file:
        ijk = file["voxels/ijk"][:][file["voxels/region/V1"][:]]
    rows = [int(np.flatnonzero((other.ijk == place).all(axis=1))[0]) for place in ijk]
    columns = truth.own_features("subj01", study.simulation)
    clean_other = features[ids][:, columns] @ other.weights[rows].T
    expected = np.corrcoef(correlation_rdm(clean_other), correlation_rdm(clean))[0, 1]
    pair = found["rsa"][0]["pairs"][0]
    assert pair["subjects"] == ["subj01", "subj03"]
    assert pair["similarity"] == pytest.approx(expected, rel=1e-4)
    cv2 = found["heteroscedasticity"][0]["subjects"][1]["true_cv2"]
    known = np.exp(truth.read_images(study.images).log_variance[2, ids].astype(float))
    assert cv2 == pytest.approx(
        variance.true_cv2(known, np.ones(ids.size), 0.0, np.ones((1, ids.size)))[0]
    )
    assert 0.5 * known.var() / known.mean() ** 2 < cv2 < 1.5 * known.var() / known.mean() ** 2


def test_rsa_runs_on_the_measured_rdms(measured):
    found = rsa.analyse(measured, comparison="spearman", n_permutations=100, n_threads=1, **FEW)
    assert [region["label"] for region in found["regions"]] == REGIONS
    assert results.to_plain(found, "data")["regions"][0]["n_pairs"] == 3
