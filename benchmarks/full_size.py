"""All erosion tests at NSD's full size and at full settings, as `snakemake --cores 2` runs them.

The project is copied to a working folder with full-size extracts in place (`full_extracts`), and
Snakemake runs there the erosion rules of the configuration: the real rules, scripts and threads.
Reported are the time of every rule, the processor time and largest resident memory of its process
(the kernel's own counts, not Snakemake's samples every 30 s), the time from start to end, and what
other processes took from the processors meanwhile. Targets: 15 minutes on 2 cores, 4 GB a process.

The extracts hold 1,000 of a subject's other images, not all: reading the whole of NSD's 12 GB from
disk is not part of this.

Figures are written to `benchmarks/results` by a run of all tests from start to end only; some tests
(`--tests`), or the rest of an interrupted run (`--resume`), are printed.

    python benchmarks/full_size.py [--tests rsa fingerprinting] [--resume] [--cores 2]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
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
    project = given.work / "project"
    if not (given.resume and (project / "study.yaml").exists()):
        copy_project(project, tests, extracts)
    load = os.getloadavg()[0]
    print(f"{', '.join(tests)}: {given.cores} cores, load {load:.1f} before", flush=True)
    others = busy_elsewhere()
    seconds, used = run(project, tests, given.cores)
    others = busy_elsewhere() - others
    rules = measured(project, used)
    result = {
        "machine": {
            "processor": processor(),
            "python": platform.python_version(),
            "cores": given.cores,
            "load_before": load,
            "other_processes_cpu_s": others,
        },
        "n_stimuli": full_extracts.MATCHED,
        "makespan_s": seconds,
        "cpu_s": sum(row["cpu_s"] for row in rules.values()),
        "target_makespan_s": 60 * TARGET_MINUTES,
        "target_peak_mb": TARGET_MB,
        "rules": rules,
    }
    if not (given.tests or given.resume):
        output = ROOT / "benchmarks/results/full_size.json"
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=1) + "\n")
    report(result)


def report(result: dict) -> None:
    for name, row in sorted(result["rules"].items(), key=lambda item: -item[1]["cpu_s"]):
        spent = f"{row['seconds']:8.1f} s  {row['cpu_s']:8.1f} s CPU"
        print(f"  {name:<24}{spent}  {row['peak_mb']:6.0f} MB")
    print(f"  from start to end {result['makespan_s']:.0f} s (target: {60 * TARGET_MINUTES} s)")
    others = result["machine"]["other_processes_cpu_s"]
    print(f"  processors        {result['cpu_s']:.0f} s, other processes {others:.0f} s meanwhile")
    worst = max(row["peak_mb"] for row in result["rules"].values())
    print(f"  largest process   {worst:.0f} MB (target: {TARGET_MB} MB)")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", nargs="+", help="default: those of config.yaml")
    parser.add_argument("--resume", action="store_true", help="keep what an earlier run finished")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks/cache", help="4 GB")
    return parser.parse_args()


def busy_elsewhere() -> float:
    """Return the seconds that processors spent on all but our own ended children (Linux)."""
    user, nice, system = (int(ticks) for ticks in Path("/proc/stat").read_text().split()[1:4])
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (user + nice + system) / os.sysconf("SC_CLK_TCK") - own.ru_utime - own.ru_stime


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


def run(project: Path, tests: list[str], cores: int) -> tuple[float, dict[str, dict]]:
    """Run Snakemake; returns seconds, and what the process of each rule used."""
    targets = [f"results/{STUDY}/erosion/{test}.json" for test in tests]
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--quiet", "all"]
    command += ["--configfile", "study.yaml", "--nolock", "--rerun-incomplete"]
    command += ["--allowed-rules", *erosion_rules(), "--", *targets]
    environment = os.environ | {"PYTHONPATH": str(project / "src")}
    start = time.monotonic()
    with (project / "snakemake.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=project, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        kept = project / "used.json"
        used: dict[str, dict] = json.loads(kept.read_text()) if kept.exists() else {}
        while process.poll() is None:
            time.sleep(POLL_S)
            for name, row in scripts_running(project):
                before = used.get(name, row)
                used[name] = {key: max(value, before[key]) for key, value in row.items()}
            kept.write_text(json.dumps(used))
    if process.returncode:
        raise SystemExit((project / "snakemake.log").read_text()[-3000:])
    return time.monotonic() - start, used


def scripts_running(project: Path) -> list[tuple[str, dict[str, float]]]:
    """Return rule, processor time and high-water mark of the project's running scripts (Linux)."""
    found = []
    ticks = os.sysconf("SC_CLK_TCK")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            match = re.search(r"/\.snakemake/scripts/tmp\w+\.(\w+)\.py", command)
            if match and (folder / "cwd").resolve() == project.resolve():
                peak = re.search(r"VmHWM:\s+(\d+)", (folder / "status").read_text())[1]
                # user and system time are the 12th and 13th fields after the name in parentheses
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                cpu = (int(fields[11]) + int(fields[12])) / ticks
                found.append((match[1], {"cpu_s": cpu, "peak_mb": int(peak) / 1024}))
        except (OSError, TypeError):
            continue  # it ended meanwhile
    return found


def measured(project: Path, used: dict[str, dict]) -> dict[str, dict[str, float]]:
    """Add to what each rule used the time that Snakemake measured."""
    answer = {}
    for path in sorted((project / "logs" / STUDY / "benchmarks").glob("*.tsv")):
        head, values = (line.split("\t") for line in path.read_text().splitlines()[:2])
        row = dict(zip(head, values, strict=True))
        answer[path.stem] = {"seconds": float(row["s"]), **used[path.stem]}
    return answer


if __name__ == "__main__":
    main()
