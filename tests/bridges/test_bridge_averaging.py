"""What averaging costs: it covers what was planted, is nothing where all is shared, and no less."""

import itertools

import averaging_population as planted
import numpy as np
import pytest
from scipy import stats

from brainworth.bridges.averaging import (
    average_encoder,
    averaging_scores,
    common_space,
    planted_cost,
    region_responses,
    sharing_relation,
)
from brainworth.bridges.averaging.average_encoder import (
    ALL,
    AVERAGE,
    INDIVIDUAL,
    MATCHED,
    OTHERS,
    POOLED,
)
from brainworth.bridges.averaging.region_responses import Split
from brainworth.errors import BrainworthError

SEEDS = range(12)
KINDS = [(space, encoder) for space in ("roi_mean", "components") for encoder in (AVERAGE, OTHERS)]


@pytest.fixture(scope="module")
def drawn():
    return {seed: planted.draw(seed) for seed in SEEDS}


@pytest.fixture(scope="module")
def costs(drawn):
    return {seed: planted.cost(population, seed) for seed, population in drawn.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_the_planted_cost(costs, kind):
    """Of each subject, mean over regions; intervals are of 95 %, over test images."""
    inside, errors, total = 0, [], 0
    for found in costs.values():
        row, truth, each = found[kind]
        for s, subject in enumerate(row["subjects"]):
            expected = truth[s][each.usable[s]].mean()
            inside += subject["interval"][0] <= expected <= subject["interval"][1]
            errors.append(subject["estimate"] - expected)
            total += 1
    assert total == 4 * len(SEEDS)
    # 48 subjects of 12 populations
    assert inside / total >= 0.85
    assert abs(np.mean(errors)) < 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_who_shares_less_loses_more(costs, kind):
    means = np.mean(
        [[each["estimate"] for each in found[kind][0]["subjects"]] for found in costs.values()],
        axis=0,
    )
    assert np.all(np.diff(means) > 0.01), "fractions are 0.9, 0.7, 0.5, 0.3"


def test_the_mean_over_subjects_is_that_of_their_rows(costs):
    row = costs[0]["roi_mean", OTHERS][0]
    values = [each["estimate"] for each in row["subjects"]]
    assert row["estimate"] == pytest.approx(np.mean(values))
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert row["interval_subjects"] == pytest.approx([low, high])
    assert row["n_pairs"] == 8
    assert row["n_unusable"] == 0
    assert row["n_subjects"] == 4


def test_what_is_shared_by_all_costs_nothing():
    """The same map of region means in all subjects: fraction 1, and hardly any deviation."""
    misses = 0
    for seed in range(8):
        population = planted.draw(seed, (1.0,) * 4, n_voxels=400)
        row, truth, _ = planted.cost(population, seed)["roi_mean", OTHERS]
        assert np.all(truth < 0.05)
        assert row["estimate"] < 0.06
        misses += not row["interval"][0] <= truth.mean() <= row["interval"][1]
    assert misses <= 1


def test_where_nothing_is_shared_the_average_of_others_costs_all():
    for seed in range(4):
        population = planted.draw(seed, (0.0,) * 4)
        row, truth, _ = planted.cost(population, seed)["roi_mean", OTHERS]
        assert np.all(truth > 0.99)
        assert row["estimate"] > 0.9
        # the average of all holds a quarter of the subject itself
        row, truth, _ = planted.cost(population, seed)["roi_mean", AVERAGE]
        assert truth.mean() == pytest.approx(0.75, abs=0.06)
        assert row["estimate"] == pytest.approx(truth.mean(), abs=0.1)


@pytest.fixture(scope="module")
def made(drawn):
    population = drawn[3]
    spaces = population.spaces(3)
    return population, spaces, average_encoder.predict(population.inputs, spaces, 3)


def test_matched_encoders_see_as_many_images_as_the_subject_with_the_fewest(made):
    _, _, found = made
    assert found.n_images[MATCHED, INDIVIDUAL].tolist() == [200] * 4
    assert found.n_images[MATCHED, AVERAGE].tolist() == [200] * 4
    assert found.n_images[MATCHED, POOLED].tolist() == [200] * 4
    assert found.n_images[MATCHED, OTHERS].tolist() == [198] * 4
    assert found.n_images[ALL, INDIVIDUAL].tolist() == [200, 240, 220, 260]
    assert found.n_images[ALL, OTHERS].tolist() == [720, 680, 700, 660]


def test_the_average_of_others_never_sees_the_subject(made):
    """Responses of a subject may be anything: nothing changes in what others predict for it."""
    population, spaces, found = made
    changed = [
        common_space.Space(**(vars(each) | {"train": [-5 * each.train[0], *each.train[1:]]}))
        for each in spaces
    ]
    again = average_encoder.predict(population.inputs, changed, 3)
    for size in (MATCHED, ALL):
        for a, b in zip(found.whole[size, OTHERS], again.whole[size, OTHERS], strict=True):
            np.testing.assert_array_equal(a[0], b[0])
            assert not np.allclose(a[1], b[1])
        for a, b in zip(found.whole[size, INDIVIDUAL], again.whole[size, INDIVIDUAL], strict=True):
            np.testing.assert_array_equal(a[1:], b[1:])


def test_pooled_heads_lose_nothing_and_averages_do(made, drawn):
    """Over populations: with few images, a shared subspace may even help."""
    loss = {encoder: [] for encoder in (POOLED, OTHERS)}
    for seed in (3, 4, 5):
        population = drawn[seed]
        spaces = population.spaces(seed)
        found = average_encoder.predict(population.inputs, spaces, seed)
        weights = np.ones((100, 80))
        rows = averaging_scores.rows(
            spaces[:1], [0], found, weights, population.subjects, planted.REGIONS,
            min_ceiling=0.05, level=0.95,
        )  # fmt: skip
        by_name = {(row["size"], row["encoder"]): row for row in rows}
        for encoder in loss:
            loss[encoder].append(by_name[ALL, encoder]["loss_of_share"]["estimate"])
    assert abs(np.mean(loss[POOLED])) < 0.05
    assert np.mean(loss[OTHERS]) > 0.2


def test_scores_against_a_slow_computation(made):
    population, spaces, found = made
    weights = np.random.default_rng(1).multinomial(80, np.full(80, 1 / 80), 200).astype(float)
    rows = averaging_scores.rows(
        spaces[:1], [0], found, weights, population.subjects, planted.REGIONS,
        min_ceiling=0.05, level=0.95,
    )  # fmt: skip
    row = next(r for r in rows if (r["size"], r["encoder"]) == (ALL, OTHERS))
    own = next(r for r in rows if (r["size"], r["encoder"]) == (ALL, INDIVIDUAL))
    expected, lost = [], []
    for s, columns in enumerate(population.found):
        shares = []
        for encoder in (OTHERS, INDIVIDUAL):
            for r, item in enumerate(columns):
                y, p = item.test[:, 0], found.whole[ALL, encoder][0][s, :, r, 0]
                ceiling = 1 - item.noise[0] / np.var(y, ddof=1)
                shares.append(np.corrcoef(y, p)[0, 1] ** 2 / ceiling)
        expected.append(np.mean(shares[:2]))
        lost.append(np.mean(shares[2:]) - np.mean(shares[:2]))
    assert [each["estimate"] for each in row["share"]["subjects"]] == pytest.approx(expected)
    assert [each["estimate"] for each in row["loss_of_share"]["subjects"]] == pytest.approx(lost)
    assert own["share"]["estimate"] > row["share"]["estimate"]


def test_an_encoder_that_predicts_the_opposite_has_a_negative_share(made):
    _, spaces, found = made
    weights = averaging_scores.weights_of(np.ones((10, 80)), spaces[:1])
    predicted = found.whole[ALL, INDIVIDUAL][0]
    nc = averaging_scores.ceiling(spaces[:1])
    right = averaging_scores.share(
        averaging_scores.correlation(spaces[:1], [predicted], weights), nc, 0.05
    )
    wrong = averaging_scores.share(
        averaging_scores.correlation(spaces[:1], [-predicted], weights), nc, 0.05
    )
    np.testing.assert_allclose(wrong.values, -right.values)
    constant = averaging_scores.correlation(spaces[:1], [np.ones_like(predicted)], weights)
    assert not constant.values.any()


def test_responses_without_signal_have_no_cost_but_a_count():
    population = planted.draw(1, noise=400.0)
    row, _, each = planted.cost(population, 1)["roi_mean", OTHERS]
    assert row["n_unusable"] == np.sum(~each.usable) >= 6
    for s, subject in enumerate(row["subjects"]):
        if not each.usable[s].any():
            assert subject["estimate"] is None
            assert subject["interval"] is None


def test_axes_and_scales_know_nothing_of_test_images():
    rng = np.random.default_rng(4)
    ids = np.repeat(np.arange(60), 2)
    values = rng.normal(size=(120, 12)).astype(np.float32)
    split = Split(np.arange(20, 50), np.arange(50, 60), np.arange(20), np.arange(20))
    session = np.tile([1, 2], 60)
    fitted = ids >= 20
    changed = values.copy()
    changed[~fitted] = 50 * changed[~fitted] + 7
    found = [
        region_responses.reduce(
            region_responses.rescale(each, session, fitted, "subj01"), ids, split, 3, "subj01", "V1"
        )
        for each in (values, changed)
    ]
    np.testing.assert_array_equal(found[0].axes, found[1].axes)
    np.testing.assert_array_equal(found[0].train, found[1].train)
    np.testing.assert_array_equal(found[0].train_squares, found[1].train_squares)
    assert not np.allclose(found[0].test, found[1].test)


def test_columns_are_means_and_variances_of_trials():
    rng = np.random.default_rng(5)
    counts = np.concatenate([[2, 3, 3, 2], np.full(26, 3), [1, 2, 3, 1]])
    ids = rng.permutation(np.repeat(np.arange(34), counts))
    values = rng.normal(size=(len(ids), 7)).astype(np.float32)
    split = Split(np.arange(4, 32), np.arange(32, 34), np.arange(4), np.arange(4))
    found = region_responses.reduce(values, ids, split, 2, "subj01", "V1")
    scores = values.astype(float) @ found.axes
    for place in range(4):
        trials = scores[ids == place]
        np.testing.assert_allclose(found.test[place], trials.mean(axis=0))
        np.testing.assert_allclose(found.first[place], trials[::2].mean(axis=0))
        np.testing.assert_allclose(found.second[place], trials[1::2].mean(axis=0))
        own = found.contrasts[found.contrast_image == place]
        np.testing.assert_allclose(
            (own**2).sum(axis=0) / found.degrees[place], trials.var(axis=0, ddof=1)
        )
    repeated = np.flatnonzero(found.train_repeated)
    assert len(repeated) == 27
    assert found.train_degrees.tolist() == [2] * 26 + [1]
    for place, image in enumerate(split.train[repeated]):
        np.testing.assert_allclose(
            found.train_squares[place], scores[ids == image].var(axis=0, ddof=1)
        )


def test_a_test_image_that_was_shown_once_is_refused():
    ids = np.array([0, 0, 1, 2, 2, 3, 3, 4, 4])
    values = np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)
    split = Split(np.arange(2, 5), np.array([], dtype=int), np.arange(2), np.arange(2))
    with pytest.raises(BrainworthError, match=r"test image 1 .* was shown 1 times"):
        region_responses.reduce(values, ids, split, 2, "subj01", "V1")


