"""Simulated NSD: what is common to all subjects."""

from pathlib import Path

from brainworth.job import job
from brainworth.nsd.simulate import all_subjects
from brainworth.sections.data import Simulation

with job(snakemake) as given:
    all_subjects.write(
        Path(snakemake.params.root), Simulation(**given["simulation"]), given["seed"]
    )
