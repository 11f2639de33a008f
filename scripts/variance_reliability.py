"""Stability of the variance."""

from pathlib import Path

from brainworth.erosion import variance_reliability
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = variance_reliability.analyse(
        dict(zip(given["subjects"], map(Path, snakemake.input.betas), strict=True)),
        given["rois"],
        **given["erosion.variance_reliability"],
        interval=given["interval"],
        seed=given["seed"],
        n_threads=snakemake.threads,
    )
    write_result(snakemake, given, given["study"], data)
