"""Fingerprinting: against plain loops, calibration, and what must not be readable."""

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from brainworth.erosion import fingerprinting, identification
from brainworth.erosion import responses as shared
from brainworth.erosion.dissimilarity import correlation_rdm
from brainworth.errors import BrainworthError

N_STIMULI = 40


def subject(rng, weights, name="subj01", noise=1.0, n_sessions=4, features=None):
    """Simulate a subject: each stimulus once in every session."""
    phi = np.random.default_rng(0).normal(size=(N_STIMULI, len(weights)))
    phi = phi if features is None else features
    stimulus = np.tile(np.arange(N_STIMULI), n_sessions)
    session = np.repeat(np.arange(1, n_sessions + 1), N_STIMULI)
    values = (phi @ weights)[stimulus] + noise * rng.normal(size=(stimulus.size, weights.shape[1]))
    return shared.SharedResponses(name, "V1", values, stimulus, session - 1, session, N_STIMULI)


def test_accuracy_and_identifiability_under_every_labelling_equal_loops():
    rng = np.random.default_rng(1)
    similarity = rng.normal(size=(5, 5))
    orders, exhaustive = identification.labellings(5, 1000, rng)
    assert exhaustive
    assert len(orders) == 120
    assert orders[0].tolist() == [0, 1, 2, 3, 4]
    accuracy, identifiability = identification.relabelled(similarity, orders)
    for order, found_accuracy, found_identifiability in zip(
        itertools.permutations(range(5)), accuracy, identifiability, strict=True
    ):
        moved = similarity[:, order]
        hits = [moved[i, i] > max(np.delete(moved[i], i)) for i in range(5)]
        assert found_accuracy == pytest.approx(np.mean(hits))
        off = moved[~np.eye(5, dtype=bool)]
        assert found_identifiability == pytest.approx(np.diag(moved).mean() - off.mean())
    assert identification.identifiability(similarity) == pytest.approx(identifiability[0])
    assert identification.hits(similarity).mean() == pytest.approx(accuracy[0])


def test_a_tie_is_a_miss():
    similarity = np.array([[1.0, 1.0], [0.0, 1.0]])
    assert identification.hits(similarity).tolist() == [False, True]
    accuracy, _ = identification.relabelled(similarity, np.array([[0, 1], [1, 0]]))
    assert accuracy.tolist() == [0.5, 0.0]


def test_many_subjects_get_random_labellings():
    orders, exhaustive = identification.labellings(10, 500, np.random.default_rng(2))
    assert not exhaustive
    assert orders.shape == (500, 10)
    assert (np.sort(orders, axis=1) == np.arange(10)).all()
    assert identification.label_p(9.0, np.zeros(500), exhaustive=False) == pytest.approx(1 / 501)


def test_p_is_valid_when_all_subjects_are_the_same():
    """The labels carry nothing: P(p <= alpha) must not exceed alpha, and is close to it."""
    p = []
    for number in range(300):
        rng = np.random.default_rng(number)
        weights = np.random.default_rng(100).normal(size=(6, 20))
        found = [subject(rng, weights, noise=3) for _ in range(5)]
        sides = fingerprinting.session_features(found, np.arange(N_STIMULI))["profile"]
        similarity = sides.similarity()
        orders, exhaustive = identification.labellings(5, 1000, rng)
        null = identification.relabelled(similarity, orders)[1]
        observed = identification.identifiability(similarity)
        p.append(identification.label_p(float(observed), null, exhaustive=exhaustive))
    p = np.array(p)
    low, high = scipy_stats.binom.ppf([0.001, 0.999], p.size, 0.05)
    assert low <= np.count_nonzero(p <= 0.05) <= high
    assert scipy_stats.kstest(p, "uniform").pvalue > 0.001


@pytest.mark.parametrize("feature", ["rdm", "profile"])
def test_same_brain_with_another_voxel_count_is_not_told_apart(feature):
    """Two 'subjects' with one map, one of them with 20 times the voxels."""
    scores = []
    for number in range(40):
        rng = np.random.default_rng(number)
        weights = rng.normal(size=(6, 15)) + rng.normal(size=(6, 1))
        found = [subject(rng, weights), subject(rng, np.tile(weights, 20))]
        sides = fingerprinting.session_features(found, np.arange(N_STIMULI))[feature]
        scores.append(identification.hits(sides.similarity()).mean())
    # Both may prefer the less noisy one, which is half right.
    assert np.mean(scores) < 0.65


