"""Features of every image that a subject of the encoder saw."""

from pathlib import Path

import torch

from brainworth.encoder.features import extraction
from brainworth.job import job, notes, write_result
from brainworth.nsd import design, manifest

with job(snakemake) as given:
    torch.set_num_threads(1)
    trials = design.read_trials(Path(snakemake.input.table))
    seen = trials.loc[trials["subject"].isin(snakemake.params.subjects), "nsd_id"]
    device = given.get("encoder.device", "cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    data = extraction.extract(
        Path(snakemake.output.features),
        seen.drop_duplicates().sort_values().to_numpy(),
        Path(snakemake.input.images),
        given["encoder.features"],
        device=device,
        checkpoints=Path(snakemake.params.checkpoints) / "features",
        say=notes(snakemake),
    )
    data["subjects"] = list(snakemake.params.subjects)
    # The store knows the digest of the images that it verified: 37 GB need not be read for that.
    write_result(snakemake, given, given["study"], data, sha256=manifest.sha256)
