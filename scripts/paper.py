"""The PDF."""

from brainworth.job import job
from brainworth.report import paper
from brainworth.report.origin import origin

with job(snakemake) as given:
    paper.write(
        snakemake.output.pdf,
        results=[
            *snakemake.input.data,
            *snakemake.input.results,
            snakemake.input.claims,
            *snakemake.input.planted,
            *snakemake.input.validity,
            *snakemake.input.befs,
            *snakemake.input.encoder,
            *snakemake.input.bridges,
        ],
        figures=[
            *snakemake.input.figures,
            *snakemake.input.overview,
            *snakemake.input.validity_figure,
            *snakemake.input.befs_figures,
            *snakemake.input.encoder_figures,
            *snakemake.input.bridge_figures,
        ],
        study=given["study"],
        title=given["report"]["title"],
        source=origin(given["data.source"], given["rdms.file"], given["roi_means.dir"]),
    )
