"""Budgets split between brain and task samples."""

from brainworth.befs import budgets
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = budgets.analyse(
        given["befs.fmri"],
        given["befs.budget"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
