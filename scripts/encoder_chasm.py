"""CHASMBrain fitted to one subject: stage 1 on clusters, then stage 2 on voxels."""

import shutil
from pathlib import Path

import torch

from brainworth.encoder import chasm, chasm_results, clusters, devices, saved, targets
from brainworth.encoder.features import store
from brainworth.job import job, write_result

SECTIONS = (
    *("clusters", "stage1", "stage2", "train_stage1", "train_stage2"),
    *("loss_stage1", "loss_stage2", "compile"),
)

with job(snakemake) as given:
    torch.set_num_threads(1)
    settings = {name: given[f"encoder.{name}"] for name in SECTIONS}
    responses = targets.read(Path(snakemake.input.targets))
    features = store.read(Path(snakemake.input.features), responses.nsd_id)
    atlas = None
    if settings["clusters"]["kind"] == "atlas":
        where = settings["clusters"]["atlas"]
        atlas = clusters.read_atlas(where, responses.subject, responses.volume_shape)
    output = Path(snakemake.output.json)
    checkpoints = output.parent / ".checkpoints" / output.stem
    found = chasm.fit_subject(
        features,
        responses,
        settings,
        seed=given["seed"],
        checkpoints=checkpoints,
        device=devices.pick(given["encoder.device"]),
        progress=True,
        atlas=atlas,
    )
    origin = {"backend": features.backend, "weights_sha256": features.weights_sha256}
    for stage in ("stage1", "stage2"):
        path = Path(snakemake.output[stage])
        saved.save(path, stage, getattr(found, stage), found.data, settings[stage], **origin)
    test = found.data.rows["test"]
    chasm_results.write_predictions(
        Path(snakemake.output.predictions),
        "chasm",
        responses.nsd_id[test],
        found.voxels["test"].numpy(),
        responses.values[test],
    )
    data = chasm_results.describe(
        found,
        responses,
        given["encoder.scores"],
        interval=given["interval"],
        seed=given["seed"],
        **origin,
    )
    write_result(snakemake, given, given["study"], data)
    shutil.rmtree(checkpoints)
