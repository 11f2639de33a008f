"""Theorem 1 on simulated subjects."""

from brainworth.erosion import direction_erosion
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = direction_erosion.analyse(
        **given["erosion.direction_erosion"],
        interval=given["interval"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
