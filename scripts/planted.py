"""What the tests should find, from the truth of simulated NSD."""

from pathlib import Path

from brainworth.erosion.planted import planted
from brainworth.job import job, write_result
from brainworth.sections.data import Simulation

with job(snakemake) as given:
    subjects = given["subjects"]
    data = planted(
        extracts=dict(zip(subjects, map(Path, snakemake.input.betas), strict=True)),
        truths=dict(zip(subjects, map(Path, snakemake.input.truth), strict=True)),
        images=Path(snakemake.input.images),
        regions=given["rois"],
        simulation=Simulation(**given["simulation"]),
        comparison=given["erosion.rsa.comparison"],
        tests=given["erosion.tests"],
        gap_comparison=given["erosion.rdm_gap.comparison"],
    )
    write_result(snakemake, given, given["study"], data)
