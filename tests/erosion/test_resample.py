import itertools

import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import squareform

from brainworth import stats
from brainworth.erosion import compare, relabel, resample
from brainworth.erosion.dissimilarity import correlation_rdm

N = 24
PAIRS = np.array([(0, 1), (2, 0), (1, 3)])


def planted(n_stimuli, n_subjects=4, noise=2.0):
    rng = np.random.default_rng(1)
    features = rng.standard_normal((n_stimuli, 8))
    return np.stack(
        [
            correlation_rdm(
                features @ rng.standard_normal((8, 80))
                + noise * rng.standard_normal((n_stimuli, 80))
            )
            for _ in range(n_subjects)
        ]
    )


def resampled_vectors(vectors, multiplicity):
    """Build the resampled RDMs themselves, without self-pairs."""
    chosen = np.repeat(np.arange(multiplicity.size), multiplicity.astype(int))
    apart = np.triu(chosen[:, None] != chosen, 1)
    return np.stack([squareform(row)[np.ix_(chosen, chosen)][apart] for row in vectors])


def slow(vectors, pairs, weights, comparison):
    """Resample explicitly; ranks once, as the fast way does."""
    base = compare.ranks(vectors) if comparison in compare.RANKED else vectors
    plain = "cosine" if comparison == "cosine" else "corr"
    answer = []
    for row in weights:
        rows = compare.standardise(resampled_vectors(base, row), plain)
        answer.append(np.einsum("ij,ij->i", rows[pairs[:, 0]], rows[pairs[:, 1]]))
    return np.array(answer)


@pytest.mark.parametrize("comparison", ["spearman", "corr", "cosine"])
def test_bootstrap_and_jackknife_equal_explicit_resampling(comparison):
    vectors = planted(N)
    weights = resample.draw(4, 40, N)
    fast = resample.over_stimuli(
        compare.standardise(vectors, comparison), PAIRS, weights, centred=comparison != "cosine"
    )
    one_out = 1 - np.eye(N)
    everything = np.ones((1, N))
    np.testing.assert_allclose(fast.draws, slow(vectors, PAIRS, weights, comparison), atol=1e-10)
    np.testing.assert_allclose(
        fast.jackknife, slow(vectors, PAIRS, one_out, comparison), atol=1e-10
    )
    np.testing.assert_allclose(
        fast.estimate, slow(vectors, PAIRS, everything, comparison)[0], atol=1e-10
    )


def test_rho_a_keeps_the_tie_correction_of_all_stimuli():
    vectors = np.round(planted(N), 1)
    weights = np.vstack([np.ones(N), resample.draw(4, 10, N)])
    fast = resample.over_stimuli(
        compare.standardise(vectors, "rho-a"), PAIRS, weights, centred=True
    )
    exact = compare.compare(vectors, vectors, "rho-a")[PAIRS[:, 0], PAIRS[:, 1]]
    tied = compare.compare(vectors, vectors, "spearman")[PAIRS[:, 0], PAIRS[:, 1]]
    np.testing.assert_allclose(fast.estimate, exact, atol=1e-12)
    np.testing.assert_allclose(fast.draws[0], exact, atol=1e-12)
    np.testing.assert_allclose(
        fast.draws, slow(vectors, PAIRS, weights, "rho-a") * exact / tied, atol=1e-10
    )


@pytest.mark.parametrize(("n_stimuli", "share"), [(30, 0.25), (60, 0.18), (120, 0.12)])
def test_ranking_once_is_close_to_ranking_every_sample(n_stimuli, share):
    vectors = planted(n_stimuli, 2)
    weights = resample.draw(3, 100, n_stimuli)
    once = resample.over_stimuli(
        compare.standardise(vectors, "spearman"), PAIRS[:1], weights, centred=True
    ).draws[:, 0]
    anew = np.array(
        [compare.compare(*resampled_vectors(vectors, row)[:, None], "spearman") for row in weights]
    )[:, 0, 0]
    assert np.std(once - anew) < share * np.std(anew)
    assert abs(np.mean(once - anew)) < 0.2 * np.std(anew)
    assert np.std(once) == pytest.approx(np.std(anew), rel=0.08)


def test_threads_do_not_change_a_bit():
    rows = compare.standardise(planted(N), "corr")
    weights = resample.draw(4, 50, N)
    one, three = (
        resample.over_stimuli(rows, PAIRS, weights, centred=True, n_threads=n) for n in (1, 3)
    )
    for name in ("estimate", "draws", "jackknife"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))


def test_draws_are_the_same_for_every_region_and_hold_three_stimuli():
    weights = resample.draw(4, 5000, 5)
    np.testing.assert_array_equal(weights, resample.draw(4, 5000, 5))
    assert (weights.sum(axis=1) == 5).all()
    assert np.count_nonzero(weights, axis=1).min() == 3


