"""The figure of one test."""

from brainworth.job import job
from brainworth.report import figures

with job(snakemake):
    figures.draw(
        snakemake.wildcards.test,
        snakemake.input.result,
        next(iter(snakemake.input.planted), None),
        snakemake.output.png,
        snakemake.output.pdf,
    )
