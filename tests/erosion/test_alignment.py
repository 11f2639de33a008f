"""Alignment on small brains: no leakage, chance where nothing is shared, what rotations do."""

import dataclasses
import json

import brains
import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.spatial.distance import pdist
from scipy.stats import ortho_group, spearmanr
from sklearn.decomposition import PCA

from brainworth import results
from brainworth.erosion import alignment, planted_sharing
from brainworth.erosion.alignment_folds import align, allowed
from brainworth.erosion.dissimilarity import correlation_rdm
from brainworth.erosion.familywise import add_familywise, against
from brainworth.errors import BrainworthError

REGIONS = ["V1", "faces"]
FEW = {"n_folds": 4, "dimensions": [3, 6, 12], "n_permutations": 99, "n_bootstrap": 100}


def plan_for(found, seed=1, **changes):
    names = [item.subject for item in found]
    settings = FEW | {"interval": 0.95, "seed": seed} | changes
    return alignment.design(names, found[0].n_stimuli, **settings)


def analyse(found, seed=1, **changes):
    return alignment.analyse_region(found, plan_for(found, seed, **changes))


def shuffled(found, rng):
    return [
        dataclasses.replace(item, stimulus=rng.permutation(item.n_stimuli)[item.stimulus])
        for item in found
    ]


@pytest.fixture(scope="module")
def small():
    return brains.simulate(np.random.default_rng(2), voxels=(30, 25, 20))[0]


