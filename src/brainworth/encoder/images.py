"""New images, from picture files or from HDF5, a few at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from PIL import Image, ImageOps

from brainworth.errors import BrainworthError

PICTURES = (".png", ".jpg", ".jpeg")
HDF5 = (".h5", ".hdf5")


def find(given: list[Path]) -> list[Path]:
    """List the files that are meant: those named, and the pictures of folders, by name.

    Raises
    ------
    BrainworthError
        If something does not exist or is of no kind that can be read, or a folder has no picture.
    """
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.suffix.lower() in PICTURES)
            if not inside:
                raise BrainworthError(f"{path} has no PNG or JPEG file; name another folder")
            found += inside
        elif not path.is_file():
            raise BrainworthError(f"{path} does not exist; name image files, folders or HDF5 files")
        elif path.suffix.lower() not in PICTURES + HDF5:
            raise BrainworthError(
                f"{path} is neither PNG, JPEG nor HDF5 (.h5, .hdf5); convert it to one of them"
            )
        else:
            found.append(path)
    return found


def count(files: list[Path], dataset: str | None) -> int:
    """Return how many images the files hold."""
    return sum(_shape(path, dataset)[0] if _is_hdf5(path) else 1 for path in files)


def read(
    files: list[Path], dataset: str | None, batch: int
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Read images in batches of one size.

    Parameters
    ----------
    files : list of path
        As `find` returns.
    dataset : str or None
        Of HDF5 files: uint8, images x height x width x RGB; None takes the only one.
    batch : int
        Images at a time, at most.

    Yields
    ------
    names : list of str
        The file, in HDF5 with the row (from 0) after a colon.
    images : array of shape (B, S, S, 3), uint8
        The centred squares of the images: those of NSD are square, and networks learned from them.

    Raises
    ------
    BrainworthError
        If a file cannot be read.
    """
    singles = _singles(files, dataset, batch)
    for _, same in itertools.groupby(singles, key=lambda each: each[1].shape):
        while part := list(itertools.islice(same, batch)):
            yield [name for name, _ in part], np.stack([image for _, image in part])


def _singles(
    files: list[Path], dataset: str | None, batch: int
) -> Iterator[tuple[str, np.ndarray]]:
    for path in files:
        if not _is_hdf5(path):
            yield str(path), _square(_picture(path))
            continue
        n, name = _shape(path, dataset)
        for start in range(0, n, batch):
            try:
                with h5py.File(path, "r") as file:
                    block = file[name][start : start + batch]
            except (OSError, RuntimeError) as error:
                raise BrainworthError(f"{path} cannot be read ({error}); it is damaged") from None
            for row, image in enumerate(block, start):
                yield f"{path}:{row}", _square(image)


def _picture(path: Path) -> np.ndarray:
    """Read a picture as RGB, turned as its EXIF says; transparency shows white."""
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                # Pillow would cut them at 255, which is nearly black in 16 bits.
                raise BrainworthError(
                    f"{path} has more than 8 bits a channel (mode {image.mode}); save it with 8"
                )
            upright = ImageOps.exif_transpose(image)
            if "A" in upright.getbands() or "transparency" in upright.info:
                upright = upright.convert("RGBA")
                white = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(white, upright)
            return np.asarray(upright.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BrainworthError(f"{path} cannot be read as an image ({error})") from None


def _shape(path: Path, dataset: str | None) -> tuple[int, str]:
    """Return the number of images of an HDF5 file, and the dataset that has them."""
    try:
        with h5py.File(path, "r") as file:
            fit = [name for name, each in file.items() if _holds_images(each)]
            name = dataset or (fit[0] if len(fit) == 1 else None)
            if name is None or name not in file or not _holds_images(file[name]):
                has = f"it has {', '.join(fit)}: say which by --dataset" if fit else "it has none"
                raise BrainworthError(
                    f"{path} must have a dataset of uint8, images x height x width x 3; of that "
                    f"kind {has}"
                )
            return file[name].shape[0], name
    except (OSError, RuntimeError) as error:
        raise BrainworthError(f"{path} cannot be read as HDF5 ({error})") from None


def _holds_images(item: h5py.Group | h5py.Dataset) -> bool:
    return (
        isinstance(item, h5py.Dataset)
        and item.dtype == np.uint8
        and item.ndim == 4
        and item.shape[3] == 3
        and min(item.shape) > 0
    )


def _is_hdf5(path: Path) -> bool:
    return path.suffix.lower() in HDF5


def _square(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]
