"""Trials to 73K ids, and the stimuli that all subjects share."""

from pathlib import Path

from brainworth import files
from brainworth.job import job, write_result
from brainworth.nsd import design

with job(snakemake) as given:
    least = given["design"]["min_repetitions"]
    sessions = dict(snakemake.params.sessions)
    expdesign = design.read_expdesign(Path(snakemake.input.expdesign))
    design.check_stim_info(Path(snakemake.input.stim_info), expdesign)
    trials = design.match(expdesign, sessions, least)
    simulated = design.is_simulated(Path(snakemake.input.stim_info))
    summary = design.summarise(trials, sessions, least, real=not simulated)
    with files.whole(snakemake.output.table) as part:
        trials.to_parquet(part, index=False, write_page_checksum=True)
    write_result(snakemake, given, given["study"], {"simulated": simulated} | summary)
