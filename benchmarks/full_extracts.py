"""Extracts of simulated NSD at NSD's full size, written directly and kept for the next run.

Eight subjects, the voxels of all 13 regions of the simulated full-size brains (about 17,000 a
subject), and NSD's numbers of repetitions: 766 images that everybody saw at least twice, 515 of
them three times. Of a subject's other images, 1,000 are kept: as many as the noise covariance uses
and more than the mismatched control. Session files (0.3 TB) are never written; the responses follow
the simulation's truth, and the files have the format of `betas.extract`.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from brainworth import config, files
from brainworth.nsd import betas, design, registry, rois
from brainworth.nsd.simulate import anatomy, experiment, scales, truth
from brainworth.stats import stream

MATCHED, SHOWN_THREE_TIMES, OTHERS = 766, 515, 1000
SCALE = scales.SCALES["full"]


def write(folder: Path, settings: config.Config) -> dict[str, Path]:
    """Write what is not there yet; returns the extract of each subject."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {subject: folder / f"betas_{subject}.h5" for subject in settings.subjects}
    if all(path.exists() for path in paths.values()):
        return paths
    images = truth.draw_images(SCALE, settings.simulation, settings.seed)
    trials = choose_trials(settings)
    for subject, path in paths.items():
        if not path.exists():
            print(f"writing {path}", flush=True)
            write_subject(path, subject, trials[subject], images, settings)
    return paths


def choose_trials(settings: config.Config) -> dict[str, pd.DataFrame]:
    """Return the trials that are kept, for each subject, in order."""
    table = all_trials(settings.subjects, settings)
    matched, shorter = _choose_matched(table)
    answer = {}
    for subject in settings.subjects:
        mine = table[table["subject"] == subject].copy()
        mine["matched"] = mine["nsd_id"].isin(matched)
        if SCALE.sessions[subject] == min(SCALE.sessions.values()):
            mine = mine[~(mine["nsd_id"].isin(shorter) & (mine["repetition"] == 2))]
        times = mine.loc[~mine["matched"] & ~mine["shared"], "nsd_id"].value_counts()
        rng = stream(settings.seed, "benchmark", "others", subject)
        others = rng.choice(np.sort(times[times == 3].index), OTHERS, replace=False)
        answer[subject] = mine[mine["matched"] | mine["nsd_id"].isin(others)]
    return answer


def all_trials(
    subjects: list[str], settings: config.Config, scale: scales.Scale = SCALE
) -> pd.DataFrame:
    """Return every trial of some subjects, as `design.match` does."""
    order = experiment.draw_master_ordering(scale, settings.seed)
    shown = experiment.draw_subject_images(scale, settings.seed)
    known = design.ExpDesign(order - 1, shown - 1, shown[0, : scale.shared] - 1)
    return design.match(known, {subject: scale.sessions[subject] for subject in subjects}, 2)


def _choose_matched(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Choose the matched images, and those that lose a repetition where there are fewest sessions.

    The simulated order of trials has slightly more repeated images than NSD's own.
    """
    matched = table[table["matched"]]
    fewest = matched.groupby(["nsd_id", "subject"]).size().groupby("nsd_id").min()
    twice = np.sort(fewest[fewest == 2].index)[: MATCHED - SHOWN_THREE_TIMES]
    thrice = np.sort(fewest[fewest == 3].index)[: MATCHED - twice.size]
    return np.concatenate([twice, thrice]), thrice[SHOWN_THREE_TIMES:]


def write_subject(
    path: Path,
    subject: str,
    trials: pd.DataFrame,
    images: truth.ImageTruth,
    settings: config.Config,
    scale: scales.Scale = SCALE,
) -> None:
    """Write the extract of one subject's trials, session by session."""
    simulation = settings.simulation
    place = anatomy.build(scale, subject, settings.seed)
    known = truth.draw_subject(scale, simulation, place, subject, settings.seed)
    x, y, z = known.ijk.T
    regions = {}
    for name in settings.rois:
        atlas, labels = rois.REGIONS[name]
        numbers = [registry.LABELS[atlas].index(label) + 1 for label in labels]
        regions[name] = np.isin(place.volumes[atlas][x, y, z], numbers)
    kept = np.flatnonzero(np.any(list(regions.values()), axis=0))
    table = rois.VoxelTable(
        known.ijk[kept],
        {name: mask[kept] for name, mask in regions.items()},
        scale.volume_shape[subject],
    )
    weights, loadings = known.weights[kept], known.noise_loadings[kept]
    features = images.features[:, truth.own_features(subject, simulation)]
    noise_sd = np.exp(images.log_variance[registry.SUBJECTS.index(subject)] / 2)
    rng = stream(settings.seed, "benchmark", "noise", subject)
    own = 1 - simulation.noise_global_fraction - simulation.noise_spatial_fraction
    rest = np.sqrt(1 - np.sum(weights**2, axis=1))
    with files.whole(path) as part, h5py.File(part, "w") as file:
        dataset = betas._create(file, subject, table, known.ncsnr[kept], trials)
        values = np.empty((0, len(table)), dtype=np.float32)
        written = 0
        for _, session in trials.groupby("session"):
            shown = session["nsd_id"].to_numpy()
            n = shown.size
            noise = np.sqrt(own) * rng.standard_normal((n, len(table)), dtype=np.float32)
            components = rng.standard_normal((n, loadings.shape[1])).astype(np.float32)
            noise += np.sqrt(simulation.noise_spatial_fraction) * components @ loadings.T
            common = np.sqrt(simulation.noise_global_fraction) * rng.standard_normal((n, 1))
            noise += common.astype(np.float32)
            noise *= noise_sd[shown, None] * rest
            noise += features[shown] @ weights.T
            noise -= noise.mean(axis=0)
            noise /= noise.std(axis=0, ddof=1)
            # whole chunks are written, so that none is written twice
            values = np.concatenate([values, noise.astype(np.float32)])
            whole = len(values) - len(values) % registry.TRIALS_PER_SESSION
            dataset[written : written + whole] = values[:whole]
            values, written = values[whole:], written + whole
        dataset[written:] = values
