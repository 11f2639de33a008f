"""Streams of stage 1 cut, exchanged, and trained by themselves."""

import shutil
from pathlib import Path

import torch

from brainworth.encoder import chasm, comparison, devices, saved, stream_table, targets
from brainworth.encoder.features import store
from brainworth.job import job, write_result

SECTIONS = ("clusters", "stage1", "train_stage1", "loss_stage1", "compile", "scores")

with job(snakemake) as given:
    torch.set_num_threads(1)
    settings = {name: given[f"encoder.{name}"] for name in SECTIONS}
    responses = targets.read(Path(snakemake.input.targets))
    features = store.read(Path(snakemake.input.features), responses.nsd_id, half=True)
    stage1 = saved.load(Path(snakemake.input.stage1), "stage1")
    checkpoints = Path(snakemake.params.checkpoints) / "stream_table"
    plan = comparison.Plan(
        settings,
        given["interval"],
        given["seed"],
        devices.pick(given["encoder.device"]),
        checkpoints,
        progress=True,
    )
    data = chasm.prepare(
        features, responses, settings["clusters"], seed=given["seed"], labels=stage1.labels
    )
    single = given["encoder.ablations.single_streams"]
    found = stream_table.table(responses, data, stage1.model.to(plan.device), single, plan)
    write_result(snakemake, given, given["study"], found)
    shutil.rmtree(checkpoints, ignore_errors=True)
