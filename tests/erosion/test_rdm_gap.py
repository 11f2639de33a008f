"""The gap of RDMs (information erosion, README v2.1): plain definitions and planted truth."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.stats
from open_data import BRAIN_RDMS, needs_brain_rdms

from brainworth import config, results
from brainworth.erosion import external, planted_rdm_gap, rdm_gap, rdms, rsa
from brainworth.erosion.dissimilarity import correlation_rdm
from brainworth.errors import BrainworthError

SETTINGS = {
    "comparison": "spearman",
    "n_permutations": 199,
    "n_labellings": 120,
    "n_bootstrap": 120,
    "interval": 0.95,
    "seed": 3,
}
NAMES = ("subj01", "subj02", "subj03", "subj04", "subj05")


def planted_region(seed, *, shared=0.6, noise=0.8, n_stimuli=36, n_repeats=2, label="V1"):
    """Subjects that encode shared features by one map and features of their own by another."""
    rng = np.random.default_rng(seed)
    features, one_map = rng.standard_normal((n_stimuli, 8)), rng.standard_normal((8, 40))
    clean, folds = {}, []
    for name in NAMES:
        own = rng.standard_normal((n_stimuli, 8)) @ rng.standard_normal((8, 40))
        clean[name] = np.sqrt(shared) * features @ one_map + np.sqrt(1 - shared) * own
        size = noise * np.sqrt(8)
        folds.append(clean[name] + size * rng.standard_normal((n_repeats, n_stimuli, 40)))
    parts = np.array([[correlation_rdm(fold) for fold in one] for one in folds])
    region = rdms.RdmSet(
        label=label,
        subjects=NAMES,
        full={"correlation": np.stack([correlation_rdm(one.mean(axis=0)) for one in folds])},
        repeats=parts.swapaxes(0, 1),
    )
    return region, clean


def run(*regions, **changes):
    n_stimuli = rdms.n_stimuli_of(regions[0].full["correlation"].shape[1], "test")
    content = rdms.RdmFile(np.arange(n_stimuli), list(regions))
    return rdm_gap.analyse(content, **(SETTINGS | changes))


@pytest.fixture(scope="module")
def region():
    return planted_region(1)[0]


@pytest.fixture(scope="module")
def found(region):
    return run(region)["regions"][0]


def spearman(a, b):
    return scipy.stats.spearmanr(a, b).statistic


def test_estimates_equal_their_definitions(region, found):
    full, (first, second) = region.full["correlation"], region.repeats
    ranks = scipy.stats.rankdata(full, axis=1)
    others = [np.delete(ranks, s, axis=0).mean(axis=0) for s in range(5)]
    within = np.array([spearman(first[s], second[s]) for s in range(5)])
    individual = (2 * within / (1 + within)).mean()
    population = np.mean([spearman(full[s], others[s]) for s in range(5)])
    published = found["published"]
    assert published["individual"]["estimate"] == pytest.approx(individual)
    assert published["population"]["estimate"] == pytest.approx(population)
    assert published["gap"]["estimate"] == pytest.approx(individual - population)
    single = np.mean([spearman(part[s], others[s]) for s in range(5) for part in region.repeats])
    same = found["same_target"]
    assert same["individual"]["estimate"] == pytest.approx(within.mean())
    assert same["population"]["estimate"] == pytest.approx(single)
    assert same["gap"]["estimate"] == pytest.approx(within.mean() - single)
    rho = np.eye(5)
    for s in range(5):
        for t in range(5):
            if s != t:
                sides = [(a[s], b[t]) for a in (first, second) for b in (first, second)]
                between = np.mean([spearman(*side) for side in sides])
                rho[s, t] = between / np.sqrt(within[s] * within[t])
    noise_free = []
    for s in range(5):
        rest = [t for t in range(5) if t != s]
        noise_free.append(rho[s, rest].sum() / np.sqrt(rho[np.ix_(rest, rest)].sum()))
    assert found["noise_free"]["population"]["estimate"] == pytest.approx(np.mean(noise_free))
    assert found["noise_free"]["gap"]["estimate"] == pytest.approx(1 - np.mean(noise_free))
    assert found["per_subject"][2]["noise_free"]["estimate"] == pytest.approx(noise_free[2])


def test_published_population_is_the_lower_noise_ceiling_of_rsa(region, found):
    content = rdms.RdmFile(np.arange(36), [region])
    keys = {key: SETTINGS[key] for key in ("comparison", "n_permutations", "n_bootstrap", "seed")}
    ceiling = rsa.analyse(content, **keys, interval=0.95, progress=False)["regions"][0]
    lower = ceiling["noise_ceiling"]["lower"]["estimate"]
    assert found["published"]["population"]["estimate"] == pytest.approx(lower, abs=1e-12)


def test_result_is_plain_json_and_repeatable(region):
    first = results.to_plain(run(region), "data")
    assert json.dumps(first) == json.dumps(results.to_plain(run(region, n_threads=2), "data"))


def test_more_repeats_are_stepped_up_to_all_of_them():
    region, _ = planted_region(1, n_repeats=3)
    found = run(region)["regions"][0]
    assert found["n_repeats"] == 3
    each = []
    for s in range(5):
        pairs = [(0, 1), (0, 2), (1, 2)]
        r = np.mean([spearman(region.repeats[a][s], region.repeats[b][s]) for a, b in pairs])
        each.append(3 * r / (1 + 2 * r))
    assert found["published"]["individual"]["estimate"] == pytest.approx(np.mean(each))


def test_planted_value_equals_a_plain_mean():
    _, clean = planted_region(4)
    known = planted_rdm_gap.expected(clean, "corr")
    vectors = [scipy.stats.zscore(correlation_rdm(values)) for values in clean.values()]
    each = [
        np.corrcoef(vectors[s], np.mean(np.delete(vectors, s, axis=0), axis=0))[0, 1]
        for s in range(5)
    ]
    assert known["gap"] == pytest.approx(1 - np.mean(each))
    assert [row["population"] for row in known["subjects"]] == pytest.approx(each)


@pytest.mark.parametrize(("shared", "noise"), [(0.6, 0.8), (0.6, 1.6), (0.9, 0.8)])
def test_the_noise_free_gap_recovers_what_was_planted(shared, noise):
    gaps, published, covered, truths = [], [], 0, []
    n = 40
    for seed in range(n):
        region, clean = planted_region(100 + seed, shared=shared, noise=noise)
        truth = planted_rdm_gap.expected(clean, "spearman")["gap"]
        found = run(region, n_permutations=100, n_bootstrap=100)["regions"][0]
        gap = found["noise_free"]["gap"]
        gaps.append(gap["estimate"])
        published.append(found["published"]["gap"]["estimate"])
        truths.append(truth)
        covered += gap["interval"][0] <= truth <= gap["interval"][1]
    assert np.mean(gaps) == pytest.approx(np.mean(truths), abs=0.04)
    # what is published is far below: noise weighs on the individual side only
    assert np.mean(published) < np.mean(truths) - 0.05
    assert covered >= scipy.stats.binom(n, 0.92).ppf(0.001)


def test_one_common_rdm_has_no_gap_where_the_published_gap_is_negative():
    regions = [planted_region(seed, shared=1.0, label=f"r{seed}")[0] for seed in range(12)]
    answer = run(*regions, n_permutations=100)["regions"]
    free = [region["noise_free"]["gap"]["estimate"] for region in answer]
    assert abs(np.mean(free)) < 0.02
    assert np.mean([region["published"]["gap"]["estimate"] for region in answer]) < -0.05
    assert min(r["noise_free"]["own_advantage"]["p_familywise"] for r in answer) > 0.05


def test_differing_geometry_is_found_by_the_subjects_labels(found):
    own = found["noise_free"]["own_advantage"]
    assert own["exhaustive"]
    assert own["p"] == pytest.approx(1 / 120)
    assert own["estimate"] > own["null_interval"][1]
    assert own["null_mean"] < own["estimate"]


def test_unrelated_subjects_are_not_predicted():
    p = [run(planted_region(seed, shared=0.0)[0])["regions"][0]["published"] for seed in range(30)]
    low = sum(row["population"]["p"] <= 0.05 for row in p)
    assert low <= scipy.stats.binom(30, 0.05).ppf(0.999)
    first = p[0]["population"]
    assert first["null_interval"][0] < 0 < first["null_interval"][1]


def test_without_repeats_the_individual_side_is_missing_with_a_reason(region):
    found = run(dataclasses.replace(region, repeats=None))["regions"][0]
    assert found["published"]["population"]["estimate"] > 0
    assert found["published"]["population"]["p"] == 1 / 200
    for name in ("individual", "gap"):
        assert found["published"][name] is None
    for name in ("published", "same_target", "noise_free"):
        assert "disjoint parts" in found[f"{name}_reason"]
    results.to_plain(found, "data")


def test_unreliable_subjects_are_left_out_and_named(region):
    repeats = region.repeats.copy()
    repeats[:, 1] = np.random.default_rng(0).random(repeats[:, 1].shape)
    noisy = dataclasses.replace(region, repeats=repeats)
    found = run(noisy)["regions"][0]
    assert found["noise_free"]["unreliable_subjects"] == ["subj02"]
    assert found["noise_free"]["n_subjects"] == 4
    assert found["per_subject"][1]["noise_free"] is None
    repeats[:] = np.random.default_rng(1).random(repeats.shape)
    found = run(dataclasses.replace(region, repeats=repeats))["regions"][0]
    assert found["noise_free"] is None
    assert "a correction needs 2 such subjects" in found["noise_free_reason"]


def test_the_family_is_the_largest_group_of_regions_with_the_same_subjects(region):
    other, _ = planted_region(9, label="V2")
    less = dataclasses.replace(
        planted_region(10, label="faces")[0],
        subjects=NAMES[:4],
        full={"correlation": planted_region(10)[0].full["correlation"][:4]},
        repeats=planted_region(10)[0].repeats[:, :4],
    )
    answer = run(less, region, other)["regions"]
    own = [item["noise_free"]["own_advantage"] for item in answer]
    assert own[0]["p_familywise"] is None
    assert "other subjects" in own[0]["p_familywise_reason"]
    for row in own[1:]:
        assert row["p_familywise"] >= row["p"]
    assert [item["n_subjects"] for item in answer] == [4, 5, 5]


def test_two_subjects_and_few_stimuli_give_a_result_with_their_numbers():
    region, _ = planted_region(1, n_stimuli=8)
    pair = dataclasses.replace(
        region,
        subjects=NAMES[:2],
        full={"correlation": region.full["correlation"][:2]},
        repeats=region.repeats[:, :2],
    )
    answer = run(pair)
    assert (answer["n_stimuli"], answer["regions"][0]["n_subjects"]) == (8, 2)
    results.to_plain(answer, "data")


@needs_brain_rdms
def test_the_readme_shows_the_gap_of_human_it(repository):
    content = external.load(BRAIN_RDMS, "human IT")
    default = config.load(repository / "config.yaml", repository / "studies/human-it-rdms.yaml")
    given = default.erosion.rdm_gap.model_dump()
    answer = rdm_gap.analyse(content, **given, interval=default.interval, seed=default.seed)
    (found,) = answer["regions"]
    readme = (repository / "README.md").read_text()
    for kind, label in (
        ("published", "encoding gap, individual minus population, as published"),
        ("noise_free", "encoding gap without noise"),
    ):
        gap = found[kind]["gap"]
        low, high = gap["interval"]
        assert f"| {label} | {gap['estimate']:.2f} | [{low:.2f}, {high:.2f}] |" in readme


def test_impossible_requests_are_refused(region):
    with pytest.raises(BrainworthError, match="gap of RDMs has 4 stimuli and needs at least 5"):
        run(planted_region(1, n_stimuli=4)[0])
    alone = dataclasses.replace(
        region,
        subjects=NAMES[:1],
        full={"correlation": region.full["correlation"][:1]},
        repeats=region.repeats[:, :1],
    )
    with pytest.raises(BrainworthError, match="V1: the gap of RDMs needs at least 2 subjects"):
        run(alone)
    with pytest.raises(BrainworthError, match="no RDMs to analyse"):
        rdm_gap.analyse(rdms.RdmFile(np.arange(9), []), **SETTINGS)
