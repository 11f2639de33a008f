"""Datasets that notice a changed bit."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from brainworth import hdf5

VALUES = {
    "matrix": np.arange(600.0).reshape(20, 30),
    "ids": np.arange(50),
    "mask": np.arange(40) % 3 == 0,
    "empty": np.zeros((0, 4)),
    "scalar": np.float64(3.5),
}


def test_what_is_stored_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, values in VALUES.items():
            hdf5.store(file, f"group/{name}", values)
    with h5py.File(tmp_path / "a.h5") as file:
        for name, values in VALUES.items():
            found = file[f"group/{name}"][()]
            np.testing.assert_array_equal(found, values)
            assert found.dtype == np.asarray(values).dtype


def test_one_changed_bit_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        hdf5.store(file, "matrix", VALUES["matrix"])
    content = bytearray(path.read_bytes())
    place = content.index(VALUES["matrix"][10, :4].tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    with h5py.File(path) as file, pytest.raises(OSError, match="read data"):
        file["matrix"][()]
