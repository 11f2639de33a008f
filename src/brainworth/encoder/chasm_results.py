"""What the fit of CHASMBrain to one subject says, ready for JSON, and its predictions as a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from brainworth import hdf5
from brainworth.encoder import scores
from brainworth.encoder.chasm import Fit
from brainworth.encoder.targets import Targets
from brainworth.errors import BrainworthError
from brainworth.files import whole

SCHEMA = "brainworth-predictions/1"
LABEL = "CHASMBrain"


def describe(
    found: Fit,
    targets: Targets,
    settings: Mapping[str, Any],
    *,
    backend: str,
    weights_sha256: str,
    interval: float,
    seed: int,
) -> dict[str, Any]:
    """Score a fit on the test images.

    Parameters
    ----------
    found : Fit
    targets : Targets
    settings : mapping
        Section ``scores``.
    backend, weights_sha256 : str
        Of the features.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.

    Returns
    -------
    dict
        ``subject``, ``backend``, ``weights_sha256``, ``n_images`` by part, ``sizes``, and ``rows``
        with the one row ``chasm``: scores of clusters (``stage1``) and of ``voxels``;
        ``parameters`` and ``macs`` of both stages together; ``curve`` of stage 2; all of that by
        stage in ``stages``; ``learned``, how the network weighs its parts.
    """
    rows, parts = found.data.rows, found.data.parts
    common: dict[str, Any] = {
        "n_repeats": targets.n_repeats[rows["test"]],
        "min_ceiling": settings["min_ceiling"],
        "n_bootstrap": settings["n_bootstrap"],
        "interval": interval,
        "seed": seed,
        "name": targets.subject,
    }
    score_of = {}
    for what, predictions, ncsnr, noise in (
        ("rois", found.rois, None, None),
        ("voxels", found.voxels, targets.ncsnr, targets.noise_variance),
    ):
        score_of[what] = scores.score(
            predictions["test"].numpy(),
            parts["test"][what].numpy(),
            ncsnr=ncsnr,
            noise_variance=noise,
            recalibration=(predictions["validation"].numpy(), parts["validation"][what].numpy()),
            **common,
        )
    stages = {
        stage: asdict(found.counts[stage]) | found.histories[stage].data()
        for stage in ("stage1", "stage2")
    }
    row = {
        "row": "chasm",
        "label": LABEL,
        "stage1": score_of["rois"],
        "voxels": score_of["voxels"],
        "parameters": sum(each.parameters for each in found.counts.values()),
        "macs": sum(each.macs for each in found.counts.values()),
        "curve": stages["stage2"]["epochs"],
        "stages": stages,
        "learned": _learned(found),
    }
    return {
        "subject": targets.subject,
        "backend": backend,
        "weights_sha256": weights_sha256,
        "n_images": {name: len(chosen) for name, chosen in rows.items()},
        "sizes": found.data.shapes,
        "rows": [row],
    }


def write_predictions(
    path: Path,
    rows: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    also: Path | None = None,
) -> None:
    """Write predictions of test images, one group a model.

    Parameters
    ----------
    path : path
        HDF5; each group has the datasets ``nsd_id`` (N,), 0-based 73K ids, ``predicted`` and
        ``observed`` (N, V), on the scale of the targets.
    rows : mapping from model to (nsd_id, predicted, observed)
    also : path, optional
        A file of this kind, or one that has such groups, whose groups are copied; of the same
        images.

    Raises
    ------
    BrainworthError
        If `also` cannot be read, or has other images.
    """
    with whole(path) as part, h5py.File(part, "w") as file:
        file.attrs["schema"] = SCHEMA
        everything = (_read_predictions(also) if also else {}) | dict(rows)
        first = next(iter(rows.values()))[0]
        for name, (nsd_id, predicted, observed) in everything.items():
            if not np.array_equal(nsd_id, first):
                raise BrainworthError(
                    f"{also}: the predictions of {name} are of other images than those of "
                    f"{', '.join(rows)}; delete it and run again"
                )
            group = file.create_group(name)
            hdf5.store(group, "nsd_id", np.asarray(nsd_id, dtype=np.int64))
            hdf5.store(group, "predicted", np.asarray(predicted, dtype=np.float32))
            hdf5.store(group, "observed", np.asarray(observed, dtype=np.float32))


def _read_predictions(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    try:
        with h5py.File(path, "r") as file:
            return {
                name: tuple(group[each][:] for each in ("nsd_id", "predicted", "observed"))
                for name, group in file.items()
                if isinstance(group, h5py.Group) and "predicted" in group
            }
    except (OSError, RuntimeError, KeyError) as error:
        raise BrainworthError(f"{path} cannot be read ({error}); delete it and run again") from None


def _learned(found: Fit) -> dict[str, float]:
    """Return how the network weighs its parts, over the test images."""
    part = found.data.parts["test"]
    with torch.no_grad():
        gate = found.stage1(part["global"], part["tokens"]).gate[:, 0]
        out = found.stage2(part["global"], part["mean_token"], found.rois["test"])
    return {
        "share_of_global_stream": gate.mean().item(),
        "sd_of_global_stream": gate.std(correction=0).item(),
        "share_of_holistic_decoder": torch.sigmoid(found.stage2.balance).item(),
        "mean_scale": out.scale.mean().item(),
        "sd_scale": out.scale.std(correction=0).item(),
    }
