"""The features of all images of a study, in one HDF5 file.

Extraction can take hours, so it is kept batch by batch beside the file; a job that was killed goes
on from the batches that are whole and belong to the same images, settings and weights. Numbers are
kept in half precision, as they are used in no better.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from brainworth import files, hdf5
from brainworth.encoder.features.block import Block
from brainworth.errors import BrainworthError

SCHEMA = "brainworth-features/1"
BATCH_SCHEMA = "brainworth-features-batch/1"
_CHUNK_BYTES = 2**20
#: Images at a time, where all of them would fill gigabytes.
BLOCK = 64


@dataclass(frozen=True)
class Features:
    """Features of N images.

    Attributes
    ----------
    nsd_id : array of shape (N,), int64
        0-based 73K ids, in the order asked for; may repeat.
    global_ : array of shape (N, G), float32
    tokens : array of shape (N, P, C), float32, or float16 if asked for
        Row by row (y, x); P = 0 if they were not asked for.
    layers : dict from name to (global, mean token), arrays of shape (N, G_l) and (N, C_l), float32
        From the lowest.
    backend : str
        ``gabor``, ``dinov2`` or ``file``.
    weights_sha256 : str
        Of the weights, or of the file that the features come from; empty for gabor.
    """

    nsd_id: np.ndarray
    global_: np.ndarray
    tokens: np.ndarray
    layers: dict[str, tuple[np.ndarray, np.ndarray]]
    backend: str
    weights_sha256: str


@dataclass(frozen=True)
class Origin:
    """What features depend on, beside the images.

    Attributes
    ----------
    backend, weights_sha256 : str
    settings : dict
    layer_names : list of str
    """

    backend: str
    weights_sha256: str
    settings: Mapping[str, Any]
    layer_names: list[str]

    def text(self) -> str:
        """Return it as canonical JSON."""
        return json.dumps(vars(self), sort_keys=True, default=dict)


def write(
    output: Path,
    nsd_id: np.ndarray,
    describe: Callable[[np.ndarray], Block],
    origin: Origin,
    *,
    batch: int,
    checkpoints: Path,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Describe images and write their features.

    Parameters
    ----------
    output : path
        The HDF5 file.
    nsd_id : array of shape (N,), int
        0-based 73K ids, ascending, each once.
    describe : callable
        From at most `batch` ids to their features.
    origin : Origin
    batch : int
        Images at a time.
    checkpoints : path
        Folder of finished batches; removed once the file is there.
    say : callable
        Called with a line about what is resumed.

    Returns
    -------
    dict
        Sizes: images, global, tokens, channels.

    Raises
    ------
    BrainworthError
        If a feature is not a number or too large for half precision.
    """
    nsd_id = np.asarray(nsd_id, dtype=np.int64)
    if not nsd_id.size or np.any(np.diff(nsd_id) <= 0):
        raise ValueError("nsd_id must ascend")
    parts = [nsd_id[start : start + batch] for start in range(0, len(nsd_id), batch)]
    paths = [checkpoints / f"batch_{number:05d}.h5" for number in range(len(parts))]
    resumed = 0
    with tqdm(desc="images", total=len(nsd_id), unit="image", disable=None) as bar:
        for ids, path in zip(parts, paths, strict=True):
            key = _key(origin, ids)
            if _read_batch(path, key, origin) is None:
                _write_batch(path, key, _halved(describe(ids), ids, origin))
            else:
                resumed += len(ids)
            bar.update(len(ids))
    if resumed:
        say(f"{resumed} of {len(nsd_id)} images were described before, by a job that did not end")
    sizes = _assemble(output, nsd_id, parts, paths, describe, origin)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return sizes


