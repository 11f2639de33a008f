"""The jobs of the encoder at NSD's size with the settings of studies/nsd-encoder.yaml.

Every job is the script of its rule in a process of its own, on files of NSD's size with random
numbers in them: 10,000 images of a subject (8,100 to train, 900 to validate, 1,000 to test), 256
tokens of 768 channels, the voxels of nsdgeneral. Trainings stop after few epochs; where a table
takes a number of training images (`encoder.ablations.max_train_images`) they are `--steps` batches,
and elsewhere all. A step, a validation, and what an epoch costs beside both are measured apart, so
that the minutes of all epochs follow: an upper bound, since a training stops when `patience` epochs
were no better. Jobs run side by side, but only one of them trains at a time.

Not measured: reading over a network, and images that are not in the cache of the disk. Subjects of
the transfer see the same images here, and its maps learn from all of a subject's images only; the
smaller shares are worked out.

Figures are written to `benchmarks/results` by a run of all jobs.

    python benchmarks/encoder_full_size.py [--steps 40] [--device cuda] [--jobs chasm stage1]
    python benchmarks/encoder_full_size.py --small --steps 4 --images 200 --voxels 300 --device cpu
"""

from __future__ import annotations

import argparse
import fcntl
import itertools
import json
import os
import platform
import resource
import runpy
import shutil
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import torch
from rsa import processor

from brainworth import config
from brainworth.encoder import devices, predictions, targets, train
from brainworth.encoder.features import extraction, store
from brainworth.encoder.features.block import Block
from brainworth.nsd import betas

ROOT = Path(__file__).resolve().parents[1]
VOXELS = {"subj01": 15_724, "subj02": 14_278, "subj05": 13_039, "subj07": 12_682}
IMAGES, TESTED, HELD, PIXELS = 10_000, 0.1, 0.1, 425
TOKENS, CHANNELS = 256, 768
#: Sections of `encoder` that scripts read, and single values of others.
SECTIONS = (
    *("device", "compile", "features", "clusters", "stage1", "stage2", "train_stage1"),
    *("train_stage2", "loss_stage1", "loss_stage2", "ridge", "diffusion", "transfer", "scores"),
)
ABLATIONS = (
    *("max_train_images", "stage1", "stage2", "cluster_sizes", "cluster_kinds", "tops"),
    "single_streams",
)
#: In the order in which they begin: what takes longest, and needs nothing of another, first.
JOBS = ("linear", "clusters", "transfer", "chasm", "streams", "stage2", "stage1", "features")
DESCRIBED = 512  # images that DINOv2 describes here
EPOCHS = 2


class Files(dict):
    """What Snakemake gives a script as its inputs or outputs."""

    __getattr__ = dict.__getitem__


def main() -> None:
    given = arguments()
    if given.job:
        run_job(given)
        return
    given.work.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    make_files(given)
    print(f"files of {given.images} images in {time.perf_counter() - start:.0f} s", flush=True)
    jobs = [name for name in JOBS if name in given.jobs]
    with ThreadPoolExecutor(given.parallel) as pool:
        found = dict(zip(jobs, pool.map(lambda name: in_process(name, given), jobs), strict=True))
    settings = study(given)
    result = {
        "machine": {
            "device": device_name(given.device),
            "processor": processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "n_images": given.images,
        "n_voxels": voxels_of("subj01", given),
        "steps": given.steps,
        "patience": settings["encoder"]["train_stage1"]["patience"],
        "jobs": {name: summed(name, row, settings, given) for name, row in found.items() if row},
    }
    if set(jobs) == set(JOBS) and all(found.values()) and not given.small:
        output = ROOT / "benchmarks/results/encoder_full_size.json"
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=1) + "\n")
    (given.work / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    report(result)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40, help="batches of stage 1 in a table")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--voxels", type=int, help="of each subject; default: NSD's")
    parser.add_argument("--small", action="store_true", help="networks of the default study")
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "cpu"))
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=JOBS)
    parser.add_argument("--parallel", type=int, default=4, help="jobs side by side; 60 GB for 4")
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks/cache/encoder", help="9 GB")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    return parser.parse_args()


def device_name(name: str) -> str:
    return torch.cuda.get_device_name() if devices.pick(name).type == "cuda" else "cpu"


def voxels_of(subject: str, given: argparse.Namespace) -> int:
    return given.voxels or VOXELS[subject]


