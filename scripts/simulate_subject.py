"""Simulated NSD: one subject."""

from pathlib import Path

from brainworth.config import Simulation
from brainworth.job import job
from brainworth.nsd import simulate

with job(snakemake) as given:
    simulate.write_subject(
        Path(snakemake.params.root),
        Simulation(**given["simulation"]),
        snakemake.params.subject,
        snakemake.params.sessions,
        given["seed"],
    )
