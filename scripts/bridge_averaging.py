"""What averaging costs the encoder, and what a head for the variance recovers."""

import functools
import shutil
from pathlib import Path

import torch

from brainworth import results
from brainworth.bridges.averaging import averaging
from brainworth.bridges.averaging.averaging_inputs import Truth
from brainworth.encoder import comparison, devices
from brainworth.encoder.features import store
from brainworth.job import job, notes, write_result
from brainworth.nsd.simulate import truth
from brainworth.sections.data import Simulation

with job(snakemake) as given:
    torch.set_num_threads(1)
    subjects = list(snakemake.params.subjects)
    settings = given["bridges.averaging"]
    alignment = known = plan = None
    if "alignment" in snakemake.input.keys():  # noqa: SIM118 (not a dict)
        alignment = results.read(snakemake.input.alignment)["data"]
    if "truths" in snakemake.input.keys():  # noqa: SIM118 (not a dict)
        known = Truth(
            truth.read_images(Path(snakemake.input.image_truth)),
            {
                subject: truth.read_subject(Path(path))
                for subject, path in zip(subjects, snakemake.input.truths, strict=True)
            },
            Simulation(**given["simulation"]),
        )
    checkpoints = Path(snakemake.params.checkpoints)
    if averaging.CHASM in settings["models"]:
        sections = ("stage1", "train_stage1", "loss_stage1", "compile")
        plan = comparison.Plan(
            {name: given[f"encoder.{name}"] for name in sections},
            given["interval"],
            given["seed"],
            devices.pick(given["encoder.device"]),
            checkpoints,
            progress=True,
        )
    data = averaging.analyse(
        dict(zip(subjects, map(Path, snakemake.input.betas), strict=True)),
        dict(zip(subjects, map(Path, snakemake.input.targets), strict=True)),
        given["rois"],
        functools.partial(store.read, Path(snakemake.input.features), half=True),
        settings=settings,
        alignment=alignment,
        known=known,
        plan=plan,
        interval=given["interval"],
        seed=given["seed"],
        note=notes(snakemake),
    )
    write_result(snakemake, given, given["study"], data)
    shutil.rmtree(checkpoints, ignore_errors=True)
