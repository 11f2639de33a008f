"""Other networks in the place of stage 1."""

import shutil
from pathlib import Path

import torch

from brainworth.encoder import chasm, comparison, devices, stage1_table, targets
from brainworth.encoder.features import store
from brainworth.job import job, write_result

SECTIONS = ("clusters", "stage1", "train_stage1", "loss_stage1", "compile", "scores")

with job(snakemake) as given:
    torch.set_num_threads(1)
    settings = {name: given[f"encoder.{name}"] for name in SECTIONS}
    responses = targets.read(Path(snakemake.input.targets))
    features = store.read(Path(snakemake.input.features), responses.nsd_id, half=True)
    checkpoints = Path(snakemake.params.checkpoints) / "stage1_table"
    plan = comparison.Plan(
        settings,
        given["interval"],
        given["seed"],
        devices.pick(given["encoder.device"]),
        checkpoints,
        progress=True,
    )
    data = chasm.prepare(
        features,
        responses,
        settings["clusters"],
        seed=given["seed"],
        atlas=comparison.atlas_of(settings["clusters"], responses),
    )
    most = given["encoder.ablations.max_train_images"]
    data = comparison.fewer_images(data, responses, most, given["seed"])
    found = stage1_table.table(features, responses, data, given["encoder.ablations.stage1"], plan)
    write_result(snakemake, given, given["study"], found)
    shutil.rmtree(checkpoints, ignore_errors=True)
