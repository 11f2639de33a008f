"""Population prediction from pairs, against means that are really formed; the null of one RDM."""

import itertools

import numpy as np
import pytest

from brainworth.erosion import compare, identification, population
from brainworth.erosion.dissimilarity import correlation_rdm


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(2)
    return rng.standard_normal((5, 120)) + rng.standard_normal(120)


def test_with_others_equals_forming_the_mean(vectors):
    rows = compare.standardise(vectors, "corr")
    pairs = (rows @ rows.T)[np.triu_indices(5, 1)]
    expected = [
        np.corrcoef(rows[s], np.delete(rows, s, axis=0).mean(axis=0))[0, 1] for s in range(5)
    ]
    np.testing.assert_allclose(population.with_others(pairs), expected, atol=1e-12)
    stacked = population.with_others(np.stack([pairs, pairs[::-1]]))
    np.testing.assert_allclose(stacked[0], expected, atol=1e-12)


def test_with_others_of_two_subjects_is_their_similarity():
    np.testing.assert_allclose(population.with_others(np.array([0.3])), [0.3, 0.3])


def test_similarities_that_no_data_have_give_nan():
    """The sum of two others with correlation -1.2 has a negative variance."""
    found = population.with_others(np.array([0.5, 0.5, -1.2]))
    assert np.isnan(found).tolist() == [True, False, False]


@pytest.mark.parametrize("n", [2, 3, 5])
def test_spearman_brown_is_the_reliability_of_a_mean(n):
    """Of classical parts, signal plus independent noise, in closed form."""
    reliability = np.array([0.2, 0.5, 0.9])
    noise = (1 - reliability) / reliability
    np.testing.assert_allclose(population.spearman_brown(reliability, n), 1 / (1 + noise / n))
    assert np.isnan(population.spearman_brown(np.array([-1 / (n - 1)]), n)).all()


def test_spearman_brown_misses_the_reliability_of_rdms():
    """Why it is reported as published only: the mean of two patterns does better than it says."""
    rng = np.random.default_rng(1)
    clean = rng.standard_normal((80, 6)) @ rng.standard_normal((6, 40))
    noisy = clean + 6 * rng.standard_normal((2, 40, 80, 40))
    single = [[correlation_rdm(one) for one in side] for side in noisy]
    double = [
        [correlation_rdm(a + b) for a, b in zip(side[::2], side[1::2], strict=True)]
        for side in noisy
    ]

    def reliability(sides):
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(*sides, strict=True)])

    stepped = population.spearman_brown(np.array(reliability(single)), 2)
    assert reliability(double) > stepped + 0.02


def test_two_sides_are_odd_and_even_parts(vectors):
    rng = np.random.default_rng(3)
    parts = compare.standardise(vectors + rng.standard_normal((4, 5, 120)), "corr")
    found = population.two_sides(parts)
    expected = np.corrcoef((parts[0] + parts[2])[1], (parts[1] + parts[3])[4])[0, 1]
    assert found[1, 4] == pytest.approx(expected)


def test_own_advantage_equals_a_loop():
    rng = np.random.default_rng(4)
    similarity = 0.5 + 0.1 * rng.standard_normal((4, 4))
    orders = np.array(list(itertools.permutations(range(4))))
    found = population.own_advantage(similarity, orders)
    for value, order in zip(found, orders, strict=True):
        own = sum(similarity[s, order[s]] for s in range(4))
        product = sum(
            similarity[s].sum() * similarity[:, order[s]].sum() / similarity.sum() for s in range(4)
        )
        assert value == pytest.approx(own / product)


def test_own_advantage_is_one_for_every_labelling_of_a_product():
    factors = np.array([0.9, 0.3, 0.5, 0.7])
    orders = np.array(list(itertools.permutations(range(4))))
    found = population.own_advantage(np.outer(factors, factors[::-1]), orders)
    np.testing.assert_allclose(found, 1)


def false_positives(noise, n_replicates=400):
    """Return how often one RDM common to five subjects is rejected at 0.05."""
    orders, exhaustive = identification.labellings(5, 120, np.random.default_rng(0))
    assert exhaustive
    hits = {"advantage": 0, "plain": 0}
    for seed in range(n_replicates):
        rng = np.random.default_rng(seed)
        clean = rng.standard_normal((30, 6)) @ rng.standard_normal((6, 30)) / np.sqrt(6)
        parts = [
            [correlation_rdm(clean + size * rng.standard_normal(clean.shape)) for size in noise]
            for _ in range(2)
        ]
        similarity = population.two_sides(compare.standardise(np.array(parts), "spearman"))
        advantage = population.own_advantage(similarity, orders)
        own = similarity[np.arange(5), orders].sum(axis=1)
        for name, null in (("advantage", advantage), ("plain", own)):
            hits[name] += identification.label_p(null[0], null, exhaustive=True) <= 0.05
    return {name: count / n_replicates for name, count in hits.items()}


def test_own_advantage_is_calibrated_where_subjects_are_equally_noisy():
    # 0.05 and three standard errors of a share of 400
    assert abs(false_positives([1.0] * 5)["advantage"] - 0.05) < 0.033


def test_own_advantage_withstands_unequal_noise_that_misleads_plain_similarity():
    found = false_positives([0.7, 0.8, 1.0, 1.1, 1.3])
    assert found["plain"] > 0.12
    assert found["advantage"] < 0.10
