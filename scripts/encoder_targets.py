"""One subject's responses to images, split into training, validation and test."""

from pathlib import Path

from brainworth.encoder import targets
from brainworth.job import job, write_result

with job(snakemake) as given:
    made = targets.make(
        Path(snakemake.input.betas),
        Path(snakemake.input.streams),
        Path(snakemake.input.table),
        **given["encoder.targets"],
        common_sessions=snakemake.params.common_sessions,
        seed=given["seed"],
    )
    targets.write(Path(snakemake.output.targets), made)
    write_result(snakemake, given, given["study"], targets.summary(made))