def test_scale_of_the_data_is_not_readable():
    rng = np.random.default_rng(5)
    found = [subject(rng, rng.normal(size=(6, 20)), name=f"subj0{k}") for k in (1, 2, 3)]
    scaled = [
        shared.SharedResponses(
            item.subject,
            item.region,
            item.values * factor,
            item.stimulus,
            item.repetition,
            item.session,
            item.n_stimuli,
        )
        for item, factor in zip(found, (1, 10, 0.01), strict=True)
    ]
    for name, sides in fingerprinting.session_features(found, np.arange(N_STIMULI)).items():
        other = fingerprinting.session_features(scaled, np.arange(N_STIMULI))[name]
        np.testing.assert_allclose(sides.similarity(), other.similarity(), atol=1e-9)


def test_different_brains_are_recognised_and_the_correction_removes_noise():
    rng = np.random.default_rng(6)
    own = [rng.normal(size=(6, 60)) for _ in range(6)]
    common = rng.normal(size=(6, 60))
    weights = [np.sqrt(0.7) * common + np.sqrt(0.3) * mine for mine in own]
    phi = np.random.default_rng(0).normal(size=(N_STIMULI, 6))
    clean = np.corrcoef([(phi @ w).mean(axis=1) for w in weights])
    truth = 1 - clean[~np.eye(6, dtype=bool)].mean()
    estimates = []
    for number in range(60):
        rng = np.random.default_rng(number)
        found = [subject(rng, w, noise=1.5) for w in weights]
        sides = fingerprinting.session_features(found, np.arange(N_STIMULI))["profile"]
        similarity = sides.similarity()
        estimates.append(float(fingerprinting.corrected_identifiability(similarity)))
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - truth) < 3 * error + 0.01


def test_corrected_identifiability_is_undefined_without_reliability():
    similarity = np.array([[0.5, 0.1], [0.1, -0.2]])
    assert np.isnan(fingerprinting.corrected_identifiability(similarity))


def test_sides_use_disjoint_sessions():
    rng = np.random.default_rng(7)
    item = subject(rng, rng.normal(size=(6, 20)), noise=0)
    item.values[item.session % 2 == 0] = rng.normal(size=(2 * N_STIMULI, 20))
    sides = fingerprinting.session_features([item, item], np.arange(N_STIMULI))["rdm"]
    other = subject(rng, rng.normal(size=(6, 20)), noise=0)
    other.values[other.session % 2 == 1] = item.values[item.session % 2 == 1]
    again = fingerprinting.session_features([other, other], np.arange(N_STIMULI))["rdm"]
    np.testing.assert_allclose(sides.first, again.first)
    assert not np.allclose(sides.second, again.second)


def test_bootstrap_of_profiles_equals_explicit_resampling():
    rng = np.random.default_rng(8)
    values = rng.normal(size=(4, 30))
    pairs = np.array([(0, 2), (1, 3)])
    chosen = rng.integers(0, 30, (5, 30))
    weights = np.array([np.bincount(row, minlength=30) for row in chosen], dtype=float)
    found = fingerprinting._weighted_correlations(values, pairs, weights)
    for draw, row in zip(found, chosen, strict=True):
        for value, (a, b) in zip(draw, pairs, strict=True):
            assert value == pytest.approx(np.corrcoef(values[a, row], values[b, row])[0, 1])


def test_pair_columns_pick_the_rdm_of_a_subset():
    rng = np.random.default_rng(9)
    patterns = rng.normal(size=(12, 8))
    chosen = np.array([1, 4, 5, 11])
    columns = fingerprinting._pair_columns(chosen, 12)
    np.testing.assert_allclose(
        correlation_rdm(patterns)[columns], correlation_rdm(patterns[chosen]), atol=1e-12
    )


def test_too_few_stimuli_in_both_halves_is_refused():
    rng = np.random.default_rng(10)
    item = subject(rng, rng.normal(size=(6, 20)), n_sessions=1)
    with pytest.raises(BrainworthError, match=r"only 0 matched stimuli .*data\.sessions"):
        fingerprinting.stimuli_in_both_halves([item])


def test_one_subject_is_refused(study):
    with pytest.raises(BrainworthError, match="at least two subjects"):
        fingerprinting.analyse(
            {"subj01": study.extracts["subj01"]},
            ["V1"],
            n_permutations=100,
            n_bootstrap=100,
            n_subsamples=1,
            interval=0.95,
            seed=1,
        )
