"""The images that were shown: ``nsd_stimuli.hdf5`` (manual: Experiments).

Dataset ``imgBrick``, uint8, stimuli x height x width x RGB; its row is the 0-based 73K id.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from brainworth.errors import BrainworthError

DATASET = "imgBrick"


def read_images(path: Path, nsd_id: np.ndarray) -> np.ndarray:
    """Read images.

    Parameters
    ----------
    path : path
        NSD's file, or a simulated one.
    nsd_id : array of shape (B,), int
        0-based 73K ids.

    Returns
    -------
    array of shape (B, H, W, 3), uint8
        RGB, in the order asked for.

    Raises
    ------
    BrainworthError
        If the file is missing, damaged or not what it should be, or has no such image.
    """
    try:
        with h5py.File(path, "r") as file:
            brick = file.get(DATASET)
            right = isinstance(brick, h5py.Dataset) and brick.dtype == np.uint8
            if not right or brick.ndim != 4 or brick.shape[3] != 3:
                raise BrainworthError(
                    f"{path} has no dataset {DATASET} of uint8, images x height x width x 3; it is "
                    "not NSD's file of stimuli: fetch or simulate it again"
                )
            outside = [int(image) for image in nsd_id if not 0 <= image < len(brick)]
            if outside:
                raise BrainworthError(
                    f"{path} has {len(brick)} images, and not the nsd_id {outside[0]} (from 0); "
                    "design and images are not of one experiment"
                )
            # One by one: HDF5 is slow at picking from a list.
            images = np.empty((len(nsd_id), *brick.shape[1:]), dtype=np.uint8)
            for row, image in enumerate(nsd_id):
                images[row] = brick[int(image)]
            return images
    except FileNotFoundError:
        raise BrainworthError(
            f"{path} does not exist; fetch it, or check the data folder"
        ) from None
    except (OSError, RuntimeError) as error:
        raise BrainworthError(
            f"{path} cannot be read ({error}); it is truncated or damaged: delete it and fetch or "
            "simulate it again"
        ) from None
