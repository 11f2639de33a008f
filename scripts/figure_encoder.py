"""One figure of the encoder."""

from brainworth.job import job
from brainworth.report.encoder import encoder_figures

with job(snakemake):
    encoder_figures.draw(
        f"encoder_{snakemake.wildcards.encoder_drawing}",
        snakemake.input.results,
        snakemake.output.png,
        snakemake.output.pdf,
    )
