"""Individual against population prediction of RDMs."""

from pathlib import Path

from brainworth.erosion import rdm_gap, rdms
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = rdm_gap.analyse(
        rdms.read(Path(snakemake.input.rdms)),
        **given["erosion.rdm_gap"],
        interval=given["interval"],
        seed=given["seed"],
        n_threads=snakemake.threads,
    )
    write_result(snakemake, given, given["study"], data)
