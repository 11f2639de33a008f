"""One subject's ROI means, z-scored, as an extract."""

from pathlib import Path

from brainworth.job import job, write_result
from brainworth.nsd import design, roi_means, roi_means_import

with job(snakemake) as given:
    trials = design.read_trials(Path(snakemake.input.table))
    subject = snakemake.wildcards.subject
    summary = roi_means_import.write_extract(
        roi_means.read(Path(snakemake.input.file)),
        subject,
        trials[trials["subject"] == subject],
        given["rois"],
        given["roi_means.zscore"],
        Path(snakemake.output.betas),
    )
    write_result(snakemake, given, given["study"], summary)
