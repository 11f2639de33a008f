"""The figure of the three answers."""

from brainworth.job import job
from brainworth.report import overview_figure

with job(snakemake):
    overview_figure.draw(
        snakemake.input.results,
        next(iter(snakemake.input.planted), None),
        snakemake.output.png,
        snakemake.output.pdf,
    )
