"""A backbone of source subjects, and a linear map to the voxels of another."""

import functools
import shutil
from pathlib import Path

import torch

from brainworth.encoder import clusters, comparison, devices, targets, transfer
from brainworth.encoder.features import store
from brainworth.job import job, write_result

SECTIONS = (
    *("transfer", "clusters", "stage1", "train_stage1", "loss_stage1", "ridge"),
    *("compile", "scores"),
)

with job(snakemake) as given:
    torch.set_num_threads(1)
    settings = {name: given[f"encoder.{name}"] for name in SECTIONS}
    responses = {}
    for path in map(Path, snakemake.input.targets):
        one = targets.read(path)
        responses[one.subject] = one
    chosen = settings["clusters"]
    labels = {
        subject: clusters.make(
            chosen["kind"],
            chosen["size"],
            one.ijk,
            seed=given["seed"],
            atlas=comparison.atlas_of(chosen, one),
        )
        for subject, one in responses.items()
    }
    checkpoints = Path(snakemake.params.checkpoints) / "transfer_table"
    plan = comparison.Plan(
        settings,
        given["interval"],
        given["seed"],
        devices.pick(given["encoder.device"]),
        checkpoints,
        progress=True,
    )
    read = functools.partial(store.read, Path(snakemake.input.features), half=True)
    most = given["encoder.ablations.max_train_images"]
    found = transfer.table(read, responses, labels, most, plan)
    write_result(snakemake, given, given["study"], found)
    shutil.rmtree(checkpoints, ignore_errors=True)
