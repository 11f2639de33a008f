"""Ranks, subsets of candidates, intervals and differences, against slow loops and as statistics."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from brainworth import stats
from brainworth.bridges.feature_spaces import retrieval, space_contrasts, space_retrieval
from brainworth.errors import BrainworthError

N = 11


def tied_similarities(seed=0, n=N):
    """Return similarities of few values, so that most candidates are tied."""
    return np.random.default_rng(seed).integers(0, 4, (n, n)).astype(float)


def slow_hits(similarities, first, size):
    """List all subsets, and all orders of ties, of every candidate."""
    n = similarities.shape[1]
    answer = np.empty(similarities.shape)
    for query, candidate in np.ndindex(similarities.shape):
        own = similarities[query, candidate]
        others = np.delete(similarities[query], candidate)
        shares = []
        for chosen in itertools.combinations(range(n - 1), size - 1):
            rivals = others[list(chosen)]
            better, tied = np.sum(rivals > own), np.sum(rivals == own)
            shares.append(np.mean([better + place < first for place in range(tied + 1)]))
        answer[query, candidate] = np.mean(shares)
    return answer


@pytest.mark.parametrize(("first", "size"), [(1, N), (5, N), (1, 4), (2, 5), (3, 2), (1, 1)])
def test_hits_are_those_of_all_subsets_and_all_orders_of_ties(first, size):
    similarities = tied_similarities()
    found = retrieval.hits(retrieval.rank_all(similarities), first, size)
    np.testing.assert_allclose(found, slow_hits(similarities, first, size), atol=1e-12)
    # whatever the similarities, a candidate taken at random is found by chance
    np.testing.assert_allclose(found.mean(axis=1), retrieval.chance(first, size), atol=1e-12)


def test_ranks_without_ties_are_places_in_the_order():
    similarities = np.random.default_rng(1).standard_normal((6, 20))
    found = retrieval.ranks(retrieval.rank_all(similarities))
    for row, ranks in zip(similarities, found, strict=True):
        assert np.array_equal(np.argsort(-row), np.argsort(ranks))
        assert sorted(ranks) == list(range(1, 21))
    np.testing.assert_allclose(
        retrieval.beaten(retrieval.rank_all(similarities)), 1 - (found - 1) / 19
    )


def test_a_constant_space_scores_what_chance_scores():
    """Nobody is first where all are alike: not the right image either."""
    decoded = np.random.default_rng(2).standard_normal((20, 3))
    for candidates in (np.zeros((20, 3)), np.ones((20, 3))):
        similarities = retrieval.cosine(decoded, candidates)
        found = space_retrieval.measure(
            similarities, np.arange(20), draws(20), sizes=[2, 20], level=0.95
        ).summary
        assert found["top1"]["estimate"] == pytest.approx(1 / 20, abs=1e-12)
        assert found["top5"]["estimate"] == pytest.approx(5 / 20, abs=1e-12)
        assert found["identification"]["estimate"] == pytest.approx(0.5, abs=1e-12)
        assert found["median_rank"]["estimate"] == 10.5 == found["median_rank"]["chance"]
        assert [each["estimate"] for each in found["curve"]] == pytest.approx([1 / 2, 1 / 20])
        assert found["top1"]["p"] == 1


def draws(n, seed=0, n_permutations=99):
    return space_retrieval.draw(seed, "subj01", n, n_permutations, 200)


def test_rounding_makes_no_order():
    similarities = np.full((1, 12), 0.3) + np.linspace(0, 1e-12, 12)
    places = retrieval.rank_all(similarities)
    assert not places.better.any()
    assert np.all(places.tied == 11)


def test_cosine_against_loops():
    rng = np.random.default_rng(3)
    queries, candidates = rng.standard_normal((4, 3)), rng.standard_normal((5, 3))
    candidates[2] = 0
    slow = [
        [0.0 if not y.any() else sum(x * y) / np.sqrt(sum(x**2) * sum(y**2)) for y in candidates]
        for x in queries
    ]
    np.testing.assert_allclose(retrieval.cosine(queries, candidates), slow, atol=1e-12)


def test_evidence_is_the_log_bayes_factor_of_normal_densities():
    rng = np.random.default_rng(16)
    queries, candidates = rng.standard_normal((4, 3)), rng.standard_normal((5, 3))
    axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    error = axes @ np.diag([0.2, 0.7, 1.0]) @ axes.T
    slow = np.array(
        [
            [
                scipy_stats.multivariate_normal.logpdf(y, x, error)
                - scipy_stats.multivariate_normal.logpdf(y, np.zeros(3), np.eye(3))
                for y in candidates
            ]
            for x in queries
        ]
    )
    found = retrieval.evidence(queries, candidates, error)
    np.testing.assert_allclose(found - found[:, :1], slow - slow[:, :1], atol=1e-9)
    # a rotation of the space changes nothing, nor what is decoded to nothing
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    turned = retrieval.evidence(queries @ turn, candidates @ turn, turn.T @ error @ turn)
    np.testing.assert_allclose(turned, found, atol=1e-9)
    wider = retrieval.evidence(
        np.hstack([queries, np.zeros((4, 2))]),
        np.hstack([candidates, rng.standard_normal((5, 2))]),
        np.block([[error, np.zeros((3, 2))], [np.zeros((2, 3)), 1.3 * np.eye(2)]]),
    )
    np.testing.assert_allclose(wider, found, atol=1e-9)


def test_queries_of_an_image_are_averaged():
    scores = np.random.default_rng(4).random((7, 3))
    image = np.array([2, 0, 1, 1, 2, 2, 0])
    slow = [np.mean(scores[image == each], axis=0) for each in range(3)]
    np.testing.assert_allclose(retrieval.by_image(scores, image, 3), slow)
    with pytest.raises(ValueError, match="every image needs a query"):
        retrieval.by_image(scores, np.zeros(7, dtype=int), 3)


def test_relabelled_means_against_loops_and_chance():
    table = retrieval.hits(retrieval.rank_all(tied_similarities(5)), 1, N)
    turned = np.array([np.roll(np.arange(N), shift) for shift in range(N)])
    slow = [np.mean([table[i, order[i]] for i in range(N)]) for order in turned]
    found = retrieval.relabelled(table, turned)
    np.testing.assert_allclose(found, slow)
    # over these relabellings every candidate is every image's once
    assert found.mean() == pytest.approx(1 / N, abs=1e-12)


def test_median_ranks_of_bootstrap_samples_against_loops():
    rng = np.random.default_rng(6)
    own = rng.integers(1, 9, 15).astype(float)
    drawn = draws(15)
    medians = [np.median(np.repeat(own, row.astype(int))) for row in drawn.weights]
    found = space_retrieval._median_rank(own, drawn, 0.95)
    expected = stats.percentile_interval(np.array(medians), 0.95)
    assert found["interval"] == pytest.approx(list(expected))
    assert found["estimate"] == np.median(own)


def test_candidates_stay_as_they_are_when_images_are_resampled():
    """The score of an image does not depend on which others a sample has."""
    similarities = np.random.default_rng(7).standard_normal((20, 20))
    found = space_retrieval.measure(similarities, np.arange(20), draws(20), sizes=[20], level=0.95)
    alone = retrieval.hits(retrieval.rank_all(similarities), 1, 20)
    np.testing.assert_array_equal(found.images["top1"], np.diag(alone))


@pytest.mark.parametrize("n", [60, 200])
def test_intervals_of_trials_cover(n):
    """Exactly, over all counts; Wilson's interval covers its level on average over shares."""
    counts = np.arange(n + 1)
    bounds = np.array([retrieval.interval(np.arange(n) < k, 0.95) for k in counts])
    covered = []
    for p in np.linspace(0.01, 0.99, 99):
        inside = (bounds[:, 0] <= p) & (p <= bounds[:, 1])
        covered.append(scipy_stats.binom.pmf(counts, n, p) @ inside)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.006)
    assert min(covered) > 0.87
    expected = scipy_stats.binomtest(n // 3, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(bounds[n // 3], [expected.low, expected.high], atol=1e-9)


@pytest.mark.parametrize(("a", "b"), [(8, 2), (2, 8), (0.5, 0.5), (20, 1)])
def test_intervals_of_fractions_cover_and_are_narrower(a, b):
    rng = np.random.default_rng(9)
    inside, widths = 0, []
    for _ in range(400):
        scores = rng.beta(a, b, 100)
        low, high = retrieval.interval(scores, 0.95)
        inside += low <= a / (a + b) <= high
        widths.append(high - low)
    assert 0.92 < inside / 400 <= 0.99
    trial = scipy_stats.binomtest(round(100 * a / (a + b)), 100).proportion_ci(method="wilson")
    assert np.mean(widths) < trial.high - trial.low


def test_intervals_have_a_width_where_all_images_are_found():
    low, high = retrieval.interval(np.ones(50), 0.95)
    assert (high, low) == (1, pytest.approx(0.929, abs=0.01))
    low, high = retrieval.interval(np.zeros(50), 0.95)
    assert (low, high) == (0, pytest.approx(0.071, abs=0.01))


def decoded_noise(rng, n=40, signal=0.0):
    """Return the similarities of decoded vectors with candidates in a space of 6 dimensions."""
    candidates = rng.standard_normal((n, 6))
    return retrieval.cosine(signal * candidates + rng.standard_normal((n, 6)), candidates)


@pytest.mark.parametrize("signal", [0.5, 1.5])
def test_intervals_of_accuracies_cover_what_other_images_would_give(signal):
    rng = np.random.default_rng(10)
    found = {"top1": [], "curve": []}
    for _ in range(300):
        places = retrieval.rank_all(decoded_noise(rng, signal=signal))
        found["top1"].append(np.diag(retrieval.hits(places, 1, 40)))
        found["curve"].append(np.diag(retrieval.hits(places, 1, 5)))
    for each in found.values():
        truth = np.mean(each)
        bounds = np.array([retrieval.interval(scores, 0.95) for scores in each])
        covered = np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1]))
        assert 0.9 < covered <= 1


