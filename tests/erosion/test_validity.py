"""Planted data sets and rates over them: truth, aggregation, and each test's cells."""

import importlib

import numpy as np
import pytest

from brainworth import results
from brainworth.erosion import fingerprinting, heteroscedasticity, variance
from brainworth.erosion import measure as measured
from brainworth.erosion import responses as shared
from brainworth.erosion.dissimilarity import correlation_rdm
from brainworth.erosion.validity import measure, plant
from brainworth.sections.erosion import VALIDATED
from brainworth.stats import multiplicities, stream

SIZES = {"n_subjects": 3, "n_stimuli": 20, "n_voxels": 12, "n_draws": 50, "n_bootstrap": 50}


def planted(**knobs):
    return plant.Plant(4, 300, 20, **knobs)


def test_noise_and_signal_have_the_planted_sizes():
    items = plant.draw(planted(ncsnr=1.0), 0, 1)
    maps = plant.brain(planted(ncsnr=1.0), 0, 1)
    for item, weights in zip(items, maps.weights, strict=True):
        signal = np.sum(weights**2, axis=1)
        assert np.median(np.sqrt(signal / (1 - signal))) == pytest.approx(1.0, abs=0.35)
        profile = variance.variance_profile(
            variance.contrasts_of(item.values, item.stimulus, item.n_stimuli)
        )
        assert profile.mean() == pytest.approx(np.mean(1 - signal), rel=0.1)


def test_knobs_do_what_they_say():
    def pattern(items):
        return [shared.mean_patterns(item) for item in items]

    same = plant.brain(planted(identical=True), 0, 1).weights
    assert (same == same[0]).all()
    none = plant.brain(planted(shared_fraction=0.0), 0, 1).weights
    assert np.abs(none[0] @ none[1].T).max() == 0
    matched, mixed = (
        [correlation_rdm(each) for each in pattern(plant.draw(planted(**knobs), 0, 1))]
        for knobs in ({"shared_fraction": 1.0}, {"shared_fraction": 1.0, "mismatched": True})
    )
    assert np.corrcoef(matched[0], matched[1])[0, 1] > 0.2
    assert abs(np.corrcoef(mixed[0], mixed[1])[0, 1]) < 0.1


def test_variances_are_shared_as_planted():
    knobs = planted(variance_log_sd=1.0, variance_shared_fraction=1.0, noise_global=0.0)
    profiles = [
        np.log(variance.variance_profile(variance.contrasts_of(i.values, i.stimulus, i.n_stimuli)))
        for i in plant.draw(knobs, 0, 1)
    ]
    assert np.corrcoef(profiles)[0, 1] > 0.6


def test_variances_follow_the_feature_and_the_schedule_where_planted():
    def profile(item):
        return np.log(
            variance.variance_profile(
                variance.contrasts_of(item.values, item.stimulus, item.n_stimuli)
            )
        )

    knobs = {"noise_global": 0.0, "ncsnr": 3.0, "shared_fraction": 1.0}
    own = planted(
        variance_log_sd=1.0,
        variance_shared_fraction=1.0,
        variance_from_feature=True,
        **knobs,
    )
    for item in plant.draw(own, 0, 1):
        patterns = shared.mean_patterns(item)
        design = np.column_stack([patterns, np.ones(len(patterns))])
        logs = profile(item)
        fitted = design @ np.linalg.lstsq(design, logs)[0]
        assert np.corrcoef(fitted, logs)[0, 1] > 0.6
    drifting = planted(drift=3.0, noise_global=0.0)
    known = plant.schedule(drifting, 0, 1)
    assert all(np.unique(known.trial[known.session == s]).size == 300 for s in (1, 2, 3))
    assert known.trial.max() < 750
    late = np.bincount(known.stimulus, known.trial)
    for item in plant.draw(drifting, 0, 1):
        assert (item.stimulus == known.stimulus).all()
        assert (item.session == known.session).all()
        assert np.corrcoef(profile(item), late)[0, 1] > 0.6


def test_data_sets_differ_and_repeat():
    first, again, other = (plant.draw(planted(), n, 1)[0].values for n in (0, 0, 8))
    assert (first == again).all()
    assert not np.allclose(first, other)


