"""Simulated NSD: the files of the real bucket, written from a known truth.

`scales` says how big, `experiment` writes the design files and the stimuli, `anatomy` the ROI
volumes and label tables, `truth` draws the encoding maps and the noise, `sessions` the betas.
Random streams are named after subject and session, so subjects can be written in any order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from brainworth.config import Simulation
from brainworth.nsd import registry
from brainworth.nsd.simulate import anatomy, experiment, sessions, truth
from brainworth.nsd.simulate.scales import SCALES

IMAGE_TRUTH = "truth/images.h5"


def subject_truth_key(subject: str) -> str:
    """Path of a subject's truth, relative to the root of the simulated tree."""
    return f"truth/{subject}.h5"


def write_experiment(root: Path, simulation: Simulation, seed: int) -> None:
    """Write what is common to all subjects: design, stimuli, atlas tables, truth about images.

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
    experiment.write_stimuli(root / registry.STIMULI, drawn.features, scale, seed)
    truth.write_images(root / IMAGE_TRUTH, drawn)
    for atlas in registry.FSAVERAGE_TABLES:
        anatomy.write_label_table(root / registry.label_table_key("fsaverage", atlas), atlas)


def write_subject(
    root: Path, simulation: Simulation, subject: str, n_sessions: int, seed: int
) -> None:
    """Write one subject: ROI volumes, label tables, ncsnr, valid voxels, betas, truth.

    Parameters
    ----------
    n_sessions : int
        Sessions to write, from the first.
    """
    scale = SCALES[simulation.scale]
    shape = scale.volume_shape[subject]
    place = anatomy.build(scale, subject, seed)
    anatomy.write_rois(root, subject, place)
    mine = truth.draw_subject(scale, simulation, place, subject, seed)
    x, y, z = mine.ijk.T

    ncsnr = np.full(shape, np.nan, dtype=np.float32)
    ncsnr[x, y, z] = mine.ncsnr
    anatomy.write_volume(root / registry.ncsnr_key(subject), ncsnr)

    number = registry.SUBJECTS.index(subject)
    images = truth.read_images(root / IMAGE_TRUTH)
    order = experiment.draw_master_ordering(scale, seed) - 1
    nsd_id = experiment.draw_subject_images(scale, seed)[number, order] - 1
    columns = truth.own_features(subject, simulation)
    for session in tqdm(range(1, n_sessions + 1), desc=f"{subject} sessions", disable=None):
        first = (session - 1) * registry.TRIALS_PER_SESSION
        trials = nsd_id[first : first + registry.TRIALS_PER_SESSION]
        valid = place.brain.astype(np.uint8)
        valid[x, y, z] = ~sessions.draw_invalid(mine, subject, session, seed)
        anatomy.write_volume(root / registry.valid_key(subject, session), valid)
        sessions.write_session(
            root / registry.betas_key(subject, session),
            mine,
            images.features[np.ix_(trials, columns)],
            np.exp(images.log_variance[number, trials] / 2),
            simulation,
            shape,
            subject=subject,
            session=session,
            seed=seed,
        )
    truth.write_subject(root / subject_truth_key(subject), mine)


def experiment_keys() -> list[str]:
    """Paths that `write_experiment` writes, relative to the root."""
    return [*registry.design_keys(), registry.STIMULI, *registry.atlas_keys(), IMAGE_TRUTH]


def subject_keys(subject: str, n_sessions: int) -> list[str]:
    """Paths that `write_subject` writes, relative to the root."""
    volumes = list(registry.LABELS)
    hemispheres = [
        registry.roi_key(subject, volume, side) for volume in volumes for side in ("lh.", "rh.")
    ]
    nsd = registry.subject_keys(subject, n_sessions, volumes)
    return [*nsd, *hemispheres, subject_truth_key(subject)]
