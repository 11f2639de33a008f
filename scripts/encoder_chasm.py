"""CHASMBrain fitted to one subject: stage 1 on clusters, then stage 2 on voxels."""

import shutil
from pathlib import Path

import torch

from brainworth.encoder import (
    chasm,
    chasm_results,
    clusters,
    devices,
    predictions,
    saved,
    targets,
    voxel_files,
)
from brainworth.encoder.features import store
from brainworth.job import job, write_result

SECTIONS = (
    *("clusters", "stage1", "stage2", "train_stage1", "train_stage2"),
    *("loss_stage1", "loss_stage2", "compile"),
)
#: Scores that the volume holds.
VOLUMES = ("r", "r2", "mse", "noise_ceiling", "share_of_ceiling")

with job(snakemake) as given:
    torch.set_num_threads(1)
    settings = {name: given[f"encoder.{name}"] for name in SECTIONS}
    responses = targets.read(Path(snakemake.input.targets))
    features = store.read(Path(snakemake.input.features), responses.nsd_id, half=True)
    atlas = None
    if settings["clusters"]["kind"] == "atlas":
        where = settings["clusters"]["atlas"]
        atlas = clusters.read_atlas(where, responses.subject, responses.volume_shape)
    checkpoints = Path(snakemake.params.checkpoints) / f"chasm_{responses.subject}"
    device = devices.pick(given["encoder.device"])
    found = chasm.fit_subject(
        features,
        responses,
        settings,
        seed=given["seed"],
        checkpoints=checkpoints,
        device=device,
        progress=True,
        atlas=atlas,
    )
    origin = {"backend": features.backend, "weights_sha256": features.weights_sha256}
    for stage in ("stage1", "stage2"):
        path = Path(snakemake.output[stage])
        saved.save(path, stage, getattr(found, stage), found.data, settings[stage], **origin)
    mine = chasm_results.predictions_of(found, responses)
    others = {"ridge": predictions.read(Path(snakemake.input.ridge), "ridge")}
    predictions.write(
        Path(snakemake.output.predictions), responses.subject, {"chasm": mine} | others
    )
    columns = voxel_files.columns(responses, found.data.labels, mine)
    regions = voxel_files.regions_of(Path(snakemake.input.betas), responses)
    voxel_files.write_table(Path(snakemake.output.voxels), responses, regions, columns)
    voxel_files.write_volume(
        Path(snakemake.output.scores),
        responses,
        {name: columns[name] for name in VOLUMES},
        voxel_files.affine_of(Path(snakemake.input.streams)),
    )
    data = chasm_results.describe(
        found,
        responses,
        {name: given[f"encoder.{name}"] for name in ("clusters", "scores")},
        others,
        interval=given["interval"],
        seed=given["seed"],
        device=device,
        **origin,
    )
    write_result(snakemake, given, given["study"], data)
    shutil.rmtree(checkpoints, ignore_errors=True)
