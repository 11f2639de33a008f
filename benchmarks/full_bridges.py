"""What the bridges read, at NSD's full size, in the project's own formats, written once.

Of the subjects of `studies/nsd-bridges.yaml` (all 40 sessions): extracts of all 30,000 trials and
the voxels of all 13 regions (about 17,000), the targets that `encoder.targets` makes of them, and
features of all their images as DINOv2 ViT-B/14 has them (a global vector, 4 x 4 tokens and four
layers of 768 channels, in half precision), and a table of tasks. Responses follow the truth of the
simulation (`full_extracts`). Features are drawn here: half of their variance is linear in that
truth, the other half is their own, with a falling spectrum. 3.4 GB a subject.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import full_extracts
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from brainworth import config, files
from brainworth.bridges.calibration import tasks
from brainworth.encoder import targets
from brainworth.encoder.features import store
from brainworth.encoder.features.block import Block
from brainworth.nsd import registry
from brainworth.nsd.simulate import anatomy, scales, truth
from brainworth.stats import stream

CHANNELS, LAYERS = 768, ("layer 3", "layer 6", "layer 9", "layer 12")
#: Images whose features are drawn at a time.
BATCH = 500


@dataclass(frozen=True)
class Inputs:
    """Where the inputs are."""

    betas: dict[str, Path]
    targets: dict[str, Path]
    features: Path
    tasks: Path


def write(
    folder: Path,
    subjects: Sequence[str],
    needed: Sequence[str],
    settings: config.Config,
    made: config.Config,
) -> Inputs:
    """Write what is not there yet, each subject in a process of its own.

    Parameters
    ----------
    subjects : sequence of str
        Whose images are described.
    needed : sequence of str
        Those of them whose responses are written.
    settings : Config
        Of the study that the bridges are of.
    made : Config
        How NSD is simulated: its section `simulation`, `rois` and `seed`.
    """
    scale = scales.SCALES[made.simulation.scale]
    (folder / "nsd").mkdir(parents=True, exist_ok=True)
    names = "-".join(subject[-2:] for subject in subjects)
    inputs = Inputs(
        {subject: folder / f"betas_{subject}.h5" for subject in needed},
        {subject: folder / f"targets_{subject}.h5" for subject in needed},
        folder / f"features_{names}.h5",
        folder / "tasks.csv",
    )
    images = truth.draw_images(scale, made.simulation, made.seed)
    trials = full_extracts.all_trials(list(subjects), made, scale)
    for subject in needed:
        if not inputs.targets[subject].exists():
            print(f"writing {inputs.betas[subject]} and its targets", flush=True)
            own = trials[trials["subject"] == subject]
            _apart(_write_subject, inputs, subject, own, images, settings, made)
    if not inputs.features.exists():
        print(f"writing {inputs.features}", flush=True)
        ids = np.unique(trials["nsd_id"])
        _apart(write_features, inputs.features, ids, images, settings, made.seed)
    if not inputs.tasks.exists():
        write_tasks(inputs.tasks, images, made)
    return inputs


def _apart(function, *arguments) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=_one_thread, args=(function, *arguments)
    )
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{function.__name__} ended with {process.exitcode}")


def _one_thread(function, *arguments) -> None:
    with threadpool_limits(1):
        function(*arguments)


def _write_subject(
    inputs: Inputs,
    subject: str,
    trials: pd.DataFrame,
    images: truth.ImageTruth,
    settings: config.Config,
    made: config.Config,
) -> None:
    scale = scales.SCALES[made.simulation.scale]
    root = inputs.features.parent / "nsd"
    if not inputs.betas[subject].exists():
        full_extracts.write_subject(inputs.betas[subject], subject, trials, images, made, scale)
    anatomy.write_rois(root, subject, anatomy.build(scale, subject, made.seed))
    table = root / registry.label_table_key(subject, registry.STREAMS)
    anatomy.write_label_table(table, registry.STREAMS)
    found = targets.make(
        inputs.betas[subject],
        root / registry.roi_key(subject, registry.STREAMS),
        table,
        **settings.encoder.targets.model_dump(),
        common_sessions=None,
        seed=settings.seed,
    )
    targets.write(inputs.targets[subject], found)


def write_features(
    path: Path,
    nsd_id: np.ndarray,
    images: truth.ImageTruth,
    settings: config.Config,
    seed: int,
) -> None:
    """Write features of images (0-based 73K ids, ascending)."""
    places = settings.encoder.features.grid**2
    known = images.features.shape[1]
    rng = stream(seed, "benchmark", "features")
    # of the truth each channel of each place reads another mixture
    maps = {
        name: rng.standard_normal((known, CHANNELS), dtype=np.float32) / np.sqrt(known)
        for name in ("global", *LAYERS, *(f"{layer} mean" for layer in LAYERS), *range(places))
    }
    turn = np.linalg.qr(rng.standard_normal((CHANNELS, CHANNELS)))[0]
    spectrum = np.arange(1, CHANNELS + 1) ** -0.5
    own = (np.sqrt(CHANNELS / np.sum(spectrum**2)) * spectrum[:, None] * turn).astype(np.float32)

    def describe(ids: np.ndarray) -> Block:
        draws = stream(seed, "benchmark", "features", int(ids[0]))
        phi = images.features[ids]

        def of(name: str | int) -> np.ndarray:
            noise = draws.standard_normal((len(ids), CHANNELS), dtype=np.float32)
            return np.sqrt(np.float32(0.5)) * (phi @ maps[name] + noise @ own)

        tokens = np.stack([of(place) for place in range(places)], axis=1)
        whole = of("global")
        layers = {layer: (of(layer), of(f"{layer} mean")) for layer in LAYERS[:-1]}
        # the last layer is what the features are made of
        return Block(whole, tokens, layers | {LAYERS[-1]: (whole, tokens.mean(axis=1))})

    origin = store.Origin("dinov2", "0" * 64, {"grid": settings.encoder.features.grid}, [*LAYERS])
    store.write(
        path,
        nsd_id,
        describe,
        origin,
        batch=BATCH,
        checkpoints=path.with_suffix(".parts"),
        say=print,
    )


def write_tasks(path: Path, images: truth.ImageTruth, made: config.Config) -> None:
    """Write labels of all images: three tasks, of which brains encode less and less."""
    planted = tasks.plant(
        images.features,
        np.arange(made.simulation.shared_features),
        [0.0, 0.2, 0.6],
        1.0,
        seed=made.seed,
        subject=registry.SUBJECTS[0],
    )
    table = pd.DataFrame(planted.labels, columns=["first", "second", "third"])
    table.insert(0, tasks.ID, planted.nsd_id)
    with files.whole(path) as part:
        table.to_csv(part, index=False)