def test_p_values_of_retrieval_are_uniform_without_signal_and_small_with_it():
    rng = np.random.default_rng(11)
    drawn = draws(40, n_permutations=199)
    p = {0.0: [], 1.0: []}
    for signal, values in p.items():
        for _ in range(150):
            found = space_retrieval.measure(
                decoded_noise(rng, signal=signal), np.arange(40), drawn, sizes=[40], level=0.95
            )
            values.append(found.summary["identification"]["p"])
    assert 0.01 <= np.mean(np.array(p[0.0]) <= 0.05) <= 0.10
    assert np.mean(np.array(p[1.0]) <= 0.01) > 0.95
    assert min(p[1.0]) == pytest.approx(1 / 200)


def compare(scores, seed):
    n = len(next(iter(scores.values())))
    rng = np.random.default_rng(seed)
    signs = space_contrasts.draw_signs(rng, 199, n)
    return space_contrasts.of_images(scores, signs, stats.multiplicities(rng, 200, n), 0.95)


def test_differences_are_false_positive_at_their_level_and_as_a_family():
    """Four equal spaces: six differences, of which none is one."""
    rng = np.random.default_rng(12)
    single, family, covered = [], [], []
    for replicate in range(200):
        shared = rng.standard_normal(50)
        scores = {name: scipy_stats.norm.cdf(shared + rng.standard_normal(50)) for name in "abcd"}
        found = compare(scores, replicate)
        single.append(found["a", "b"]["p"] <= 0.05)
        family.append(min(each["p_familywise"] for each in found.values()) <= 0.05)
        low, high = found["a", "b"]["interval"]
        covered.append(low <= 0 <= high)
    assert 0.01 <= np.mean(single) <= 0.10
    assert 0.01 <= np.mean(family) <= 0.10
    assert 0.88 <= np.mean(covered) <= 0.99


