"""RDMs that were measured elsewhere."""

from pathlib import Path

from brainworth.erosion import external, rdms
from brainworth.job import job, write_result

with job(snakemake) as given:
    content = external.load(Path(snakemake.input.file), given["rdms"]["label"])
    rdms.write(snakemake.output.rdms, content)
    region = content.regions[0]
    summary = {
        "file": Path(snakemake.input.file).name,
        "label": region.label,
        "subjects": region.subjects,
        "n_stimuli": content.n_stimuli,
        "n_repeats": 1 if region.repeats is None else len(region.repeats),
    }
    write_result(snakemake, given, given["study"], summary)