def test_a_core_in_memory_is_what_the_files_give(study):
    """One region from the extracts, through the loop over files and through the core."""
    settings = {"n_permutations": 100, "n_bootstrap": 100, "n_subsamples": 2}
    settings |= {"interval": 0.95, "seed": 1}
    found = [shared.read(path, "V1") for path in study.extracts.values()]
    used = fingerprinting.stimuli_in_both_halves(found)
    row, _ = fingerprinting.analyse_region(found, used, **settings)
    whole = fingerprinting.analyse(study.extracts, ["V1"], **settings)["regions"][0]
    for feature in fingerprinting.FEATURES:
        row[feature]["identifiability"]["p_familywise"] = whole[feature]["identifiability"][
            "p_familywise"
        ]
    assert results.to_plain(row, "row") == results.to_plain(whole, "row")
    rdms = measured.of_responses(found)
    region = measured.measure(study.extracts, ["V1"], seed=1, noise="none").regions[0]
    np.testing.assert_array_equal(rdms.full["crossnobis"], region.full["crossnobis"])
    np.testing.assert_array_equal(rdms.repeats, region.repeats)
    rng = stream(1, "variance", "bootstrap")
    weights = multiplicities(rng, 100, found[0].n_stimuli)
    one = heteroscedasticity.analyse_region(found, weights, n_surrogates=50, interval=0.95, seed=1)
    all_of = heteroscedasticity.analyse(
        study.extracts, ["V1"], n_surrogates=50, n_bootstrap=100, interval=0.95, seed=1
    )["regions"][0]
    for statistic in heteroscedasticity.STATISTICS:
        all_of["mean"][statistic]["rotation"].pop("p_familywise")
    assert results.to_plain(one, "row") == results.to_plain(all_of, "row")


def test_rates_coverage_and_bias_are_those_of_counting():
    found = [
        measure.Replicate(
            p={"a": p, "b": 0.5},
            estimates={"e": None if p == 0.3 else (p, [0.0, 0.1], 0.02)},
            published={"s": p > 0.1},
        )
        for p in (0.01, 0.05, 0.2, 0.3)
    ]
    cell = measure.Cell("effect", "says", {}, null=("b",))
    rng = np.random.default_rng(0)
    row = measure.summarise(found, cell, 0.95, rng)
    assert [(r["test"], r["kind"], r["rate"], r["n"]) for r in row["rates"]] == [
        ("a", "effect", 0.5, 4),
        ("b", "null", 0.0, 4),
    ]
    estimate = row["estimates"][0]
    assert (estimate["n"], estimate["n_missing"], estimate["coverage"]) == (3, 1, 1.0)
    assert estimate["bias"] == pytest.approx((0.01 + 0.05 + 0.2) / 3 - 0.02)
    assert row["published"][0]["mean"] == 0.5


def test_no_p_is_no_rejection():
    found = [measure.Replicate(p={"a": p}) for p in (None, 0.01, None, 0.2)]
    row = measure.summarise(found, measure.Cell("null", "", {}), 0.95, np.random.default_rng(0))
    assert (row["rates"][0]["rate"], row["rates"][0]["n"]) == (0.25, 4)


def test_true_variances_are_found_with_many_stimuli():
    """With many stimuli and voxels the estimates come near the truths that they are held to."""
    sizes = {"n_subjects": 4, "n_stimuli": 400, "n_voxels": 60}
    settings = {"n_draws": 50, "n_bootstrap": 50, "interval": 0.95}
    for test, within in (("variance_reliability", 0.1), ("variance_predictability", 0.12)):
        module = importlib.import_module(f"brainworth.erosion.validity.{test}")
        used = plant.Plant(**sizes, **module.CELLS["shared"].knobs)
        found = [module.replicate(used, "shared", n, 1, **settings) for n in range(3)]
        for name in found[0].estimates:
            errors = [each.estimates[name][0] - each.estimates[name][2] for each in found]
            assert abs(np.mean(errors)) < within, name


def test_no_estimate_has_a_reason():
    found = [measure.Replicate(estimates={"e": None}) for _ in range(3)]
    row = measure.summarise(found, measure.Cell("null", "", {}), 0.95, np.random.default_rng(0))[
        "estimates"
    ][0]
    assert row["coverage"] is None
    assert "fewer than two" in row["reason"]


@pytest.mark.parametrize("test", VALIDATED)
def test_each_test_runs_on_all_its_cells(test):
    found = results.to_plain(
        measure.measure(test, n_replicates=2, **SIZES, interval=0.95, seed=1), "data"
    )
    module = importlib.import_module(f"brainworth.erosion.validity.{test}")
    assert [cell["cell"] for cell in found["cells"]] == list(module.CELLS)
    for cell in found["cells"]:
        assert cell["kind"] in measure.KINDS
        assert {row["kind"] for row in cell["rates"]} <= set(measure.KINDS)
        named = {row["test"] for row in cell["rates"]}
        given = module.CELLS[cell["cell"]]
        assert {*given.violated, *given.conservative, *given.null} <= named


def test_a_truth_is_that_of_noise_free_data():
    """With hardly any noise the corrected estimates come near the truths that they are held to."""
    knobs = {"shared_fraction": 0.5, "ncsnr": 30.0}
    sizes = plant.Plant(4, 120, 20, **knobs)
    settings = {"n_draws": 50, "n_bootstrap": 50, "interval": 0.95}
    hold = (("rsa", 0.08), ("fingerprinting", 0.2), ("rdm_gap", 0.08), ("encoding_gap", 0.05))
    for test, within in (*hold, ("alignment", 0.05)):
        module = importlib.import_module(f"brainworth.erosion.validity.{test}")
        found = [module.replicate(sizes, "half shared", n, 1, **settings) for n in range(6)]
        for name in found[0].estimates:
            errors = [each.estimates[name][0] - each.estimates[name][2] for each in found]
            assert abs(np.mean(errors)) < within, name
