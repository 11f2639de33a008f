"""The stimuli that all subjects share, from files of ROI means."""

from pathlib import Path

from brainworth import files
from brainworth.job import job, write_result
from brainworth.nsd import design, roi_means, roi_means_import

with job(snakemake) as given:
    least = given["design"]["min_repetitions"]
    paths = dict(zip(given["subjects"], map(Path, snakemake.input.files), strict=True))
    found = {subject: roi_means.read(path) for subject, path in paths.items()}
    trials = roi_means_import.match(found, given["rois"], given["data.sessions"], least)
    sessions = trials.groupby("subject", sort=False)["session"].nunique().to_dict()
    simulated = next(iter(found.values())).simulated
    summary = design.count_trials(trials, sessions, least)
    with files.whole(snakemake.output.table) as part:
        trials.to_parquet(part, index=False)
    write_result(snakemake, given, given["study"], {"simulated": simulated} | summary)
