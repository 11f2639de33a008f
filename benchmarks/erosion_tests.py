"""How both sides of `benchmarks/erosion.py` run each test, and what must agree."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainworth.erosion import (
    alignment,
    encoding_gap,
    fingerprinting,
    heteroscedasticity,
    measure,
    rdm_gap,
    rdms,
    rsa,
    variance_predictability,
    variance_reliability,
)

SMALL = {"subjects": 4, "stimuli": 80, "others": 120, "voxels": 900}
# The schedule of fewer stimuli has too many sessions to be adjusted for.
MORE_STIMULI = 160


@dataclass(frozen=True)
class Compared:
    """How one test is run by both sides.

    Attributes
    ----------
    ours : callable
        ours(extracts, regions, settings, seed) returns the test's JSON.
    small, full : dict
        Draws of the straightforward side; `small` also changes our settings to the same.
    settings : dict
        Our settings at the reduced size.
    agree : callable
        agree(ours, straightforward) raises AssertionError unless the numbers agree.
    stimuli : int
        Matched stimuli at the reduced size.
    """

    ours: Callable[[dict[str, Path], list[str], dict, int], dict]
    settings: dict
    small: dict
    full: dict
    agree: Callable[[dict, dict], None]
    stimuli: int = SMALL["stimuli"]


def run_rsa(extracts: dict[str, Path], regions: list[str], given: dict, seed: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rdms.h5"
        measure.write(path, extracts, regions, seed, noise=given["noise"])
        return rsa.analyse(
            rdms.read(path),
            comparison=given["comparison"],
            n_permutations=given["n_permutations"],
            n_bootstrap=given["n_bootstrap"],
            interval=0.95,
            seed=seed,
            progress=False,
        )


def agree_rsa(ours: dict, theirs: dict) -> None:
    region = ours["regions"][0]
    for name, found in (
        ("correlation", region),
        ("crossnobis", region["other_measures"]["crossnobis"]),
    ):
        similarity, expected = found["similarity"], theirs[name]
        near(similarity["estimate"], expected["estimate"], 1e-8)
        near(similarity["p"], expected["p"], 1e-12)
        near(similarity["null_mean"], expected["null_mean"], 1e-6)
        near(similarity["interval_stimuli"]["percentile"], expected["percentile"], 1e-8)
        near(similarity["interval_stimuli"]["bca"], expected["bca"], 1e-6)
        near(similarity["interval_stimuli"]["corrected"], expected["corrected"], 1e-6)
        for number, bound in enumerate(("lower", "upper")):
            ceiling = found["noise_ceiling"][bound]
            near(ceiling["estimate"], expected["ceiling"][number], 1e-8)
            near(ceiling["interval"], expected[f"ceiling_{bound}"], 1e-8)
    near(region["mismatched"]["estimate"], theirs["mismatched"]["estimate"], 1e-8)
    near(region["corrected"]["estimate"], theirs["corrected"]["estimate"], 1e-8)
    near(region["corrected"]["interval"]["percentile"], theirs["corrected"]["percentile"], 1e-8)


def run_rdm_gap(extracts: dict[str, Path], regions: list[str], given: dict, seed: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rdms.h5"
        measure.write(path, extracts, regions, seed, noise="none")
        return rdm_gap.analyse(rdms.read(path), **given, interval=0.95, seed=seed)


def agree_rdm_gap(ours: dict, theirs: dict) -> None:
    region = ours["regions"][0]
    population = region["published"]["population"]
    near(population["p"], theirs["p"], 1e-12)
    near(population["null_mean"], theirs["null_mean"], 1e-6)
    found = {
        **region["published"],
        "same_target": region["same_target"]["gap"],
        "noise_free": region["noise_free"]["population"],
    }
    for name, value in theirs["estimate"].items():
        near(found[name]["estimate"], value, 1e-8)
        near(found[name]["interval"], theirs["interval"][name], 1e-6)
    own = region["noise_free"]["own_advantage"]
    near(own["estimate"], theirs["own_advantage"], 1e-8)


def run_fingerprinting(extracts: dict, regions: list[str], given: dict, seed: int) -> dict:
    return fingerprinting.analyse(extracts, regions, **given, interval=0.95, seed=seed)


def agree_fingerprinting(ours: dict, theirs: dict) -> None:
    for feature in ("rdm", "profile"):
        found, expected = ours["regions"][0][feature], theirs[feature]
        near(found["accuracy"], expected["accuracy"], 1e-12)
        near(found["identifiability"]["estimate"], expected["identifiability"], 1e-8)
        near(found["identifiability"]["p"], expected["p"], 1e-12)
        near(found["identifiability"]["interval"], expected["interval"], 1e-8)
        curve = [point["accuracy"] for point in found["accuracy_by_stimuli"]]
        near(curve[:-1], expected["curve"], 1e-12)


def run_heteroscedasticity(extracts: dict, regions: list[str], given: dict, seed: int) -> dict:
    return heteroscedasticity.analyse(extracts, regions, **given, interval=0.95, seed=seed)


def agree_heteroscedasticity(ours: dict, theirs: dict) -> None:
    """Hold estimates to rounding, means of nulls (other draws) to a tenth of the null's width."""
    region = ours["regions"][0]
    for statistic in ("cv", "ratio"):
        found = region["mean"][statistic]
        near(found["estimate"], theirs["observed"][statistic], 1e-8)
        for null in ("rotation", "exchange", "exchange_within_session"):
            width = np.ptp(found[null]["interval"])
            near(found[null]["mean"], theirs[null][statistic], width / 10)
    near(region["mean"]["true_cv2"]["estimate"], theirs["true_cv2"], 1e-8)
    for own, expected in zip(region["subjects"], theirs["subjects"], strict=True):
        near(own["true_cv2"]["interval"], expected["interval"], 1e-8)


