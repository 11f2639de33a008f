"""Stability of the variance: statistics against plain code, p-values and planted truth.

Source of the claim: information erosion, README v2.1, "Variance profile reliability".
"""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from brainworth import results
from brainworth.erosion import (
    planted_variance,
    schedule,
    shared_variance,
    variance,
    variance_halves,
    variance_reliability,
)
from brainworth.erosion.responses import SharedResponses

FEW = {"n_splits": 3, "n_bootstrap": 100, "interval": 0.95}
P_VALUES = ("voxel_split", "disjoint", "across_subjects", "across_subjects_adjusted")


def plant(rng, n_subjects=3, n=50, n_voxels=10, log_sd=0.0, shared=0.5, common=0.3):
    """Draw subjects with one schedule, and noise of which `common` is the same in all voxels."""
    counts = rng.choice([2, 3], n, p=[0.3, 0.7])
    stimulus = rng.permutation(np.repeat(np.arange(n), counts))
    repetition = np.array([np.sum(stimulus[:t] == i) for t, i in enumerate(stimulus)])
    slot = np.sort(rng.choice(3 * 750, stimulus.size, replace=False))
    session, trial = slot // 750 + 1, slot % 750
    everybody = rng.normal(size=n)
    found, truth = [], []
    for number in range(n_subjects):
        own = np.sqrt(shared) * everybody + np.sqrt(1 - shared) * rng.normal(size=n)
        noise = np.sqrt(1 - common) * rng.normal(size=(stimulus.size, n_voxels))
        noise += np.sqrt(common) * rng.normal(size=(stimulus.size, 1))
        values = 0.5 * rng.normal(size=(n, n_voxels))[stimulus]
        values += np.exp(log_sd * own / 2)[stimulus, None] * noise
        name = f"subj0{number + 1}"
        found.append(SharedResponses(name, "V1", values, stimulus, repetition, session, n))
        truth.append(log_sd * own)
    return found, [schedule.Schedule(stimulus, session, trial)] * n_subjects, np.array(truth)


def run(found, schedules=None, seed=1, n=99):
    return variance_reliability.analyse_region(
        found, schedules=schedules, n_surrogates=n, n_permutations=n, seed=seed, **FEW
    )


@pytest.fixture(scope="module")
def region():
    item = plant(np.random.default_rng(1), n_subjects=1, log_sd=0.6)[0][0]
    return item, variance_halves.region_of(item, 3, np.random.default_rng(2))


def test_split_half_equals_plain_code(region):
    item, made = region
    expected = []
    for column in made.members.T.astype(bool):
        one, other = (
            [item.values[item.stimulus == i][:, h].var(axis=0, ddof=1).mean() for i in range(50)]
            for h in (column, ~column)
        )
        expected.append(np.corrcoef(one, other)[0, 1])
    found = variance_halves.split_half(variance_halves.measure(made))
    assert found == pytest.approx(np.mean(expected), rel=1e-5)


def test_disjoint_pools_the_three_choices_of_the_odd_repetition(region):
    item, made = region
    three = np.flatnonzero(item.counts() == 3)
    covariance = variances = fourth = squared_mean = 0.0
    for odd in range(3):
        pairs = []
        for i in three:
            trials = item.values[item.stimulus == i]
            a, b = np.delete(trials, odd, axis=0)
            difference = (a - b) / np.sqrt(2)
            against = (trials[odd] - (a + b) / 2) * np.sqrt(2 / 3)
            pairs.append([np.mean(difference**2), np.mean(against**2)])
        matrix = np.cov(np.array(pairs).T, bias=True)
        covariance += matrix[0, 1]
        variances += (matrix[0, 0] + matrix[1, 1]) / 2
        fourth += np.mean(np.prod(pairs, axis=1))
        every = np.outer(*np.array(pairs).T)
        squared_mean += every[~np.eye(len(every), dtype=bool)].mean()
    correlation, cv2 = variance_halves.disjoint(variance_halves.measure(made))
    assert correlation == pytest.approx(covariance / variances, rel=1e-5)
    assert cv2 == pytest.approx(fourth / squared_mean - 1, rel=1e-5)


