import dataclasses
import itertools
import json

import numpy as np
import pytest
from open_data import BRAIN_RDMS, needs_brain_rdms
from scipy.spatial.distance import squareform

from brainworth import results, stats
from brainworth.erosion import compare, external, rdms, relabel, rsa
from brainworth.erosion.crossnobis import crossnobis_rdm
from brainworth.erosion.dissimilarity import correlation_rdm
from brainworth.errors import BrainworthError

N = 24
SETTINGS = {
    "comparison": "spearman",
    "n_permutations": 199,
    "n_bootstrap": 120,
    "interval": 0.9,
    "seed": 3,
    "progress": False,
}


def planted_region(label, subjects, seed, *, signal=1.0, n_stimuli=N, n_repeats=3):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n_stimuli, 5))
    folds = []
    for _ in subjects:
        pattern = signal * features @ rng.standard_normal((5, 30))
        folds.append(pattern + 2 * rng.standard_normal((n_repeats, n_stimuli, 30)))
    parts = [[correlation_rdm(fold) for fold in one] for one in folds]
    shown = np.tile(np.arange(n_stimuli), n_repeats)
    return rdms.RdmSet(
        label=label,
        subjects=tuple(subjects),
        full={
            "correlation": np.stack([correlation_rdm(one.mean(axis=0)) for one in folds]),
            "crossnobis": np.stack([crossnobis_rdm(np.concatenate(one), shown) for one in folds]),
        },
        repeats=np.array(parts).swapaxes(0, 1),
        mismatched=np.stack([correlation_rdm(rng.permutation(one.mean(axis=0))) for one in folds]),
        n_voxels=(30,) * len(subjects),
    )


@pytest.fixture(scope="module")
def content():
    everyone = [f"subj{s:02d}" for s in range(1, 6)]
    regions = [
        planted_region("V1", everyone, 1),
        planted_region("faces", everyone[1:4], 2),
        planted_region("null", everyone, 5, signal=0),
    ]
    return rdms.RdmFile(np.arange(N), regions)


@pytest.fixture(scope="module")
def analysed(content):
    return rsa.analyse(content, **SETTINGS)


def test_result_is_plain_json_without_missing_numbers(analysed):
    plain = results.to_plain(analysed, "data")
    assert json.loads(json.dumps(plain)) == plain


def test_estimates_equal_their_definitions(content, analysed):
    for region, found in zip(content.regions, analysed["regions"], strict=True):
        vectors = region.full["correlation"]
        similar = compare.compare(vectors, vectors, "spearman")
        pairs = list(itertools.combinations(range(len(vectors)), 2))
        values = [similar[pair] for pair in pairs]
        assert found["similarity"]["estimate"] == pytest.approx(np.mean(values), abs=1e-10)
        assert [pair["similarity"] for pair in found["pairs"]] == pytest.approx(values, abs=1e-10)
        assert [pair["subjects"] for pair in found["pairs"]] == [
            [region.subjects[a], region.subjects[b]] for a, b in pairs
        ]
        ceiling = found["noise_ceiling"]
        assert (ceiling["lower"]["estimate"], ceiling["upper"]["estimate"]) == pytest.approx(
            compare.noise_ceiling(vectors, "spearman"), abs=1e-10
        )
        for measure, by_comparison in found["by_measure"].items():
            for comparison, value in by_comparison.items():
                square = compare.compare(*[region.full[measure]] * 2, comparison)
                assert value == pytest.approx(np.mean([square[pair] for pair in pairs]), abs=1e-10)


def test_reliability_and_correction_equal_their_definitions(content, analysed):
    region, found = content.regions[0], analysed["regions"][0]
    parts = region.repeats
    within = [
        np.mean(
            [
                compare.compare(parts[q, s, None], parts[r, s, None], "spearman")
                for q, r in itertools.combinations(range(3), 2)
            ]
        )
        for s in range(5)
    ]
    own = found["reliability"]["per_subject"]
    assert [one["estimate"] for one in own] == pytest.approx(within, abs=1e-10)
    corrected = [
        np.mean(compare.compare(parts[:, s], parts[:, t], "spearman"))
        / np.sqrt(within[s] * within[t])
        for s, t in itertools.combinations(range(5), 2)
    ]
    assert [pair["corrected"] for pair in found["pairs"]] == pytest.approx(corrected, abs=1e-10)
    assert found["corrected"]["estimate"] == pytest.approx(np.mean(corrected), abs=1e-10)
    assert found["corrected"]["n_pairs"] == 10
    assert found["corrected"]["unreliable_subjects"] == []


