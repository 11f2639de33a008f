"""The bridge as a whole on planted subjects: curves, laws, subjects, brains and nulls."""

import json

import decoding_planted as planted
import numpy as np
import pytest

from brainworth.bridges.decoding import decoding
from brainworth.bridges.decoding.decoding_spaces import Space
from brainworth.errors import BrainworthError
from brainworth.nsd.simulate import truth

SEEDS = (1, 2, 3, 4, 5)
N_SUBJECTS = 4


def space(seed, name="true", planted_too=True):
    values = planted.features(10_000, seed)
    return Space(name, "the true features", lambda ids: values[ids], planted_too)


def study(folder, seed, n_subjects=N_SUBJECTS, **changes):
    """Write subjects and return what `decoding.analyse` needs."""
    extracts, truths = {}, {}
    for number in range(1, n_subjects + 1):
        subject = f"subj0{number}"
        extracts[subject] = folder / f"{subject}.h5"
        truths[subject] = folder / f"truth_{subject}.h5"
        known = planted.write_subject(extracts[subject], seed, number, **changes)
        truth.write_subject(truths[subject], known)
    return extracts, decoding.Truth(truths, planted.SIMULATION)


def analyse(extracts, known, seed, spaces=None, **changes):
    return decoding.analyse(
        extracts,
        [space(seed)] if spaces is None else spaces,
        settings=planted.SETTINGS | changes,
        min_repetitions=2,
        interval=0.95,
        seed=seed,
        known=known,
    )


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    return {
        seed: analyse(*study(tmp_path_factory.mktemp(f"study{seed}"), seed), seed) for seed in SEEDS
    }


def of_kind(data, kind):
    return next(each for each in data["spaces"][0]["tests"] if each["kind"] == kind)


@pytest.mark.parametrize("kind", ["single", "mean"])
def test_scores_grow_towards_the_planted_ceiling(studies, kind):
    shares, covered = [], []
    for data in studies.values():
        test = of_kind(data, kind)
        points = [point["estimate"] for point in test["points"]]
        assert test["slope"]["interval"][0] > 0
        assert points[-1] > points[0]
        ceiling = test["planted"]["ceiling"]
        assert test["points"][-1]["interval"][0] < ceiling, "nothing is above what is possible"
        shares.append(points[-1] / ceiling)
        low, high = test["saturating"]["ceiling"]["interval"]
        covered.append(low <= ceiling <= high)
        assert len(test["planted"]["subjects"]) == N_SUBJECTS
        held = [
            row["saturating"]["ceiling"]["interval"][0]
            <= known
            <= row["saturating"]["ceiling"]["interval"][1]
            for known, row in zip(test["planted"]["subjects"], test["subjects"], strict=True)
        ]
        assert test["planted"]["n_subjects_inside"] == sum(held)
    assert 0.85 < np.mean(shares) < 1.02
    assert np.sum(covered) >= len(SEEDS) - 1


def test_what_is_counted(studies):
    data = studies[1]
    assert data["sizes"] == [60, 120, 240, 480, 960]
    assert data["n_test_images"] == 60
    for subject in data["subjects"]:
        assert subject["n_trials"] == 340 * 3
        assert subject["n_voxels"] == 40
        assert subject["n_test_trials"] == 180
        assert subject["mean_inverse_repetitions"] == pytest.approx(1 / 3)
    test = of_kind(data, "single")
    for subject in test["subjects"]:
        assert [point["n_subsets"] for point in subject["points"]] == [2] * 5
        assert [point["n_images"] for point in subject["points"]] == [20, 40, 80, 160, 320]
        assert subject["points"][-1]["p"] == 1 / 100
        assert all(point["sd_of_subsets"] >= 0 for point in subject["points"])
    json.dumps(data, allow_nan=False)


def test_trained_on_features_of_other_images_nothing_is_decoded(studies):
    inside, flat, means = [], [], []
    for data in studies.values():
        for test in data["spaces"][0]["tests"]:
            null = test["null"]
            inside += [low <= 0 <= high for low, high in (p["interval"] for p in null["points"])]
            flat.append(null["slope"]["interval"][0] <= 0 <= null["slope"]["interval"][1])
            means.append(np.mean([point["estimate"] for point in null["points"]]))
    assert abs(np.mean(means)) < 0.05
    assert np.mean(inside) >= 0.85
    assert np.mean(flat) >= 0.7


def test_means_of_trials_are_decoded_better_than_trials(studies):
    for data in studies.values():
        single, mean = of_kind(data, "single"), of_kind(data, "mean")
        assert mean["planted"]["ceiling"] > single["planted"]["ceiling"]
        assert mean["points"][-1]["estimate"] > single["points"][-1]["estimate"]
        assert single["points"][-1]["r2"] <= single["points"][-1]["estimate"] ** 2 + 0.02


