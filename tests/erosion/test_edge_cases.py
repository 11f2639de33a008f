"""Studies at the edge of what can be analysed: every test gives a result with its n, or refuses.

One row of `TESTS` a test and one of `CASES` a case; `expected` holds what must come out of each
pair. A new test needs a row here and an expectation in every case.
"""

from __future__ import annotations

import json
import re
import shutil

import h5py
import numpy as np
import pytest

from brainworth import results
from brainworth.erosion import (
    fingerprinting,
    heteroscedasticity,
    measure,
    rdm_gap,
    rsa,
)
from brainworth.erosion import responses as shared
from brainworth.errors import BrainworthError
from brainworth.nsd import betas, design, registry, roi_means, roi_means_import

REGIONS = ["V1", "faces"]
FEW = {"n_bootstrap": 100, "interval": 0.95, "seed": 1}


def run_rsa(extracts, regions):
    found = measure.measure(extracts, regions, seed=1)
    return rsa.analyse(found, comparison="spearman", n_permutations=100, progress=False, **FEW)


def run_rdm_gap(extracts, regions):
    found = measure.measure(extracts, regions, seed=1)
    few = {"n_permutations": 100, "n_labellings": 100}
    return rdm_gap.analyse(found, comparison="spearman", **few, **FEW)


def run_fingerprinting(extracts, regions):
    return fingerprinting.analyse(extracts, regions, n_permutations=100, n_subsamples=2, **FEW)


def run_heteroscedasticity(extracts, regions):
    return heteroscedasticity.analyse(extracts, regions, n_surrogates=100, **FEW)


TESTS = {
    "rsa": run_rsa,
    "rdm_gap": run_rdm_gap,
    "fingerprinting": run_fingerprinting,
    "heteroscedasticity": run_heteroscedasticity,
}


def edited(study, folder, change, subjects=None):
    """Copy the extracts of some subjects, editing each with `change(file, subject)`."""
    copies = {}
    for subject in subjects or study.extracts:
        copies[subject] = folder / study.extracts[subject].name
        shutil.copy(study.extracts[subject], copies[subject])
        with h5py.File(copies[subject], "r+") as file:
            change(file, subject)
    return copies


def unchanged(file, subject):
    """Leave the file as it is."""


def without_faces(*subjects):
    def change(file, subject):
        if subject in subjects:
            file["voxels/region/faces"][...] = False

    return change


def few_stimuli(study, n):
    kept = shared.matched_stimuli(study.extracts)[:n]

    def change(file, subject):
        file["trials/matched"][...] &= np.isin(file["trials/nsd_id"][:], kept)

    return change


def single_repetitions(file, subject):
    file["trials/matched"][...] &= file["trials/repetition"][:] == 0


def unequal_repetitions(file, subject):
    """One subject keeps two repetitions of every stimulus."""
    if subject == "subj03":
        file["trials/matched"][...] &= file["trials/repetition"][:] < 2


def extracted(study, folder, sessions, least, damage=None):
    """Extract anew with other sessions or repetitions, from a tree that may be damaged."""
    root = study.root
    if damage is not None:
        root = folder / "tree"
        shutil.copytree(study.root, root)
        damage(root)
    trials = design.match(design.read_expdesign(root / registry.EXPDESIGN), sessions, least)
    paths = {}
    for subject in sessions:
        paths[subject] = folder / f"{subject}.h5"
        mine = trials[trials["subject"] == subject]
        betas.extract(root, subject, REGIONS, mine, paths[subject])
    return paths


def constant_voxels(root):
    """Every second voxel of a session of one subject is stuck; ncsnr is NaN in some others."""
    with h5py.File(root / registry.betas_key("subj03", 2), "r+") as file:
        values = file["betas"][:]
        values[..., ::2] = 300
        file["betas"][...] = values