def test_a_sample_without_variation_is_undefined_and_left_out_of_intervals():
    vectors = np.array([[1, 1, 1, 2, 3, 4.0, 5, 6, 7, 8], [1, 1, 2, 1, 4, 3.0, 6, 5, 8, 7]])
    weights = np.array([[1, 1, 1, 1, 1], [1, 2, 2, 0, 0], [2, 1, 0, 1, 1.0]])
    fast = resample.over_stimuli(
        compare.standardise(vectors, "corr"), np.array([[0, 1]]), weights, centred=True
    )
    assert np.isfinite(fast.draws[0])
    vectors[0, [0, 1, 4]] = 3
    fast = resample.over_stimuli(
        compare.standardise(vectors, "corr"), np.array([[0, 1]]), weights, centred=True
    ).apply(lambda v: v[..., 0])
    assert np.isnan(fast.draws[1])
    assert np.isfinite(fast.draws[[0, 2]]).all()
    assert np.isfinite(fast.percentile(0.95)).all()
    assert np.isfinite(fast.bca(0.95)).all()
    assert np.isfinite(fast.corrected(0.95)).all()
    nothing = resample.Resampled(fast.estimate, np.full(3, np.nan), fast.jackknife)
    assert nothing.percentile(0.95) is None
    assert nothing.bca(0.95) is None
    assert nothing.corrected(0.95) is None


def test_unrelated_rdms_have_intervals_as_wide_as_they_should_be():
    """All variance comes from pairs: a bootstrap counts it three times."""
    n, replicates = 40, 200
    estimates, variances, inside = [], {"bca": [], "corrected": []}, 0
    for number in range(replicates):
        rng = stats.stream(number, "unrelated")
        rows = np.stack([correlation_rdm(rng.normal(size=(n, 30))) for _ in range(2)])
        weights = resample.draw(number, 200, n)
        found = resample.over_stimuli(
            compare.standardise(rows, "corr"), np.array([[0, 1]]), weights, centred=True
        ).apply(lambda v: v[..., 0])
        estimates.append(found.estimate)
        for name, kept in variances.items():
            low, high = getattr(found, name)(0.95)
            kept.append(((high - low) / (2 * 1.96)) ** 2)
        low, high = found.corrected(0.95)
        inside += low <= 0 <= high
    true = np.var(estimates)
    assert 2.2 < np.mean(variances["bca"]) / true < 3.8
    assert 0.8 < np.mean(variances["corrected"]) / true < 1.7
    assert inside >= scipy.stats.binom(replicates, 0.95).ppf(0.001)


def test_where_stimuli_carry_the_variance_little_is_corrected():
    rows = planted(60)[:2]
    found = resample.over_stimuli(
        compare.standardise(rows, "corr"),
        np.array([[0, 1]]),
        resample.draw(1, 1000, 60),
        centred=True,
    ).apply(lambda v: v[..., 0])
    wide, right = found.bca(0.95), found.corrected(0.95)
    assert wide[0] <= right[0] < found.estimate < right[1] <= wide[1]
    assert right[1] - right[0] > 0.75 * (wide[1] - wide[0])


def test_subject_bootstrap_equals_explicit_resampling():
    similarity = compare.compare(planted(N), planted(N), "corr")
    draws = resample.over_subjects(similarity, stats.stream(1, "x"), 50)
    counts = stats.multiplicities(stats.stream(1, "x"), 50, 4)
    for value, row in zip(draws, counts, strict=True):
        if row.max() == 4:
            continue
        chosen = np.repeat(np.arange(4), row.astype(int))
        pairs = [(a, b) for a, b in itertools.combinations(chosen, 2) if a != b]
        assert value == pytest.approx(np.mean([similarity[p] for p in pairs]), abs=1e-12)


def test_subject_bootstrap_redraws_samples_of_one_subject():
    similarity = np.array([[1, 0.3], [0.3, 1]])
    np.testing.assert_allclose(
        resample.over_subjects(similarity, stats.stream(1, "x"), 200), 0.3, atol=1e-12
    )


def test_order_of_the_stimuli_does_not_matter():
    vectors, weights = planted(N), resample.draw(4, 20, N)
    order = relabel.draw(1, "a", 1, N)[0, 0]
    moved = np.stack([squareform(squareform(row)[np.ix_(order, order)]) for row in vectors])
    answers = [
        resample.over_stimuli(compare.standardise(v, "spearman"), PAIRS, w, centred=True)
        for v, w in ((vectors, weights), (moved, weights[:, order]))
    ]
    np.testing.assert_allclose(answers[0].draws, answers[1].draws, atol=1e-12)
    np.testing.assert_allclose(answers[0].jackknife[order], answers[1].jackknife, atol=1e-12)
