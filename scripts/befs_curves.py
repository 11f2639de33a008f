"""Savings and exchange rates at the scale of fMRI."""

from brainworth.befs import curves
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = curves.analyse(
        given["befs.fmri"],
        given["befs.curves"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
