"""Ridge regression and linear probes of one subject."""

from pathlib import Path

import torch

from brainworth.encoder import clusters, linear, predictions, targets
from brainworth.encoder.features import store
from brainworth.job import job, write_result
from brainworth.nsd.simulate import truth
from brainworth.sections.data import Simulation

with job(snakemake) as given:
    torch.set_num_threads(1)
    responses = targets.read(Path(snakemake.input.targets))
    features = store.read(Path(snakemake.input.features), responses.nsd_id, half=True)
    atlas = true_features = None
    if given["encoder.clusters"]["kind"] == "atlas":
        where = given["encoder.clusters"]["atlas"]
        atlas = clusters.read_atlas(where, responses.subject, responses.volume_shape)
    if "truth" in snakemake.input.keys():  # noqa: SIM118 (not a dict)
        columns = truth.own_features(responses.subject, Simulation(**given["simulation"]))
        images = truth.read_images(Path(snakemake.input.truth))
        true_features = images.features[responses.nsd_id][:, columns]
    data, found = linear.analyse(
        features,
        responses,
        ridge=given["encoder.ridge"],
        cluster_settings=given["encoder.clusters"],
        score_settings=given["encoder.scores"],
        interval=given["interval"],
        seed=given["seed"],
        atlas=atlas,
        true_features=true_features,
    )
    predictions.write(Path(snakemake.output.ridge), responses.subject, {"ridge": found})
    write_result(snakemake, given, given["study"], data)
