"""NSD's files from a local tree or from the bucket."""

from pathlib import Path

from brainworth.job import job, notes
from brainworth.nsd import store
from brainworth.sections.data import Data

with job(snakemake) as given:
    store.fetch(
        snakemake.params.objects,
        Path(snakemake.params.root),
        Data(**given["data"]),
        progress=snakemake.rule,
        say=notes(snakemake),
    )
