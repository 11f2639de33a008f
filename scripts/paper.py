"""The PDF."""

from brainworth.job import job
from brainworth.report import paper

with job(snakemake) as given:
    paper.write(
        snakemake.output.pdf,
        results=[
            *snakemake.input.data,
            *snakemake.input.results,
            *snakemake.input.planted,
            *snakemake.input.validity,
            *snakemake.input.befs,
        ],
        figures=[
            *snakemake.input.figures,
            *snakemake.input.validity_figure,
            *snakemake.input.befs_figures,
        ],
        study=given["study"],
        title=given["report"]["title"],
        source=given["data.source"] if given["rdms"]["file"] is None else "rdms",
    )
