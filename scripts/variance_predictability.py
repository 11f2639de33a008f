"""Predictability of the variance."""

from pathlib import Path

from brainworth.erosion import variance_predictability
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = variance_predictability.analyse(
        dict(zip(given["subjects"], map(Path, snakemake.input.betas), strict=True)),
        given["rois"],
        **given["erosion.variance_predictability"],
        interval=given["interval"],
        seed=given["seed"],
        n_threads=snakemake.threads,
    )
    write_result(snakemake, given, given["study"], data)
