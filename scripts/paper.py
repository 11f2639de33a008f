"""The PDF."""

from brainworth.job import job
from brainworth.report import paper

with job(snakemake) as given:
    source = given["data.source"]
    if given["rdms"]["file"] is not None:
        source = "rdms"
    if given["roi_means"]["dir"] is not None:
        source = "roi_means"
    paper.write(
        snakemake.output.pdf,
        results=[
            *snakemake.input.data,
            *snakemake.input.results,
            *snakemake.input.planted,
            *snakemake.input.befs,
        ],
        figures=[*snakemake.input.figures, *snakemake.input.befs_figures],
        study=given["study"],
        title=given["report"]["title"],
        source=source,
    )