def test_planted_geometry_is_found_and_noise_is_not(analysed):
    v1, faces, null = analysed["regions"]
    for region in (v1, faces):
        assert region["similarity"]["p"] == 1 / 200
        assert region["similarity"]["p_familywise"] == 1 / 200
        assert region["corrected"]["estimate"] > region["similarity"]["estimate"] > 0.2
    assert null["similarity"]["p"] > 0.05
    assert null["corrected"] is None
    assert "reliability of" in null["corrected_reason"]
    assert [pair["corrected"] for pair in null["pairs"]] == [None] * 10


def test_crossnobis_has_what_the_main_measure_has(content, analysed):
    """As if it were the main measure of a file of its own; p-values come from another kernel."""
    own = [
        dataclasses.replace(region, full={"crossnobis": region.full["crossnobis"]}, repeats=None)
        for region in content.regions
    ]
    alone = rsa.analyse(rdms.RdmFile(content.stimuli, own), **SETTINGS)
    for region, found in zip(alone["regions"], analysed["regions"], strict=True):
        other = found["other_measures"]["crossnobis"]
        for name in ("estimate", "p", "p_familywise", "null_interval", "interval_subjects"):
            expected = region["similarity"][name]
            assert other["similarity"][name] == pytest.approx(expected, abs=1e-6), name
        for kind in ("percentile", "bca", "corrected"):
            expected = region["similarity"]["interval_stimuli"][kind]
            assert other["similarity"]["interval_stimuli"][kind] == pytest.approx(expected)
        for bound in ("lower", "upper"):
            expected = region["noise_ceiling"][bound]
            assert other["noise_ceiling"][bound]["interval"] == pytest.approx(expected["interval"])
            assert other["noise_ceiling"][bound]["estimate"] == pytest.approx(expected["estimate"])
    planted = analysed["regions"][0]["other_measures"]["crossnobis"]["similarity"]
    assert planted["p_familywise"] == 1 / 200
    assert analysed["regions"][2]["other_measures"]["crossnobis"]["similarity"]["p"] > 0.05


def test_regions_are_read_one_at_a_time(content, analysed, tmp_path, monkeypatch):
    rdms.write(tmp_path / "rdms.h5", content)
    stored = rdms.read(tmp_path / "rdms.h5")
    read = []
    original = rdms._read_region
    monkeypatch.setattr(
        rdms, "_read_region", lambda file, label: read.append(label) or original(file, label)
    )
    assert rsa.analyse(stored, **SETTINGS) == analysed
    assert read == ["V1", "faces", "null"]


def test_the_mismatched_control_is_zero_within_its_interval(analysed):
    for region in analysed["regions"]:
        low, high = region["mismatched"]["interval"]
        assert low < 0 < high
        assert low < region["mismatched"]["estimate"] < high
        assert region["mismatched"]["p"] > 0.05


def test_the_mismatched_interval_and_p_equal_their_definitions(content, analysed):
    region, found = content.regions[0], analysed["regions"][0]["mismatched"]
    permutations = relabel.draw(SETTINGS["seed"], region.subjects, SETTINGS["n_permutations"], N)
    rows = compare.standardise(region.mismatched, "spearman")
    null = relabel.similarities(rows, permutations)[1].mean(axis=1)
    low, high = np.quantile(null, [0.05, 0.95])
    assert found["interval"] == pytest.approx(
        [found["estimate"] - high, found["estimate"] - low], abs=1e-7
    )
    tail = min((null >= found["estimate"]).sum(), (null <= found["estimate"]).sum())
    assert found["p"] == pytest.approx(2 * (tail + 1) / 200)


def test_the_mismatched_control_finds_opposite_geometries_too():
    region = planted_region("V1", "ab", 1)
    opposite = np.stack([region.full["correlation"][0], 2 - region.full["correlation"][0]])
    region = dataclasses.replace(region, mismatched=opposite)
    found = rsa.analyse(rdms.RdmFile(np.arange(N), [region]), **SETTINGS)["regions"][0]
    assert found["mismatched"]["estimate"] == pytest.approx(-1)
    assert found["mismatched"]["interval"][1] < 0
    assert found["mismatched"]["p"] == 2 / 200