def read(
    path: Path, nsd_id: np.ndarray | None = None, *, tokens: bool = True, half: bool = False
) -> Features:
    """Read features.

    Parameters
    ----------
    nsd_id : array of shape (N,), int, optional
        0-based 73K ids in any order, may repeat; all of the file by default.
    tokens : bool
        False leaves out the tokens, most of the file.
    half : bool
        Keep tokens in half precision, as the file does; at NSD's size they are 3.9 GB so, and
        twice as much in single precision.

    Raises
    ------
    BrainworthError
        If the file is missing or damaged, or lacks an image.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("schema") != SCHEMA:
                raise BrainworthError(
                    f"{path} is no file of features of schema {SCHEMA}; delete it and run again"
                )
            there = file["nsd_id"][:]
            wanted = there if nsd_id is None else np.asarray(nsd_id, dtype=np.int64)
            rows = np.searchsorted(there, wanted)
            found = there[np.minimum(rows, len(there) - 1)] == wanted
            if not found.all():
                raise BrainworthError(
                    f"{path} lacks {np.unique(wanted[~found]).size} of the images asked for, the "
                    f"first is nsd_id {wanted[~found][0]} (from 0); delete it and run again"
                )
            n_tokens = file["tokens"].shape[1:]
            return Features(
                nsd_id=wanted,
                global_=_take(file["global"], rows),
                tokens=_take(file["tokens"], rows, np.float16 if half else np.float32)
                if tokens
                else np.empty((len(rows), 0, n_tokens[1]), dtype=np.float32),
                layers={
                    name: (
                        _take(file[f"layers/{name}/global"], rows),
                        _take(file[f"layers/{name}/mean_token"], rows),
                    )
                    for name in map(str, file.attrs["layer_names"])
                },
                backend=str(file.attrs["backend"]),
                weights_sha256=str(file.attrs["weights_sha256"]),
            )
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; run the rule that writes it") from None
    except (OSError, RuntimeError, KeyError) as error:
        raise BrainworthError(f"{path} cannot be read ({error}); delete it and run again") from None


def standardise(features: Features, train_rows: np.ndarray) -> Features:
    """Give every channel mean 0 and SD 1 over the training images.

    Parameters
    ----------
    train_rows : array of int
        Rows of training images; nothing else is looked at. A channel of the tokens has one mean
        and one SD, over images and places.

    Notes
    -----
    A channel that does not vary among training images becomes 0 everywhere: it can predict nothing.
    """
    return replace(
        features,
        global_=_scaled(features.global_, train_rows),
        tokens=_scaled(features.tokens, train_rows),
        layers={
            name: (_scaled(first, train_rows), _scaled(second, train_rows))
            for name, (first, second) in features.layers.items()
        },
    )


def scale_of(values: np.ndarray, train_rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what standardises channels: (value - centre) * gain.

    Parameters
    ----------
    values : array of shape (N, ..., C)
    train_rows : array of int
        All that is looked at, a block at a time: full-size tokens fill gigabytes.

    Returns
    -------
    centre, gain : arrays of shape (C,), float64
        The gain is 0 where a channel does not vary.
    """
    axes = tuple(range(values.ndim - 1))
    starts = range(0, len(train_rows), BLOCK)
    blocks = [train_rows[start : start + BLOCK] for start in starts]
    n = len(train_rows) * (values[0].size / values.shape[-1])
    mean = sum(values[rows].sum(axis=axes, dtype=np.float64) for rows in blocks) / n
    total = sum(np.square(values[rows] - mean).sum(axis=axes) for rows in blocks)
    spread = np.sqrt(total / n)
    flat = spread <= 1e-6 * np.maximum(1.0, np.abs(mean))
    return mean, np.where(flat, 0.0, 1 / np.where(flat, 1.0, spread))


