"""The students side by side."""

from brainworth.befs import estimators
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = estimators.analyse(
        given["befs.small"],
        given["befs.estimators"],
        interval=given["interval"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