@pytest.fixture
def patterns():
    """Mean patterns of three subjects who are rotated copies, in 6 of 6 dimensions."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(50, 6)) * [6, 5, 4, 3, 2, 1]
    return [base @ ortho_group.rvs(6, random_state=seed) for seed in range(3)]


def align_patterns(patterns, test, candidates=(6,)):
    train = np.setdiff1d(np.arange(len(patterns[0])), test)
    grams = [values @ values.T for values in patterns]
    ranks = [values.shape[1] for values in patterns]
    return align(grams, ranks, test, train, list(candidates), np.random.default_rng(0))


def test_components_are_those_of_the_training_stimuli(patterns):
    test = np.arange(10)
    found = align_patterns(patterns, test, [3])
    model = PCA(3).fit(patterns[1][10:])
    for ours, given in ((found.most_train, patterns[1][10:]), (found.most, patterns[1][test])):
        theirs = model.transform(given)
        signs = np.sign(np.sum(ours[1] * theirs, axis=0))
        np.testing.assert_allclose(ours[1] * signs, theirs, atol=1e-8)


def test_rotated_copies_agree_perfectly_on_held_out_stimuli(patterns):
    found = align_patterns(patterns, np.arange(10))
    np.testing.assert_allclose(found.own, found.reference, atol=1e-6)
    errors = found.errors([values @ values.T for values in patterns])
    np.testing.assert_allclose(errors, 0, atol=1e-6)
    agreement = found.agreement()
    assert (agreement.argmax(axis=2) == np.arange(10)).all()


def test_held_out_errors_are_those_over_voxels(patterns):
    rng = np.random.default_rng(1)
    noisy = [values + rng.normal(size=values.shape) for values in patterns]
    test = np.arange(12)
    found = align_patterns(noisy, test, [4])
    model = PCA(4).fit(noisy[0][12:])
    scores = model.transform(noisy[0][test])
    signs = np.sign(np.sum(found.most[0] * scores, axis=0))
    turn = np.linalg.lstsq(found.most[0], found.own[0], rcond=None)[0]
    back = (found.scale[0] * found.reference[0]) @ turn.T * signs @ model.components_
    expected = np.sum((noisy[0][test] - model.mean_ - back) ** 2, axis=1)
    np.testing.assert_allclose(
        found.errors([values @ values.T for values in noisy])[0], expected, rtol=1e-8
    )


def test_test_stimuli_leave_no_trace_in_what_is_fitted(patterns):
    test = np.arange(10)
    before = align_patterns(patterns, test, [3, 6])
    changed = [values.copy() for values in patterns]
    for values in changed:
        values[test] = np.random.default_rng(5).normal(size=values[test].shape)
    after = align_patterns(changed, test, [3, 6])
    assert after.dimension == before.dimension
    np.testing.assert_allclose(after.most_train, before.most_train, atol=1e-9)
    np.testing.assert_allclose(after.group, before.group, atol=1e-9)
    np.testing.assert_allclose(after.scale, before.scale, atol=1e-9)


def test_the_subject_with_fewest_voxels_limits_the_components():
    assert allowed([5, 10, 40], [30, 12], 100) == [5, 10]
    assert allowed([10, 40], [30, 7], 100) == [7]
    assert allowed([10, 40], [300, 200], 30) == [10]
    found, _ = brains.simulate(np.random.default_rng(0), voxels=(40, 5, 40))
    row, _ = analyse(found, dimensions=[8, 16])
    assert set(row["components"]) == {5}
    assert row["limited_by"] == {"subject": "subj02", "n_voxels": 5}
    found, _ = brains.simulate(np.random.default_rng(0), voxels=(40, 30, 40))
    assert analyse(found, dimensions=[8, 16])[0]["limited_by"] is None


def test_more_components_are_chosen_where_more_are_shared():
    few, many = (
        analyse(
            brains.simulate(
                np.random.default_rng(3), voxels=(60,) * 4, n_shared=n, ncsnr=3.0, n_stimuli=120
            )[0],
            dimensions=[2, 20],
        )[0]["components"]
        for n in (2, 40)
    )
    assert np.mean(few) < np.mean(many)


def test_a_rotation_leaves_euclidean_rdms_as_they_are(small):
    row, _ = analyse(small)
    euclidean = row["rdm"]["euclidean"]
    assert euclidean["aligned"]["estimate"] == pytest.approx(euclidean["truncated"]["estimate"])
    assert euclidean["aligned"]["interval"] == pytest.approx(euclidean["truncated"]["interval"])


def test_baselines_are_rdms_of_the_same_stimuli(small):
    plan = plan_for(small)
    row, _ = alignment.analyse_region(small, plan)
    patterns = [alignment.split(item).mean() for item in small]
    for name, rdm in (("correlation", correlation_rdm), ("euclidean", pdist)):
        values = []
        for number in range(4):
            rdms = [rdm(each[plan.fold == number]) for each in patterns]
            values += [spearmanr(rdms[a], rdms[b])[0] for a, b in ((0, 1), (0, 2), (1, 2))]
        assert row["rdm"][name]["raw"]["estimate"] == pytest.approx(np.mean(values))
        whole = [rdm(each) for each in patterns]
        values = [spearmanr(whole[a], whole[b])[0] for a, b in ((0, 1), (0, 2), (1, 2))]
        assert row["rdm"][name]["all_stimuli"]["estimate"] == pytest.approx(np.mean(values))


def test_result_is_json_and_repeatable(small):
    first, second = (results.to_plain(analyse(small)[0], "row") for _ in range(2))
    assert json.dumps(first) == json.dumps(second)
    subject = first["subjects"][0]
    assert subject["share"]["ridge"]["estimate"] == pytest.approx(
        subject["r2"]["ridge"]["estimate"] / subject["ceiling"]["estimate"]
    )
    shares = [row["share"]["corrected"]["estimate"] for row in first["subjects"]]
    assert first["shared_fraction"]["estimate"] == pytest.approx(np.mean(shares))
    assert first["erosion"]["estimate"] == pytest.approx(1 - np.mean(shares))
    assert first["shared_fraction"]["interval_subjects"] is None
    assert "3" in first["shared_fraction"]["interval_subjects_reason"]
    assert first["identification"]["chance"] == pytest.approx(4 / 60)


def test_without_signal_there_is_no_share():
    found, _ = brains.simulate(np.random.default_rng(4), ncsnr=1e-3, voxels=(10,) * 3)
    row, null = analyse(found)
    reasons = [subject["reason"] for subject in row["subjects"]]
    assert sum(reason is not None for reason in reasons) >= 2
    if all(reasons):
        assert row["shared_fraction"] is None
        assert "interval above 0" in row["share_reason"]
        assert "shared_fraction" not in null
    results.to_plain(row, "row")


def test_two_subjects_are_enough():
    row, _ = analyse(brains.simulate(np.random.default_rng(6), voxels=(40, 40), ncsnr=2.0)[0])
    assert row["identification"]["estimate"] > 2 * row["identification"]["chance"]


@pytest.fixture(scope="module")
def null_p_values():
    """Brains whose stimuli do not correspond: what a wrong id mapping looks like."""
    found = {name: [] for name in alignment.TESTED}
    accuracy, chance, inside = [], [], []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        brain = shuffled(brains.simulate(rng, voxels=(12,) * 3, n_stimuli=40)[0], rng)
        row, _ = analyse(brain, seed, n_bootstrap=60)
        accuracy.append(row["identification"]["estimate"])
        chance.append(row["identification"]["chance"])
        for name in alignment.TESTED:
            found[name].append(row[name]["p"])
        low, high = row["shared_fraction"]["interval"]
        inside.append(low <= 0 <= high)
    return found, np.array(accuracy), np.array(chance), np.array(inside)


@pytest.mark.parametrize("name", alignment.TESTED)
def test_false_positives_are_rare_without_correspondence(null_p_values, name):
    """The widened null is conservative, so the p-values need not be uniform."""
    p = np.array(null_p_values[0][name])
    for level in (0.05, 0.2):
        assert np.count_nonzero(p <= level) <= scipy_stats.binom.ppf(0.999, p.size, level)
    assert 0.3 < p.mean() < 0.7


def test_identification_is_at_chance_without_correspondence(null_p_values):
    _, accuracy, chance, inside = null_p_values
    error = accuracy.std() / np.sqrt(accuracy.size)
    assert abs(accuracy.mean() - chance.mean()) < 3.5 * error
    assert inside.mean() >= 0.8


def test_all_subjects_the_same_brain_share_everything():
    found, shares = brains.simulate(
        np.random.default_rng(8), voxels=(40,) * 4, fraction=1.0, n_stimuli=120, ncsnr=1.0
    )
    row, _ = analyse(found)
    assert shares == pytest.approx(1)
    assert row["shared_fraction"]["estimate"] > 0.85
    assert row["shared_fraction"]["p"] == pytest.approx(0.01)
    assert row["identification"]["estimate"] > 0.5


def test_too_few_stimuli_for_the_folds_are_refused(small):
    with pytest.raises(BrainworthError, match=r"13 folds needs at least 65 stimuli.*n_folds"):
        plan_for(small, n_folds=13)


def test_one_subject_is_refused(study):
    one = dict([next(iter(study.extracts.items()))])
    with pytest.raises(BrainworthError, match="at least two subjects"):
        alignment.analyse(one, REGIONS, **FEW, interval=0.95, seed=1)


def test_whole_study(study):
    found = alignment.analyse(study.extracts, REGIONS, **FEW, interval=0.95, seed=1)
    assert [row["region"] for row in found["regions"]] == REGIONS
    for row in found["regions"]:
        for name in alignment.TESTED:
            assert row[name]["p"] <= row[name]["p_familywise"] + 0.02


def test_familywise_p_is_that_of_the_largest_standardised_statistic():
    rng = np.random.default_rng(0)
    nulls = [{"x": rng.normal(size=200)}, {"x": 10 * rng.normal(size=200)}, {"x": None}]
    rows = [
        {"x": {"estimate": 2.5} | against(2.5, nulls[0]["x"], 0.95)},
        {"x": {"estimate": 5.0} | against(5.0, nulls[1]["x"], 0.95)},
        {"x": None},
    ]
    add_familywise(rows, nulls, ("x",))
    scaled = np.stack([(n["x"] - n["x"].mean()) / n["x"].std() for n in nulls[:2]])
    for row, null in zip(rows[:2], nulls[:2], strict=True):
        z = (row["x"]["estimate"] - null["x"].mean()) / null["x"].std()
        expected = (np.count_nonzero(scaled.max(axis=0) >= z) + 1) / 201
        assert row["x"]["p_familywise"] == pytest.approx(expected)


def test_planted_share_is_that_of_the_weights():
    weights = {"subj01": np.array([[1.0, 0.0, 1.0], [2.0, 0.0, 0.0]]), "subj02": np.eye(3)}
    found = planted_sharing.shared_fraction(weights, 2)
    assert [row["shared_fraction"] for row in found["subjects"]] == pytest.approx([5 / 6, 2 / 3])
    assert found["shared_fraction"] == pytest.approx(0.75)
