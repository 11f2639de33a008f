"""The figure of one bridge."""

from brainworth.job import job
from brainworth.report.bridges import bridges_figures

with job(snakemake):
    bridges_figures.draw(
        snakemake.wildcards.bridge,
        snakemake.input.result,
        snakemake.output.png,
        snakemake.output.pdf,
    )
