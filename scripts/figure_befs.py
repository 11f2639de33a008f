"""One figure of what brain samples are worth."""

from brainworth.job import job
from brainworth.report import figures_befs

with job(snakemake):
    figures_befs.draw(
        f"befs_{snakemake.wildcards.drawing}",
        snakemake.input.result,
        snakemake.output.png,
        snakemake.output.pdf,
    )
