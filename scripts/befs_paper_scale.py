"""Stage 1 simulated at the size of fMRI."""

from brainworth.befs import paper_study
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = paper_study.analyse(
        given["befs.fmri"],
        given["befs.paper_scale"],
        interval=given["interval"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
