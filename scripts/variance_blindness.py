"""Theorem 2 on simulated processes, and a head for the variance on real responses."""

from pathlib import Path

from brainworth.erosion import variance_blindness
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = variance_blindness.analyse(
        dict(zip(given["subjects"], map(Path, snakemake.input.betas), strict=True)),
        given["rois"],
        **given["erosion.variance_blindness"],
        interval=given["interval"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
