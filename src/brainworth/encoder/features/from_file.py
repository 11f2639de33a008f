"""Features that somebody else computed: an HDF5 file (docs/features.md)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from brainworth.encoder.features.block import Block
from brainworth.errors import BrainworthError

MANUAL = "docs/features.md says what the file must hold"
#: Where the configuration names the file.
KEY = "encoder.features.file"


def check(path: Path, nsd_id: np.ndarray, *, tokens: bool = True, key: str = KEY) -> list[str]:
    """Check a file and return its names of layers, from the lowest.

    Parameters
    ----------
    nsd_id : array of int
        0-based 73K ids that it must have.
    tokens : bool
        Whether it must have tokens.
    key : str
        What messages say names the file.

    Raises
    ------
    BrainworthError
        If it is missing or damaged, a dataset is missing or of another shape or kind, an id occurs
        twice, or an image is not in it.
    """
    with _open(path, key) as file:
        ids = _ids(file, path)
        absent = np.setdiff1d(nsd_id, ids)
        if absent.size:
            raise BrainworthError(
                f"{path} lacks {absent.size} of the {len(nsd_id)} images of the study, the first "
                f"is nsd_id {absent[0]} (from 0); {MANUAL}"
            )
        _numbers(file, path, "global", (len(ids), None))
        if tokens:
            n_tokens = _numbers(file, path, "tokens", (len(ids), None, None)).shape[1]
            side = round(np.sqrt(n_tokens))
            if side * side != n_tokens:
                raise BrainworthError(
                    f"{path}: tokens has {n_tokens} tokens an image, expected a square number "
                    f"(row by row); {MANUAL}"
                )
        names = _layer_names(file)
        for name in names:
            _numbers(file, path, f"layers/{name}/global", (len(ids), None))
            _numbers(file, path, f"layers/{name}/mean_token", (len(ids), None))
        return names


def describe(path: Path, nsd_id: np.ndarray, *, grid: int | None, key: str = KEY) -> Block:
    """Read the features of some images, which `check` found to be there.

    Parameters
    ----------
    grid : int or None
        Tokens along a side that are wanted; those of the file are averaged to them. None reads no
        tokens.
    key : str
        What messages say names the file.

    Raises
    ------
    BrainworthError
        Also if the tokens of the file cannot be averaged to such a grid.
    """
    with _open(path, key) as file:
        ids = _ids(file, path)
        order = np.argsort(ids)
        rows = order[np.searchsorted(ids[order], nsd_id)]
        tokens = np.empty((len(rows), 0, 0), dtype=np.float32)
        if grid is not None:
            tokens = _pool(_rows(file["tokens"], rows), grid, path)
        layers = {
            name: (
                _rows(file[f"layers/{name}/global"], rows),
                _rows(file[f"layers/{name}/mean_token"], rows),
            )
            for name in _layer_names(file)
        }
        return Block(_rows(file["global"], rows), tokens, layers)


def _pool(tokens: np.ndarray, grid: int, path: Path) -> np.ndarray:
    side = round(np.sqrt(tokens.shape[1]))
    if side % grid:
        raise BrainworthError(
            f"encoder.features.grid: {path} has {side} x {side} tokens an image, which cannot be "
            f"averaged to {grid} x {grid}; choose a grid that divides {side}"
        )
    step = side // grid
    split = tokens.reshape(len(tokens), grid, step, grid, step, tokens.shape[2])
    return split.mean(axis=(2, 4), dtype=np.float64).reshape(len(tokens), grid * grid, -1)


def _rows(dataset: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Read rows in any order."""
    return np.stack([dataset[int(row)] for row in rows]).astype(np.float32)


def _ids(file: h5py.File, path: Path) -> np.ndarray:
    ids = file.get("nsd_id")
    if not isinstance(ids, h5py.Dataset) or ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise BrainworthError(f"{path} has no vector nsd_id of integers (from 0); {MANUAL}")
    values = ids[:].astype(np.int64)
    if np.unique(values).size != values.size:
        raise BrainworthError(f"{path}: an nsd_id occurs twice; {MANUAL}")
    return values


def _numbers(file: h5py.File, path: Path, name: str, shape: tuple[int | None, ...]) -> h5py.Dataset:
    dataset = file.get(name)
    right = isinstance(dataset, h5py.Dataset) and dataset.ndim == len(shape)
    right = right and dataset.dtype.kind in "fiu" and min(dataset.shape) > 0
    if not right or any(
        wanted not in (None, found) for wanted, found in zip(shape, dataset.shape, strict=True)
    ):
        kind = {2: "images x channels", 3: "images x tokens x channels"}[len(shape)]
        raise BrainworthError(
            f"{path} has no numbers '{name}' of shape {kind}, {shape[0]} images; {MANUAL}"
        )
    return dataset


def _layer_names(file: h5py.File) -> list[str]:
    """Name the layers in the order of the attribute `layer_names`, or of their names."""
    if "layers" not in file:
        return []
    named = [str(name) for name in file.attrs.get("layer_names", ())]
    return named or sorted(file["layers"])


@contextlib.contextmanager
def _open(path: Path, key: str) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except FileNotFoundError:
        raise BrainworthError(f"{key}: {path} does not exist; {MANUAL}") from None
    except (OSError, RuntimeError) as error:
        raise BrainworthError(f"{key}: {path} cannot be read as HDF5 ({error}); {MANUAL}") from None