def test_intervals_hold_their_estimates(analysed):
    for region in analysed["regions"][:2]:
        intervals = region["similarity"]["interval_stimuli"]
        for low, high in intervals.values():
            assert low < region["similarity"]["estimate"] < high
    assert analysed["regions"][0]["similarity"]["interval_subjects"] is not None
    assert analysed["regions"][1]["similarity"]["interval_subjects"] is None
    assert "at least 4" in analysed["regions"][1]["similarity"]["interval_subjects_reason"]


def test_family_wise_p_is_never_below_p(analysed):
    for region in analysed["regions"]:
        assert region["similarity"]["p_familywise"] >= region["similarity"]["p"]


def test_threads_do_not_change_a_bit(content, analysed):
    assert rsa.analyse(content, **SETTINGS, n_threads=3) == analysed


def test_order_of_regions_does_not_matter(content, analysed):
    turned = rsa.analyse(rdms.RdmFile(content.stimuli, content.regions[::-1]), **SETTINGS)
    assert turned["regions"][::-1] == analysed["regions"]


def test_a_region_alone_differs_in_its_family_only(content, analysed):
    alone = rsa.analyse(rdms.RdmFile(content.stimuli, content.regions[2:]), **SETTINGS)
    found = alone["regions"][0]
    assert found["similarity"]["p_familywise"] == found["similarity"]["p"]
    expected = analysed["regions"][2]
    found["similarity"]["p_familywise"] = expected["similarity"]["p_familywise"]
    other = found["other_measures"]["crossnobis"]["similarity"]
    assert other["p_familywise"] == other["p"]
    same = expected["other_measures"]["crossnobis"]["similarity"]
    other["p_familywise"] = same["p_familywise"]
    assert found == expected


def test_another_seed_changes_the_draws_but_no_estimate(content, analysed):
    other = rsa.analyse(content, **(SETTINGS | {"seed": 4}))
    for one, two in zip(analysed["regions"], other["regions"], strict=True):
        assert one["similarity"]["estimate"] == two["similarity"]["estimate"]
        assert one["similarity"]["null_interval"] != two["similarity"]["null_interval"]
        assert (
            one["noise_ceiling"]["upper"]["interval"] != two["noise_ceiling"]["upper"]["interval"]
        )


