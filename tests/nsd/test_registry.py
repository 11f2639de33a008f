"""What is known of NSD, spelled and counted as the data manual does."""

from __future__ import annotations

import math

from brainworth.nsd import registry, rois


def test_subjects_and_sessions():
    assert tuple(f"subj0{n}" for n in range(1, 9)) == registry.SUBJECTS
    assert list(registry.SESSIONS.values()) == [40, 40, 32, 30, 40, 32, 40, 30]
    trials = [n * registry.TRIALS_PER_SESSION for n in registry.SESSIONS.values()]
    assert trials == [30000, 30000, 24000, 22500, 30000, 24000, 30000, 22500]
    assert sum(trials) == 213_000


def test_volumes():
    shapes = registry.VOLUME_SHAPE
    assert shapes["subj01"] == (81, 104, 83)
    assert [math.prod(shapes[name]) for name in registry.SUBJECTS] == [
        *(699192, 730128, 704052, 673200),
        *(597714, 797215, 600210, 642720),
    ]


def test_labels():
    sizes = {name: len(labels) for name, labels in registry.LABELS.items()}
    assert sizes == {
        "Kastner2015": 25,
        "prf-visualrois": 7,
        "streams": 7,
        "floc-faces": 5,
        "floc-bodies": 4,
        "floc-places": 3,
        "floc-words": 5,
        "nsdgeneral": 1,
    }
    assert all(len(set(labels)) == len(labels) for labels in registry.LABELS.values())
    kastner = registry.LABELS["Kastner2015"]
    numbered = {n: kastner[n - 1] for n in (1, 7, 8, 12, 13, 14, 15, 16, 17, 18, 23, 25)}
    assert numbered == {
        **{1: "V1v", 7: "hV4", 8: "VO1", 12: "TO2", 13: "TO1", 14: "LO2", 15: "LO1"},
        **{16: "V3B", 17: "V3A", 18: "IPS0", 23: "IPS5", 25: "FEF"},
    }
    assert registry.LABELS["prf-visualrois"] == kastner[:7]
    assert registry.LABELS["streams"][4] == "ventral"


def test_absent_labels():
    assert registry.ABSENT_LABELS == {
        "aTL-faces": ("subj04",),
        "FBA-1": ("subj02", "subj07"),
        "mTL-bodies": ("subj01", "subj02", "subj03", "subj07"),
        "mTL-faces": ("subj01", "subj02", "subj03", "subj06"),
        "mTL-words": ("subj03",),
    }
    known = {label for labels in registry.LABELS.values() for label in labels}
    assert set(registry.ABSENT_LABELS) <= known


def test_keys_are_spelled_as_in_the_bucket():
    betas = "nsddata_betas/ppdata/subj03/func1pt8mm/betas_fithrf_GLMdenoise_RR"
    assert registry.betas_key("subj03", 7) == f"{betas}/betas_session07.hdf5"
    assert registry.betas_key("subj03", 32) == f"{betas}/betas_session32.hdf5"
    assert registry.ncsnr_key("subj03") == f"{betas}/ncsnr.nii.gz"
    volumes = "nsddata/ppdata/subj03/func1pt8mm"
    assert registry.valid_key("subj03", 7) == f"{volumes}/valid_session07.nii.gz"
    assert registry.roi_key("subj03", "Kastner2015") == f"{volumes}/roi/Kastner2015.nii.gz"
    assert registry.roi_key("subj03", "floc-faces", "lh.") == f"{volumes}/roi/lh.floc-faces.nii.gz"
    tables = "nsddata/freesurfer/{}/label/{}.mgz.ctab".format
    assert registry.label_table_key("subj03", "floc-faces") == tables("subj03", "floc-faces")
    assert registry.label_table_key("subj03", "Kastner2015") == tables("fsaverage", "Kastner2015")
    assert registry.label_table_key("subj03", "streams") == tables("fsaverage", "streams")
    assert registry.EXPDESIGN == "nsddata/experiments/nsd/nsd_expdesign.mat"
    assert registry.STIM_INFO == "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
    assert registry.STIMULI == "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"


def test_keys_of_a_subject_are_all_that_an_extract_reads():
    volumes = rois.volumes_of(["V1", "faces"])
    keys = registry.subject_keys("subj02", 2, volumes)
    assert len(keys) == len(set(keys))
    assert set(keys) == {
        *(registry.betas_key("subj02", n) for n in (1, 2)),
        *(registry.valid_key("subj02", n) for n in (1, 2)),
        registry.roi_key("subj02", "Kastner2015"),
        registry.roi_key("subj02", "floc-faces"),
        registry.label_table_key("subj02", "floc-faces"),  # the atlas table is not the subject's
        registry.ncsnr_key("subj02"),
    }
    assert registry.label_table_key("subj02", "Kastner2015") in registry.atlas_keys()


def test_session_limits():
    assert registry.n_sessions("subj04") == 30
    assert registry.n_sessions("subj04", "all") == 30
    assert registry.n_sessions("subj04", 3) == 3
    assert registry.n_sessions("subj04", 40) == 30
    assert registry.n_sessions("subj01", 40) == 40
