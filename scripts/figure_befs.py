"""One figure of what brain samples are worth."""

from brainworth.job import job
from brainworth.report.befs import befs_figures

with job(snakemake):
    befs_figures.draw(
        f"befs_{snakemake.wildcards.drawing}",
        snakemake.input.result,
        snakemake.output.png,
        snakemake.output.pdf,
    )
