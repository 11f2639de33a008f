"""One subject's single-trial betas in the regions of the study."""

from pathlib import Path

from brainworth.job import job, write_result
from brainworth.nsd import betas, design

with job(snakemake) as given:
    trials = design.read_trials(Path(snakemake.input.table))
    subject = snakemake.wildcards.subject
    summary = betas.extract(
        Path(snakemake.params.root),
        subject,
        given["rois"],
        trials[trials["subject"] == subject],
        Path(snakemake.output.betas),
    )
    write_result(snakemake, given, given["study"], summary)
