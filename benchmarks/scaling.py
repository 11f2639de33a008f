"""How the cost of RSA grows with permutations, subject pairs and voxels, with straight-line fits.

One thread, 766 stimuli. Each point is the smallest processor time of several runs, taken in turns,
so that other work on the machine does not bend a curve. Writes benchmarks/results/scaling.json and
scaling.png.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from rsa import processor
from threadpoolctl import threadpool_limits

from brainworth.erosion import compare, noise, relabel
from brainworth.erosion.crossnobis import crossnobis_rdm
from brainworth.erosion.dissimilarity import correlation_rdm

mpl.use("Agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
STIMULI, SUBJECTS, RUNS = 766, 8, 3
PERMUTATIONS = (125, 250, 500, 1000, 2000)
VOXELS = (250, 500, 1000, 2000, 3000, 4000)
LABELS = {
    "permutations": "permutations (28 pairs)",
    "pairs": "pairs of subjects (500 permutations)",
    "voxels": "voxels (all RDMs of a subject)",
}


def main() -> None:
    rng = np.random.default_rng(1)
    rows = compare.standardise(rng.random((SUBJECTS, STIMULI * (STIMULI - 1) // 2)), "spearman")
    labels = relabel.draw(1, [str(s) for s in range(SUBJECTS)], max(PERMUTATIONS), STIMULI)
    relabel.similarities(rows, labels[:, :2])  # compiles
    with threadpool_limits(1):
        curves = {
            "permutations": measure(
                {m: lambda m=m: relabel.similarities(rows, labels[:, :m]) for m in PERMUTATIONS}
            ),
            "pairs": measure(
                {
                    s * (s - 1) // 2: lambda s=s: relabel.similarities(rows[:s], labels[:s, :500])
                    for s in range(2, SUBJECTS + 1)
                }
            ),
            "voxels": measure({v: rdms_of_subject(v, rng) for v in VOXELS}),
        }
    result = {"machine": {"processor": processor(), "threads": 1}, "stimuli": STIMULI}
    result |= {name: fitted(*curve) for name, curve in curves.items()}
    output = ROOT / "benchmarks/results/scaling.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    draw(result, output.with_suffix(".png"))
    for name, label in LABELS.items():
        row = result[name]
        print(f"{label:<40}{1000 * row['slope_s']:9.3f} ms each, R2 of the line {row['r2']:.4f}")


def measure(work: dict[int, Callable[[], object]]) -> tuple[list[int], list[float]]:
    """Return the smallest time of each size."""
    best = dict.fromkeys(work, np.inf)
    for _ in range(RUNS):
        for size, call in work.items():
            start = time.process_time()
            call()
            best[size] = min(best[size], time.process_time() - start)
    return list(best), list(best.values())


def rdms_of_subject(n_voxels: int, rng: np.random.Generator) -> Callable[[], None]:
    """Return a function that measures what `measure` does for one subject and region."""
    stimulus = np.sort(np.concatenate([np.repeat(np.arange(STIMULI), 2), np.arange(515)]))
    other = np.repeat(np.arange(1000), 3)
    common = rng.standard_normal((5, n_voxels), dtype=np.float32)

    def draw_trials(n: int) -> np.ndarray:
        shared = rng.standard_normal((n, 5), dtype=np.float32) @ common
        return (0.5 * shared + rng.standard_normal((n, n_voxels), dtype=np.float32)).astype(float)

    values, noisy = draw_trials(stimulus.size), draw_trials(other.size)

    def run() -> None:
        for _ in range(4):  # mean, two repetitions, control
            correlation_rdm(values[:STIMULI])
        crossnobis_rdm(values, stimulus, noise.estimate(noisy, other))

    return run


def fitted(sizes: list[int], seconds: list[float]) -> dict:
    """Fit a straight line."""
    slope, intercept = np.polyfit(sizes, seconds, 1)
    residual = np.var(np.array(seconds) - slope * np.array(sizes) - intercept)
    return {
        "sizes": sizes,
        "seconds": seconds,
        "slope_s": float(slope),
        "intercept_s": float(intercept),
        "r2": float(1 - residual / np.var(seconds)),
    }


def draw(result: dict, path: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    for axis, (name, label) in zip(axes, LABELS.items(), strict=True):
        row = result[name]
        sizes = np.array(row["sizes"])
        axis.plot(sizes, row["seconds"], "o", color="black", markersize=4)
        line = np.array([0, sizes.max()])
        axis.plot(line, row["intercept_s"] + row["slope_s"] * line, color="tab:blue", linewidth=1)
        axis.set_xlabel(label)
        axis.set_title(f"R² of the line {row['r2']:.3f}", fontsize=9)
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("processor seconds, one thread")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
