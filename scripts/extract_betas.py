"""One subject's single-trial betas in the regions of the study."""

from pathlib import Path

from brainworth.job import job, write_result
from brainworth.nsd import betas, design, manifest

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
    # The store knows the digests of what it verified: 40 GB a subject need not be read for that.
    write_result(snakemake, given, given["study"], summary, sha256=manifest.sha256)
