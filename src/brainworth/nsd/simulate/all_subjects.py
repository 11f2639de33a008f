"""What is common to all subjects of simulated NSD."""

from __future__ import annotations

from pathlib import Path

from brainworth.nsd import registry
from brainworth.nsd.simulate import anatomy, experiment, paths, truth
from brainworth.nsd.simulate.scales import SCALES
from brainworth.sections.data import Simulation


def write(root: Path, simulation: Simulation, seed: int) -> None:
    """Write the design, the stimuli, the atlas tables and the truth about images.

    Parameters
    ----------
    root : path
        Root of the NSD tree to write.
    """
    scale = SCALES[simulation.scale]
    ordering = experiment.draw_master_ordering(scale, seed)
    images = experiment.draw_subject_images(scale, seed)
    experiment.write_expdesign(root / registry.EXPDESIGN, ordering, images, scale)
    experiment.write_stim_info(root / registry.STIM_INFO, ordering, images, scale)
    drawn = truth.draw_images(scale, simulation, seed)
    experiment.write_stimuli(
        root / registry.STIMULI, drawn.features, truth.global_columns(simulation), scale, seed
    )
    truth.write_images(root / paths.IMAGE_TRUTH, drawn)
    for atlas in registry.FSAVERAGE_TABLES:
        anatomy.write_label_table(root / registry.label_table_key("fsaverage", atlas), atlas)
