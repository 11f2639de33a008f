"""HDF5 files that notice a changed bit: datasets with a checksum a chunk."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np


def store(group: h5py.Group, name: str, data: Any) -> None:
    """Write a dataset of numbers whose every chunk has a checksum (HDF5's Fletcher-32).

    A damaged one cannot be read: h5py raises OSError. Sizes of zero have no chunks, and scalars
    cannot have any.
    """
    values = np.asarray(data)
    group.create_dataset(name, data=values, fletcher32=values.size > 0 and values.ndim > 0)