def test_weights_equal_explicit_resampling(region):
    item, made = region
    found = variance_halves.measure(made)
    rng = np.random.default_rng(3)
    weights = np.bincount(rng.integers(0, 50, 50), minlength=50).astype(float)[None]
    chosen = np.repeat(np.arange(50), weights[0].astype(int))
    again = variance_halves.Measured(found.halves[..., chosen], found.profile, found.pairs)
    drawn = variance_halves.split_half_resampled(found, weights)[0]
    assert drawn == pytest.approx(variance_halves.split_half(again), rel=1e-9)
    three = weights[:, item.counts() == 3]
    chosen = np.repeat(np.arange(three.size), three[0].astype(int))
    again = variance_halves.Measured(found.halves, found.profile, found.pairs[:, chosen])
    drawn = variance_halves.disjoint(found, three)[0][0]
    assert drawn == pytest.approx(variance_halves.disjoint(again)[0], rel=1e-9)


def test_surrogates_keep_the_total_and_lose_the_effect(region):
    _, made = region
    rng = np.random.default_rng(4)
    (profiles, pairs) = variance_halves.surrogates(
        [made], 60, rng, lambda _, found: (found.profile, found.pairs)
    )[0]
    degrees = made.layout.degrees
    total = variance_halves.measure(made).profile @ degrees
    np.testing.assert_allclose(profiles @ degrees, total, rtol=1e-4)
    found = variance_halves.Measured(np.empty((60, 2, 0, 50)), profiles, pairs)
    # rotating within blocks once would leave a correlation of the blocks' own variances
    assert abs(variance_halves.disjoint(found)[0].mean()) < 0.05
    rotated = variance_halves.rotated(made, rng)
    assert (rotated.values.astype(float) ** 2).sum() == pytest.approx(
        (made.values.astype(float) ** 2).sum(), rel=1e-5
    )


def test_surrogates_of_a_region_do_not_depend_on_the_others(region):
    item, made = region
    few = variance_halves.region_of(
        SharedResponses(
            "subj01", "V2", item.values[:, :4], item.stimulus, item.repetition, item.session, 50
        ),
        3,
        np.random.default_rng(5),
    )

    def draw(regions):
        rng = np.random.default_rng(6)
        return variance_halves.surrogates(regions, 5, rng, lambda _, found: (found.profile,))

    np.testing.assert_allclose(draw([made, few])[1][0], draw([few])[0][0], rtol=1e-3)


@pytest.mark.parametrize(("n_voxels", "n_splits"), [(40, 0), (40, 2), (1500, 0), (1500, 2)])
def test_surrogates_equal_rotations_of_the_voxels(n_voxels, n_splits):
    item = plant(np.random.default_rng(7), n_subjects=1, n=30, n_voxels=n_voxels)[0][0]
    made = variance_halves.region_of(item, n_splits, np.random.default_rng(2))
    layout = made.layout
    found = variance_halves.surrogates(
        [made], 5, np.random.default_rng(3), lambda _, one: (one.profile, one.halves, one.pairs)
    )[0]
    rng = np.random.default_rng(3)
    inner, outer = (variance_halves._blocks(layout, rng) for _ in range(2))
    back = [(block, variance_halves._rotations(rng, 1, block.size)[0]) for block in outer + inner]
    turns = [
        [(block, variance_halves._rotations(rng, 5, block.size)) for block in blocks]
        for blocks in (inner, outer)
    ]
    for draw in range(5):
        values = made.values.astype(float)
        once = [(block, turn[draw]) for blocks in turns for block, turn in blocks]
        for block, turn in [*back, *once]:
            values[block] = turn @ values[block]
        rotated = variance_halves.Region("subj01", "V1", values, made.members, layout)
        expected = variance_halves.measure(rotated)
        for kept, name in zip(found, ("profile", "halves", "pairs"), strict=True):
            np.testing.assert_allclose(kept[draw], getattr(expected, name), rtol=1e-4, atol=1e-5)


def test_both_rotations_leave_little_of_the_effect():
    counts = np.full(600, 2)
    stimulus = np.repeat(np.arange(600), counts)
    layout = variance.contrasts_of(np.zeros((1200, 1)), stimulus, 600)
    expected = np.exp(np.random.default_rng(4).normal(size=600) / 2)
    rng = np.random.default_rng(5)
    before = expected.std()
    for _ in range(2):
        for block in variance_halves._blocks(layout, rng):
            expected[block] = expected[block].mean()
    assert expected.std() < 0.1 * before


