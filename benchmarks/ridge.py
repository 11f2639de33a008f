"""Ridge regression of one subject's voxels at NSD's size against himalaya (torch backend).

9,000 images x 768 features x 15,724 voxels, 12 penalties, 5 folds, single precision, one thread
and an intercept on both sides, all of it measured, once a side: himalaya takes minutes. CPU seconds
are what counts on a shared machine; wall seconds stand beside them. Both sides must choose the same
penalties and predict new images with the same correlation. `--voxels` measures fewer.
"""

import argparse
import json
import platform
import resource
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import PredefinedSplit

from brainworth.encoder import kfold_ridge, voxel_scores

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from himalaya.backend import set_backend
    from himalaya.ridge import RidgeCV

ROOT = Path(__file__).resolve().parents[1]
IMAGES, NEW, FEATURES, VOXELS = 9000, 1000, 768, 15724
N_ALPHAS, N_FOLDS = 12, 5
TARGET = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voxels", type=int, default=VOXELS)
    n_voxels = parser.parse_args().voxels
    torch.set_num_threads(1)
    x, y, new_x, new_y = data(n_voxels)
    folds = np.random.default_rng(1).permutation(np.arange(IMAGES) % N_FOLDS)
    penalty = kfold_ridge.penalties(x, N_ALPHAS, (1e-5, 1e3))

    ours, seconds = measure(lambda: kfold_ridge.fit(x, y, folds, penalty))
    result = {
        "machine": {"processor": platform.processor() or platform.machine(), "threads": 1},
        "size": {"images": IMAGES, "features": FEATURES, "voxels": n_voxels},
        "ours": seconds,
    }
    print(f"{IMAGES} x {FEATURES} x {n_voxels}, {N_ALPHAS} penalties, {N_FOLDS} folds, 1 thread")
    print(f"  ours      {seconds['cpu']:7.1f} CPU s {seconds['wall']:7.1f} s wall")

    set_backend("torch", on_error="raise")
    model = RidgeCV(
        alphas=penalty.astype(np.float32), cv=PredefinedSplit(folds), fit_intercept=True
    )
    _, seconds = measure(lambda: model.fit(x, y))
    result["himalaya"] = seconds
    print(f"  himalaya  {seconds['cpu']:7.1f} CPU s {seconds['wall']:7.1f} s wall")

    theirs = np.asarray(model.best_alphas_)
    same = np.isclose(theirs, ours.penalty, rtol=1e-4)
    r = voxel_scores.score(ours.predict(new_x), new_y).r
    their_r = voxel_scores.score(np.asarray(model.predict(new_x)), new_y).r
    result["same_penalty"] = float(same.mean())
    result["mean_r"] = {"ours": float(r.mean()), "himalaya": float(their_r.mean())}
    result["largest_difference_of_r"] = float(np.abs(r - their_r)[same].max())
    result["ratio"] = {kind: seconds[kind] / result["ours"][kind] for kind in ("cpu", "wall")}
    result["target"] = TARGET
    print(f"  same penalty in {same.mean():.2%} of voxels; mean r {r.mean():.4f} and ", end="")
    print(f"{their_r.mean():.4f}, differing by {result['largest_difference_of_r']:.1e} at most")
    print(f"  ratio {result['ratio']['cpu']:.1f}x CPU, {result['ratio']['wall']:.1f}x wall", end="")
    print(f" (target {TARGET}x)")
    output = ROOT / "benchmarks/results/ridge.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")


def data(n_voxels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw features with the falling spectrum of a network's, and voxels of all reliabilities."""
    rng = np.random.default_rng(0)
    n = IMAGES + NEW
    mixing = np.linalg.qr(rng.standard_normal((FEATURES, FEATURES)))[0]
    spectrum = np.arange(1, FEATURES + 1) ** -0.5
    x = ((rng.standard_normal((n, FEATURES)) * spectrum) @ mixing).astype(np.float32)
    weights = rng.standard_normal((FEATURES, n_voxels)).astype(np.float32)
    y = x @ weights
    y *= np.linspace(0, 1, n_voxels, dtype=np.float32) / y.std(axis=0)
    y += rng.standard_normal(y.shape, dtype=np.float32)
    return x[:IMAGES], y[:IMAGES], x[IMAGES:], y[IMAGES:]


def measure(work):
    """Return what the work returns, its CPU and wall seconds and the peak memory since start."""
    cpu, wall = time.process_time(), time.perf_counter()
    answer = work()
    seconds = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return answer, seconds | {"peak_gb": round(peak, 2)}


if __name__ == "__main__":
    main()