def test_more_brains_decode_better_up_to_their_ceiling(studies):
    ratios = []
    for data in studies.values():
        rows = {(row["kind"], row["n_subjects"]): row for row in data["spaces"][0]["brains"]}
        for kind in ("single", "mean"):
            values = [rows[kind, n]["points"][-1]["estimate"] for n in (1, 2, 4)]
            known = [rows[kind, n]["planted"] for n in (1, 2, 4)]
            assert values == sorted(values)
            assert known == sorted(known)
            assert known[0] == pytest.approx(of_kind(data, kind)["planted"]["ceiling"])
            ratios.append(np.divide(values, known))
        assert rows["mean", 4]["n_groups"] == 1
        assert rows["mean", 2]["n_groups"] == 4
    assert np.all(np.abs(np.mean(ratios, axis=0) - 0.96) < 0.07)


def test_trials_of_others_are_worth_less_than_ones_own(studies):
    for data in studies.values():
        pooled = data["spaces"][0]["pooled"]
        assert [curve["n_subjects"] for curve in pooled["curves"]] == [1, 2, 4]
        doubling = pooled["doubling"]
        assert doubling["trials"]["interval"][0] > 0
        assert doubling["trials"]["estimate"] - doubling["subjects"]["estimate"] == pytest.approx(
            doubling["difference"]["estimate"]
        )
        assert len(pooled["worth"]) == 2 * len(data["sizes"])
        for gain, curve in zip(pooled["gains"], pooled["curves"][1:], strict=True):
            for here, there, own in zip(
                gain["points"], curve["points"], pooled["curves"][0]["points"], strict=True
            ):
                assert here["estimate"] == pytest.approx(there["estimate"] - own["estimate"])
    gains = [each["spaces"][0]["pooled"]["doubling"] for each in studies.values()]
    assert np.mean([gain["difference"]["estimate"] for gain in gains]) > 0


def test_headline(studies):
    data = studies[2]
    test = of_kind(data, "single")
    head = data["headline"]
    assert head["slope"] == test["slope"]
    assert head["planted_ceiling"] == test["planted"]["ceiling"]
    assert head["doubling_difference"] == data["spaces"][0]["pooled"]["doubling"]["difference"]


def test_without_signal_scores_and_slope_are_zero(tmp_path):
    """False positives over replicates, for a level of 5 %."""
    significant, slopes = [], []
    for seed in range(20, 36):
        folder = tmp_path / str(seed)
        folder.mkdir()
        extracts, _ = study(folder, seed, n_images=260, silent=True)
        data = analyse(extracts, None, seed, n_subjects=[1], n_subsets=1)
        test = of_kind(data, "single")
        significant += [
            point["p"] <= 0.05 for subject in test["subjects"] for point in subject["points"]
        ]
        slopes.append(test["slope"]["p"] <= 0.05)
        assert data["spaces"][0]["pooled"] is None
        assert data["spaces"][0]["brains"] is None
        assert test["planted"] is None
    assert 0.01 <= np.mean(significant) <= 0.10
    assert np.sum(slopes) <= 3


def test_same_numbers_again(tmp_path, studies):
    again = analyse(*study(tmp_path, 1), 1)
    assert again == studies[1]


def test_features_that_do_not_vary_are_dropped_and_counted(tmp_path):
    extracts, _ = study(tmp_path, 6, n_subjects=2, n_images=260)
    values = np.hstack([planted.features(10_000, 6), np.ones((10_000, 2))])
    values[:60, 1] = 0.5  # does not vary over test images
    spaces = [space(6), Space("encoder", "features", lambda ids: values[ids])]
    data = analyse(extracts, None, 6, spaces, n_subjects=[1, 2])
    assert [each["n_features"] for each in data["spaces"]] == [4, 3]
    assert data["spaces"][1]["n_features_dropped"] == 3
    constant = [Space("encoder", "features", lambda ids: np.ones((len(ids), 2)))]
    with pytest.raises(BrainworthError, match="none of the 2 features of features varies"):
        analyse(extracts, None, 6, constant)
    broken = [Space("encoder", "features", lambda ids: np.full((len(ids), 2), np.nan))]
    with pytest.raises(BrainworthError, match="have a feature of features that is not a number"):
        analyse(extracts, None, 6, broken)


def test_regions_that_the_study_lacks_are_left_out_and_named(tmp_path):
    extracts, _ = study(tmp_path, 7, n_subjects=2, n_images=260)
    data = analyse(extracts, None, 7, regions=["words", "V1"], n_subjects=[1])
    assert data["regions"] == ["V1"]
    assert data["regions_not_in_the_study"] == ["words"]
    assert data["subjects"][0]["n_voxels"] == 20
    with pytest.raises(BrainworthError, match=r"regions \(words\), but V1, faces; name"):
        analyse(extracts, None, 7, regions=["words"])
