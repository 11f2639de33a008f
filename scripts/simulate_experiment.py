"""Simulated NSD: what is common to all subjects."""

from pathlib import Path

from brainworth.config import Simulation
from brainworth.job import job
from brainworth.nsd import simulate

with job(snakemake) as given:
    simulate.write_experiment(
        Path(snakemake.params.root), Simulation(**given["simulation"]), given["seed"]
    )
