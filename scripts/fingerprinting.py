"""Fingerprinting of subjects."""

from pathlib import Path

from brainworth.erosion import fingerprinting
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = fingerprinting.analyse(
        dict(zip(given["subjects"], map(Path, snakemake.input.betas), strict=True)),
        given["rois"],
        **given["erosion.fingerprinting"],
        interval=given["interval"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
