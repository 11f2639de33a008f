"""Session files of a tiny volume, and a bucket that serves them."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from brainworth.nsd import registry, rois
from brainworth.nsd.ranges import btree, hdf5, session, transport

sys.path.insert(0, str(Path(__file__).parents[1]))

import loopback

KEY = registry.betas_key("subj01", 1)
SHAPE = (9, 8, 7)  # x, y, z
N_WANTED = 90


def draw(shape, seed):
    """Draw betas of shape (750, z, y, x)."""
    x, y, z = shape
    rng = np.random.default_rng(seed)
    return rng.integers(-32768, 32767, (750, z, y, x), dtype=np.int16)


def write(path, values, order=None, **layout):
    """Write a session file as NSD's are, chunk after chunk in the order given."""
    _, n_z, n_y, n_x = values.shape
    form = {"chunks": (750, 1, 1, 1)} | layout
    with h5py.File(path, "w", libver="earliest") as file:
        betas = file.create_dataset("betas", values.shape, dtype=np.int16, **form)
        numbers = range(n_x * n_y * n_z) if order is None else order
        for number in numbers:
            z, rest = divmod(int(number), n_y * n_x)
            y, x = divmod(rest, n_x)
            betas.id.write_direct_chunk((0, z, y, x), np.ascontiguousarray(values[:, z, y, x]))
    return path.read_bytes()


def choose(shape, n, seed):
    """Choose n voxels, in the order of the betas files."""
    place = np.random.default_rng(seed).choice(np.prod(shape), n, replace=False)
    z, y, x = np.unravel_index(np.sort(place), shape[::-1])
    return rois.VoxelTable(np.column_stack([x, y, z]).astype(np.int32), {}, shape)


def pick(values, table):
    """Return the values of voxels, by plain indexing."""
    return np.stack([values[:, z, y, x] for x, y, z in table.ijk])


def nodes_of(content):
    """Return the addresses of all index nodes of a session file, by level, and of all chunks."""
    index = hdf5.find_dataset(hdf5.Source(lambda a, b: content[a:b], len(content)), "betas")
    n_x, n_y, n_z = reversed(index.shape[1:])
    everything = choose((n_x, n_y, n_z), n_x * n_y * n_z, 0)
    levels = []

    def read(places, length):
        levels.append(places)
        return np.stack([np.frombuffer(content[at : at + length], np.uint8) for at in places])

    return levels, btree.addresses(index, everything.ijk, read)


@dataclasses.dataclass(frozen=True)
class Example:
    """One session file, and the voxels wanted of it."""

    content: bytes
    values: np.ndarray
    table: rois.VoxelTable
    levels: list
    chunks: np.ndarray

    @property
    def expected(self):
        return pick(self.values, self.table)

    @property
    def datum(self):
        """The first byte of a voxel that is wanted, alone in its request."""
        x, y, z = self.table.ijk[N_WANTED // 2]
        n_x, n_y, _ = SHAPE
        return int(self.chunks[(z * n_y + y) * n_x + x])

    @property
    def leaf(self):
        return int(self.levels[-1][3])


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    values = draw(SHAPE, 1)
    content = write(tmp_path_factory.mktemp("example") / "betas.hdf5", values)
    return Example(content, values, choose(SHAPE, N_WANTED, 2), *nodes_of(content))


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("AWS_", "SSL_CERT")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def server(example):
    with loopback.running() as running:
        running.add(KEY, example.content)
        yield running


@pytest.fixture
def data(default_config, server, tmp_path):
    """Section `data` for a download from `server`."""
    return default_config.data.model_copy(
        update={
            "source": "s3",
            "accept_nsd_terms": True,
            "endpoint_url": server.url,
            "store_dir": str(tmp_path / "store"),
            "attempts": 3,
            "backoff_s": 0.001,
            "parallel_ranges": 4,
            "range_gap": 0,
        }
    )


@pytest.fixture
def fetch(data, example):
    """Fetch the example's voxels; returns the session and the traffic."""

    def function(table=None, prepare=lambda connections: None, **changes):
        given = data.model_copy(update=changes)
        with transport.connect(given) as connections:
            prepare(connections)
            found = session.fetch(
                lambda: connections,
                KEY,
                table or example.table,
                Path(given.store_dir),
                given,
                lambda n: None,
            )
            return found, connections.traffic

    return function
