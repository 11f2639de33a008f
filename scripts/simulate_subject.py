"""Simulated NSD: one subject."""

from pathlib import Path

from brainworth.job import job
from brainworth.nsd.simulate import one_subject
from brainworth.sections.data import Simulation

with job(snakemake) as given:
    one_subject.write(
        Path(snakemake.params.root),
        Simulation(**given["simulation"]),
        snakemake.params.subject,
        snakemake.params.sessions,
        given["seed"],
    )