def means_of_regions(study, folder):
    """ROI means of six made-up regions, of which one subject lacks one."""
    rng = np.random.default_rng(5)
    drive = rng.standard_normal((40, 6))
    found = {}
    for subject in study.extracts:
        nsd_id = np.concatenate([rng.permutation(40) for _ in range(4)])
        responses = drive[nsd_id] + rng.standard_normal((160, 6))
        if subject == "subj05":
            responses[:, 5] = np.nan
        session = np.repeat([1, 2, 3, 4], 40)
        names = ("a", "b", "c", "d", "e", "f")
        found[subject] = roi_means.RoiMeans(folder / subject, names, responses, session, nsd_id)
    trials = roi_means_import.match(found, list("abcdef"), "all", 2)
    paths = {}
    for subject, item in found.items():
        paths[subject] = folder / f"{subject}.h5"
        mine = trials[trials["subject"] == subject]
        roi_means_import.write_extract(item, subject, mine, list("abcdef"), True, paths[subject])
    return paths


ALL = {"subj01": 3, "subj03": 2, "subj05": 3}
CASES = {
    "nothing unusual": lambda study, folder: edited(study, folder, unchanged),
    "region missing in one subject": lambda study, folder: edited(
        study, folder, without_faces("subj05")
    ),
    "region in one subject only": lambda study, folder: edited(
        study, folder, without_faces("subj01", "subj05")
    ),
    "unequal repetitions": lambda study, folder: edited(study, folder, unequal_repetitions),
    "a subject with one session": lambda study, folder: extracted(
        study, folder, ALL | {"subj03": 1}, 2
    ),
    "stimuli seen once": lambda study, folder: extracted(study, folder, ALL, 1),
    "one session": lambda study, folder: extracted(study, folder, dict.fromkeys(ALL, 1), 1),
    "single repetitions": lambda study, folder: edited(study, folder, single_repetitions),
    "constant voxels": lambda study, folder: extracted(
        study, folder, ALL, 2, damage=constant_voxels
    ),
    "nine stimuli": lambda study, folder: edited(study, folder, few_stimuli(study, 9)),
    "four stimuli": lambda study, folder: edited(study, folder, few_stimuli(study, 4)),
    "two subjects": lambda study, folder: edited(
        study, folder, unchanged, subjects=["subj01", "subj03"]
    ),
    "one subject": lambda study, folder: edited(study, folder, unchanged, subjects=["subj01"]),
    "means of regions": means_of_regions,
}
# What comes out: the number of subjects by region, or what the refusal says.
BOTH, OF_TWO = {"V1": 3, "faces": 3}, {"V1": 2, "faces": 2}
WITHOUT_ONE, V1_ONLY = {"V1": 3, "faces": 2}, {"V1": 3}
POOLED = {"ROI means": 3}
NO_HALVES = "fingerprinting needs 10: use more sessions"
EXPECTED = {
    "nothing unusual": dict.fromkeys(TESTS, BOTH),
    "region missing in one subject": dict.fromkeys(TESTS, WITHOUT_ONE),
    "region in one subject only": dict.fromkeys(TESTS, V1_ONLY)
    | {"heteroscedasticity": {"V1": 3, "faces": 1}},
    "unequal repetitions": dict.fromkeys(TESTS, BOTH),
    "a subject with one session": dict.fromkeys(TESTS, BOTH) | {"fingerprinting": NO_HALVES},
    "stimuli seen once": dict.fromkeys(TESTS, BOTH),
    "one session": dict.fromkeys(TESTS, BOTH) | {"fingerprinting": NO_HALVES},
    "single repetitions": {
        "rsa": BOTH,
        "rdm_gap": BOTH,
        "fingerprinting": NO_HALVES,
        "heteroscedasticity": "at least 10 stimuli that every subject saw at least 2 times",
    },
    "constant voxels": dict.fromkeys(TESTS, BOTH),
    "nine stimuli": {
        "rsa": BOTH,
        "rdm_gap": BOTH,
        "fingerprinting": NO_HALVES,
        "heteroscedasticity": "at least 10 stimuli .* there are 9",
    },
    "four stimuli": {
        "rsa": "cross-subject RSA has 4 stimuli and needs at least 5",
        "rdm_gap": "the gap of RDMs has 4 stimuli and needs at least 5",
        "fingerprinting": NO_HALVES,
        "heteroscedasticity": "there are 4",
    },
    "two subjects": dict.fromkeys(TESTS, OF_TWO),
    "one subject": {
        "rsa": "compared between subjects, and there is one; add some to subjects",
        "rdm_gap": "compared between subjects, and there is one; add some to subjects",
        "fingerprinting": "needs at least two subjects; add some to subjects",
        "heteroscedasticity": {"V1": 1, "faces": 1},
    },
    "means of regions": dict.fromkeys(TESTS, POOLED)
    | {"heteroscedasticity": {"a": 3, "b": 3, "c": 3, "d": 3, "e": 3, "f": 2}},
}


