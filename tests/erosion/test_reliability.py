import itertools

import numpy as np
import pytest
import scipy.stats

from brainworth.erosion import compare, reliability, resample

N_SUBJECTS, N_REPEATS = 3, 3


@pytest.fixture(scope="module")
def similarity():
    """All comparisons of 3 parts of 3 subjects, as a matrix over (part, subject)."""
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((N_REPEATS, N_SUBJECTS, 66)) + rng.standard_normal(66)
    rows = vectors.reshape(-1, 66)
    return compare.compare(rows, rows, "corr")


def test_averages_equal_plain_loops(similarity):
    square = similarity.reshape(N_REPEATS, N_SUBJECTS, N_REPEATS, N_SUBJECTS)
    pairs = reliability.pairs(N_REPEATS, N_SUBJECTS)
    values = similarity[pairs[:, 0], pairs[:, 1]]
    within = [
        np.mean([square[q, s, r, s] for q, r in itertools.combinations(range(N_REPEATS), 2)])
        for s in range(N_SUBJECTS)
    ]
    between = [
        np.mean([square[q, s, r, t] for q in range(N_REPEATS) for r in range(N_REPEATS)])
        for s, t in itertools.combinations(range(N_SUBJECTS), 2)
    ]
    np.testing.assert_allclose(reliability.within(values, N_REPEATS, N_SUBJECTS), within)
    np.testing.assert_allclose(reliability.between(values, N_REPEATS, N_SUBJECTS), between)
    expected = [
        b / np.sqrt(within[s] * within[t])
        for b, (s, t) in zip(between, itertools.combinations(range(N_SUBJECTS), 2), strict=True)
    ]
    np.testing.assert_allclose(reliability.corrected(values, N_REPEATS, N_SUBJECTS), expected)


def test_leading_axes_are_kept(similarity):
    pairs = reliability.pairs(N_REPEATS, N_SUBJECTS)
    values = similarity[pairs[:, 0], pairs[:, 1]]
    stacked = reliability.corrected(np.stack([values, 2 * values]), N_REPEATS, N_SUBJECTS)
    np.testing.assert_allclose(stacked[0], stacked[1])


def test_unreliable_subjects_are_nan():
    values = np.array([0.5, -0.1, 0.4, *[0.2] * 12])
    answer = reliability.corrected(values, 2, 3)
    assert np.isnan(answer).tolist() == [True, False, True]


class Planted:
    """Subjects whose patterns are a shared and an individual linear map of stimulus features."""

    n_subjects, n_features, n_voxels = 3, 6, 40

    def __init__(self, rng):
        shape = (self.n_subjects, self.n_features, self.n_voxels)
        scale = rng.uniform(0.3, 1.7, (self.n_subjects, self.n_features, 1))
        self.maps = scale * rng.standard_normal(shape) / np.sqrt(self.n_voxels)
        self.truth = np.mean([self.noise_free_similarity(rng, 1000) for _ in range(12)])

    def noise_free_similarity(self, rng, n_stimuli):
        vectors = self.measure(rng, n_stimuli, 1, 0)[0]
        return compare.compare(vectors, vectors, "corr")[np.triu_indices(3, 1)].mean()

    def measure(self, rng, n_stimuli, n_repeats, noise):
        features = rng.standard_normal((n_stimuli, self.n_features))
        patterns = np.stack([features @ one for one in self.maps])
        return np.array(
            [
                [
                    squared_distances(one + noise * rng.standard_normal(one.shape))
                    for one in patterns
                ]
                for _ in range(n_repeats)
            ]
        )


def squared_distances(patterns):
    gram = patterns @ patterns.T
    size = np.diag(gram)
    return (size[:, None] + size - 2 * gram)[np.triu_indices(len(patterns), 1)]


def test_corrected_similarity_recovers_the_noise_free_one_and_its_interval_covers_it():
    rng = np.random.default_rng(12)
    planted = Planted(rng)
    n_stimuli, n_repeats, noise, replicates = 60, 2, 0.6, 400
    pairs = reliability.pairs(n_repeats, 3)
    raw, estimates, covered = [], [], dict.fromkeys(("percentile", "bca", "corrected"), 0)
    for replicate in range(replicates):
        rows = planted.measure(rng, n_stimuli, n_repeats, noise).reshape(n_repeats * 3, -1)
        weights = resample.draw(replicate, 200, n_stimuli)
        answer = resample.over_stimuli(
            compare.standardise(rows, "corr"), pairs, weights, centred=True
        )
        raw.append(reliability.between(answer.estimate, n_repeats, 3).mean())
        mean = answer.apply(lambda v: reliability.corrected(v, n_repeats, 3).mean(axis=-1))
        estimates.append(mean.estimate)
        for name in covered:
            low, high = getattr(mean, name)(0.95)
            covered[name] += low <= planted.truth <= high
    assert np.mean(raw) < 0.6 * planted.truth
    assert np.mean(estimates) == pytest.approx(planted.truth, abs=0.03)
    # A bootstrap of 60 units covers a little less than it says: 0.92 where 0.95 is nominal.
    fewest = scipy.stats.binom(replicates, 0.92).ppf(0.001)
    for count in covered.values():
        assert fewest <= count <= 0.98 * replicates
