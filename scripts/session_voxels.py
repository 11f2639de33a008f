"""The voxels of one session file, which is dropped."""

from pathlib import Path

from brainworth.job import job
from brainworth.nsd import passing

with job(snakemake) as given:
    subject = snakemake.wildcards.subject
    passing.take_voxels(
        Path(snakemake.params.root),
        subject,
        int(snakemake.wildcards.session),
        given["rois"],
        snakemake.params.sessions[subject],
        Path(given["data.store_dir"]).expanduser(),
    )
