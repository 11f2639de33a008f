"""Other networks in the place of stage 2."""

import shutil
from pathlib import Path

import torch

from brainworth.encoder import chasm, comparison, devices, saved, stage2_table, targets
from brainworth.encoder.features import store
from brainworth.job import job, write_result

SECTIONS = (
    *("clusters", "stage2", "train_stage2", "loss_stage2", "diffusion"),
    *("compile", "scores"),
)

with job(snakemake) as given:
    torch.set_num_threads(1)
    settings = {name: given[f"encoder.{name}"] for name in SECTIONS}
    responses = targets.read(Path(snakemake.input.targets))
    features = store.read(Path(snakemake.input.features), responses.nsd_id, half=True)
    stage1 = saved.load(Path(snakemake.input.stage1), "stage1")
    checkpoints = Path(snakemake.params.checkpoints) / "stage2_table"
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
    most = given["encoder.ablations.max_train_images"]
    data = comparison.fewer_images(data, responses, most, given["seed"])
    model = stage1.model.to(plan.device)
    found = stage2_table.table(responses, data, model, given["encoder.ablations.stage2"], plan)
    write_result(snakemake, given, given["study"], found)
    shutil.rmtree(checkpoints, ignore_errors=True)
