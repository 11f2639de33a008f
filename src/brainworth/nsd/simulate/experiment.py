"""The experiment of simulated NSD: trial order, image lists and stimuli.

Formats follow the NSD Data Manual (Behavioral data, Experiments) and nsdexamples' example02.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scipy.io

from brainworth import files
from brainworth.nsd import registry
from brainworth.nsd.simulate.scales import Scale
from brainworth.stats import stream

REPETITIONS = 3
RUNS = 12
SLOTS = 75  # trial slots of a run in stimpattern; 63 or 62 hold a stimulus

# How NSD spreads the three presentations of an image over the sessions: mostly close together,
# some anywhere. Fitted to the published counts of shared images seen >= 1, >= 2 and 3 times in the
# first N sessions (30 sessions: 907, 766, 515 of 1000; this gives about 917, 786, 546).
_ANYWHERE = 0.4
_SPREAD_SESSIONS = 0.4

# Luminance, red-green and blue-yellow, as changes of R, G and B.
_BALANCES = ((1.0, 1.0, 1.0), (1.0, -1.0, 0.0), (-0.5, -0.5, 1.0))
# A texture's cycles an image, its typical contrast relative to a local feature's, and the SD of its
# logarithm.
_TEXTURE_CYCLES = 12
_TEXTURE_CONTRAST = 2.0
_TEXTURE_LOG_SD = 0.35


def draw_master_ordering(scale: Scale, seed: int) -> np.ndarray:
    """Draw the order of presentations, the same for all subjects.

    Returns
    -------
    array of shape (3 * images,), int64
        1-based index into the subject's list of images, trial by trial; every image three times.
    """
    rng = stream(seed, "simulate", "masterordering")
    shape = (scale.images, REPETITIONS)
    spread = _SPREAD_SESSIONS / scale.planned_sessions
    near = (rng.random((scale.images, 1)) + rng.normal(0, spread, shape)) % 1
    moment = np.where(rng.random(shape) < _ANYWHERE, rng.random(shape), near)
    return np.argsort(moment.ravel(), kind="stable") // REPETITIONS + 1


def draw_subject_images(scale: Scale, seed: int) -> np.ndarray:
    """Draw which stimuli each subject sees.

    Returns
    -------
    array of shape (8, images), int64
        1-based 73K ids. The first `shared` columns are the shared stimuli, ascending, the same in
        all rows; no other stimulus is seen by two subjects.
    """
    rng = stream(seed, "simulate", "subjectim")
    ids = rng.permutation(scale.n_73k) + 1
    shared = np.sort(ids[: scale.shared])
    own = np.sort(ids[scale.shared :].reshape(len(registry.SUBJECTS), -1), axis=1)
    return np.hstack([np.tile(shared, (len(registry.SUBJECTS), 1)), own])


def write_expdesign(path: Path, ordering: np.ndarray, images: np.ndarray, scale: Scale) -> None:
    """Write ``nsd_expdesign.mat``; all fields are doubles, all ids 1-based.

    ``basiccnt`` (3 x sessions) counts, for each session, the images presented once, twice and
    three times within it; the manual does not say what NSD's own holds, and nothing reads it.
    """
    sessions = scale.planned_sessions
    pattern = np.zeros((sessions, RUNS, SLOTS))
    for run in range(RUNS):
        pattern[:, run, : 63 - run % 2] = 1  # odd runs (1-based) hold 63 trials, even ones 62
    per_session = ordering.reshape(sessions, registry.TRIALS_PER_SESSION)
    counts = [np.unique(trials, return_counts=True)[1] for trials in per_session]
    basic = np.array([[np.count_nonzero(c == times) for c in counts] for times in (1, 2, 3)])
    content = {
        "basiccnt": basic.astype(float),
        "masterordering": ordering[None].astype(float),
        "sharedix": images[:1, : scale.shared].astype(float),
        "stimpattern": pattern,
        "subjectim": images.astype(float),
    }
    with files.whole(path) as part, part.open("wb") as handle:
        scipy.io.savemat(handle, content, do_compression=True)
        # The header's text holds the time of writing; without it, equal designs are equal files.
        handle.seek(0)
        handle.write(b"MATLAB 5.0 MAT-file, simulated by brainworth".ljust(116))


def write_stim_info(path: Path, ordering: np.ndarray, images: np.ndarray, scale: Scale) -> None:
    """Write ``nsd_stim_info_merged.csv``: ``nsdId`` 0-based, ``subjectS_repR`` 1-based trials."""
    n = scale.n_73k
    shared = np.zeros(n, dtype=bool)
    shared[images[0, : scale.shared] - 1] = True
    table = {
        "cocoId": np.arange(n) + 1,
        "cocoSplit": ["simulated"] * n,
        "cropBox": ["(0.0, 0.0, 0.0, 0.0)"] * n,
        "loss": np.zeros(n),
        "nsdId": np.arange(n),
        "flagged": np.zeros(n, dtype=bool),
        "BOLD5000": np.zeros(n, dtype=bool),
        "shared1000": shared,
    }
    # trials_of[k, r] = 1-based trial of repetition r of image k + 1
    trials_of = np.argsort(ordering, kind="stable").reshape(scale.images, REPETITIONS) + 1
    repetitions = {}
    for number in range(1, len(registry.SUBJECTS) + 1):
        rows = images[number - 1] - 1
        seen = np.zeros(n, dtype=int)
        seen[rows] = 1
        table[f"subject{number}"] = seen
        for repetition in range(REPETITIONS):
            column = np.zeros(n, dtype=int)
            column[rows] = trials_of[:, repetition]
            repetitions[f"subject{number}_rep{repetition}"] = column
    with files.whole(path) as part:
        pd.DataFrame(table | repetitions).to_csv(part)


def write_stimuli(
    path: Path, features: np.ndarray, global_columns: np.ndarray, scale: Scale, seed: int
) -> None:
    """Write ``nsd_stimuli.hdf5``: ``imgBrick``, uint8, stimuli x height x width x RGB.

    Every image is a sum of Gabor patches, one a local feature, weighted by that feature, so that
    what the simulated voxels respond to can be read from the pixels. Global features weight fields
    that fill the image: the first three its mean luminance, its red-green and its blue-yellow
    balance; each further one sets the contrast of a fine grating, whose logarithm follows the
    feature.

    Parameters
    ----------
    features : array of shape (n_73k, F)
    global_columns : array of int
        Features that are global.
    """
    size = scale.image_size
    patches = _gabor_patches(features.shape[1], size, stream(seed, "simulate", "patches"))
    unit = np.float32(128 / np.sqrt(features.shape[1]))
    weights = features.astype(np.float32) * unit
    textures = global_columns[len(_BALANCES) :]
    patches[global_columns] = _fields(len(global_columns), size)
    contrast = np.exp(_TEXTURE_LOG_SD * features[:, textures])
    weights[:, textures] = _TEXTURE_CONTRAST * unit * contrast
    block = max(1, 2**24 // patches[0].size)
    with files.whole(path) as part, h5py.File(part, "w") as file:
        brick = file.create_dataset("imgBrick", (len(features), size, size, 3), dtype=np.uint8)
        for start in range(0, len(features), block):
            pixels = 128 + weights[start : start + block] @ patches.reshape(len(patches), -1)
            np.clip(np.rint(pixels, out=pixels), 0, 255, out=pixels)
            brick[start : start + block] = pixels.astype(np.uint8).reshape(-1, size, size, 3)


def _fields(n: int, size: int) -> np.ndarray:
    """Return n fields that fill the image, shape (n, size, size, 3), float32."""
    y, x = np.mgrid[0:size, 0:size] / size
    fields = np.empty((n, size, size, 3), dtype=np.float32)
    fields[: len(_BALANCES)] = np.array(_BALANCES[:n])[:, None, None] if n else 0
    cycles = min(_TEXTURE_CYCLES, 0.4 * size)  # of an image too small for them
    for number in range(len(_BALANCES), n):
        angle = np.pi * (0.25 + 0.2 * (number - len(_BALANCES)))
        wave = np.cos(2 * np.pi * cycles * (x * np.cos(angle) + y * np.sin(angle)))
        fields[number] = wave[..., None]
    return fields


def _gabor_patches(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return n coloured Gabor patches, shape (n, size, size, 3), float32, peak near 1."""
    y, x = np.mgrid[0:size, 0:size] / size
    patches = np.empty((n, size, size, 3), dtype=np.float32)
    for patch in patches:
        angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        cycles, width = rng.uniform(2, 8), rng.uniform(0.1, 0.25)
        centre_x, centre_y = rng.uniform(0.2, 0.8, 2)
        along = (x - centre_x) * np.cos(angle) + (y - centre_y) * np.sin(angle)
        envelope = np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / (2 * width**2))
        wave = envelope * np.cos(2 * np.pi * cycles * along + phase)
        patch[:] = wave[..., None] * rng.uniform(0.5, 1, 3)
    return patches
