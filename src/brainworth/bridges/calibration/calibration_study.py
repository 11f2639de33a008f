"""What is the same for all regions of a subject: its images, and the task samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainworth.bridges.calibration.brain_inputs import ImageFeatures, Inputs
from brainworth.bridges.calibration.brain_moments import Moments
from brainworth.bridges.calibration.brain_samples import BrainSamples
from brainworth.bridges.calibration.student_trials import Lessons
from brainworth.bridges.calibration.task_alignment import TaskEstimate
from brainworth.bridges.calibration.tasks import Tasks
from brainworth.errors import BrainworthError
from brainworth.stats import stream

#: Test images at least.
LEAST_TEST = 50


@dataclass(frozen=True)
class Division:
    """Which images are for what; 0-based 73K ids.

    Attributes
    ----------
    brain : array of int
        Rows of the brain samples.
    pool, test : arrays of int
        Images of the tasks, to learn from and to test on: none of a brain sample.
    n_undescribed : int
        Brain samples whose images have no features.
    """

    brain: np.ndarray
    pool: np.ndarray
    test: np.ndarray
    n_undescribed: int


@dataclass(frozen=True)
class Study:
    """What is the same for all regions of a subject.

    Attributes
    ----------
    samples : BrainSamples
    inputs : Inputs
    x : array of shape (N, d)
        Inputs of the brain samples.
    rows, block : arrays of shape (N,), int
        Row of `samples` and block of each.
    n_brain, n_task : arrays of int
        Samples to predict at.
    names : list of str
    estimates : list of TaskEstimate
        Tasks, from all task images.
    halves : list of two Lessons
    test : Moments
    floor : array of shape (T,)
        Error of a student that knows the task on the test images.
    true_beta : array of shape (d, T) or None
        Of planted tasks.
    settings : mapping
        Section ``bridges.calibration``.
    interval : float
    seed : int
    """

    samples: BrainSamples
    inputs: Inputs
    x: np.ndarray
    rows: np.ndarray
    block: np.ndarray
    n_brain: np.ndarray
    n_task: np.ndarray
    names: list[str]
    estimates: list[TaskEstimate]
    halves: list[Lessons]
    test: Moments
    floor: np.ndarray
    true_beta: np.ndarray | None
    settings: Mapping[str, Any]
    interval: float
    seed: int

    @property
    def d(self) -> int:
        """Number of inputs."""
        return self.x.shape[1]

    @property
    def half(self) -> np.ndarray:
        """Half of the images that each brain sample belongs to: the first blocks, the last."""
        return (self.block >= self.settings["n_blocks"] // 2).astype(int)

    def recordings(self, voxels: np.ndarray) -> np.ndarray:
        """Return the brain samples of some voxels, (N, V), not to be written to.

        Those of all voxels are not copied where that can be helped: at NSD's size they are 0.6 GB.
        """
        values = self.samples.values
        everything = zip((self.rows, voxels), map(np.arange, values.shape), strict=True)
        if all(np.array_equal(chosen, places) for chosen, places in everything):
            return values
        return values[np.ix_(self.rows, voxels)]

    def stream(self, *names: str | int) -> np.random.Generator:
        """Return the random generator of a named unit of work of this subject."""
        return stream(self.seed, "bridges", "calibration", self.samples.subject, *names)


def divide(
    samples: BrainSamples,
    features: ImageFeatures,
    tasks: Tasks,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> Division:
    """Decide which images are for what.

    Test images are the shared ones that have labels, and others that the subject did not see until
    there are enough; the tasks are learned from images that the subject did not see.

    Raises
    ------
    BrainworthError
        If too few images have labels.
    """
    labelled = tasks.nsd_id[features.has(tasks.nsd_id)]
    shared = samples.shared[np.isin(samples.shared, labelled)]
    seen = np.concatenate([samples.nsd_id, samples.shared])
    others = rng.permutation(labelled[~np.isin(labelled, seen)])
    needed = 2 * settings["n_draws"] * max(_task_sizes(settings, features))
    extra = int(np.clip(settings["test_images"] - len(shared), 0, max(0, len(others) - needed)))
    pool = others[extra:][: settings["task_images"]]
    test = np.concatenate([shared, others[:extra]])
    if len(pool) < needed or len(test) < LEAST_TEST:
        raise BrainworthError(
            f"{samples.subject}: {len(pool)} images with features and labels, which the subject "
            f"did not see, are left to learn tasks from, and {len(test)} to test on; {needed} and "
            f"{LEAST_TEST} are needed: label more images, add subjects to bridges.subjects (whose "
            "images have features), or lower bridges.calibration.dimensions, n_draws or "
            "task_multiples"
        )
    described = features.has(samples.nsd_id)
    return Division(
        np.flatnonzero(described), np.sort(pool), np.sort(test), int(np.sum(~described))
    )


def _task_sizes(settings: Mapping[str, Any], features: ImageFeatures) -> list[int]:
    d = min(settings["dimensions"], features.values.shape[1])
    return [round(multiple * d) for multiple in settings["task_multiples"]]
