"""RDMs that were measured elsewhere."""

from pathlib import Path

from brainworth.erosion import external, rdms
from brainworth.job import job

with job(snakemake) as given:
    content = external.load(Path(snakemake.input.file), given["rdms"]["label"])
    rdms.write(snakemake.output.rdms, content)