def scaled(values: np.ndarray, centre: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Return (value - centre) * gain, float32, by what `scale_of` returned."""
    scaled = np.subtract(values, centre.astype(np.float32), dtype=np.float32)
    scaled *= gain.astype(np.float32)
    return scaled


def _scaled(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return scaled(values, *scale_of(values, rows)) if values.size else values


def _take(
    dataset: h5py.Dataset, rows: np.ndarray, dtype: type[np.floating] = np.float32
) -> np.ndarray:
    """Read rows in any order, each chunk of the file once."""
    found = np.empty((len(rows), *dataset.shape[1:]), dtype=dtype)
    step = max(1, dataset.chunks[0]) if dataset.chunks else len(dataset)
    order = np.argsort(rows, kind="stable")
    sorted_rows = rows[order]
    first = 0
    while first < len(order):
        start = int(sorted_rows[first]) // step * step
        last = int(np.searchsorted(sorted_rows, start + step))
        found[order[first:last]] = dataset[start : start + step][sorted_rows[first:last] - start]
        first = last
    return found


def _key(origin: Origin, ids: np.ndarray) -> str:
    """Return a digest of all that a batch depends on."""
    digest = hashlib.sha256(origin.text().encode())
    digest.update(np.asarray(ids, dtype=np.int64).tobytes())
    return digest.hexdigest()


def _halved(block: Block, ids: np.ndarray, origin: Origin) -> Block:
    """Round to half precision, and refuse what is no number there."""
    if list(block.layers) != list(origin.layer_names):
        raise ValueError(f"layers {list(block.layers)}, expected {origin.layer_names}")

    def half(values: np.ndarray, what: str) -> np.ndarray:
        if len(values) != len(ids):
            raise ValueError(f"{what}: {len(values)} rows for {len(ids)} images")
        with np.errstate(over="ignore"):
            rounded = np.asarray(values).astype(np.float16)
        wrong = ~np.isfinite(rounded.reshape(len(ids), -1)).all(axis=1)
        if wrong.any():
            raise BrainworthError(
                f"features of {origin.backend}: {what} of the image of nsd_id {ids[wrong][0]} "
                "(from 0) is not a number, or above 65504; check images, weights or file"
            )
        return rounded

    return Block(
        half(block.global_, "the global vector"),
        half(block.tokens, "a token"),
        {
            name: (half(first, f"the global vector of {name}"), half(second, f"a token of {name}"))
            for name, (first, second) in block.layers.items()
        },
    )


def _datasets(block: Block) -> Iterator[tuple[str, np.ndarray]]:
    yield "global", block.global_
    yield "tokens", block.tokens
    for name, (first, second) in block.layers.items():
        yield f"layers/{name}/global", first
        yield f"layers/{name}/mean_token", second


def _write_batch(path: Path, key: str, block: Block) -> None:
    with files.whole(path) as part, h5py.File(part, "w") as file:
        file.attrs["schema"] = BATCH_SCHEMA
        file.attrs["key"] = key
        for name, values in _datasets(block):
            hdf5.store(file, name, values)


def _read_batch(path: Path, key: str, origin: Origin) -> Block | None:
    """Read a finished batch; None if there is none, or it is damaged or of something else."""
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("schema") != BATCH_SCHEMA or file.attrs.get("key") != key:
                return None
            return Block(
                file["global"][:],
                file["tokens"][:],
                {
                    name: (
                        file[f"layers/{name}/global"][:],
                        file[f"layers/{name}/mean_token"][:],
                    )
                    for name in origin.layer_names
                },
            )
    except (OSError, RuntimeError, KeyError):
        return None


def _assemble(
    output: Path,
    nsd_id: np.ndarray,
    parts: list[np.ndarray],
    paths: list[Path],
    describe: Callable[[np.ndarray], Block],
    origin: Origin,
) -> dict[str, Any]:
    """Join the batches in one file, and describe again what is gone.

    As when a job outlived its main process, was started again, and ended before its successor.
    """
    n = len(nsd_id)
    with files.whole(output) as part, h5py.File(part, "w") as file:
        file.attrs["schema"] = SCHEMA
        file.attrs["backend"] = origin.backend
        file.attrs["weights_sha256"] = origin.weights_sha256
        file.attrs["settings"] = json.dumps(dict(origin.settings), sort_keys=True)
        file.attrs["layer_names"] = np.array(origin.layer_names, dtype=h5py.string_dtype())
        hdf5.store(file, "nsd_id", nsd_id)
        start = 0
        for ids, path in zip(parts, paths, strict=True):
            block = _read_batch(path, _key(origin, ids), origin)
            if block is None:
                block = _halved(describe(ids), ids, origin)
            for name, values in _datasets(block):
                if not start:
                    rows = max(1, min(n, _CHUNK_BYTES // max(1, values[0].nbytes)))
                    file.create_dataset(
                        name,
                        (n, *values.shape[1:]),
                        np.float16,
                        chunks=(rows, *values.shape[1:]),
                        fletcher32=True,
                    )
                file[name][start : start + len(ids)] = values
            start += len(ids)
        return {
            "n_images": n,
            "n_global": file["global"].shape[1],
            "n_tokens": file["tokens"].shape[1],
            "n_channels": file["tokens"].shape[2],
            "layers": [
                {
                    "layer": name,
                    "n_global": file[f"layers/{name}/global"].shape[1],
                    "n_channels": file[f"layers/{name}/mean_token"].shape[1],
                }
                for name in origin.layer_names
            ],
        }
