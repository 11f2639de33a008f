"""The bridges at NSD's size and the settings of `studies/nsd-bridges.yaml`: time and memory.

Writes, once, full-size inputs of the study's four subjects (`full_bridges`: 14 GB, some minutes),
then runs the script of each bridge as its rule does, one thread, in a process of its own, as for
real data (nothing planted). `calibration`, which that study leaves out, is run at the settings of
`config.yaml` with `inputs: features` and a table of three tasks. Reported are wall and processor
seconds, the largest resident memory, and the seconds of the parts of each bridge (`phases`).

Each subject is read and learned from by itself, so that a share of the work is the first of the
subjects (`--subjects 1`, or 2 for what needs two): seconds are then also given times 4 / subjects,
and marked as extrapolated. What is done with several subjects at once is little, and peaks of
memory are those of one subject, but for the features of all images, which are there in any case.
`decoding` learns from two training sets of each size; `--sets 1` takes the first of them, which
costs more than the second (it alone is held to a null), so that twice its seconds are a bound.

All of it takes 80 minutes of one core, and is no part of `make bench`. `--before` runs each bridge
of another checkout too, first, and says whether the results have the same data. Figures of each
bridge that was run are written to benchmarks/results/bridges_full_size.json.

    python benchmarks/bridges_full_size.py [--part decoding] [--subjects 4] [--before ../other]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import as_rule
import full_bridges
import phases
from rsa import processor

from brainworth import config, results

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks/results/bridges_full_size.json"
TARGETS = {"peak_mb": 8000, "decoding_minutes_on_2_cores": 120}
FEWEST = {"decoding": 1, "feature_spaces": 1, "averaging": 2, "calibration": 1}
N_SUBJECTS = 4
#: What each rule is given of the configuration (`rules/bridges.smk`), of data that are not planted.
KEYS = {
    "calibration": ("seed", "interval", "rois", "bridges.calibration"),
    "decoding": ("seed", "interval", "design.min_repetitions", "bridges.decoding"),
    "feature_spaces": (
        *("seed", "interval", "bridges.feature_spaces"),
        *("encoder.features.grid", "encoder.ridge", "encoder.scores"),
        "encoder.targets.repeat_target",
    ),
    "averaging": ("seed", "interval", "rois", "bridges.averaging"),
}
BRIDGES = "brainworth.bridges"
WATCHED = {
    "calibration": {
        "read features": f"{BRIDGES}.calibration.brain_inputs:of_store",
        "white inputs": f"{BRIDGES}.calibration.brain_inputs:whiten",
        "read betas": f"{BRIDGES}.calibration.brain_samples:read",
        "calibrate": f"{BRIDGES}.calibration.brain_calibration:calibrate",
        "leave blocks out": f"{BRIDGES}.calibration.brain_calibration:leave_out",
        "shares": f"{BRIDGES}.calibration.calibration_shares:shares",
        "learn subspaces": f"{BRIDGES}.calibration.student_trials:subspaces",
        "train students": f"{BRIDGES}.calibration.student_trials:measure",
        "shuffle": f"{BRIDGES}.calibration.shuffled_brain:shuffled",
    },
    "decoding": {
        "read betas": f"{BRIDGES}.decoding.trials:read",
        "standardise features": f"{BRIDGES}.decoding.decoding_spaces:standardise",
        "decompose": f"{BRIDGES}.decoding.decoder:_left_singular",
        "leave images out": f"{BRIDGES}.decoding.decoder:_Images.residuals",
        "hat matrices": f"{BRIDGES}.decoding.decoder:_hat_blocks",
        "fit, the rest": f"{BRIDGES}.decoding.decoder:fit",
        "score": f"{BRIDGES}.decoding.decoding_learning:_score",
        "common space": f"{BRIDGES}.decoding.pooled_decoder:join",
        "pool subjects": f"{BRIDGES}.decoding.decoding_subjects:pooled",
        "average brains": f"{BRIDGES}.decoding.decoding_subjects:brains",
    },
    "feature_spaces": {
        "read targets": "brainworth.encoder.targets:read",
        "read features": "brainworth.encoder.features.store:read",
        "one vector an image": f"{BRIDGES}.feature_spaces.spaces:part_of",
        "reduce": f"{BRIDGES}.feature_spaces.spaces:reduce",
        "decode": f"{BRIDGES}.feature_spaces.space_retrieval:decode",
        "retrieve": f"{BRIDGES}.feature_spaces.feature_spaces:_retrieve",
        "predict": f"{BRIDGES}.feature_spaces.space_encoding:predict",
        "score": f"{BRIDGES}.feature_spaces.space_encoding:score",
        "explained": f"{BRIDGES}.feature_spaces.space_encoding:explained",
    },
    "averaging": {
        "read betas": "brainworth.nsd.betas:read_responses",
        "z-score": f"{BRIDGES}.averaging.region_responses:rescale",
        "reduce regions": f"{BRIDGES}.averaging.region_responses:reduce",
        "read features": "brainworth.encoder.features.store:read",
        "fit components": f"{BRIDGES}.averaging.image_inputs:fit",
        "reduce features": f"{BRIDGES}.averaging.image_inputs:Reducer.__call__",
        "encoders": f"{BRIDGES}.averaging.average_encoder:predict",
        "costs": f"{BRIDGES}.averaging.averaging_rows:costs",
        "score": f"{BRIDGES}.averaging.averaging_rows:score",
        "variance heads": f"{BRIDGES}.averaging.variance_recovery:analyse",
        "power": f"{BRIDGES}.averaging.variance_power:power",
    },
}


def main() -> None:
    given = arguments()
    if given.child:
        child(given.child, given.spec, given.script)
        return
    work = given.work / ("bridges" if given.scale == "full" else f"bridges-{given.scale}")
    settings = study()
    sets = settings.bridges.decoding.n_subsets
    settings.bridges.decoding.n_subsets = given.sets or sets
    made = config.load(ROOT / "config.yaml", ROOT / "studies/full-size-simulated.yaml")
    made.simulation.scale = given.scale
    subjects = settings.subjects[:N_SUBJECTS]
    sizes = {part: max(FEWEST[part], min(given.subjects, N_SUBJECTS)) for part in given.part}
    needed = subjects[: max(sizes.values())]
    inputs = full_bridges.write(work, subjects, needed, settings, made)
    for part, n in sizes.items():
        row: dict[str, Any] = {"subjects": n, "load_before": os.getloadavg()[0]}
        more = N_SUBJECTS / n
        if part == "decoding":
            row["training_sets"] = settings.bridges.decoding.n_subsets
            more *= sets / row["training_sets"]
        for label, checkout in (("before", given.before), ("ours", ROOT)):
            if checkout is None:
                continue
            spec = specification(part, subjects[:n], inputs, settings, work / label)
            used = run(part, spec, checkout.resolve())
            used["extrapolated_cpu_s"] = None if more == 1 else used["cpu_s"] * more
            report(part, label, n, used)
            row[label] = used
            save(part, row, given.scale)
        if given.before is not None:
            row["ratio"] = {
                key: row["before"][key] / row["ours"][key] for key in ("cpu_s", "wall_s", "peak_mb")
            }
            data = [
                results.read(work / label / f"{part}.json")["data"] for label in ("before", "ours")
            ]
            row["same_data"] = data[0] == data[1]
            row["largest_difference"] = difference(*data)
            print(f"    ratio {row['ratio']}, numbers differ by {row['largest_difference']:.1e}")
            save(part, row, given.scale)


def save(part: str, row: dict[str, Any], scale: str) -> None:
    """Keep the figures of a bridge; others, and other runs beside this one, keep theirs."""
    if scale != "full":
        return
    found = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    found["machine"] = {"processor": processor(), "python": platform.python_version()}
    found["targets"] = TARGETS
    found.setdefault("bridges", {})[part] = row
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="+", choices=KEYS, default=list(KEYS))
    parser.add_argument("--subjects", type=int, default=N_SUBJECTS)
    parser.add_argument("--scale", choices=("full", "small"), default="full", help="small: to try")
    parser.add_argument("--sets", type=int, help="training sets of each size, of decoding")
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks/cache", help="14 GB")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--spec", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("script", nargs="?", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def study() -> config.Config:
    """Return the settings of the bridges."""
    settings = config.load(ROOT / "config.yaml", ROOT / "studies/nsd-bridges.yaml")
    settings.bridges.calibration.inputs = "features"
    settings.bridges.calibration.tasks = "tasks.csv"
    return settings


def specification(
    part: str,
    subjects: list[str],
    inputs: full_bridges.Inputs,
    settings: config.Config,
    folder: Path,
) -> dict[str, Any]:
    """Return what Snakemake would hand to the script of a bridge."""
    settings = settings.model_copy(deep=True)
    settings.bridges.feature_spaces.subjects = subjects
    betas = [str(inputs.betas[subject]) for subject in subjects]
    targets = [str(inputs.targets[subject]) for subject in subjects]
    features = str(inputs.features)
    return {
        "inputs": {
            "calibration": {"features": features, "tasks": str(inputs.tasks), "betas": betas},
            "decoding": {"betas": betas, "features": features},
            "feature_spaces": {
                "features": features,
                "files": [],
                "targets": targets,
                "betas": betas,
            },
            "averaging": {"betas": betas, "targets": targets, "features": features},
        }[part],
        "outputs": {"json": str(folder / f"{part}.json")},
        "params": {
            "config": config.slice_of(settings.model_dump(), ("study", *KEYS[part])),
            "subjects": subjects,
            "checkpoints": str(folder / ".checkpoints"),
        },
        "log": str(folder / f"{part}.log"),
    }


def run(part: str, spec: dict[str, Any], checkout: Path) -> dict[str, Any]:
    """Run a bridge, of this or another checkout, in a process of its own."""
    path = Path(spec["outputs"]["json"]).with_suffix(".run")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(spec))
    script = checkout / "scripts" / f"bridge_{part}.py"
    command = [sys.executable, __file__, "--child", part, "--spec", str(path), str(script)]
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    log = path.with_suffix(".err")
    start = time.monotonic()
    with log.open("w") as handle:
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=handle, text=True, env=environment
        )
    if ended.returncode:
        raise SystemExit(log.read_text()[-3000:])
    return {"wall_s": time.monotonic() - start} | json.loads(ended.stdout.splitlines()[-1])


def child(part: str, path: Path, script: Path) -> None:
    """Run the script of a bridge; print what it used."""
    spec = json.loads(path.read_text())
    watch = phases.Phases()
    watch.watch(WATCHED[part])
    as_rule.run(script, **spec)
    cpu = sum(os.times()[:2])
    used = {
        "cpu_s": cpu,
        "peak_mb": phases.peak_mb(),
        "phases_cpu_s": watch.seconds | {"other": cpu - sum(watch.seconds.values())},
        "calls": watch.calls,
        "grew_in": watch.grew_in,
    }
    print(json.dumps(used))


def difference(first: Any, second: Any) -> float:
    """Return the largest difference of two numbers at the same place, relative to 1 at least."""
    if isinstance(first, dict) and first.keys() == second.keys():
        return max((difference(first[key], second[key]) for key in first), default=0.0)
    if isinstance(first, list) and len(first) == len(second):
        return max((difference(*pair) for pair in zip(first, second, strict=True)), default=0.0)
    if isinstance(first, int | float) and isinstance(second, int | float):
        return abs(first - second) / max(1.0, abs(first), abs(second))
    return 0.0 if first == second else float("inf")


def report(part: str, label: str, n: int, row: dict[str, Any]) -> None:
    whole = row["extrapolated_cpu_s"]
    more = "" if whole is None else f", all of it by counting {whole:.0f} s CPU"
    print(
        f"{part:<16}{label:<8}{n} subjects {row['wall_s']:7.0f} s {row['cpu_s']:7.0f} s CPU "
        f"{row['peak_mb']:7.0f} MB{more}"
    )
    for name, seconds in sorted(row["phases_cpu_s"].items(), key=lambda item: -item[1]):
        if seconds >= 0.02 * row["cpu_s"]:
            times = f", {row['calls'][name]} times" if name in row["calls"] else ""
            print(f"    {name:<22}{seconds:8.1f} s CPU{times}")
    grew = ", ".join(f"{name} ({mb:.0f} MB)" for name, mb in row["grew_in"])
    print(f"    memory grew in {grew}", flush=True)


if __name__ == "__main__":
    main()
