"""Cross-subject RSA."""

from pathlib import Path

from brainworth.erosion import rdms, rsa
from brainworth.job import job, write_result

with job(snakemake) as given:
    data = rsa.analyse(
        rdms.read(Path(snakemake.input.rdms)),
        comparison=given["erosion.rsa"]["comparison"],
        n_permutations=given["erosion.rsa"]["n_permutations"],
        n_bootstrap=given["erosion.rsa"]["n_bootstrap"],
        interval=given["interval"],
        seed=given["seed"],
        n_threads=snakemake.threads,
    )
    write_result(snakemake, given, given["study"], data)
