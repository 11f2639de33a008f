"""The jobs of the encoder at NSD's size with the settings of studies/nsd-encoder.yaml.

Every job is the script of its rule in a process of its own, on files of NSD's size with random
numbers in them: 10,000 images of a subject (8,100 to train, 900 to validate, 1,000 to test), 256
tokens of 768 channels, the voxels of nsdgeneral. Trainings stop after few epochs; where a table
takes a number of training images (`encoder.ablations.max_train_images`) they are `--steps` batches,
and elsewhere all. A step, a validation, and what an epoch costs beside both are measured apart, so
that the minutes of all epochs follow: an upper bound, since a training stops when `patience` epochs
were no better. On a GPU the first epoch of a training launches all kernels and the others replay
steps: the ratio of the two is given too. Jobs run side by side, but one of them trains at a time.

Not measured: reading over a network, and images that are not in the cache of the disk. Subjects of
the transfer see the same images here, and its maps learn from all of a subject's images only; the
smaller shares are worked out.

Figures are written to `benchmarks/results` by a run of all jobs.

    python benchmarks/encoder_full_size.py [--steps 40] [--device cuda] [--jobs chasm stage1]
    python benchmarks/encoder_full_size.py --small --steps 4 --images 200 --voxels 300 --device cpu
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import as_rule
import full_encoder
import numpy as np
import torch
import training_times
from rsa import processor

from brainworth import config
from brainworth.encoder import devices
from brainworth.encoder.features import extraction

ROOT = Path(__file__).resolve().parents[1]
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
EPOCHS = 3  # the first launched, the others replayed


def main() -> None:
    given = arguments()
    if given.job:
        run_job(given)
        return
    given.work.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    full_encoder.write(given.work, given.images, voxels(given))
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
        "n_voxels": voxels(given)[full_encoder.FIRST],
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
    parser.add_argument("--images", type=int, default=full_encoder.IMAGES)
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


def voxels(given: argparse.Namespace) -> dict[str, int]:
    return {subject: given.voxels or n for subject, n in full_encoder.VOXELS.items()}


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
    start, watch = time.perf_counter(), training_times.Watch(given.work / "lock", device)
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
        n_voxels = voxels(given)[full_encoder.FIRST]
        made = full_encoder.untrained(folder / "untrained.pt", settings["encoder"], n_voxels)
        read["stage1"] = str(made)
    inputs: dict[str, Any] = {key: str(given.work / each) for key, each in read.items()}
    if name == "transfer":
        inputs["targets"] = [str(given.work / f"targets_{each}.h5") for each in full_encoder.VOXELS]
    as_rule.run(
        ROOT / f"scripts/encoder_{name}.py",
        inputs=inputs,
        outputs={key: str(folder / each) for key, each in write.items()},
        params={
            "config": config.slice_of(settings, names),
            "checkpoints": str(folder / "checkpoints"),
        },
        log=folder / "job.log",
    )


def describe_images(
    folder: Path, settings: dict[str, Any], device: torch.device, given: argparse.Namespace
) -> dict[str, Any]:
    """Describe images of NSD's size by a DINOv2 of its own size and random weights."""
    from transformers import Dinov2Config, Dinov2Model

    from brainworth.encoder.features import dinov2

    n = min(DESCRIBED, given.images)
    full_encoder.write_images(folder / "images.h5", n)
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


def summed(
    name: str, row: dict[str, Any], settings: dict[str, Any], given: argparse.Namespace
) -> dict[str, Any]:
    """Work out the minutes of a job with all its epochs and images."""
    answer = {
        key: row[key] for key in ("seconds", "cpu_s", "host_gb", "gpu_gb") if row[key] is not None
    }
    if name == "features":
        n = (
            1000 + (given.images - 1000) * len(full_encoder.VOXELS)
            if given.images > 1000
            else given.images
        )
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
    all_images, *_ = full_encoder.split_sizes(given.images)
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
    launched, *others = row["step_s"]
    step, overhead, validation = (
        min(each) for each in (others, row["overhead_s"], row["validation_s"])
    )
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
        "ratio": launched / step if row["replayed"] else None,
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
            faster = f" ({each['ratio']:.1f}x by replay)" if each["replayed"] else ""
            card = f"  {each['gpu_gb_all_images']:5.1f} GB" if each["gpu_gb"] else ""
            print(
                f"   {each['name']:<44}{each['parameters'] / 1e6:7.2f} M  "
                f"{(each['macs'] or 0) / 1e9:6.2f} GMAC  {1e3 * each['step_s']:7.1f} ms{faster}  "
                f"epoch {each['epoch_s']:6.1f} s  validation {each['validation_s']:5.2f} s{card}"
            )


if __name__ == "__main__":
    main()
