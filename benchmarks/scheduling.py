"""What the workflow costs before its first job: dry runs of the largest studies.

Times `snakemake -n` of studies/nsd.yaml (8 subjects, 284 sessions, nothing fetched yet), of the
default study with all parts of the encoder, and of a Snakefile with one rule, in turn. The
difference is ours: parsing, checking the configuration,
hashing code, building the graph. Seconds of the processor are given beside those of the clock,
since they depend less on what else the machine does.
"""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5
TARGET_S = 5.0
STUDIES = ("nsd", "default with the encoder")
ROOT = Path(__file__).resolve().parents[1]
EMPTY = 'rule all:\n    output: "nothing"\n    shell: "touch {output}"\n'


def processor() -> float:
    """Return the seconds that finished children used so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def dry_run(folder: str, *arguments: str) -> tuple[float, float, str]:
    """Return seconds of clock and processor, and the output, of one dry run in an empty folder."""
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "-d", folder, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    start, used = time.perf_counter(), processor()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, processor() - used, done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        snakefile, encoder = Path(folder, "Snakefile"), Path(folder, "encoder.yaml")
        snakefile.write_text(EMPTY)
        encoder.write_text("encoder: {run: true}\n")
        overlays = dict(zip(STUDIES, (ROOT / "studies/nsd.yaml", encoder), strict=True))
        empty, ours, texts = [], {name: [] for name in STUDIES}, {}
        for _ in range(RUNS):
            empty.append(dry_run(folder, "-s", str(snakefile))[:2])
            for name, overlay in overlays.items():
                *times, texts[name] = dry_run(
                    folder, "-s", str(ROOT / "Snakefile"), "--configfile", str(overlay)
                )
                ours[name].append(times)
    result = {"target_s": TARGET_S}
    for name, runs in ours.items():
        jobs = int(re.search(r"^total +(\d+)$", texts[name], re.MULTILINE)[1])
        result[name] = {"jobs": jobs}
        print(f"dry run of {name}: {jobs} jobs")
        for place, clock in enumerate(("clock", "processor")):
            study_s, empty_s = (
                statistics.median(run[place] for run in each) for each in (runs, empty)
            )
            result[name][clock] = {
                "study_s": study_s,
                "empty_s": empty_s,
                "ratio": study_s / empty_s,
            }
            print(
                f"{clock}: {study_s:.2f} s, an empty workflow {empty_s:.2f} s: "
                f"{study_s - empty_s:.2f} s are ours (target {TARGET_S:.0f} s), "
                f"ratio {study_s / empty_s:.1f}"
            )
    output = ROOT / "benchmarks/results/scheduling.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
