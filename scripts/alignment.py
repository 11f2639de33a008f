"""Alignment of subjects, and what they share."""

from pathlib import Path

from brainworth.erosion import alignment
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = alignment.analyse(
        dict(zip(given["subjects"], map(Path, snakemake.input.betas), strict=True)),
        given["rois"],
        **given["erosion.alignment"],
        interval=given["interval"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