def test_components_are_scored_on_images_that_no_rotation_saw(drawn):
    population = drawn[2]
    spaces = population.spaces(2)
    assert np.intersect1d(spaces[1].images, spaces[2].images).size == 0
    assert np.union1d(spaces[1].images, spaces[2].images).size == 80
    # a change of scored responses changes no target
    changed = [[_changed(each, spaces[1].images) for each in row] for row in population.found]
    again = common_space.spaces(changed, None, np.random.default_rng(2))
    for s in range(4):
        np.testing.assert_array_equal(spaces[1].train[s], again[1].train[s])
        assert not np.allclose(spaces[2].train[s], again[2].train[s])


def _changed(item, images):
    test = item.test.copy()
    test[images] = np.random.default_rng(9).normal(size=test[images].shape)
    return type(item)(**(vars(item) | {"test": test}))


def test_planted_cost_is_that_of_predictions_without_noise(drawn):
    population = drawn[1]
    spaces = population.spaces(1)[:1]
    n_images = np.array([1.0, 2.0, 3.0, 4.0])
    phi = np.random.default_rng(3).normal(size=(200_000, 30))
    found = planted_cost.costs(spaces, n_images)
    y = np.stack([phi @ each[:, 1, 0] for each in spaces[0].maps])
    for encoder, members in ((OTHERS, [0, 1, 3]), (AVERAGE, [0, 1, 2, 3])):
        mean = np.average(y[members], axis=0, weights=n_images[members])
        expected = 1 - np.corrcoef(y[2], mean)[0, 1] ** 2
        assert found[encoder][2, 1] == pytest.approx(expected, abs=0.01)


