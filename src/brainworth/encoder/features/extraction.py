"""From the images of a study to its file of features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainworth import files
from brainworth.encoder.features import backends, from_file, store
from brainworth.nsd import stimuli


def extract(
    output: Path,
    nsd_id: np.ndarray,
    images: Path,
    features: Mapping[str, Any],
    *,
    device: str,
    checkpoints: Path,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Write the features of some images.

    Parameters
    ----------
    output : path
        The HDF5 file of the study.
    nsd_id : array of int
        0-based 73K ids, ascending, each once.
    images : path
        NSD's ``nsd_stimuli.hdf5``; for backend ``file`` the file of features.
    features : mapping
        Section `encoder.features`.
    device : str
        ``cpu`` or ``cuda``.
    checkpoints : path
        Folder of finished batches.

    Returns
    -------
    dict
        Backend, hash of its weights, settings, and sizes.

    Raises
    ------
    BrainworthError
        If images, weights or features are missing or not what they should be.
    """
    if features["backend"] == "file":
        names = from_file.check(images, nsd_id)
        settings, describe = backends.given_features(features)
        origin = store.Origin("file", files.sha256(images), settings, names)
    else:
        describer = backends.open_describer(features, device)
        origin = store.Origin(
            describer.backend, describer.weights_sha256, describer.settings, describer.layer_names
        )

        def describe(ids: np.ndarray) -> backends.Block:
            return describer.describe(stimuli.read_images(images, ids))

    sizes = store.write(
        output,
        nsd_id,
        describe,
        origin,
        batch=features["batch"],
        checkpoints=checkpoints,
        say=say,
    )
    return {
        "backend": origin.backend,
        "weights_sha256": origin.weights_sha256,
        "settings": dict(origin.settings),
        **sizes,
    }
