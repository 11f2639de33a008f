"""What brain samples are worth, simulated: the exact-in-law samplers against raw data.

Both estimate the excess test error over the same settings (brain samples x task samples) and
penalties. The raw-data implementation (`brainworth.befs.reference`) draws and fits every sample of
every setting; the samplers draw each stage once for all settings and average over the rest in
closed form. Compared is the time to the same standard error, time times variance, at each setting;
the ratio printed is the geometric mean over settings, at the penalty nearest to the best one. Both
run on one thread, in turn.

The stage as a whole (`make run` runs it) is timed by its scripts' work on two processes. The
simulation at the size of fMRI is timed for one draw at each number of brain samples of its study,
in a process of its own for its peak memory, and multiplied by the number of replicates.
"""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from brainworth import config
from brainworth.befs import (
    breakdown,
    budgets,
    curves,
    estimators,
    model,
    paper_scale,
    reference,
    sample_stage1,
    sample_stage2,
    shifts,
    stage2,
    systems,
    verification,
)
from brainworth.befs.model import Task
from brainworth.stats import stream

ROOT = Path(__file__).resolve().parents[1]
SIZES = ((60, 6, 24), (100, 10, 40))
#: Brain and task samples, in multiples of the inputs.
BRAIN, TASKS = (1.5, 3, 10), (1.5, 3, 10)
KAPPA = np.geomspace(1, 1e4, 30)
RAW_TRIALS, DRAWS, ROUNDS = 40, 400, 5
PARTS = ("verification", "breakdown", "shift", "estimators", "curves", "budget")
TARGETS = {"ratio": 5000, "study_s": 60, "paper_scale_s": 1200, "paper_scale_mb": 2000}


def main() -> None:
    settings = config.load(ROOT / "config.yaml")
    with threadpool_limits(1):
        sizes = [compare(*each) for each in SIZES]
    result = {
        "sizes": sizes,
        "study": time_study(settings),
        "paper_scale": time_paper_scale(settings),
        "targets": TARGETS,
    }
    output = ROOT / "benchmarks/results/befs.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    report(result)


def compare(d: int, k: int, n: int) -> dict[str, float]:
    """Return times, variances and their ratio at one size."""
    brain = model.calibrated(d, model.pooling(n, k, 4, stream(1, "benchmark", n)))
    task = Task(0.1, 1.0)
    n_brain = np.array([int(each * d) for each in BRAIN])
    n_task = np.array([int(each * d) for each in TASKS])
    raw_s, fast_s, raw, fast = [], [], [], []
    for number in range(ROUNDS):
        start = time.perf_counter()
        raw.append(raw_trials(brain, task, n_brain, n_task, stream(number, "raw", d)))
        raw_s.append((time.perf_counter() - start) / RAW_TRIALS)
        start = time.perf_counter()
        fast.append(fast_draws(brain, task, n_brain, n_task, stream(number, "fast", d)))
        fast_s.append((time.perf_counter() - start) / DRAWS)
    raw_risk = np.concatenate(raw)
    missed, traces, traces2 = map(np.concatenate, zip(*fast, strict=True))
    variance = fast_variance(missed, traces, traces2, task, n_task, brain)
    mean = fast_mean(missed, traces, traces2, task, n_task, brain)
    best = np.argmin(mean, axis=-1)[..., None]
    pick = [np.take_along_axis(each, best, -1)[..., 0] for each in (raw_risk.var(axis=0), variance)]
    seconds = statistics.median(raw_s), statistics.median(fast_s)
    ratios = seconds[0] * pick[0] / (seconds[1] * pick[1])
    error = np.sqrt(raw_risk.var(axis=0) / len(raw_risk) + variance / len(missed))
    z = np.take_along_axis((raw_risk.mean(axis=0) - mean) / error, best, -1)
    return {
        "d": d,
        "k": k,
        "n": n,
        "settings": int(ratios.size),
        "penalties": KAPPA.size,
        "raw_ms_per_trial": 1e3 * seconds[0],
        "ours_ms_per_draw": 1e3 * seconds[1],
        "time_ratio": seconds[0] / seconds[1],
        "variance_ratio": float(np.exp(np.mean(np.log(pick[0] / pick[1])))),
        "ratio": float(np.exp(np.mean(np.log(ratios)))),
        "smallest_ratio": float(ratios.min()),
        "largest_z": float(np.abs(z).max()),
    }


def raw_trials(brain, task, n_brain, n_task, rng) -> np.ndarray:
    """Return excess test errors from raw data, shape (trials, brain, task samples, penalties)."""
    errors = np.empty((RAW_TRIALS, n_brain.size, n_task.size, KAPPA.size))
    for trial, row, column in np.ndindex(errors.shape[:3]):
        basis = reference.learn_subspace(brain, int(n_brain[row]), rng)
        beta = reference.task_vector(brain, float(task.misalignment), rng)
        noise, samples = float(task.noise), int(n_task[column])
        fitted = reference.learn_task(basis, beta, noise, samples, KAPPA, rng)
        errors[trial, row, column] = np.sum(fitted**2, axis=1)
    return errors


