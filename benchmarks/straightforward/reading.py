"""Reading extracts with h5py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np


@dataclass
class Trials:
    """Single trials of one subject and region: values (trials, voxels) and what was shown."""

    subject: str
    values: np.ndarray
    stimulus: np.ndarray
    repetition: np.ndarray
    session: np.ndarray


def read(path: Path, region: str, rows: np.ndarray) -> Trials:
    """Read some trials (ascending rows); stimuli are numbered in order of their 73K ids."""
    with h5py.File(path, "r") as file:
        voxels = np.flatnonzero(file[f"voxels/region/{region}"][:])
        block = file["betas"][:, voxels[0] : voxels[-1] + 1]
        return Trials(
            subject=file.attrs["subject"],
            values=block[rows][:, voxels - voxels[0]].astype(float),
            stimulus=np.unique(file["trials/nsd_id"][:][rows], return_inverse=True)[1],
            repetition=file["trials/repetition"][:][rows],
            session=file["trials/session"][:][rows],
        )


def matched_rows(path: Path) -> np.ndarray:
    """Return the trials of the matched stimuli."""
    with h5py.File(path, "r") as file:
        return np.flatnonzero(file["trials/matched"][:])


def mean_patterns(values: np.ndarray, stimulus: np.ndarray) -> np.ndarray:
    """Average the trials of each stimulus."""
    return np.stack([values[stimulus == i].mean(axis=0) for i in range(stimulus.max() + 1)])
