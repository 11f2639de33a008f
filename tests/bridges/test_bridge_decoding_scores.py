"""Scores of decoding against numpy on repeated rows."""

import numpy as np
import pytest

from brainworth.bridges.decoding import decoding_scores as scores


def drawn(seed=0, n_images=12, n_features=3):
    rng = np.random.default_rng(seed)
    tested = np.sort(rng.permutation(50)[:n_images])
    image = rng.permutation(np.repeat(tested, rng.integers(1, 4, n_images)))
    truth = rng.normal(size=(n_images, n_features))
    decoded = truth[np.searchsorted(tested, image)] + rng.normal(size=(len(image), n_features))
    return tested, image, truth, decoded


def slow(x, y):
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(x.T, y.T, strict=True)]
    r2 = 1 - np.sum((x - y) ** 2, axis=0) / np.sum((y - y.mean(0)) ** 2, axis=0)
    return np.mean(r), np.mean(r2)


@pytest.mark.parametrize("kind", scores.KINDS)
def test_scores_of_resamples(kind):
    tested, image, truth, decoded = drawn()
    counts = np.vstack([np.ones(12), np.random.default_rng(1).integers(0, 4, (5, 12))])
    r, r2 = scores.score(
        scores.gather(decoded, image, tested, kind), scores.Resamples(truth, counts)
    )
    for place, times in enumerate(counts.astype(int)):
        x, y = [], []
        for one, count in enumerate(times):
            rows = decoded[image == tested[one]]
            rows = rows.mean(axis=0, keepdims=True) if kind == scores.MEAN else rows
            x += [rows] * count
            y += [np.repeat(truth[one : one + 1], len(rows), axis=0)] * count
        expected = slow(np.vstack(x), np.vstack(y))
        assert (r[place], r2[place]) == pytest.approx(expected)


def test_a_constant_is_no_correlation():
    tested, image, truth, decoded = drawn()
    decoded[:, 0] = 7.0
    found = scores.gather(decoded, image, tested, scores.SINGLE)
    r, _ = scores.score(found, scores.Resamples(truth, np.ones((1, 12))))
    y = truth[np.searchsorted(tested, image)]
    each = [0.0, *(np.corrcoef(decoded[:, f], y[:, f])[0, 1] for f in (1, 2))]
    assert r[0] == pytest.approx(np.mean(each))


def test_relabelled_images_keep_their_trials():
    tested, image, truth, decoded = drawn(n_images=40)
    found = scores.gather(decoded, image, tested, scores.SINGLE)
    relabelled = scores.relabellings(found.n, 300, np.random.default_rng(2))
    np.testing.assert_array_equal(np.sort(relabelled, axis=1), np.tile(np.arange(40), (300, 1)))
    assert np.all(found.n[relabelled] == found.n), "with those of as many trials"
    assert len(np.unique(relabelled, axis=0)) == 300
    null = scores.permuted(found, truth, relabelled)
    observed = scores.score(found, scores.Resamples(truth, np.ones((1, 40))))[0][0]
    assert null.max() < observed
    for draw in (0, 7):
        y = truth[relabelled[draw]][np.searchsorted(tested, image)]
        assert null[draw] == pytest.approx(slow(decoded, y)[0])


def test_features_that_do_not_vary():
    truth = np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 5.0]])
    np.testing.assert_array_equal(scores.truth_that_varies(truth), [False, True])