def fast_draws(brain, task, n_brain, n_task, rng) -> tuple[np.ndarray, ...]:
    """Return draws of the missed part, (draws, brain), and of traces, (draws, task, penalties)."""
    missed = sample_stage1.draw(brain, n_brain, DRAWS, rng).missed(task)
    spectrum = sample_stage2.spectra(rng, DRAWS, n_task, KAPPA, brain.p, brain.k)
    return missed, spectrum.t, spectrum.t2


def risk(missed, t, t2, task, n_task, brain) -> np.ndarray:
    """Return excess test errors; trailing axes (brain, task samples, penalties)."""
    spectrum = stage2.Spectrum(brain.p, t, t2, t**2)
    hidden = stage2.hidden_risk(KAPPA, missed[..., None, None], task.noise, spectrum)
    return stage2.excess(hidden, task.noise, n_task[:, None], brain.k)


def fast_mean(missed, t, t2, task, n_task, brain) -> np.ndarray:
    return risk(missed.mean(0), t.mean(0), t2.mean(0), task, n_task, brain)


def fast_variance(missed, t, t2, task, n_task, brain) -> np.ndarray:
    """Return the variance per draw of the estimate, a function of averages over both stages."""
    first = risk(missed, t.mean(0), t2.mean(0), task, n_task, brain).var(axis=0)
    second = risk(missed.mean(0), t[:, None], t2[:, None], task, n_task, brain).var(axis=0)
    return first + second


def time_study(settings: config.Config) -> dict[str, float]:
    """Run all parts of the default study in two processes."""
    befs = settings.befs
    start = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        jobs = {part: pool.submit(run_part, part, settings.model_dump()) for part in PARTS}
        seconds = {part: job.result() for part, job in jobs.items()}
    chosen = befs.verification
    points = (
        len(chosen.stimulus_shares)
        * len(chosen.misalignments)
        * len(chosen.task_snrs)
        * chosen.brain_points
        * chosen.task_points
    )
    return {
        "points": points,
        "replicates": chosen.n_replicates,
        "trials": chosen.n_trials,
        "wall_s": time.perf_counter() - start,
        **{f"{part}_s": each for part, each in seconds.items()},
    }


def run_part(part: str, settings: dict) -> float:
    """Return the seconds of one part."""
    befs, seed = settings["befs"], settings["seed"]
    fmri, small, chosen = befs["fmri"], befs["small"], befs[part]
    both = {"interval": settings["interval"], "seed": seed}
    calls = {
        "curves": lambda: curves.analyse(fmri, chosen, seed=seed),
        "verification": lambda: verification.analyse(small, chosen, **both),
        "breakdown": lambda: breakdown.analyse(small, chosen, **both),
        "shift": lambda: shifts.analyse(fmri, small, chosen, **both),
        "budget": lambda: budgets.analyse(fmri, chosen, seed=seed),
        "estimators": lambda: estimators.analyse(small, chosen, **both),
    }
    start = time.perf_counter()
    with threadpool_limits(1):
        calls[part]()
    return time.perf_counter() - start


def time_paper_scale(settings: config.Config) -> dict[str, float]:
    """Time one draw at each number of brain samples in a new process, and extrapolate."""
    answer = subprocess.run(
        [sys.executable, __file__, "--paper-scale"], capture_output=True, text=True, check=True
    )
    seconds, peak = map(float, answer.stdout.split())
    chosen = settings.befs.paper_scale
    return {
        "brain_samples": len(chosen.hours),
        "replicates": chosen.n_replicates,
        "one_replicate_s": seconds,
        "all_replicates_s": seconds * chosen.n_replicates,
        "peak_mb": peak,
    }


def one_replicate() -> None:
    """Print the seconds of one replicate on one thread, and the peak memory of this process."""
    befs = config.load(ROOT / "config.yaml").befs
    fmri = befs.fmri.model_dump()
    with threadpool_limits(1):
        brain = systems.brain(fmri, 1)
        n_brain = np.round(np.array(befs.paper_scale.hours) * fmri["samples_per_hour"])
        start = time.perf_counter()
        paper_scale.draw(brain, n_brain, stream(1, "benchmark"))
    print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def report(result: dict) -> None:
    for size in result["sizes"]:
        print(
            f"d={size['d']}: raw {size['raw_ms_per_trial']:.1f} ms a trial of "
            f"{size['settings']} settings, ours {size['ours_ms_per_draw']:.3f} ms a draw: "
            f"{size['time_ratio']:.0f} times faster, variance {size['variance_ratio']:.0f} times "
            f"smaller; at equal standard error {size['ratio']:,.0f} times faster (target: "
            f"{TARGETS['ratio']:,}); the two differ by at most {size['largest_z']:.1f} standard "
            "errors"
        )
    study, paper = result["study"], result["paper_scale"]
    print(
        f"study of {study['points']:,} points, {study['replicates']} x {study['trials']} trials, "
        f"and the other parts: {study['wall_s']:.1f} s on 2 cores (target: {TARGETS['study_s']} s)"
    )
    print(
        f"size of fMRI: {paper['one_replicate_s']:.1f} s for {paper['brain_samples']} numbers of "
        f"brain samples, so {paper['all_replicates_s'] / 60:.1f} min for {paper['replicates']} "
        f"replicates on one core, {paper['peak_mb']:.0f} MB (targets: 20 min, 2000 MB)"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--paper-scale"]:
        one_replicate()
    else:
        main()
