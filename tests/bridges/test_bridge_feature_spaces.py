"""Feature spaces side by side: planted ones win, ties tie, shuffled responses give nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import space_study
import torch

from brainworth import results, stats
from brainworth.bridges.feature_spaces import (
    feature_spaces,
    planted_spaces,
    space_contrasts,
    space_encoding,
    space_group,
    spaces,
)
from brainworth.errors import BrainworthError

SEEDS = range(8)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Compute as jobs do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def analysed():
    """Return what is found with several seeds: aligned, half aligned and misaligned spaces."""
    return [space_study.analyse(seed) for seed in SEEDS]


def rows(subject):
    return {row["space"]: row for row in subject.data["spaces"]}


def test_results_are_fit_for_json_and_say_their_sizes(analysed):
    data = analysed[0].data
    assert results.to_plain(data, "data")
    assert data["n_images"] == {"train": 300, "test": 60}
    assert (data["n_voxels"], data["n_voxels_decoded"], data["n_trials"]) == (40, 40, 180)
    for row in data["spaces"]:
        assert row["n_components"] == 12
        assert [each["region"] for each in row["regions"]] == ["V1", "IPS", "words"]
        assert row["regions"][2]["reason"] == "fewer than 2 voxels"
        for name in ("retrieval", "evidence", "single_trials", "shuffled", "best"):
            found = row[name]
            assert [each["size"] for each in found["curve"]] == [2, 10, 30, 60]
            assert found["top1"]["chance"] == 1 / 60
            low, high = found["top1"]["interval"]
            assert low <= found["top1"]["estimate"] <= high
            assert found["curve"][-1]["estimate"] == pytest.approx(found["top1"]["estimate"])
        assert [each["n_components"] for each in row["by_dimension"]] == [2, 4, 12]
        last = row["by_dimension"][-1]
        for how, name in (("cosine", "retrieval"), ("evidence", "evidence")):
            assert last[how]["estimate"] == pytest.approx(row[name]["top1"]["estimate"])
    assert len(data["differences"]) == 3


def test_the_aligned_space_wins_with_every_seed(analysed):
    """In encoding and in retrieval, over all pairs, with the half aligned one between."""
    for subject in analysed:
        found = rows(subject)
        order = [found[name] for name in ("aligned", "half", "misaligned")]
        shares = [row["encoding"]["share"]["estimate"] for row in order]
        ranks = [row["retrieval"]["identification"]["estimate"] for row in order]
        assert shares == sorted(shares, reverse=True)
        assert ranks == sorted(ranks, reverse=True)
        won = next(
            each
            for each in subject.data["differences"]
            if (each["first"], each["second"]) == ("aligned", "misaligned")
        )
        for name in ("share", "explained", "top1", "top5", "identification", "evidence"):
            assert won[name]["interval"][0] > 0
            assert name == "share" or won[name]["p_familywise"] <= 0.05
        assert found["aligned"]["retrieval"]["top1"]["p_familywise"] == pytest.approx(1 / 200)
        assert found["misaligned"]["encoding"]["share"]["estimate"] < 0.05


def test_what_was_planted_lies_within_the_intervals(analysed):
    """Of what is explained; r^2/NC of the ridge regression is less, by the errors of its fit."""
    for name in ("aligned", "half", "misaligned"):
        found = [rows(subject)[name]["encoding"] for subject in analysed]
        planted = np.array([each["planted"] for each in found])
        estimates = np.array([each["explained"]["estimate"] for each in found])
        assert np.mean(estimates - planted) == pytest.approx(0, abs=0.05)
        inside = [
            each["explained"]["interval"][0] <= each["planted"] <= each["explained"]["interval"][1]
            for each in found
        ]
        assert sum(inside) >= len(SEEDS) - 2
        shares = np.array([each["share"]["estimate"] for each in found])
        assert np.mean(shares - planted) < 0.01
    truths = [rows(analysed[0])[name]["encoding"]["planted"] for name in ("aligned", "misaligned")]
    assert truths[0] > 0.5
    assert truths[1] == pytest.approx(0, abs=1e-9)


def test_intervals_of_what_is_explained_cover():
    """Over many data sets, each with its own images, brain and space."""
    inside, errors = [], []
    for seed in range(100, 180):
        made = space_study.study(seed, n_voxels=15)
        targets = made.targets["subj01"]
        planted = space_study.plant(made, seed, alignments={"half": 0.5})
        design = space_study.reduced(planted, targets)["half"].scores
        adds = space_encoding.explained(design, targets, min_ceiling=0.05, seed=seed)
        rng = np.random.default_rng(seed)
        weights = stats.multiplicities(rng, 400, len(adds))
        low, high = space_contrasts.mean(adds, weights, 0.95)["interval"]
        truth = planted["half"].knowledge(np.arange(1), space_study.OWN)
        weights = made.truths["subj01"].weights
        planted_share = truth.explained(weights).mean()
        inside.append(low <= planted_share <= high)
        errors.append(adds.mean() - planted_share)
    assert np.mean(inside) > 0.88
    assert np.mean(errors) == pytest.approx(0, abs=3 * np.std(errors) / np.sqrt(80))


def test_too_few_training_images_for_the_components_are_told():
    made = space_study.study(27, n_train=60)
    found = space_study.analyse(27, made=made)
    for row in found.data["spaces"]:
        assert row["encoding"]["explained"]["reason"] == feature_spaces.TOO_FEW
    assert "explained" not in found.images
    assert "explained" not in found.data["differences"][0]


def test_nothing_finds_more_images_than_the_best_retrieval(analysed):
    """What the space says and the noise allow; ranking by evidence gets nearer to it."""
    for name in ("aligned", "half"):
        for measure in ("top1", "identification"):
            found, weighed, best, ideal = (
                np.mean(
                    [
                        (rows(subject)[name][key] if key else subject.data["ideal"])[measure][
                            "estimate"
                        ]
                        for subject in analysed
                    ]
                )
                for key in ("retrieval", "evidence", "best", None)
            )
            assert found < weighed < best < ideal
            assert weighed > 0.7 * best
    for subject in analysed:
        nothing = rows(subject)["misaligned"]["best"]["top1"]
        # a space that says nothing of the image leaves all candidates alike
        assert nothing["estimate"] == pytest.approx(nothing["chance"])


def test_single_trials_find_less_than_means(analysed):
    means, trials = (
        [rows(subject)["aligned"][key]["top1"]["estimate"] for subject in analysed]
        for key in ("retrieval", "single_trials")
    )
    assert np.mean(trials) < np.mean(means)
    assert rows(analysed[0])["aligned"]["single_trials"]["n_queries"] == 180


def test_mixed_up_training_images_find_nothing(analysed):
    p = [
        row["shuffled"]["identification"]["p"]
        for subject in analysed
        for row in subject.data["spaces"]
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.15
    top1 = [
        row["shuffled"]["top1"]["estimate"]
        for subject in analysed
        for row in subject.data["spaces"]
    ]
    assert np.mean(top1) == pytest.approx(1 / 60, abs=0.01)


def test_what_is_unique_to_the_aligned_space_is_nearly_all_of_it(analysed):
    for subject in analysed:
        mine, other = subject.data["unique"]
        assert (mine["space"], other["space"]) == space_study.PAIR
        assert mine["interval"][0] > 0.3
        # what nobody encodes can only cost
        assert -0.12 < other["estimate"] < 0.03


def two_alike(seed, *, mixed):
    """Compare two equally aligned spaces; or with the responses to other images than is said."""
    made = space_study.study(seed, n_train=80, n_test=40, n_voxels=12)
    targets = made.targets["subj01"]
    rng = np.random.default_rng([seed, 3])
    order = np.arange(len(targets.nsd_id))
    if mixed:
        order = np.concatenate([rng.permutation(targets.rows(part)) for part in range(3)])
    planted = space_study.plant(made, seed, alignments={"aligned": 1.0, "misaligned": 1.0})
    found = space_study.reduced(planted, targets, 6)
    found = {
        name: replace(space, scores=space.scores[order], whitened=space.whitened[order])
        for name, space in found.items()
    }
    plan = space_study.plan(seed=seed, sizes=[], dimensions=[])
    return feature_spaces.analyse(targets, {}, found, plan)


MEASURES = ("explained", "top1", "top5", "identification", "evidence")


def rates(*, mixed):
    """Return how often p is below 5 %: of differences, and of retrieval itself."""
    differences, single = {name: [] for name in MEASURES}, []
    for seed in range(200):
        data = two_alike(seed, mixed=mixed).data
        for name, found in differences.items():
            found.append(data["differences"][0][name]["p"] <= 0.05)
        single += [row["retrieval"]["identification"]["p"] <= 0.05 for row in data["spaces"]]
    return {name: float(np.mean(found)) for name, found in differences.items()}, np.mean(single)


def test_shuffled_responses_let_no_space_win():
    """Counts of few hits have few values: p-values of top-1 are larger than they need be."""
    found, single = rates(mixed=True)
    assert 0.01 <= found["explained"] <= 0.10
    assert 0.01 <= found["identification"] <= 0.10
    assert max(found["top1"], found["top5"], found["evidence"]) <= 0.10
    assert 0.01 <= single <= 0.10


def test_equally_aligned_spaces_are_told_apart_no_more_often_than_the_level_says():
    found, single = rates(mixed=False)
    assert all(0.01 <= rate <= 0.10 for rate in found.values()), found
    assert single > 0.9


def test_a_space_and_its_rotation_tie():
    made = space_study.study(21)
    targets = made.targets["subj01"]
    space = space_study.plant(made, 21)["aligned"].values[targets.nsd_id]
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((12, 12)))[0]
    train = targets.rows(0)
    both = {
        "aligned": spaces.reduce(space, train, 12, "aligned"),
        "misaligned": spaces.reduce(space @ turn + 5, train, 12, "misaligned"),
    }
    found = feature_spaces.analyse(targets, space_study.REGIONS, both, space_study.plan()).data
    (difference,) = found["differences"]
    for name in ("share", "explained", "top1", "top5", "identification", "evidence"):
        assert difference[name]["estimate"] == pytest.approx(0, abs=1e-4)
        assert name == "share" or difference[name]["p"] == 1
    first, second = found["spaces"]
    assert first["effective_dimension"] == pytest.approx(second["effective_dimension"])


def test_test_images_are_not_fitted():
    """Other responses to test images change nothing of what others are decoded to."""
    made = space_study.study(22)
    targets = made.targets["subj01"]
    planted = space_study.plant(made, 22)
    values = targets.values.copy()
    values[targets.rows(2)[30:]] += 5
    found, other = (
        feature_spaces.analyse(
            each, {}, space_study.reduced(planted, targets), space_study.plan()
        ).images["identification"]["aligned"]
        for each in (targets, replace(targets, values=values))
    )
    np.testing.assert_array_equal(found[:30], other[:30])
    assert not np.array_equal(found[30:], other[30:])


def test_results_do_not_depend_on_other_spaces_or_their_order():
    made = space_study.study(23)
    planted = space_study.plant(made, 23)
    turned = dict(reversed(planted.items()))
    one = space_study.analyse(23, made=made, planted=planted)
    other = space_study.analyse(23, made=made, planted=turned)
    for name, row in rows(one).items():
        again = rows(other)[name]
        assert again["encoding"] == row["encoding"]
        assert again["best"] == row["best"]
        assert again["retrieval"]["top1"]["estimate"] == row["retrieval"]["top1"]["estimate"]


def test_decoding_takes_the_best_voxels():
    made = space_study.study(24)
    targets = made.targets["subj01"]
    ncsnr = targets.ncsnr_own.copy()
    ncsnr[[3, 17, 30]] += 1
    made.targets["subj01"] = replace(targets, ncsnr_own=ncsnr)
    few = space_study.analyse(24, made=made, max_voxels=3)
    assert few.data["n_voxels_decoded"] == 3
    all_of_them = space_study.analyse(24, made=made)
    found = [rows(each)["aligned"]["retrieval"] for each in (few, all_of_them)]
    assert found[0]["identification"]["estimate"] < found[1]["identification"]["estimate"]


def test_few_images_and_other_rows_are_refused():
    made = space_study.study(25, n_test=9)
    with pytest.raises(BrainworthError, match=r"subj01 has 9 test images, .* at least 10"):
        space_study.analyse(25, made=made)
    made = space_study.study(25)
    targets = made.targets["subj01"]
    found = space_study.reduced(space_study.plant(made, 25), targets)
    one = {"aligned": found["aligned"]}
    with pytest.raises(BrainworthError, match="at least two spaces"):
        feature_spaces.analyse(targets, {}, one, space_study.plan())
    cut = replace(found["half"], scores=found["half"].scores[:-1])
    with pytest.raises(BrainworthError, match="half has others"):
        feature_spaces.analyse(targets, {}, found | {"half": cut}, space_study.plan())
    made = space_study.study(26, n_train=3)
    with pytest.raises(BrainworthError, match="3 training images, and decoding needs at least 10"):
        space_study.analyse(26, made=made)


# --- over subjects ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def group():
    """Return two subjects with most test images in common, and what is found of both."""
    made = space_study.study(31, ("subj01", "subj05"))
    planted = space_study.plant(made, 31)
    second = made.targets["subj05"]
    kept = np.r_[np.arange(320), np.arange(325, 380)]
    rows_kept = np.isin(second.trial_row, kept)
    made.targets["subj05"] = replace(
        second,
        nsd_id=second.nsd_id[kept],
        split=second.split[kept],
        values=second.values[kept],
        n_repeats=second.n_repeats[kept],
        repeat=second.repeat[kept],
        trials=second.trials[rows_kept],
        trial_row=np.searchsorted(kept, second.trial_row[rows_kept]),
    )
    found = [
        space_study.analyse(31, subject, made=made, planted=planted)
        for subject in ("subj01", "subj05")
    ]
    described = [{"space": name, "source": "planted"} for name in planted]
    return found, space_group.data(found, described, space_study.plan())


def test_scores_are_averaged_over_subjects_on_common_images(group):
    found, data = group
    assert results.to_plain(data, "data")
    assert (data["group"]["n_subjects"], data["group"]["n_images"]) == (2, 55)
    first, second = found
    assert (len(first.nsd_id), len(second.nsd_id)) == (60, 55)
    slow = np.mean(
        [
            np.mean(
                [each.images["top1"]["aligned"][list(each.nsd_id).index(image)] for each in found]
            )
            for image in second.nsd_id
        ]
    )
    entry = next(each for each in data["group"]["spaces"] if each["space"] == "aligned")
    assert entry["top1"]["estimate"] == pytest.approx(slow)
    shares = [rows(each)["aligned"]["encoding"]["share"]["estimate"] for each in found]
    assert entry["share"] == pytest.approx(np.mean(shares))


def test_the_pair_is_told_aligned_minus_other(group):
    found, data = group
    pair = data["pair"]
    assert (pair["aligned"], pair["unaligned"]) == space_study.PAIR
    assert (pair["n_subjects"], pair["n_better"], pair["n_encoding"]) == (2, 2, 2)
    assert pair["in_every_subject"] is True
    assert pair["group"]["top1"]["interval"][0] > 0
    turned = space_group.data(found, [], space_study.plan(pair=("misaligned", "aligned")))["pair"]
    for name in ("top1", "identification"):
        there, here = pair["group"][name], turned["group"][name]
        assert here["estimate"] == -there["estimate"]
        assert here["interval"] == [-there["interval"][1], -there["interval"][0]]
        assert here["p"] == there["p"]
    assert turned["n_better"] == 0
    assert space_group.data(found, [], space_study.plan(pair=None))["pair"] is None


def test_subjects_without_common_images_have_no_common_differences(group):
    found, _ = group
    apart = [found[0], replace(found[1], nsd_id=found[1].nsd_id + 1000)]
    data = space_group.data(apart, [], space_study.plan())
    assert data["group"]["differences"] is None
    assert data["group"]["reason"] == "the subjects have 0 test images in common"
    assert data["pair"]["group"] is None
    assert results.to_plain(data, "data")


def test_equal_planted_spaces_are_equal_in_truth():
    """The planted truth of a space follows from its settings, not from its name."""
    made = space_study.study(41)
    weights = made.truths["subj01"].weights
    shares = [
        planted_spaces.plant(
            made.features[:, :8], alignment=1.0, snr=3.0, dimension=12, seed=1, name=name
        )
        .knowledge(np.arange(5), 4)
        .explained(weights)
        for name in "ab"
    ]
    np.testing.assert_allclose(*shares, rtol=1e-6)
