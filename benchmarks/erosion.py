"""The erosion tests against the same statistics written with SciPy, scikit-learn and rsatoolbox.

`benchmarks/straightforward` holds one module a test. Both sides run twice: at a reduced size with
all draws, where their numbers must agree to the tolerances of `TESTS`, and on one region at NSD's
full size for the time, one thread each. There the straightforward side makes a few draws of each
kind, all of which cost the same, and its time is scaled to all of them; ours makes all. Time is
that of the processor, so that other work on the machine counts on neither side.

A test is added by its module and an entry of `TESTS`; tests of the configuration that have none are
named in the output.

    python benchmarks/erosion.py [--tests rsa] [--work FOLDER] [--agreement-only]
"""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import full_extracts
import h5py
import numpy as np
from rsa import processor
from straightforward.clock import Clock
from threadpoolctl import threadpool_limits

from brainworth import config
from brainworth.erosion import fingerprinting, heteroscedasticity, measure, rdm_gap, rdms, rsa

ROOT = Path(__file__).resolve().parents[1]
REGION = "V1"
TARGET = 30
SMALL = {"subjects": 4, "stimuli": 80, "others": 120, "voxels": 900}


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
    """

    ours: Callable[[dict[str, Path], list[str], dict, int], dict]
    settings: dict
    small: dict
    full: dict
    agree: Callable[[dict, dict], None]


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
}


def main() -> None:
    given = arguments()
    settings = config.load(ROOT / "config.yaml", ROOT / "studies/full-size-simulated.yaml")
    extracts = full_extracts.write(given.work / "extracts", settings)
    wanted = given.tests or settings.erosion.tests
    result: dict = {"machine": {"processor": processor(), "threads": 1}, "region": REGION}
    result["not_compared"] = [test for test in wanted if test not in TESTS]
    result["tests"] = {}
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        small = reduce(extracts, Path(folder))
        for test in wanted:
            if test in TESTS:
                check(test, small, settings.seed)
                print(f"{test}: both sides agree at the reduced size", flush=True)
        if given.agreement_only:
            return
        for test in wanted:
            if test in TESTS:
                result["tests"][test] = compare(test, extracts, settings)
    ours, theirs = (
        sum(row[side] for row in result["tests"].values()) for side in ("ours_s", "theirs_s")
    )
    result |= {"ours_s": ours, "theirs_s": theirs, "ratio": theirs / ours, "target": TARGET}
    print(f"all: {theirs:.0f} s against {ours:.1f} s, {theirs / ours:.0f}x (target: {TARGET}x)")
    if result["not_compared"]:
        print(f"not compared: {', '.join(result['not_compared'])}")
    output = ROOT / "benchmarks/results/erosion.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", nargs="+", help="default: those of config.yaml")
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks/cache", help="4 GB")
    parser.add_argument("--agreement-only", action="store_true", help="do not measure times")
    return parser.parse_args()


def straightforward(
    test: str, extracts: dict[str, Path], counts: dict, seed: int
) -> tuple[Clock, dict]:
    clock = Clock()
    module = importlib.import_module(f"straightforward.{test}")
    return clock, module.analyse(extracts, REGION, clock, counts, seed)


def check(test: str, small: dict[str, Path], seed: int) -> None:
    """Raise unless both sides agree at the reduced size."""
    compared = TESTS[test]
    ours = compared.ours(small, [REGION], compared.settings, seed)
    compared.agree(ours, straightforward(test, small, compared.small, seed)[1])


def compare(test: str, extracts: dict[str, Path], settings: config.Config) -> dict:
    """Measure both sides on one region at full size."""
    compared = TESTS[test]
    given = getattr(settings.erosion, test).model_dump()
    start = time.process_time()
    compared.ours(extracts, [REGION], given, settings.seed)
    ours = time.process_time() - start
    clock, _ = straightforward(test, extracts, compared.full, settings.seed)
    print(
        f"{test}: {clock.total:.0f} s against {ours:.1f} s, {clock.total / ours:.0f}x", flush=True
    )
    if clock.variants:
        cleverer = sum((clock.seconds | clock.variants).values())
        print(f"    with its variants {cleverer:.0f} s, {cleverer / ours:.0f}x", flush=True)
    for name, seconds in sorted(clock.seconds.items(), key=lambda item: -item[1]):
        print(f"    {name:<28}{seconds:10.1f} s", flush=True)
    return {
        "ours_s": ours,
        "theirs_s": clock.total,
        "ratio": clock.total / ours,
        "theirs_parts_s": clock.seconds,
        "variants_parts_s": clock.variants,
        "theirs_draws": compared.full,
    }


def reduce(extracts: dict[str, Path], folder: Path) -> dict[str, Path]:
    """Write extracts of fewer subjects, stimuli and voxels, in the same format."""
    chosen = dict(list(extracts.items())[: SMALL["subjects"]])
    answer = {}
    matched_ids = None
    for subject, path in chosen.items():
        answer[subject] = folder / path.name
        with h5py.File(path, "r") as old, h5py.File(answer[subject], "w") as new:
            ids, matched = old["trials/nsd_id"][:], old["trials/matched"][:]
            if matched_ids is None:
                matched_ids = np.unique(ids[matched])[: SMALL["stimuli"]]
            others = np.unique(ids[~matched])[: SMALL["others"]]
            rows = np.flatnonzero(np.isin(ids, np.concatenate([matched_ids, others])))
            voxels = np.flatnonzero(old[f"voxels/region/{REGION}"][:])[: SMALL["voxels"]]
            for name, value in old.attrs.items():
                new.attrs[name] = value
            for name, values in old["trials"].items():
                new[f"trials/{name}"] = values[:][rows]
            new["voxels/ijk"] = old["voxels/ijk"][:][voxels]
            new["voxels/ncsnr"] = old["voxels/ncsnr"][:][voxels]
            new[f"voxels/region/{REGION}"] = np.ones(voxels.size, dtype=bool)
            span = old["betas"][:, voxels[0] : voxels[-1] + 1]
            new["betas"] = span[rows][:, voxels - voxels[0]]
    return answer


if __name__ == "__main__":
    main()
