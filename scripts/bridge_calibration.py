"""What brain samples are worth: calibrated from betas, predicted, and tested on students."""

from pathlib import Path

from brainworth.bridges.calibration import (
    brain_inputs,
    brain_samples,
    calibration,
    calibration_planted,
    tasks,
)
from brainworth.job import job, write_result
from brainworth.nsd.simulate import truth
from brainworth.sections.data import Simulation

with job(snakemake) as given:
    settings = given["bridges.calibration"]
    simulated = "images" in snakemake.input.keys()  # noqa: SIM118 (not a dict)
    phi = truth.read_images(Path(snakemake.input.images)).features if simulated else None
    simulation = Simulation(**given["simulation"]) if simulated else None
    regions = [name for name in settings["rois"] if name in (brain_samples.ALL, *given["rois"])]
    betas = [Path(path) for path in snakemake.input.betas]
    truths = dict(zip(betas, snakemake.input.truths, strict=True)) if simulated else {}
    if settings["inputs"] == "truth":
        features = brain_inputs.of_truth(phi)
    else:
        features = brain_inputs.of_store(Path(snakemake.input.features))
    table = None
    if settings["tasks"] != "planted":
        table = tasks.read(Path(snakemake.input.tasks), len(phi) if simulated else tasks.N_IMAGES)

    def tasks_of(subject):
        """Return the tasks of the user, or plant some."""
        if table is not None:
            return table
        return tasks.plant(
            phi,
            truth.own_features(subject, simulation),
            settings["misalignments"],
            settings["task_snr"],
            seed=given["seed"],
            subject=subject,
        )

    def planted_of(samples):
        """Return the truth about a subject's voxels."""
        path = next(each for each in betas if samples.subject in each.name)
        found = truth.read_subject(Path(truths[path]))
        return calibration_planted.voxels_of(
            found, samples.subject, simulation, samples.ijk, phi.shape[1]
        )

    data = calibration.analyse(
        (brain_samples.read(path, regions) for path in betas),
        features,
        tasks_of,
        settings,
        interval=given["interval"],
        seed=given["seed"],
        planted_of=planted_of if settings["inputs"] == "truth" else None,
        left_out=[name for name in settings["rois"] if name not in regions],
    )
    write_result(snakemake, given, given["study"], data)