def test_relabelling_keeps_stimuli_among_those_shown_as_often():
    degrees = np.array([1, 2, 1, 2, 2, 1])
    drawn = shared_variance.draw(1, ["subj01"], [degrees], 50)[0]
    np.testing.assert_array_equal(degrees[drawn], np.tile(degrees, (50, 1)))
    assert len(np.unique(drawn, axis=0)) > 10


def test_relabelled_correlations_equal_plain_code():
    rng = np.random.default_rng(7)
    profiles = rng.normal(size=(3, 20))
    labels = [np.array([rng.permutation(20) for _ in range(4)]) for _ in range(3)]
    found = shared_variance.relabelled(profiles, labels)
    for draw in range(4):
        moved = [row[own[draw]] for row, own in zip(profiles, labels, strict=True)]
        expected = np.corrcoef(moved)[np.triu_indices(3, 1)].mean()
        assert found[draw] == pytest.approx(expected)


def test_sampling_variance_is_that_of_the_logarithm_of_chi_squared():
    """One voxel: the log of a squared contrast has variance psi'(1/2), of two psi'(1)."""
    from scipy.special import polygamma

    item = plant(np.random.default_rng(8), 1, n=150, n_voxels=1)[0][0]
    known = variance_reliability.measure_subject([item], None, 3, 200, 1)[0]
    for degrees in (1, 2):
        found = known.sampling[known.degrees == degrees][0]
        assert found == pytest.approx(polygamma(1, degrees / 2), rel=0.15)


def test_schedule_covariates_against_plain_loops():
    stimulus = np.array([0, 1, 0, 1, 1])
    known = schedule.Schedule(stimulus, np.array([1, 1, 2, 3, 3]), np.array([0, 63, 749, 62, 125]))
    np.testing.assert_array_equal(schedule.session_covariates(known), [[1, 0], [0, 2]])
    found = schedule.position_covariates(known)
    assert found[0, 0] == pytest.approx((0 + 749 / 750) / 2)
    # runs begin at trials 0, 63, 125, ...; trial 62 is the last of the first run
    assert found[1, 2] == pytest.approx((0 + 62 / 63 + 0) / 3)
    assert found[0, 4] == pytest.approx(np.log1p(750 + 749))


def test_residuals_are_those_of_least_squares():
    rng = np.random.default_rng(9)
    y, x = rng.normal(size=(2, 40)), rng.normal(size=(40, 3))
    design = np.column_stack([np.ones(40), x])
    expected = y - (design @ np.linalg.lstsq(design, y.T, rcond=None)[0]).T
    np.testing.assert_allclose(schedule.residuals(y, x), expected, atol=1e-12)
    assert schedule.residuals(y, rng.normal(size=(40, 20))) is None


@pytest.fixture(scope="module")
def null_p():
    """p-values without the effect; 500 such sets gave 5.0, 5.8, 4.4 and 5.6 % at .05."""
    rng = np.random.default_rng(10)
    found = {name: [] for name in P_VALUES}
    for seed in range(80):
        items, schedules, _ = plant(rng)
        row = run(items, schedules, seed, n=59)
        for name in P_VALUES:
            found[name].append(row[name]["p"])
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize("name", P_VALUES)
def test_p_is_uniform_without_the_effect(null_p, name):
    assert scipy_stats.kstest(null_p[name], "uniform").pvalue > 0.001
    hits = np.count_nonzero(null_p[name] <= 0.05)
    assert hits <= scipy_stats.binom.ppf(0.999, null_p[name].size, 0.05)


def test_a_high_split_half_needs_no_effect():
    items, _, _ = plant(np.random.default_rng(11), n_voxels=60, common=0.9)
    row = run(items)
    assert row["published"]["estimate"] > 0.9
    assert abs(row["voxel_split"]["excess"]) < 0.03
    assert not row["summary"]["stimulus_driven"]


