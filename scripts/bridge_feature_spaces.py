"""Feature spaces side by side: encoding, and retrieval of images."""

from pathlib import Path

import torch

from brainworth.bridges.feature_spaces import feature_spaces, space_group, space_plan, space_sources
from brainworth.encoder import targets
from brainworth.job import job, write_result
from brainworth.sections.data import Simulation

with job(snakemake) as given:
    torch.set_num_threads(1)
    asked = given["bridges.feature_spaces"]
    ridge = given["encoder.ridge"]
    plan = space_plan.plan(
        asked,
        ridge=ridge,
        min_ceiling=given["encoder.scores"]["min_ceiling"],
        interval=given["interval"],
        seed=given["seed"],
    )
    known = "truth" in snakemake.input.keys()  # noqa: SIM118 (not a dict)
    sources = space_sources.Sources(
        asked["spaces"],
        features=Path(snakemake.input.features),
        grid=given["encoder.features.grid"],
        token_features=ridge["token_features"],
        image_truth=Path(snakemake.input.truth) if known else None,
        simulation=Simulation(**given["simulation"]) if known else None,
        seed=given["seed"],
    )
    truths = snakemake.input.subject_truth if known else [None] * len(asked["subjects"])
    # Means that are z-scored once more are in units of their own, which the truth does not know.
    comparable = given["encoder.targets.repeat_target"] != "mean_z"
    found = []
    paths = (snakemake.input.targets, snakemake.input.betas, truths)
    for response, extract, truth in zip(*paths, strict=True):
        responses = targets.read(Path(response))
        about = sources.truth(responses, Path(truth)) if known and comparable else None
        found.append(
            feature_spaces.analyse(
                responses,
                space_sources.regions(Path(extract), responses),
                sources.read(responses, asked["n_components"]),
                plan,
                about,
            )
        )
    data = space_group.data(found, sources.describe(), plan)
    write_result(snakemake, given, given["study"], data)
