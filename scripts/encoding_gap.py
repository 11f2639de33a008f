"""Individual against population prediction."""

from pathlib import Path

from brainworth.erosion import encoding_gap
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = encoding_gap.analyse(
        dict(zip(given["subjects"], map(Path, snakemake.input.betas), strict=True)),
        given["rois"],
        **given["erosion.encoding_gap"],
        interval=given["interval"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