def run_encoding_gap(extracts: dict, regions: list[str], given: dict, seed: int) -> dict:
    return encoding_gap.analyse(extracts, regions, **given, interval=0.95, seed=seed)


def agree_encoding_gap(ours: dict, theirs: dict) -> None:
    region = ours["regions"][0]
    found = {
        f"{who}.{calibration}": entry
        for who in ("individual", "population")
        for calibration, entry in region[who].items()
    }
    found |= {"published_population": region["published"]["population"]}
    found |= {name: region[name] for name in ("ceiling", "slope")}
    found["noise_free"] = region["noise_free"]["r2"]
    for name, entry in found.items():
        near(entry["estimate"], theirs[name]["estimate"], 1e-8)
        near(entry["interval"], theirs[name]["interval"], 1e-8)
    near(found["population.offset_slope"]["null_mean"], theirs["null_mean"], 1e-8)
    for name, expected in theirs["voxelwise"].items():
        near(region["voxelwise"][name]["estimate"], expected["estimate"], 1e-8)
        near(region["voxelwise"][name]["interval"], expected["interval"], 1e-8)


def run_alignment(extracts: dict, regions: list[str], given: dict, seed: int) -> dict:
    return alignment.analyse(extracts, regions, **given, interval=0.95, seed=seed)


def agree_alignment(ours: dict, theirs: dict) -> None:
    """Hold what does not depend on the signs of components."""
    region = ours["regions"][0]
    assert region["components"] == theirs["components"]
    for (distance, variant), expected in theirs["rdm"].items():
        found = region["rdm"][distance][variant]
        for name, value in expected.items():
            near(found[name], value, 1e-6)
    for name in ("pattern_correlation", "identification"):
        near(region[name]["estimate"], theirs[name]["estimate"], 1e-8)
        near(region[name]["interval"], theirs[name]["interval"], 1e-8)
    for name in ("shared_fraction", "ridge_share"):
        near(region[name]["estimate"], theirs[name], 1e-8)
        near(region[name]["interval"], theirs[f"{name}_interval"], 1e-8)
    near(region["procrustes_share"]["estimate"], theirs["procrustes_share"], 1e-8)
    for name in ("null_mean", "p"):
        near([region[tested][name] for tested in alignment.TESTED], theirs[name], 1e-8)


