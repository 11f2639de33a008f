"""Tasks: a number an image, given by the user in a table or planted in simulated data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from brainworth.errors import BrainworthError
from brainworth.nsd import registry
from brainworth.stats import stream

ID = "nsd_id"
#: Stimuli of NSD.
N_IMAGES = 73_000


@dataclass(frozen=True)
class Tasks:
    """Labels of images.

    Attributes
    ----------
    names : list of str
    nsd_id : array of shape (N,), int
        0-based 73K ids, ascending, each once.
    labels : array of shape (N, T)
    coefficients : array of shape (F, T) or None
        Of planted tasks, on the features of the truth.
    snr : float or None
        Of planted tasks: variance that the features drive over label noise.
    """

    names: list[str]
    nsd_id: np.ndarray
    labels: np.ndarray
    coefficients: np.ndarray | None = None
    snr: float | None = None

    def rows(self, nsd_id: np.ndarray) -> np.ndarray:
        """Return the rows of images, all of which must be there."""
        return np.searchsorted(self.nsd_id, nsd_id)


def read(path: Path, n_images: int = N_IMAGES) -> Tasks:
    """Read tasks from a CSV table: a column ``nsd_id``, and one of numbers for each task.

    Parameters
    ----------
    path : path
    n_images : int
        Images there are; ids go from 0 to one less.

    Raises
    ------
    BrainworthError
        If the file cannot be read, or a column is missing, not of numbers, incomplete or constant,
        or an id is no image's or there twice.
    """
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise BrainworthError(
            f"bridges.calibration.tasks: {path} does not exist; put the table there or correct the "
            "path"
        ) from None
    except (OSError, ValueError, pd.errors.ParserError) as error:
        said = " ".join(str(error).split())
        raise BrainworthError(f"{path} is no CSV table ({said}); export it as CSV") from None
    names = [str(name) for name in table.columns if name != ID]
    if ID not in table.columns or not names:
        raise BrainworthError(
            f"{path} has the columns {', '.join(map(str, table.columns))}; expected {ID} (0-based "
            "73K ids) and a column of numbers for each task"
        )
    ids = table[ID]
    if not pd.api.types.is_integer_dtype(ids):
        raise BrainworthError(
            f"{path}: column {ID} must hold whole numbers, without gaps; they are 0-based 73K ids"
        )
    nsd_id = ids.to_numpy(np.int64)
    wrong = (nsd_id < 0) | (nsd_id >= n_images)
    if wrong.any():
        raise BrainworthError(
            f"{path}: {ID} {nsd_id[wrong][0]} is no image; ids are 0-based and go from 0 to "
            f"{n_images - 1}"
        )
    order = np.argsort(nsd_id, kind="stable")
    nsd_id = nsd_id[order]
    twice = nsd_id[1:][np.diff(nsd_id) == 0]
    if twice.size:
        raise BrainworthError(f"{path}: {ID} {twice[0]} is there twice; give each image one row")
    labels = np.empty((len(table), len(names)))
    for column, name in enumerate(names):
        values = table[name]
        if not pd.api.types.is_numeric_dtype(values):
            raise BrainworthError(
                f"{path}: column {name} is not of numbers; code the labels as numbers"
            )
        labels[:, column] = values.to_numpy(dtype=float)[order]
        bad = ~np.isfinite(labels[:, column])
        if bad.any():
            raise BrainworthError(
                f"{path}: column {name} has no number for {ID} {nsd_id[bad][0]}; leave out images "
                "without a label"
            )
        if np.ptp(labels[:, column]) == 0:
            raise BrainworthError(
                f"{path}: column {name} has the same value for every image; there is nothing to "
                "learn, take it out"
            )
    return Tasks(names, nsd_id, labels)


def plant(
    features: np.ndarray,
    seen: np.ndarray,
    misalignments: Sequence[float],
    snr: float,
    *,
    seed: int,
    subject: str,
) -> Tasks:
    """Plant tasks for one subject of simulated data.

    Parameters
    ----------
    features : array of shape (N, F)
        Of all images; row i is image i. Independent, of variance 1.
    seen : array of int
        Features that the subject's brain encodes.
    misalignments : sequence of float
        Share of the squared length of the coefficients that lies on the other features.
    snr : float
        Variance of the noise-free labels, 1, over that of the noise.
    seed : int
    subject : str

    Returns
    -------
    Tasks
        Named after their misalignment; coefficients have length 1 and a random direction within the
        features that are seen, and within the others.
    """
    n, n_features = features.shape
    if subject not in registry.SUBJECTS:
        raise ValueError(f"{subject} is no subject")
    others = np.setdiff1d(np.arange(n_features), seen)
    rng = stream(seed, "bridges", "calibration", "tasks", subject)
    coefficients = np.zeros((n_features, len(misalignments)))
    for column, misalignment in enumerate(misalignments):
        for part, share in ((seen, 1 - misalignment), (others, misalignment)):
            direction = rng.standard_normal(len(part))
            coefficients[part, column] = np.sqrt(share) * direction / np.linalg.norm(direction)
    labels = features @ coefficients + rng.standard_normal((n, len(misalignments))) / np.sqrt(snr)
    names = [f"planted {misalignment:g}" for misalignment in misalignments]
    return Tasks(names, np.arange(n), labels, coefficients, snr)
