"""The figure on how often the tests are right."""

from brainworth.job import job
from brainworth.report.validity import figure

with job(snakemake):
    figure.draw(snakemake.input.results, snakemake.output.png, snakemake.output.pdf)
