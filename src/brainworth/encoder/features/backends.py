"""The three ways to describe images: `gabor`, `dinov2`, `file`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainworth.encoder.features import from_file, gabor, weights
from brainworth.encoder.features.block import Block
from brainworth.errors import BrainworthError


@dataclass(frozen=True)
class Describer:
    """A backend that describes pixels.

    Attributes
    ----------
    backend : str
    weights_sha256 : str
        Empty where there are no weights.
    settings : dict
        All that the features depend on beside image and weights.
    layer_names : list of str
    describe : callable
        From uint8 images (B, H, W, 3) to a Block.
    """

    backend: str
    weights_sha256: str
    settings: dict[str, Any]
    layer_names: list[str]
    describe: Callable[[np.ndarray], Block]


def open_describer(features: Mapping[str, Any], device: str = "cpu") -> Describer:
    """Make ready to describe images.

    Parameters
    ----------
    features : mapping
        Section `encoder.features`.
    device : str
        ``cpu`` or ``cuda``; only dinov2 uses it.

    Raises
    ------
    BrainworthError
        If the weights are not there or not the right ones, or features come from a file.
    """
    grid = features["grid"]
    if features["backend"] == "gabor":
        bank = dict(features["gabor"])
        if bank["image_size"] % gabor.GRID:
            raise BrainworthError(
                f"encoder.features.gabor.image_size: {bank['image_size']} is no multiple of "
                f"{gabor.GRID}, the cells along a side"
            )
        return Describer(
            "gabor",
            "",
            {"grid": grid, **bank},
            gabor.layer_names(bank["scales"]),
            functools.partial(gabor.describe, grid=grid, **bank),
        )
    if features["backend"] == "dinov2":
        # Only here, since it imports transformers, which need not be installed.
        from brainworth.encoder.features import dinov2

        path = Path(features["weights"])
        sha256 = weights.check(path, features["sha256"])
        model = dinov2.load(path, device=device)
        return Describer(
            "dinov2",
            sha256,
            {"grid": grid, "image_size": dinov2.SIZE, "resize": "bicubic", "layernorm": "all"},
            dinov2.layer_names(),
            functools.partial(dinov2.describe, model=model, grid=grid),
        )
    raise BrainworthError(
        "encoder.features.backend is file, which has features of its own images only; set it to "
        "gabor or dinov2 to describe new images"
    )


def given_features(features: Mapping[str, Any]) -> tuple[dict[str, Any], Callable]:
    """Return the settings of backend `file`, and what reads features of images by nsd_id."""
    path, grid = Path(features["file"]), features["grid"]
    return {"grid": grid}, functools.partial(from_file.describe, path, grid=grid)