def run_variance_reliability(extracts: dict, regions: list[str], given: dict, seed: int) -> dict:
    return variance_reliability.analyse(extracts, regions, **given, interval=0.95, seed=seed)


def agree_variance_reliability(ours: dict, theirs: dict) -> None:
    """Hold estimates to single precision, and what surrogates enter to a few percent."""
    region = ours["regions"][0]
    for number, name in enumerate(("voxel_split", "disjoint")):
        near(region[name]["estimate"], theirs[name], 1e-5)
        near(region[name]["interval"], theirs[f"{name}_interval"], 1e-5)
        near_null(region[name], theirs["null"][:, number].mean())
    near(region["disjoint_cv2"]["estimate"], theirs["disjoint_cv2"], 1e-5)
    near(region["disjoint_cv2"]["interval"], theirs["disjoint_cv2_interval"], 1e-5)
    for name, theirs_name in (
        ("across_subjects", "logs"),
        ("across_subjects_adjusted", "adjusted"),
    ):
        for number in ("estimate", "null_mean", "interval"):
            near(region[name][number], theirs[theirs_name][number], 1e-5)
        near(region[name]["p"], theirs[theirs_name]["p"], 1e-12)
    for name, tolerance in (("profile_reliability", 0.01), ("shared_fraction", 0.03)):
        near(region[name]["estimate"], theirs[name], tolerance)
        near(region[name]["interval"], theirs[f"{name}_interval"], tolerance)


def run_variance_predictability(extracts: dict, regions: list[str], given: dict, seed: int) -> dict:
    return variance_predictability.analyse(extracts, regions, **given, interval=0.95, seed=seed)


def agree_variance_predictability(ours: dict, theirs: dict) -> None:
    """Hold estimates to single precision, and what surrogates enter to a few percent."""
    region = ours["regions"][0]
    for name, expected in theirs["readings"].items():
        near(region["readings"][name]["estimate"], expected["estimate"], 1e-6)
    for name, expected in theirs["steps"].items():
        for kind in ("r2", "increment"):
            near(region["steps"][name][kind]["estimate"], expected[kind]["estimate"], 1e-5)
            near(region["steps"][name][kind]["interval"], expected[kind]["interval"], 1e-5)
        near_null(region["steps"][name]["increment"], expected["increment"]["null_mean"])
    near(region["ceiling"]["estimate"], theirs["ceiling"], 0.01)
    near(region["shared_r2"]["estimate"], theirs["shared_r2"], 0.03)
    near(region["shared_r2"]["interval"], theirs["shared_r2_interval"], 0.03)


def near_null(found: dict, mean: float) -> None:
    """Hold the mean of a null of other draws to a tenth of the null's width."""
    near(found["null_mean"], mean, np.ptp(found["null_interval"]) / 10)


def near(ours: object, theirs: object, tolerance: float) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


