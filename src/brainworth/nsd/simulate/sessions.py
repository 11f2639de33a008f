"""The betas of simulated NSD, session by session.

Written as NSD writes them (manual: Functional data): int16, percent signal change x 300, h5py
shape (750, z, y, x), one chunk a voxel, uncompressed, zeros outside the brain.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from brainworth import files
from brainworth.nsd import registry
from brainworth.nsd.simulate.truth import SubjectTruth
from brainworth.sections.data import Simulation
from brainworth.stats import stream

_BLOCK = 8192  # voxels drawn at a time; part of the random stream, not a tuning knob
_INVALID_SHARE = 0.01  # of the brain's edge voxels without data in a session
_INT16 = np.iinfo(np.int16)


def draw_invalid(truth: SubjectTruth, subject: str, session: int, seed: int) -> np.ndarray:
    """Draw which brain voxels have no data in a session (edge of the field of view).

    Returns
    -------
    array of shape (B,), bool
    """
    rng = stream(seed, "simulate", "invalid", subject, session)
    lowest = truth.ijk[:, 2] <= truth.ijk[:, 2].min() + 1  # the bottom slices drop out
    return lowest & (rng.random(len(truth.ijk)) < _INVALID_SHARE)


def write_session(
    path: Path,
    truth: SubjectTruth,
    features: np.ndarray,
    noise_sd: np.ndarray,
    simulation: Simulation,
    shape: tuple[int, int, int],
    *,
    subject: str,
    session: int,
    seed: int,
) -> None:
    """Write one ``betas_sessionNN.hdf5``.

    Parameters
    ----------
    features : array of shape (750, shared + individual)
        Features of each trial's image that the subject encodes.
    noise_sd : array of shape (750,)
        sigma of each trial's image.
    shape : tuple
        (x, y, z) of the volume.
    session : int
        Counted from 1.
    """
    rng = stream(seed, "simulate", "session", subject, session)
    common, spatial = _shared_noise(rng, simulation)
    invalid = draw_invalid(truth, subject, session, seed)
    n_x, n_y, n_z = shape
    flat = (truth.ijk[:, 2] * n_y + truth.ijk[:, 1]) * n_x + truth.ijk[:, 0]
    with files.whole(path) as part, h5py.File(part, "w", libver="earliest") as file:
        betas = file.create_dataset(
            "betas",
            (registry.TRIALS_PER_SESSION, n_z, n_y, n_x),
            dtype=np.int16,
            chunks=(registry.TRIALS_PER_SESSION, 1, 1, 1),
        )
        nothing = bytes(2 * registry.TRIALS_PER_SESSION)
        written = 0
        for start in range(0, len(flat), _BLOCK):
            rows = slice(start, start + _BLOCK)
            values = _draw_block(rng, truth, rows, features, noise_sd, common, spatial, simulation)
            values[:, invalid[rows]] = 0
            for place, voxel in zip(flat[rows], np.ascontiguousarray(values.T), strict=True):
                _write_empty(betas, written, place, nothing)
                _write_voxel(betas, place, voxel)
                written = place + 1
        _write_empty(betas, written, n_x * n_y * n_z, nothing)


def _shared_noise(
    rng: np.random.Generator, simulation: Simulation
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the noise that voxels share: one number a trial, and the spatial components."""
    n = registry.TRIALS_PER_SESSION
    common = np.sqrt(simulation.noise_global_fraction) * rng.standard_normal(n)
    spatial = np.sqrt(simulation.noise_spatial_fraction) * rng.standard_normal(
        (n, simulation.noise_spatial_components)
    )
    return common.astype(np.float32), spatial.astype(np.float32)


def _draw_block(
    rng: np.random.Generator,
    truth: SubjectTruth,
    rows: slice,
    features: np.ndarray,
    noise_sd: np.ndarray,
    common: np.ndarray,
    spatial: np.ndarray,
    simulation: Simulation,
) -> np.ndarray:
    """Draw int16 betas of a block of voxels, shape (750, block)."""
    weights = truth.weights[rows]
    n = len(weights)
    own = 1 - simulation.noise_global_fraction - simulation.noise_spatial_fraction
    noise = rng.standard_normal((registry.TRIALS_PER_SESSION, n), dtype=np.float32)
    noise *= np.float32(np.sqrt(own))
    noise += spatial @ truth.noise_loadings[rows].T + common[:, None]
    noise *= noise_sd[:, None].astype(np.float32)
    noise *= np.sqrt(1 - np.sum(weights**2, axis=1))
    noise += features.astype(np.float32) @ weights.T
    gain = np.exp(rng.normal(0, simulation.session_gain_log_sd, n)).astype(np.float32)
    offset = rng.normal(0, simulation.session_offset_sd, n).astype(np.float32)
    noise *= truth.amplitude[rows] * gain
    noise += offset
    noise *= registry.BETA_SCALE
    np.clip(np.rint(noise, out=noise), _INT16.min, _INT16.max, out=noise)
    return noise.astype(np.int16)


def _write_voxel(betas: h5py.Dataset, place: int, voxel: np.ndarray) -> None:
    betas.id.write_direct_chunk(_offset(betas, int(place)), voxel)


def _write_empty(betas: h5py.Dataset, start: int, stop: int, nothing: bytes) -> None:
    """Write zeros outside the brain, so that every chunk exists, as in the real files."""
    for place in range(start, stop):
        betas.id.write_direct_chunk(_offset(betas, place), nothing)


def _offset(betas: h5py.Dataset, place: int) -> tuple[int, int, int, int]:
    """Return where the chunk of a voxel begins; `place` counts x fastest, then y, then z."""
    _, _, n_y, n_x = betas.shape
    z, rest = divmod(place, n_y * n_x)
    y, x = divmod(rest, n_x)
    return (0, z, y, x)
