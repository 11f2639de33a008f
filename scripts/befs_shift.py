"""Test inputs that differ from the training inputs."""

from brainworth.befs import shifts
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = shifts.analyse(
        given["befs.fmri"],
        given["befs.small"],
        given["befs.shift"],
        interval=given["interval"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