TESTS = {
    "rsa": Compared(
        run_rsa,
        {
            "comparison": "spearman",
            "noise": "shrinkage_diag",
            "n_permutations": 200,
            "n_bootstrap": 100,
        },
        {
            **{"permutations": 200, "all_permutations": 200, "bootstrap": 100},
            **{"all_bootstrap": 100, "jackknife": SMALL["stimuli"], "crossnobis_subjects": 4},
        },
        {
            **{"permutations": 2, "all_permutations": 5000, "bootstrap": 2},
            **{"all_bootstrap": 1000, "jackknife": 2, "crossnobis_subjects": 1},
        },
        agree_rsa,
    ),
    "rdm_gap": Compared(
        run_rdm_gap,
        {
            "comparison": "spearman",
            "n_permutations": 200,
            "n_labellings": 50000,
            "n_bootstrap": 100,
        },
        {
            **{"permutations": 200, "all_permutations": 200, "bootstrap": 100},
            **{"all_bootstrap": 100, "jackknife": SMALL["stimuli"]},
        },
        {
            **{"permutations": 3, "all_permutations": 2000, "bootstrap": 3},
            **{"all_bootstrap": 1000, "jackknife": 3},
        },
        agree_rdm_gap,
    ),
    "fingerprinting": Compared(
        run_fingerprinting,
        {"n_permutations": 50000, "n_bootstrap": 100, "n_subsamples": 5},
        {
            **{"labellings": 24, "all_labellings": 24, "bootstrap": 100, "all_bootstrap": 100},
            **{"subsamples": 5, "all_subsamples": 5},
        },
        {
            **{"labellings": 2000, "all_labellings": 40320, "bootstrap": 5},
            **{"all_bootstrap": 1000, "subsamples": 2, "all_subsamples": 20},
        },
        agree_fingerprinting,
    ),
    "heteroscedasticity": Compared(
        run_heteroscedasticity,
        {"n_surrogates": 400, "n_bootstrap": 100},
        {
            **{"surrogates": 400, "all_surrogates": 400, "bootstrap": 100},
            **{"all_bootstrap": 100, "subjects": 4},
        },
        {
            **{"surrogates": 3, "all_surrogates": 1000, "bootstrap": 20},
            **{"all_bootstrap": 1000, "subjects": 2},
        },
        agree_heteroscedasticity,
    ),
    "alignment": Compared(
        run_alignment,
        {"n_folds": 5, "dimensions": [5, 10, 20, 40, 80], "n_permutations": 50, "n_bootstrap": 100},
        {
            **{"permutations": 50, "all_permutations": 50, "bootstrap": 100},
            **{"all_bootstrap": 100, "subjects": 4, "folds": 5},
        },
        {
            **{"permutations": 5, "all_permutations": 1000, "bootstrap": 3},
            **{"all_bootstrap": 1000, "subjects": 1, "folds": 1},
        },
        agree_alignment,
    ),
    "encoding_gap": Compared(
        run_encoding_gap,
        {"n_folds": 5, "n_permutations": 100, "n_bootstrap": 100},
        {
            **{"permutations": 100, "all_permutations": 100, "bootstrap": 100},
            **{"all_bootstrap": 100, "subjects": 4},
        },
        {
            **{"permutations": 10, "all_permutations": 1000, "bootstrap": 10},
            **{"all_bootstrap": 1000, "subjects": 1},
        },
        agree_encoding_gap,
    ),
    "variance_reliability": Compared(
        run_variance_reliability,
        {"n_splits": 10, "n_surrogates": 200, "n_permutations": 200, "n_bootstrap": 100},
        {
            **{"surrogates": 200, "all_surrogates": 200, "permutations": 200},
            **{"all_permutations": 200, "bootstrap": 100, "all_bootstrap": 100, "subjects": 4},
        },
        {
            **{"surrogates": 2, "all_surrogates": 200, "permutations": 50},
            **{"all_permutations": 2000, "bootstrap": 20, "all_bootstrap": 1000, "subjects": 2},
        },
        agree_variance_reliability,
        MORE_STIMULI,
    ),
    "variance_predictability": Compared(
        run_variance_predictability,
        {"n_components": 30, "n_folds": 5, "n_surrogates": 200, "n_bootstrap": 100},
        {
            **{"surrogates": 200, "all_surrogates": 200, "bootstrap": 100},
            **{"all_bootstrap": 100, "subjects": 4},
        },
        {
            **{"surrogates": 2, "all_surrogates": 200, "bootstrap": 10},
            **{"all_bootstrap": 1000, "subjects": 1},
        },
        agree_variance_predictability,
        MORE_STIMULI,
    ),
}
