import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import squareform

from brainworth import stats
from brainworth.erosion import compare, relabel

N = 20
LENGTH = N * (N - 1) // 2


def slow_null(standardised, permutations):
    """Relabel one matrix at a time, in double precision."""
    upper = np.triu_indices(permutations.shape[2], 1)
    squares = [squareform(row) for row in standardised]
    answer = []
    for m in range(permutations.shape[1]):
        rows = np.stack(
            [one[np.ix_(p[m], p[m])][upper] for one, p in zip(squares, permutations, strict=True)]
        )
        answer.append((rows @ rows.T)[np.triu_indices(len(rows), 1)])
    return np.array(answer)


@pytest.fixture
def standardised():
    values = np.random.default_rng(3).random((5, LENGTH))
    return compare.standardise(values + values.mean(axis=0), "spearman")


def test_null_equals_the_slow_loop_draw_by_draw(standardised):
    permutations = relabel.draw(1, "abcde", 60, N)
    observed, null = relabel.similarities(standardised, permutations)
    np.testing.assert_allclose(null, slow_null(standardised, permutations), atol=1e-6)
    exact = (standardised @ standardised.T)[np.triu_indices(5, 1)]
    np.testing.assert_allclose(observed, exact, atol=1e-6)


@pytest.mark.parametrize("tails", ["light", "heavy"])
def test_null_equals_the_slow_loop_at_full_size(tails):
    rng = np.random.default_rng(3)
    values = rng.random(766 * 765 // 2) + rng.random((3, 766 * 765 // 2))
    rows = compare.standardise(values if tails == "light" else np.exp(4 * values), "corr")
    permutations = relabel.draw(1, "abc", 3, 766)
    permutations[:, 1] = np.arange(766)
    observed, null = relabel.similarities(rows, permutations)
    np.testing.assert_allclose(null, slow_null(rows, permutations), atol=1e-6)
    np.testing.assert_array_equal(null[1], observed)


def test_the_identity_ties_with_the_observed_value(standardised):
    permutations = relabel.draw(1, "abcde", 30, N)
    permutations[:, 17] = np.arange(N)
    # The same relabelling of every subject changes no comparison either.
    permutations[:, 18] = permutations[0, 18]
    observed, null = relabel.similarities(standardised, permutations)
    np.testing.assert_array_equal(null[17], observed)
    np.testing.assert_array_equal(null[18], observed)


def test_draws_are_permutations_named_after_the_subject():
    permutations = relabel.draw(1, ["subj01", "subj02"], 40, N)
    assert permutations.dtype == np.uint16
    np.testing.assert_array_equal(
        np.sort(permutations, axis=2), np.broadcast_to(np.arange(N), (2, 40, N))
    )
    np.testing.assert_array_equal(relabel.draw(1, ["subj02"], 40, N)[0], permutations[1])
    assert not np.array_equal(permutations[0], permutations[1])
    assert not np.array_equal(relabel.draw(2, ["subj02"], 40, N)[0], permutations[1])


def test_every_stimulus_goes_everywhere():
    permutations = relabel.draw(1, ["a"], 20_000, 6)[0]
    counts = np.stack([np.bincount(permutations[:, i], minlength=6) for i in range(6)])
    assert scipy.stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_indices_widen_beyond_16_bits():
    assert relabel.draw(1, ["a"], 1, 65536).dtype == np.uint16
    assert relabel.draw(1, ["a"], 1, 65537).dtype == np.uint32
    assert relabel.draw(1, ["a"], 1, 65537).max() == 65536


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_threads_do_not_change_a_bit(standardised, n_threads):
    permutations = relabel.draw(1, "abcde", 130, N)
    _, one = relabel.similarities(standardised, permutations)
    _, many = relabel.similarities(standardised, permutations, n_threads)
    np.testing.assert_array_equal(one, many)


def test_a_pair_does_not_depend_on_other_subjects(standardised):
    _, everyone = relabel.similarities(standardised, relabel.draw(1, "abcde", 30, N))
    _, two = relabel.similarities(standardised[[1, 3]], relabel.draw(1, "bd", 30, N))
    pair = list(zip(*np.triu_indices(5, 1), strict=True)).index((1, 3))
    np.testing.assert_allclose(two[:, 0], everyone[:, pair], atol=1e-6)


@pytest.fixture(scope="module")
def planted_nulls():
    """P-values of pairs, of a region and of a family of 3 regions, on unrelated RDMs."""
    n_stimuli, n_permutations, replicates = 12, 99, 1000
    rng = np.random.default_rng(8)
    pairs, region, family = [], [], []
    for replicate in range(replicates):
        permutations = relabel.draw(replicate, "abc", n_permutations, n_stimuli)
        observed, nulls = [], []
        for _ in range(3):
            patterns = rng.standard_normal((3, n_stimuli, 4))
            vectors = np.stack(
                [
                    ((p[:, None] - p) ** 2).sum(axis=2)[np.triu_indices(n_stimuli, 1)]
                    for p in patterns
                ]
            )
            rows = compare.standardise(vectors, "spearman")
            own, null = relabel.similarities(rows, permutations)
            observed.append(own.mean())
            nulls.append(null.mean(axis=1))
        pairs.append(stats.permutation_p(own[0], null[:, 0]))
        region.append(stats.permutation_p(observed[0], nulls[0]))
        family.append(stats.max_statistic_p(np.array(observed), np.stack(nulls, axis=1)).min())
    return {"pair": np.array(pairs), "region": np.array(region), "family": np.array(family)}


@pytest.mark.parametrize("what", ["pair", "region", "family"])
def test_false_positives_are_at_their_nominal_rate(planted_nulls, what):
    p = planted_nulls[what]
    for alpha in (0.05, 0.2):
        low, high = scipy.stats.binom(p.size, alpha).ppf([0.001, 0.999])
        assert low <= np.count_nonzero(p <= alpha) <= high


@pytest.mark.parametrize("what", ["pair", "region", "family"])
def test_p_is_uniform_under_the_null(planted_nulls, what):
    p = planted_nulls[what]
    spread = p - np.random.default_rng(0).random(p.size) / 100
    assert scipy.stats.kstest(spread, "uniform").pvalue > 0.001


@pytest.mark.parametrize(("n_subjects", "n_stimuli"), [(2, 12), (5, 30), (3, 270)])
def test_means_alone_equal_the_means_of_all_pairs(n_subjects, n_stimuli):
    rng = np.random.default_rng(2)
    length = n_stimuli * (n_stimuli - 1) // 2
    vectors = rng.random((n_subjects, length)) + rng.random(length)
    rows = compare.standardise(vectors, "corr")
    names = [f"subject{s}" for s in range(n_subjects)]
    permutations = relabel.draw(1, names, 40, n_stimuli)
    observed, null = relabel.similarities(rows, permutations)
    mean, mean_null = relabel.mean_similarity(rows, permutations, n_threads=2)
    assert mean == pytest.approx(observed.mean(), abs=1e-6)
    np.testing.assert_allclose(mean_null, null.mean(axis=1), atol=1e-6)


def test_means_do_not_change_if_all_subjects_are_relabelled_alike():
    rng = np.random.default_rng(3)
    rows = compare.standardise(rng.random((4, 45)), "spearman")
    same = np.broadcast_to(relabel.draw(1, ["a"], 9, 10), (4, 9, 10))
    observed, null = relabel.mean_similarity(rows, np.ascontiguousarray(same))
    np.testing.assert_allclose(null, observed, rtol=1e-5)
