"""Clusters of other sizes, kinds and shares of voxels."""

import shutil
from pathlib import Path

import torch

from brainworth.encoder import chasm, cluster_table, comparison, devices, targets
from brainworth.encoder.features import store
from brainworth.job import job, write_result

SECTIONS = (
    *("clusters", "stage1", "stage2", "train_stage1", "train_stage2"),
    *("loss_stage1", "loss_stage2", "compile", "scores"),
)

with job(snakemake) as given:
    torch.set_num_threads(1)
    settings = {name: given[f"encoder.{name}"] for name in SECTIONS}
    responses = targets.read(Path(snakemake.input.targets))
    features = store.read(Path(snakemake.input.features), responses.nsd_id, half=True)
    checkpoints = Path(snakemake.params.checkpoints) / "cluster_table"
    plan = comparison.Plan(
        settings,
        given["interval"],
        given["seed"],
        devices.pick(given["encoder.device"]),
        checkpoints,
        progress=True,
    )

    def prepare(clusters):
        """Return the data with these clusters."""
        atlas = comparison.atlas_of(clusters, responses)
        data = chasm.prepare(features, responses, clusters, seed=given["seed"], atlas=atlas)
        most = given["encoder.ablations.max_train_images"]
        return comparison.fewer_images(data, responses, most, given["seed"])

    found = cluster_table.table(
        responses,
        prepare,
        given["encoder.ablations.cluster_kinds"],
        given["encoder.ablations.cluster_sizes"],
        given["encoder.ablations.tops"],
        plan,
    )
    write_result(snakemake, given, given["study"], found)
    shutil.rmtree(checkpoints, ignore_errors=True)
