"""All erosion tests at NSD's full size and at full settings, as `snakemake --cores 2` runs them.

The project is copied to a working folder with full-size extracts in place (`full_extracts`), and
Snakemake runs there the erosion rules of the configuration: the real rules, scripts and threads.
Reported are the time of every rule, the largest resident memory of its process (the kernel's own
high-water mark), and the time from start to end. Targets: 15 minutes on 2 cores, 4 GB a process.

The extracts hold 1,000 of a subject's other images, not all: reading the whole of NSD's 12 GB from
disk is not part of this.

    python benchmarks/full_size.py [--tests rsa fingerprinting] [--cores 2] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import full_extracts
import yaml
from rsa import processor

from brainworth import config

ROOT = Path(__file__).resolve().parents[1]
STUDY = "full-size"
PARTS = ("Snakefile", "config.yaml", "rules", "scripts", "src", "envs")
TARGET_MINUTES, TARGET_MB = 15, 4000
#: Rules of the stage that need more than extracts.
NOT_HERE = {"import_rdms", "planted"}
POLL_S = 0.2


def main() -> None:
    given = arguments()
    settings = config.load(ROOT / "config.yaml", ROOT / "studies/full-size-simulated.yaml")
    tests = given.tests or settings.erosion.tests
    extracts = full_extracts.write(given.work / "extracts", settings)
    project = copy_project(given.work / "project", tests, extracts)
    print(
        f"{', '.join(tests)}: {given.cores} cores, load {os.getloadavg()[0]:.1f} before", flush=True
    )
    seconds, peaks = run(project, tests, given.cores)
    rules = measured(project, peaks)
    result = {
        "machine": {
            "processor": processor(),
            "python": platform.python_version(),
            "cores": given.cores,
            "load_before": os.getloadavg()[2],
        },
        "n_stimuli": full_extracts.MATCHED,
        "makespan_s": seconds,
        "target_makespan_s": 60 * TARGET_MINUTES,
        "target_peak_mb": TARGET_MB,
        "rules": rules,
    }
    output = ROOT / "benchmarks/results/full_size.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    for name, row in sorted(rules.items(), key=lambda item: -item[1]["seconds"]):
        spent = f"{row['seconds']:8.1f} s  {row['cpu_s']:8.1f} s CPU"
        print(f"  {name:<24}{spent}  {row['peak_mb']:6.0f} MB")
    print(f"  from start to end {seconds:.0f} s (target: {60 * TARGET_MINUTES} s on 2 cores)")
    worst = max(row["peak_mb"] for row in rules.values())
    print(f"  largest process   {worst:.0f} MB (target: {TARGET_MB} MB)")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", nargs="+", help="default: those of config.yaml")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks/cache", help="4 GB")
    return parser.parse_args()


def copy_project(folder: Path, tests: list[str], extracts: dict[str, Path]) -> Path:
    """Copy what the workflow consists of, and put the extracts where it would have written them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part)
        else:
            shutil.copy(source, folder / part)
    study = {
        "study": STUDY,
        "simulation": {"scale": "full"},
        "erosion": {"tests": list(tests)},
        "befs": {"run": False},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    data = folder / "results" / STUDY / "data"
    data.mkdir(parents=True)
    for path in extracts.values():
        os.link(path, data / path.name)
    return folder


def erosion_rules() -> list[str]:
    """Return the rules of the erosion stage that start from extracts."""
    text = (ROOT / "rules/erosion.smk").read_text()
    return [
        name for name in re.findall(r"^ *rule (\w+):", text, re.MULTILINE) if name not in NOT_HERE
    ]


def run(project: Path, tests: list[str], cores: int) -> tuple[float, dict[str, float]]:
    """Run Snakemake; returns seconds, and the peak memory in MB of each rule's process."""
    targets = [f"results/{STUDY}/erosion/{test}.json" for test in tests]
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--quiet", "all"]
    command += ["--configfile", "study.yaml", "--allowed-rules", *erosion_rules(), "--", *targets]
    environment = os.environ | {"PYTHONPATH": str(project / "src")}
    start = time.monotonic()
    with (project / "snakemake.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=project, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        peaks: dict[str, float] = {}
        while process.poll() is None:
            time.sleep(POLL_S)
            for name, peak in peaks_of_scripts(project):
                peaks[name] = max(peak, peaks.get(name, 0.0))
    if process.returncode:
        raise SystemExit((project / "snakemake.log").read_text()[-3000:])
    return time.monotonic() - start, peaks


def peaks_of_scripts(project: Path) -> list[tuple[str, float]]:
    """Return rule and high-water mark (MB) of every running script of the project (Linux)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            match = re.search(r"/\.snakemake/scripts/tmp\w+\.(\w+)\.py", command)
            if match and (folder / "cwd").resolve() == project.resolve():
                status = (folder / "status").read_text()
                found.append((match[1], int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024))
        except (OSError, TypeError):
            continue  # it ended meanwhile
    return found


def measured(project: Path, peaks: dict[str, float]) -> dict[str, dict[str, float]]:
    """Read what Snakemake measured of each rule."""
    answer = {}
    for path in sorted((project / "logs" / STUDY / "benchmarks").glob("*.tsv")):
        head, values = (line.split("\t") for line in path.read_text().splitlines()[:2])
        row = dict(zip(head, values, strict=True))
        answer[path.stem] = {
            "seconds": float(row["s"]),
            "cpu_s": float(row["cpu_time"]),
            "peak_mb": peaks[path.stem],
        }
    return answer


if __name__ == "__main__":
    main()
