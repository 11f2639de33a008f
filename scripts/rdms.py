"""RDMs of all regions and subjects."""

from pathlib import Path

from brainworth.erosion import measure
from brainworth.job import job

with job(snakemake) as given:
    measure.write(
        snakemake.output.rdms,
        dict(zip(given["subjects"], map(Path, snakemake.input.betas), strict=True)),
        given["rois"],
        given["seed"],
        noise=given["erosion.rsa.noise"],
        n_threads=snakemake.threads,
    )
