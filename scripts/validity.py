"""How often a test is right."""

from brainworth.erosion.validity import measure
from brainworth.job import job, write_result

with job(snakemake) as given:
    settings = {key: value for key, value in given["erosion.validity"].items() if key != "run"}
    data = measure.measure(
        snakemake.wildcards.test,
        **settings,
        interval=given["interval"],
        seed=given["seed"],
    )
    write_result(snakemake, given, given["study"], data)