@pytest.fixture(scope="module")
def prepared(study, tmp_path_factory):
    """Make the extracts of a case once."""
    made = {}

    def prepare(case):
        if case not in made:
            folder = tmp_path_factory.mktemp("case")
            made[case] = CASES[case](study, folder)
        return made[case]

    return prepare


def regions_of(case):
    return list("abcdef") if case == "means of regions" else REGIONS


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("case", CASES)
def test_a_result_with_its_n_or_a_refusal(prepared, case, test):
    expected = EXPECTED[case][test]
    extracts = prepared(case)
    if isinstance(expected, str):
        with pytest.raises(BrainworthError) as caught:
            TESTS[test](extracts, regions_of(case))
        assert re.search(expected, str(caught.value)), str(caught.value)
        return
    found = results.to_plain(TESTS[test](extracts, regions_of(case)), "data")
    json.dumps(found, allow_nan=False)
    counts = {row.get("region", row.get("label")): row["n_subjects"] for row in found["regions"]}
    assert counts == expected
    assert found["n_stimuli"] >= 5
    assert found["missing_regions"] == [
        name for name in REGIONS if name not in expected and case == "region in one subject only"
    ]


def test_what_needs_repetitions_says_so_where_there_are_none(prepared):
    extracts = prepared("single repetitions")
    for row in run_rsa(extracts, REGIONS)["regions"]:
        assert row["corrected"] is None
        assert "disjoint parts" in row["corrected_reason"]
    for row in run_rdm_gap(extracts, REGIONS)["regions"]:
        assert row["published"]["gap"] is None
        assert "disjoint parts" in row["published_reason"]


def test_stimuli_seen_once_leave_the_others_to_what_needs_repetitions(prepared):
    extracts = prepared("stimuli seen once")
    twice = shared.repeated_stimuli(extracts, 2, "this")
    assert twice.size < shared.matched_stimuli(extracts).size
    for row in run_fingerprinting(extracts, REGIONS)["regions"]:
        assert row["published_n_stimuli"] == twice.size
        assert row["published_reason"] is None
    assert run_heteroscedasticity(extracts, REGIONS)["n_stimuli"] == twice.size


def test_constant_voxels_are_gone_from_every_trial(prepared, study):
    damaged, whole = (paths["subj03"] for paths in (prepared("constant voxels"), study.extracts))
    few, many = (betas.read_responses(path, "V1").values for path in (damaged, whole))
    assert 0 < few.shape[1] < many.shape[1]
    assert np.isfinite(few).all()
    assert (few.std(axis=0) > 0).all()


def test_a_region_of_means_has_one_column_and_their_pattern_all(prepared):
    extracts = prepared("means of regions")
    rows = run_heteroscedasticity(extracts, list("abcdef"))["regions"]
    assert {s["n_voxels"] for row in rows for s in row["subjects"]} == {1}
    (region,) = measure.measure(extracts, list("abcdef"), seed=1).regions
    assert region.n_voxels == (6, 6, 5)
    assert shared.regions_for(extracts, ["a"], shared.PATTERNS) == ["ROI means"]
    assert shared.regions_for(extracts, ["a"], shared.PROFILES) == ["a"]


def test_every_case_says_what_every_test_does():
    assert set(EXPECTED) == set(CASES)
    assert all(set(row) == set(TESTS) for row in EXPECTED.values())
