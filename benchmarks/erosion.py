"""The erosion tests against the same statistics written with SciPy, scikit-learn and rsatoolbox.

`benchmarks/straightforward` holds one module a test. Both sides run twice: at a reduced size with
all draws, where their numbers must agree to the tolerances of `erosion_tests`, and on one region at
NSD's full size for the time, one thread each. There the straightforward side makes a few draws of
each kind, all of which cost the same, and its time is scaled to all of them; ours makes all. Time
is that of the processor, so that other work on the machine counts on neither side.

A test is added by its module and an entry of `erosion_tests.TESTS`; tests of the configuration that
have none are named in the output.

    python benchmarks/erosion.py [--tests rsa] [--work FOLDER] [--agreement-only]
"""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
import time
from pathlib import Path

import full_extracts
import h5py
import numpy as np
from erosion_tests import SMALL, TESTS
from rsa import processor
from straightforward.clock import Clock
from threadpoolctl import threadpool_limits

from brainworth import config

ROOT = Path(__file__).resolve().parents[1]
REGION = "V1"
TARGET = 30


def main() -> None:
    given = arguments()
    settings = config.load(ROOT / "config.yaml", ROOT / "studies/full-size-simulated.yaml")
    extracts = full_extracts.write(given.work / "extracts", settings)
    wanted = given.tests or settings.erosion.tests
    result: dict = {"machine": {"processor": processor(), "threads": 1}, "region": REGION}
    result["not_compared"] = [test for test in wanted if test not in TESTS]
    result["tests"] = {}
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        small = {}
        for test in wanted:
            if test in TESTS:
                n = TESTS[test].stimuli
                small[n] = small.get(n) or reduce(extracts, Path(folder) / str(n), n)
                check(test, small[n], settings.seed)
                print(f"{test}: both sides agree at the reduced size", flush=True)
        if given.agreement_only:
            return
        for test in wanted:
            if test in TESTS:
                result["tests"][test] = compare(test, extracts, settings)
    ours, theirs = (
        sum(row[side] for row in result["tests"].values()) for side in ("ours_s", "theirs_s")
    )
    cleverer = sum(
        sum((row["theirs_parts_s"] | row["variants_parts_s"]).values())
        for row in result["tests"].values()
    )
    result |= {"ours_s": ours, "theirs_s": theirs, "ratio": theirs / ours, "target": TARGET}
    result["ratio_with_variants"] = cleverer / ours
    print(f"all: {theirs:.0f} s against {ours:.1f} s, {theirs / ours:.0f}x (target: {TARGET}x)")
    print(f"    with variants {cleverer:.0f} s, {cleverer / ours:.0f}x")
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
        factor = clock.extrapolated.get(name)
        label = "" if factor is None else f"  measured x {factor:.0f}"
        print(f"    {name:<28}{seconds:10.1f} s{label}", flush=True)
    return {
        "ours_s": ours,
        "theirs_s": clock.total,
        "ratio": clock.total / ours,
        "theirs_parts_s": clock.seconds,
        "variants_parts_s": clock.variants,
        "theirs_extrapolated_by": clock.extrapolated,
        "theirs_draws": compared.full,
    }


def reduce(extracts: dict[str, Path], folder: Path, stimuli: int) -> dict[str, Path]:
    """Write extracts of fewer subjects, stimuli and voxels, in the same format."""
    folder.mkdir()
    chosen = dict(list(extracts.items())[: SMALL["subjects"]])
    answer = {}
    matched_ids = None
    for subject, path in chosen.items():
        answer[subject] = folder / path.name
        with h5py.File(path, "r") as old, h5py.File(answer[subject], "w") as new:
            ids, matched = old["trials/nsd_id"][:], old["trials/matched"][:]
            if matched_ids is None:
                matched_ids = np.unique(ids[matched])[:stimuli]
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