def test_an_own_variance_is_reliable_but_not_of_the_stimulus():
    rng = np.random.default_rng(12)
    items, schedules, _ = plant(rng, n=80, log_sd=0.8, shared=0.0)
    row = run(items, schedules)
    assert row["summary"]["above_surrogate"]
    assert row["summary"]["in_disjoint_contrasts"]
    assert row["shared_fraction"]["interval"][0] < 0.1


def test_the_shared_part_is_recovered():
    rng = np.random.default_rng(13)
    errors, cv2 = [], []
    for seed in range(12):
        items, schedules, truth = plant(rng, n=90, log_sd=0.7, shared=0.5)
        row = run(items, schedules, seed, n=59)
        assert row["summary"]["stimulus_driven"]
        covariance = np.cov(truth, bias=True)
        planted = covariance[np.triu_indices(3, 1)].mean() / np.diag(covariance).mean()
        errors.append(row["shared_fraction"]["estimate"] - planted)
        true = np.exp(truth[:, items[0].counts() == 3])
        cv2.append(row["disjoint_cv2"]["estimate"] / np.mean(true.var(1) / true.mean(1) ** 2))
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(len(errors)) + 0.02
    assert abs(np.mean(cv2) - 1) < 4 * np.std(cv2) / np.sqrt(len(cv2)) + 0.05


def test_what_the_schedule_explains_is_not_of_the_stimulus():
    """All subjects are noisier late in a session; their stimuli do not differ."""
    items, schedules, _ = plant(np.random.default_rng(14), n=120)
    trial = schedules[0].trial
    late = [
        SharedResponses(
            item.subject,
            "V1",
            item.values * np.exp(1.5 * trial / 750)[:, None],
            *(item.stimulus, item.repetition, item.session, item.n_stimuli),
        )
        for item in items
    ]
    row = run(late, schedules)
    assert row["across_subjects"]["p"] <= 0.05
    assert row["across_subjects_adjusted"]["estimate"] < row["across_subjects"]["estimate"] / 2


def test_one_column_and_one_subject_leave_reasons():
    items, schedules, _ = plant(np.random.default_rng(15), n_voxels=1)
    row = results.to_plain(run(items, schedules), "row")
    assert row["voxel_split"] is None
    assert row["voxel_split_reason"] == "one column has no halves"
    assert 0 < row["disjoint"]["p"] <= 1
    assert 0 < row["across_subjects"]["p"] <= 1
    row = results.to_plain(run(items[:1], schedules[:1]), "row")
    assert row["across_subjects"] is None
    assert "no other" in row["across_subjects_reason"]


def test_of_a_study(study):
    keys = {"n_splits": 2, "n_surrogates": 60, "n_permutations": 60, "n_bootstrap": 60}
    keys |= {"interval": 0.95, "seed": 1}
    regions = ["V1", "faces"]
    found = results.to_plain(variance_reliability.analyse(study.extracts, regions, **keys), "data")
    again = variance_reliability.analyse(study.extracts, regions, **keys, n_threads=2)
    assert found == results.to_plain(again, "data")
    assert [region["region"] for region in found["regions"]] == regions
    log_variance = np.zeros((8, 100_000))
    known = planted_variance.reliability(log_variance, study.extracts, ["subj01", "subj03"])
    assert known["shared_fraction"] is None
    assert known["disjoint_cv2"] == pytest.approx(0, abs=1e-12)


def test_slopes_are_changes_of_the_squared_cv_with_weights(region):
    _, made = region
    found = variance_halves.measure(made)
    n = found.pairs.shape[-1]
    weights = np.random.default_rng(16).integers(0, 3, (2, n)).astype(float)
    slopes = variance_halves.cv2_slopes(found, weights)
    for place in range(n):
        step = 1e-5 * (np.arange(n) == place)
        change = variance_halves.disjoint(found, weights + step)[1]
        change = change - variance_halves.disjoint(found, weights - step)[1]
        np.testing.assert_allclose(slopes[:, place], change / 2e-5, rtol=1e-4, atol=1e-7)


def test_profile_equals_variance_of_all_voxels(region):
    item, made = region
    contrasts = variance.contrasts_of(item.values, item.stimulus, 50)
    expected = variance.variance_profile(contrasts)
    np.testing.assert_allclose(variance_halves.measure(made).profile, expected, rtol=1e-5)