def study(given: argparse.Namespace) -> dict[str, Any]:
    """Return the configuration of the study."""
    overlay = [] if given.small else [ROOT / "studies/nsd-encoder.yaml"]
    loaded = config.load(ROOT / "config.yaml", *overlay)
    settings = loaded.model_dump()
    settings["encoder"]["device"] = given.device
    return settings


def shortened(settings: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """Cut what is repeated: epochs, training images of tables, and shares of the transfer."""
    encoder = settings["encoder"]
    for part in (encoder["train_stage1"], encoder["train_stage2"], encoder["transfer"]["head"]):
        part["epochs"] = part["patience"] = EPOCHS
    encoder["ablations"]["max_train_images"] = given.steps * encoder["train_stage1"]["batch"]
    encoder["transfer"]["fractions"] = [1.0]
    return settings


# ---- files


def make_files(given: argparse.Namespace) -> None:
    """Write what the scripts read: features, targets, and what they need beside them."""
    for old in ("features.h5", "result.json"):
        (given.work / old).unlink(missing_ok=True)
    rng = np.random.default_rng(0)
    ids = np.arange(given.images)
    names = [f"layer {layer}" for layer in (3, 6, 9, 12)]
    # A few images' tokens, over and over: what they are does not change how long anything takes.
    few = rng.standard_normal((100, TOKENS, CHANNELS), dtype=np.float32).astype(np.float16)

    def describe(chosen: np.ndarray) -> Block:
        global_ = rng.standard_normal((len(chosen), CHANNELS), dtype=np.float32)
        tokens = few[chosen % len(few)]
        return Block(global_, tokens, dict.fromkeys(names, (global_, global_)))

    store.write(
        given.work / "features.h5",
        ids,
        describe,
        store.Origin("dinov2", "0" * 64, {}, names),
        batch=500,
        checkpoints=given.work / "batches",
        say=print,
    )
    for subject in VOXELS:
        write_targets(subject, given, rng)


def write_targets(subject: str, given: argparse.Namespace, rng: np.random.Generator) -> None:
    """Write targets of random numbers; for the first subject also what `chasm` reads beside."""
    n, n_voxels = given.images, voxels_of(subject, given)
    n_test, n_held = round(TESTED * n), round(HELD * n * (1 - TESTED))
    split = np.repeat([0, 1, 2], [n - n_test - n_held, n_held, n_test]).astype(np.int8)
    values = 0.6 * rng.standard_normal((n, n_voxels), dtype=np.float32)
    test = np.flatnonzero(split == targets.TEST)
    noise = rng.standard_normal((n_test, 3, n_voxels), dtype=np.float32)
    trials = (values[test, None] + noise - noise.mean(axis=1, keepdims=True)).reshape(-1, n_voxels)
    ones = np.ones(n_voxels, dtype=np.float32)
    side = int(np.ceil(n_voxels ** (1 / 3)))
    ijk = np.argwhere(np.ones((side,) * 3))[:n_voxels].astype(np.int32)
    made = targets.Targets(
        subject=subject,
        nsd_id=np.arange(n),
        split=split,
        values=values,
        n_repeats=np.full(n, 3),
        repeat=np.zeros(n, dtype=int),
        ncsnr=0.45 * ones,
        ncsnr_own=0.45 * ones,
        noise_variance=0.8 * ones,
        trials=trials,
        trial_row=np.repeat(test, 3),
        ijk=ijk,
        group=(np.arange(n_voxels) * 4 // n_voxels).astype(np.int8),
        volume_shape=(side,) * 3,
    )
    targets.write(given.work / f"targets_{subject}.h5", made)
    if subject != "subj01":
        return
    held = np.flatnonzero(split == targets.VALIDATION)
    mine = predictions.Predictions(
        test, 0.5 * values[test], values[test], values[held], values[held]
    )
    predictions.write(given.work / "ridge_subj01.h5", subject, {"ridge": mine})
    with h5py.File(given.work / "betas_subj01.h5", "w") as file:
        file.attrs["schema"] = betas.SCHEMA
        file["voxels/ijk"] = ijk
        file["voxels/region/nsdgeneral"] = np.ones(n_voxels, dtype=bool)
    volume = nib.Nifti1Image(np.zeros((side,) * 3, dtype=np.int16), np.eye(4))
    nib.save(volume, given.work / "streams.nii.gz")


# ---- jobs


def in_process(name: str, given: argparse.Namespace) -> dict[str, Any] | None:
    """Run a job in a process of its own; return what it measured."""
    output = given.work / f"{name}.json"
    output.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--job", name, "--work", str(given.work)]
    command += ["--steps", str(given.steps), "--images", str(given.images)]
    command += ["--device", given.device]
    if given.small:
        command.append("--small")
    if given.voxels:
        command += ["--voxels", str(given.voxels)]
    with (given.work / f"{name}.log").open("w") as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode:
        print(f"{name} failed:\n{(given.work / f'{name}.log').read_text()[-2000:]}", flush=True)
        return None
    row = json.loads(output.read_text())
    print(f"{name}: {row['seconds']:.0f} s, {row['host_gb']:.1f} GB", flush=True)
    return row


def run_job(given: argparse.Namespace) -> None:
    """Run a job here, and write what it took."""
    settings = shortened(study(given), given)
    device = devices.pick(given.device)
    folder = given.work / given.job
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    start, watch = time.perf_counter(), Watch(given.work / "lock", device)
    more: dict[str, Any] = {}
    if given.job == "features":
        more = describe_images(folder, settings, device, given)
    else:
        with watch.watching():
            run_script(given.job, folder, settings, given)
        more["data"] = json.loads((folder / "out.json").read_text())["data"]
    row = {
        "seconds": time.perf_counter() - start - watch.waited,
        "cpu_s": time.process_time(),
        "host_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "gpu_gb": torch.cuda.max_memory_reserved() / 1e9 if device.type == "cuda" else None,
        "trainings": watch.trainings,
        **more,
    }
    (given.work / f"{given.job}.json").write_text(json.dumps(row))


def run_script(
    name: str, folder: Path, settings: dict[str, Any], given: argparse.Namespace
) -> None:
    """Run the script of a rule as Snakemake would."""
    names = ["study", "seed", "interval", *(f"encoder.{each}" for each in SECTIONS)]
    names += [f"encoder.ablations.{each}" for each in ABLATIONS]
    read = {"features": "features.h5", "targets": "targets_subj01.h5"}
    write = {"json": "out.json", "ridge": "ridge.h5"}
    if name == "chasm":
        read |= {
            "ridge": "ridge_subj01.h5",
            "betas": "betas_subj01.h5",
            "streams": "streams.nii.gz",
        }
        write |= {"stage1": "stage1.pt", "stage2": "stage2.pt", "predictions": "predictions.h5"}
        write |= {"scores": "scores.nii.gz", "voxels": "voxels.csv"}
    if name in ("stage2", "streams"):
        read["stage1"] = str(untrained(folder, settings, given))
    inputs = Files({key: str(given.work / each) for key, each in read.items()})
    if name == "transfer":
        inputs["targets"] = [str(given.work / f"targets_{subject}.h5") for subject in VOXELS]
    workflow = types.SimpleNamespace(
        rule=f"encoder_{name}",
        log=[str(folder / "job.log")],
        params=types.SimpleNamespace(
            config=config.slice_of(settings, names), checkpoints=str(folder / "checkpoints")
        ),
        input=inputs,
        output=Files({key: str(folder / each) for key, each in write.items()}),
    )
    runpy.run_path(str(ROOT / f"scripts/encoder_{name}.py"), {"snakemake": workflow})


def untrained(folder: Path, settings: dict[str, Any], given: argparse.Namespace) -> Path:
    """Write a stage 1 of random weights, in the place of that of the job `chasm`."""
    from brainworth.encoder import chasm, clusters, saved
    from brainworth.encoder.stage1 import Stage1

    n_voxels = voxels_of("subj01", given)
    labels = clusters.make(
        "sequential", settings["encoder"]["clusters"]["size"], np.zeros((n_voxels, 3)), seed=0
    )
    part = {
        "global": torch.zeros(1, CHANNELS),
        "tokens": torch.zeros(1, TOKENS, CHANNELS),
        "rois": torch.zeros(1, int(labels.max()) + 1),
        "voxels": torch.zeros(1, n_voxels),
    }
    data = chasm.Data("subj01", labels, {"train": part}, {}, {})
    model = Stage1(CHANNELS, CHANNELS, TOKENS, part["rois"].shape[1], settings["encoder"]["stage1"])
    path = folder / "untrained.pt"
    origin = {"backend": "dinov2", "weights_sha256": "0" * 64}
    saved.save(path, "stage1", model, data, settings["encoder"]["stage1"], **origin)
    return path


def describe_images(
    folder: Path, settings: dict[str, Any], device: torch.device, given: argparse.Namespace
) -> dict[str, Any]:
    """Describe images of NSD's size by a DINOv2 of its own size and random weights."""
    from transformers import Dinov2Config, Dinov2Model

    from brainworth.encoder.features import dinov2

    n = min(DESCRIBED, given.images)
    with h5py.File(folder / "images.h5", "w") as file:
        pixels = np.random.default_rng(0).integers(0, 256, (16, PIXELS, PIXELS, 3), dtype=np.uint8)
        brick = file.create_dataset("imgBrick", (n, PIXELS, PIXELS, 3), np.uint8)
        for first in range(0, n, len(pixels)):
            brick[first : first + len(pixels)] = pixels[: n - first]
    network = Dinov2Model(Dinov2Config(**dinov2.VIT_B))
    network.save_pretrained(folder / "weights")
    parameters = sum(each.numel() for each in network.parameters())
    chosen = settings["encoder"]["features"] | {"weights": str(folder / "weights")}
    torch.set_num_threads(1)
    seconds = []
    for number in range(2):  # the first also loads kernels
        start = time.perf_counter()
        extraction.extract(
            folder / f"features{number}.h5",
            np.arange(n),
            folder / "images.h5",
            chosen,
            device=device.type,
            checkpoints=folder / f"batches{number}",
            say=print,
        )
        seconds.append(time.perf_counter() - start)
    return {"n_images": n, "seconds_an_image": seconds[1] / n, "parameters": parameters}


class Watch:
    """Measures the trainings of a process, and lets one process train at a time."""

    def __init__(self, lock: Path, device: torch.device) -> None:
        self.lock, self.device = lock, device
        self.trainings: list[dict[str, Any]] = []
        self.waited = 0.0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process trains."""
        start = time.perf_counter()
        with self.lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.waited += time.perf_counter() - start
            yield

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take the times of epochs, steps and validations of all trainings."""
        kind = train._Training
        epoch, step, validate = kind.epoch, kind._step, kind._validate

        def timed_epoch(training: Any, validation: Any) -> dict[str, Any]:
            if not training.history.epochs:
                self.trainings.append(self.describe(training))
            with self.alone():
                row = epoch(training, validation)
            mine = self.trainings[-1]
            ends = mine.pop("ends")
            gaps = [b - a for a, b in itertools.pairwise(ends)]
            typical = statistics.median(gaps) if gaps else row["seconds"]
            rest = row["seconds"] - mine["validation_s"][-1] - typical * training.n_batches
            mine["step_s"].append(typical)
            mine["overhead_s"].append(max(0.0, rest))
            mine["seconds"].append(row["seconds"])
            mine["ends"] = []
            if self.device.type == "cuda":
                mine["gpu_gb"] = torch.cuda.max_memory_allocated() / 1e9
            return row

        def timed_step(training: Any, *given: Any) -> Any:
            answer = step(training, *given)
            self.trainings[-1]["ends"].append(time.perf_counter())
            return answer

        def timed_validation(training: Any, *given: Any) -> float:
            start = time.perf_counter()
            answer = validate(training, *given)
            self.trainings[-1]["validation_s"].append(time.perf_counter() - start)
            return answer

        kind.epoch, kind._step, kind._validate = timed_epoch, timed_step, timed_validation
        try:
            yield
        finally:
            kind.epoch, kind._step, kind._validate = epoch, step, validate

    def describe(self, training: Any) -> dict[str, Any]:
        """Return what is known of a training before its first epoch."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        return {
            "name": list(training.name),
            "parameters": sum(each.numel() for each in training.model.parameters()),
            "n_images": training.n_images,
            "batch": training.settings["batch"],
            "replayed": training.replayed,
            "data_gb": sum(each.nbytes for each in training.batches.values()) / 1e9,
            **{key: [] for key in ("ends", "step_s", "overhead_s", "validation_s", "seconds")},
        }


# ---- what follows


def summed(
    name: str, row: dict[str, Any], settings: dict[str, Any], given: argparse.Namespace
) -> dict[str, Any]:
    """Work out the minutes of a job with all its epochs and images."""
    answer = {
        key: row[key] for key in ("seconds", "cpu_s", "host_gb", "gpu_gb") if row[key] is not None
    }
    if name == "features":
        n = 1000 + (given.images - 1000) * len(VOXELS) if given.images > 1000 else given.images
        each = row["seconds_an_image"]
        more = {"n_images": n, "seconds_an_image": each, "parameters": row["parameters"]}
        return answer | more | {"minutes": n * each / 60}
    macs = macs_of(name, row["data"])
    rows = [one_training(name, each, settings, given, macs) for each in row["trainings"]]
    beside = row["seconds"] - sum(sum(each["seconds"]) for each in row["trainings"])
    whole = sum(each["minutes"] for each in rows) + beside / 60
    if name == "transfer":  # maps and scores of the shares that were left out
        whole += beside / 60 * (len(settings["encoder"]["transfer"]["fractions"]) - 1)
    return answer | {"minutes_beside_training": beside / 60, "minutes": whole, "trainings": rows}


def one_training(
    job: str,
    row: dict[str, Any],
    settings: dict[str, Any],
    given: argparse.Namespace,
    macs: dict[str, int],
) -> dict[str, Any]:
    """Return what a training costs a step, and with all epochs and images."""
    encoder = settings["encoder"]
    all_images = given.images - round(TESTED * given.images)
    all_images -= round(HELD * given.images * (1 - TESTED))
    share, epochs = 1.0, encoder["train_stage1"]["epochs"]
    if job in ("stage1", "stage2", "clusters", "transfer"):
        cut = min(all_images, given.steps * encoder["train_stage1"]["batch"])
        share = all_images / cut
    if job == "stage2" or row["name"][-1] == "stage2":
        epochs = encoder["train_stage2"]["epochs"]
    times = 1.0
    if "head" in row["name"]:
        epochs = encoder["transfer"]["head"]["epochs"]
        times = sum(encoder["transfer"]["fractions"])
    n_steps = -(-round(row["n_images"] * share) // row["batch"])
    step, overhead, validation = (min(row[key]) for key in ("step_s", "overhead_s", "validation_s"))
    epoch = n_steps * step + overhead + validation
    name = "-".join(row["name"])
    return {
        "name": name,
        "parameters": row["parameters"],
        "macs": next(
            (macs[key] for key in sorted(macs, key=len, reverse=True) if key in name), None
        ),
        "batch": row["batch"],
        "replayed": row["replayed"],
        "step_s": step,
        "steps_an_epoch": n_steps,
        "epoch_s": epoch,
        "validation_s": validation,
        "overhead_s": overhead,
        # of this run, and with the data of all images on the card
        "gpu_gb": row.get("gpu_gb"),
        "gpu_gb_all_images": row.get("gpu_gb") and row["gpu_gb"] + row["data_gb"] * (share - 1),
        "epochs": epochs,
        "minutes": times * epochs * epoch / 60,
    }


def macs_of(name: str, data: dict[str, Any]) -> dict[str, int]:
    """Return multiply-accumulates for an image, by the row of a result."""
    rows = data.get("backbones", data.get("rows", []))
    named = {each.get("row", each.get("backbone")): each.get("macs") for each in rows}
    return {key: value for key, value in named.items() if key and value} | (
        {"chasm": next(each["macs"] for each in rows if each.get("macs"))}
        if name == "chasm" and any(each.get("macs") for each in rows)
        else {}
    )


def report(result: dict[str, Any]) -> None:
    print(f"{result['machine']['device']}; {result['machine']['processor']}")
    for name, row in result["jobs"].items():
        print(
            f"{name:<10}{row['minutes']:8.1f} minutes  host {row['host_gb']:5.1f} GB  "
            f"here {row['seconds']:.0f} s, {row.get('minutes_beside_training', 0):.1f} min beside"
        )
        for each in row.get("trainings", []):
            card = f"  {each['gpu_gb_all_images']:5.1f} GB" if each["gpu_gb"] else ""
            print(
                f"   {each['name']:<44}{each['parameters'] / 1e6:7.2f} M  "
                f"{(each['macs'] or 0) / 1e9:6.2f} GMAC  {1e3 * each['step_s']:7.1f} ms  "
                f"epoch {each['epoch_s']:6.1f} s  validation {each['validation_s']:5.2f} s{card}"
            )


if __name__ == "__main__":
    main()
