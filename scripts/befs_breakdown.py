"""Where the first-order laws break."""

from brainworth.befs import breakdown
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = breakdown.analyse(
        given["befs.small"],
        given["befs.breakdown"],
        interval=given["interval"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
