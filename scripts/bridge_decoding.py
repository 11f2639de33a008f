"""How decoding of image features grows with trials and with subjects."""

from pathlib import Path

from brainworth.bridges.decoding import decoding, decoding_spaces
from brainworth.job import job, write_result
from brainworth.nsd.simulate import truth
from brainworth.sections.data import Simulation

with job(snakemake) as given:
    subjects = list(snakemake.params.subjects)
    spaces, known = [], None
    if "truth" in snakemake.input.keys():  # noqa: SIM118 (not a dict)
        simulation = Simulation(**given["simulation"])
        images = truth.read_images(Path(snakemake.input.images))
        spaces.append(decoding_spaces.true_features(images, simulation))
        known = decoding.Truth(
            dict(zip(subjects, map(Path, snakemake.input.truth), strict=True)), simulation
        )
    spaces.append(decoding_spaces.encoder_features(Path(snakemake.input.features)))
    data = decoding.analyse(
        dict(zip(subjects, map(Path, snakemake.input.betas), strict=True)),
        spaces,
        settings=given["bridges.decoding"],
        min_repetitions=given["design.min_repetitions"],
        interval=given["interval"],
        seed=given["seed"],
        known=known,
    )
    write_result(snakemake, given, given["study"], data)
