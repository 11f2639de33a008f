"""Predictions of held-out images as a file, one group a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from brainworth import hdf5
from brainworth.errors import BrainworthError
from brainworth.files import whole

SCHEMA = "brainworth-predictions/1"


@dataclass(frozen=True)
class Predictions:
    """What one model predicts of N images, V voxels, on the scale of the targets.

    Attributes
    ----------
    nsd_id : array of shape (N,), int64
        0-based 73K ids of the test images.
    predicted, observed : arrays of shape (N, V), float32
    validation_predicted, validation_observed : arrays of shape (M, V), float32
        The same of validation images.
    """

    nsd_id: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray
    validation_predicted: np.ndarray
    validation_observed: np.ndarray


def write(path: Path, subject: str, models: Mapping[str, Predictions]) -> None:
    """Write the predictions of models (HDF5).

    Parameters
    ----------
    models : mapping from name to Predictions
    """
    with whole(path) as part, h5py.File(part, "w") as file:
        file.attrs["schema"] = SCHEMA
        file.attrs["subject"] = subject
        for name, found in models.items():
            group = file.create_group(name)
            for field, values in vars(found).items():
                kind = np.int64 if field == "nsd_id" else np.float32
                hdf5.store(group, field, np.asarray(values, dtype=kind))


def read(path: Path, model: str) -> Predictions:
    """Read the predictions of one model.

    Raises
    ------
    BrainworthError
        If the file is missing or damaged, or has no such model.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("schema") != SCHEMA:
                raise BrainworthError(
                    f"{path} is no file of predictions of schema {SCHEMA}; delete it and run again"
                )
            if model not in file:
                raise BrainworthError(f"{path} has no model {model!r}, it has {', '.join(file)}")
            group = file[model]
            return Predictions(**{name: group[name][:] for name in Predictions.__annotations__})
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; run the rule that writes it") from None
    except (OSError, RuntimeError, KeyError) as error:
        raise BrainworthError(f"{path} cannot be read ({error}); delete it and run again") from None
