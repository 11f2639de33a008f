"""The voxels of one subject's session files, by byte ranges from the bucket."""

from pathlib import Path

from brainworth.job import job, notes, write_result
from brainworth.nsd import manifest
from brainworth.nsd.ranges import subject
from brainworth.sections.data import Data

with job(snakemake) as given:
    summary = subject.fetch(
        Path(snakemake.params.root),
        snakemake.params.subject,
        given["rois"],
        snakemake.params.sessions,
        Data(**given["data"]),
        notes(snakemake),
    )
    write_result(snakemake, given, given["study"], summary, sha256=manifest.sha256)
