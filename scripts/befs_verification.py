"""Theory against simulation over a grid."""

from brainworth.befs import verification
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = verification.analyse(
        given["befs.small"],
        given["befs.verification"],
        interval=given["interval"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