def relation(fraction, cost, **changes):
    settings = {"n_permutations": 50_000, "n_bootstrap": 400, "interval": 0.95, "seed": 1}
    return sharing_relation.relation(fraction, cost, **(settings | changes))


def test_the_relation_is_that_of_the_means_and_its_p_exact():
    rng = np.random.default_rng(2)
    fraction = rng.uniform(0.3, 0.9, (6, 3))
    cost = 1 - fraction + 0.1 * rng.normal(size=fraction.shape)
    found = relation(fraction, cost)
    a, b = fraction.mean(axis=1), cost.mean(axis=1)
    assert found["subjects"]["correlation"]["estimate"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found["subjects"]["slope"]["estimate"] == pytest.approx(np.polyfit(a, b, 1)[0])
    assert found["pairs"]["correlation"]["estimate"] == pytest.approx(
        np.corrcoef(fraction.ravel(), cost.ravel())[0, 1]
    )
    assert found["exhaustive"]
    assert found["n_labellings"] == 719
    observed = np.corrcoef(a, b)[0, 1]
    null = [np.corrcoef(a[list(p)], b)[0, 1] for p in itertools.permutations(range(6))]
    assert found["subjects"]["correlation"]["p"] == pytest.approx(
        np.mean(np.array(null) <= observed + 1e-12)
    )


def test_pairs_that_are_not_known_are_left_out():
    rng = np.random.default_rng(3)
    fraction, cost = rng.uniform(size=(2, 5, 4))
    fraction[0, 1] = cost[2, 2] = np.nan
    found = relation(fraction, cost)
    known = np.isfinite(fraction) & np.isfinite(cost)
    assert found["n_pairs"] == 18
    assert found["pairs"]["slope"]["estimate"] == pytest.approx(
        np.polyfit(fraction[known], cost[known], 1)[0]
    )


def test_without_a_relation_few_are_found():
    """At 5 %, one-sided, over 200 data sets."""
    rng = np.random.default_rng(4)
    p = [
        relation(*rng.normal(size=(2, 6, 1)), n_bootstrap=100)["subjects"]["correlation"]["p"]
        for _ in range(200)
    ]
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.10


def test_a_relation_needs_subjects_and_a_spread():
    assert relation(np.ones((3, 2)), np.ones((3, 2)))["reason"] == sharing_relation.TOO_FEW
    flat = relation(np.ones((5, 2)), np.random.default_rng(0).normal(size=(5, 2)))
    assert flat["subjects"] is None
    assert "the same everywhere" in flat["reason"]


def test_a_relabelling_without_a_statistic_counts_against_the_relation():
    """Each subject has a region of its own: only those that keep it are known after relabelling."""
    fraction, cost = np.full((2, 4, 4), np.nan)
    np.fill_diagonal(fraction, [0.2, 0.4, 0.6, 0.8])
    np.fill_diagonal(cost, [0.9, 0.5, 0.6, 0.1])
    found = relation(fraction, cost)["pairs"]["correlation"]
    x, y = np.diag(fraction), np.diag(cost)
    as_extreme = undefined = 0
    for order in itertools.permutations(range(4)):
        kept = np.flatnonzero(np.array(order) == np.arange(4))
        if kept.size < 2:
            undefined += 1
        else:
            as_extreme += np.corrcoef(x[kept], y[kept])[0, 1] <= np.corrcoef(x, y)[0, 1] + 1e-9
    assert undefined == 17
    assert found["n_undefined"] == undefined
    assert found["p"] == pytest.approx((as_extreme + undefined) / 24)
