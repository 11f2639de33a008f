"""Extraction from a session file of NSD's true size, against a plain h5py read of the same voxels.

Writes one simulated session of subj01 (81 x 104 x 83 voxels, 750 trials, 1.1 GB) to a temporary
folder, then reads the voxels of all 13 regions from it, in turn with `betas.read_session` and with
one h5py slice a voxel. The extract as a whole (read, z-score, write) runs in a process of its own
to measure its peak memory. Files are in the page cache for both sides.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from brainworth import config
from brainworth.nsd import betas, design, registry, rois
from brainworth.nsd.simulate import anatomy, experiment, one_subject, paths, scales, truth

RUNS = 5
SUBJECT = "subj01"
ROOT = Path(__file__).resolve().parents[1]


def plain_read(path: Path, table: rois.VoxelTable) -> np.ndarray:
    """Read the voxels as one would at a notebook."""
    with h5py.File(path, "r") as file:
        dataset = file["betas"]
        return np.stack([dataset[:, z, y, x] for x, y, z in table.ijk])


def main() -> None:
    settings = config.load(ROOT / "config.yaml", ROOT / "studies/full-size-simulated.yaml")
    # The pixels of the stimuli do not matter here, and would take 37 GB.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        trials = write_one_session(root, settings)
        table = rois.find_voxels(root, SUBJECT, settings.rois)
        session = root / registry.betas_key(SUBJECT, 1)
        ours, plain = [], []
        with threadpool_limits(1):
            for _ in range(RUNS):
                start = time.perf_counter()
                fast = betas.read_session(session, table)
                ours.append(time.perf_counter() - start)
                start = time.perf_counter()
                slow = plain_read(session, table)
                plain.append(time.perf_counter() - start)
        if not np.array_equal(fast, slow):
            raise SystemExit("the two reads differ")
        trials.to_parquet(root / "trials.parquet")
        seconds, peak = extract_in_process(root)
        ratio = statistics.median(ours) / statistics.median(plain)
        result = {
            "voxels": len(table),
            "file_bytes": session.stat().st_size,
            "runs": RUNS,
            "ours_s": statistics.median(ours),
            "plain_h5py_s": statistics.median(plain),
            "ratio_ours_to_plain": ratio,
            "extract_s": seconds,
            "extract_peak_mb": peak,
        }
    output = ROOT / "benchmarks/results/extraction.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{len(table)} voxels of a session file of {result['file_bytes'] / 1e9:.2f} GB")
    print(f"read_session  {result['ours_s']:.3f} s")
    print(f"plain h5py    {result['plain_h5py_s']:.3f} s")
    print(f"ratio         {ratio:.3f}  (target: at most 1.2)")
    print(f"whole extract {seconds:.2f} s, peak memory {peak:.0f} MB  (target: below 1000 MB)")


def write_one_session(root: Path, settings: config.Config) -> pd.DataFrame:
    """Write subj01's first session at full size; returns its trials."""
    scale = scales.SCALES["full"]
    simulation = settings.simulation
    for atlas in registry.FSAVERAGE_TABLES:
        path = root / registry.label_table_key(SUBJECT, atlas)
        anatomy.write_label_table(path, atlas)
    drawn = truth.draw_images(scale, simulation, settings.seed)
    truth.write_images(root / paths.IMAGE_TRUTH, drawn)
    one_subject.write(root, simulation, SUBJECT, 1, settings.seed)
    order = experiment.draw_master_ordering(scale, settings.seed)
    images = experiment.draw_subject_images(scale, settings.seed)
    known = design.ExpDesign(order - 1, images - 1, images[0, : scale.shared] - 1)
    return design.match(known, {SUBJECT: 1}, 1)


def extract_in_process(root: Path) -> tuple[float, float]:
    """Return seconds and peak memory in MB of a whole extract, measured in a new process."""
    command = [sys.executable, __file__, "--extract", str(root)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = answer.stdout.split()
    return float(seconds), float(peak)


def extract(root: Path) -> None:
    """Run one extract and print its seconds and the peak memory of this process."""
    settings = config.load(ROOT / "config.yaml")
    trials = pd.read_parquet(root / "trials.parquet")
    start = time.perf_counter()
    with threadpool_limits(1):
        betas.extract(root, SUBJECT, settings.rois, trials, root / "extract.h5")
    seconds = time.perf_counter() - start
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--extract"]:
        extract(Path(sys.argv[2]))
    else:
        main()
