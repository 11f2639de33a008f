"""One subject's single-trial betas in the regions of the study."""

from pathlib import Path

from brainworth.job import job, write_result
from brainworth.nsd import betas, design, manifest, provenance, registry

with job(snakemake) as given:
    trials = design.read_trials(Path(snakemake.input.table))
    subject = snakemake.wildcards.subject
    by_ranges = snakemake.params.download == "ranges"
    summary = betas.extract(
        Path(snakemake.params.root),
        subject,
        given["rois"],
        trials[trials["subject"] == subject],
        Path(snakemake.output.betas),
        registry.voxels_key if snakemake.params.voxels else registry.betas_key,
    )
    # The one entry that is not the same however the files were come by.
    summary["acquisition"] = provenance.acquisition(
        snakemake.params.source,
        snakemake.params.download,
        subject,
        summary["n_sessions"],
        store=Path(snakemake.params.store),
        fetched=Path(snakemake.input.acquisition) if by_ranges else None,
    )
    # The store knows the digests of what it verified: 40 GB a subject need not be read for that.
    write_result(snakemake, given, given["study"], summary, sha256=manifest.sha256)