def test_order_of_the_stimuli_does_not_change_an_estimate(content, analysed):
    order = np.random.default_rng(0).permutation(N)

    def move(vectors):
        flat = vectors.reshape(-1, vectors.shape[-1])
        moved = [squareform(squareform(row)[np.ix_(order, order)]) for row in flat]
        return np.stack(moved).reshape(vectors.shape)

    region = content.regions[0]
    moved = dataclasses.replace(
        region,
        full={measure: move(vectors) for measure, vectors in region.full.items()},
        repeats=move(region.repeats),
        mismatched=None,
    )
    found = rsa.analyse(rdms.RdmFile(content.stimuli[order], [moved]), **SETTINGS)["regions"][0]
    for name in ("similarity", "corrected"):
        expected = analysed["regions"][0][name]["estimate"]
        assert found[name]["estimate"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("comparison", compare.COMPARISONS)
def test_every_comparison_runs(content, comparison):
    found = rsa.analyse(content, **(SETTINGS | {"comparison": comparison}))
    results.to_plain(found, "data")
    region = found["regions"][0]
    assert region["similarity"]["estimate"] == pytest.approx(
        region["by_measure"]["correlation"][comparison], abs=1e-12
    )
    assert region["similarity"]["p"] == 1 / 200


def test_saturated_cosines_carry_a_warning(content):
    region = content.regions[0]
    assert "saturate" in rsa.analyse(content, **SETTINGS)["cosine_warning"]
    crossnobis = dataclasses.replace(region, full={"crossnobis": region.full["crossnobis"] ** 3})
    found = rsa.analyse(rdms.RdmFile(content.stimuli, [crossnobis]), **SETTINGS)
    assert found["cosine_warning"] is None


def test_what_is_not_there_is_none_with_its_reason(content):
    bare = dataclasses.replace(content.regions[0], repeats=None, mismatched=None, n_voxels=None)
    found = rsa.analyse(rdms.RdmFile(content.stimuli, [bare]), **SETTINGS)["regions"][0]
    assert found["n_voxels"] is None
    for name in ("reliability", "corrected", "mismatched"):
        assert found[name] is None
        assert "there are no" in found[f"{name}_reason"]


@pytest.mark.parametrize("n_stimuli", [5, 6, 9])
def test_few_stimuli_give_a_result_with_their_number(n_stimuli):
    region = planted_region("V1", "abcd", 1, n_stimuli=n_stimuli)
    found = rsa.analyse(rdms.RdmFile(np.arange(n_stimuli), [region]), **SETTINGS)
    results.to_plain(found, "data")
    assert found["n_stimuli"] == n_stimuli


def test_two_subjects_give_a_result_with_their_number():
    region = planted_region("V1", "ab", 1)
    found = rsa.analyse(rdms.RdmFile(np.arange(N), [region]), **SETTINGS)["regions"][0]
    assert (found["n_subjects"], found["n_pairs"]) == (2, 1)
    assert found["similarity"]["p"] == found["pairs"][0]["p"]


def test_impossible_requests_are_refused(content):
    with pytest.raises(BrainworthError, match="4 stimuli and needs at least 5"):
        rsa.analyse(
            rdms.RdmFile(np.arange(4), [planted_region("V1", "abc", 1, n_stimuli=4)]), **SETTINGS
        )
    with pytest.raises(BrainworthError, match=r"faces: .* at least 2 subjects .* there is 1"):
        rsa.analyse(rdms.RdmFile(np.arange(N), [planted_region("faces", "a", 1)]), **SETTINGS)
    with pytest.raises(BrainworthError, match="no RDMs to analyse"):
        rsa.analyse(rdms.RdmFile(np.arange(N), []), **SETTINGS)


@pytest.mark.parametrize(("value", "reason"), [(0.5, "is constant"), (np.nan, "holds NaN")])
@pytest.mark.parametrize("where", ["correlation", "crossnobis", "repeated", "mismatched"])
def test_a_bad_rdm_is_named(content, value, reason, where):
    region = content.regions[0]
    parts = {
        "correlation": region.full["correlation"].copy(),
        "crossnobis": region.full["crossnobis"].copy(),
        "repeated": region.repeats.copy(),
        "mismatched": region.mismatched.copy(),
    }
    parts[where][..., 2, :] = value
    bad = dataclasses.replace(
        region,
        full={name: parts[name] for name in ("correlation", "crossnobis")},
        repeats=parts["repeated"],
        mismatched=parts["mismatched"],
    )
    with pytest.raises(BrainworthError, match=f"V1, subj03: the {where} RDM {reason}"):
        rsa.analyse(rdms.RdmFile(content.stimuli, [bad]), **SETTINGS)


def test_reliability_intervals_decide_who_is_corrected():
    region = planted_region("V1", "abcd", 1)
    noise = np.random.default_rng(0).random(region.repeats[:, 0].shape)
    region.repeats[:, 1] = noise
    found = rsa.analyse(rdms.RdmFile(np.arange(N), [region]), **SETTINGS)["regions"][0]
    assert found["corrected"]["unreliable_subjects"] == ["b"]
    assert found["corrected"]["n_pairs"] == 3
    for pair in found["pairs"]:
        assert (pair["corrected"] is None) == ("b" in pair["subjects"])


@needs_brain_rdms
def test_real_rdms_of_human_it_are_similar_across_subjects():
    content = external.load(BRAIN_RDMS, "hIT")
    found = rsa.analyse(content, **(SETTINGS | {"n_permutations": 999, "n_bootstrap": 500}))
    region = found["regions"][0]
    assert region["subjects"] == ["BE", "KO", "SN", "TI"]
    assert region["similarity"]["p"] == 1 / 1000
    low, high = region["noise_ceiling"]["lower"], region["noise_ceiling"]["upper"]
    assert 0.2 < region["similarity"]["estimate"] < low["estimate"] < high["estimate"] < 0.8
    assert region["corrected"]["estimate"] > 2 * region["similarity"]["estimate"]
    assert "saturate" in found["cosine_warning"]


def test_familywise_p_uses_the_joint_null(content, analysed):
    """Two copies of a region share their relabellings, so the family costs them nothing."""
    region = content.regions[2]
    twins = [dataclasses.replace(region, label=label) for label in ("left", "right")]
    found = rsa.analyse(rdms.RdmFile(content.stimuli, twins), **SETTINGS)["regions"]
    for twin in found:
        assert twin["similarity"]["p_familywise"] == twin["similarity"]["p"]
    assert found[0]["similarity"]["p"] == analysed["regions"][2]["similarity"]["p"]
    assert stats.permutation_p(0, np.zeros(3)) == 1
