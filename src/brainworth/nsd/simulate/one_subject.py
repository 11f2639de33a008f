"""One subject of simulated NSD.

Random streams are named after subject and session, so subjects can be written in any order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from brainworth.nsd import registry
from brainworth.nsd.simulate import anatomy, experiment, paths, sessions, truth
from brainworth.nsd.simulate.scales import SCALES
from brainworth.sections.data import Simulation


def write(root: Path, simulation: Simulation, subject: str, n_sessions: int, seed: int) -> None:
    """Write ROI volumes, label tables, ncsnr, valid voxels, betas, truth.

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
    images = truth.read_images(root / paths.IMAGE_TRUTH)
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
    truth.write_subject(root / paths.subject_truth_key(subject), mine)
