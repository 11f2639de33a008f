"""RDMs of all regions and subjects."""

from pathlib import Path

from brainworth.erosion import measure, rdms
from brainworth.job import job

with job(snakemake) as given:
    extracts = dict(zip(given["subjects"], map(Path, snakemake.input.betas), strict=True))
    rdms.write(snakemake.output.rdms, measure.measure(extracts, given["rois"], given["seed"]))
