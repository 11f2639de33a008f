"""The voxels of one session file, which is dropped."""

from pathlib import Path

from brainworth.job import job
from brainworth.nsd import passing, store
from brainworth.sections.data import Data

with job(snakemake) as given:
    passing.take_voxels(
        Path(snakemake.params.root),
        snakemake.wildcards.subject,
        int(snakemake.wildcards.session),
        given["rois"],
        snakemake.params.sessions[snakemake.wildcards.subject],
        store.store_of(Data(**given["data"])),
    )