def test_a_real_difference_does_not_make_others_false():
    """One space is better: the equal ones are told apart no more often than the level says."""
    rng = np.random.default_rng(13)
    wrong, right = [], []
    for replicate in range(200):
        scores = {name: scipy_stats.norm.cdf(rng.standard_normal(50)) for name in "abc"}
        scores["d"] = scipy_stats.norm.cdf(rng.standard_normal(50) + 1.2)
        found = compare(scores, replicate)
        equal = [each["p_familywise"] for pair, each in found.items() if "d" not in pair]
        wrong.append(min(equal) <= 0.05)
        right.append(max(found[other, "d"]["p_familywise"] for other in "abc") <= 0.05)
    assert np.mean(wrong) <= 0.10
    assert np.mean(right) > 0.9


def test_equal_scores_tie():
    scores = np.random.default_rng(14).random(30)
    found = compare({"a": scores, "b": scores.copy()}, 0)["a", "b"]
    assert found == {"estimate": 0, "interval": [0, 0], "p": 1, "p_familywise": 1}


def test_differences_tell_rounding_from_a_difference():
    rng = np.random.default_rng(15)
    scores = rng.normal(0.5, 0.5, 40)
    turned = scores + np.abs(rng.normal(0, 1e-7, 40))
    found = compare({"a": scores, "b": turned, "c": scores + rng.normal(0.3, 0.1, 40)}, 1)
    assert found["a", "b"]["p"] == 1
    assert found["a", "c"]["p"] == found["a", "c"]["p_familywise"] == pytest.approx(1 / 200)


def test_bad_similarities_are_refused():
    with pytest.raises(BrainworthError, match="at least 10 test images as candidates, there are 9"):
        retrieval.rank_all(np.zeros((9, 9)))
    broken = np.zeros((12, 12))
    broken[3, 4] = np.nan
    with pytest.raises(BrainworthError, match="is not finite"):
        retrieval.rank_all(broken)
    with pytest.raises(ValueError, match="subsets of 13 of 12"):
        retrieval.hits(retrieval.rank_all(np.zeros((12, 12))), 1, 13)
