"""Times of trainings: of their steps, launched and replayed, their validations and the rest."""

from __future__ import annotations

import fcntl
import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from brainworth.encoder import train


class Watch:
    """Measures the trainings of a process, and lets one process train at a time.

    A GPU launches all kernels of the first epoch of a training, and replays steps of the others.
    """

    def __init__(self, lock: Path, device: torch.device) -> None:
        self.lock, self.device = lock, device
        self.trainings: list[dict[str, Any]] = []
        self.waited = 0.0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process trains."""
        start = time.perf_counter()
        with self.lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.waited += time.perf_counter() - start
            yield

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take the times of epochs, steps and validations of all trainings."""
        kind = train._Training
        epoch, step, validate = kind.epoch, kind._step, kind._validate

        def timed_epoch(training: Any, validation: Any) -> dict[str, Any]:
            if not training.history.epochs:
                self.trainings.append(self.describe(training))
            mine = self.trainings[-1]
            training.replayed = mine["replayed"] and bool(training.history.epochs)
            with self.alone():
                row = epoch(training, validation)
            ends = mine.pop("ends")
            gaps = [b - a for a, b in itertools.pairwise(ends)]
            typical = statistics.median(gaps) if gaps else row["seconds"]
            rest = row["seconds"] - mine["validation_s"][-1] - typical * training.n_batches
            mine["step_s"].append(typical)
            mine["overhead_s"].append(max(0.0, rest))
            mine["seconds"].append(row["seconds"])
            mine["ends"] = []
            if self.device.type == "cuda":
                mine["gpu_gb"] = torch.cuda.max_memory_allocated() / 1e9
            return row

        def timed_step(training: Any, *given: Any) -> Any:
            answer = step(training, *given)
            self.trainings[-1]["ends"].append(time.perf_counter())
            return answer

        def timed_validation(training: Any, *given: Any) -> float:
            start = time.perf_counter()
            answer = validate(training, *given)
            self.trainings[-1]["validation_s"].append(time.perf_counter() - start)
            return answer

        kind.epoch, kind._step, kind._validate = timed_epoch, timed_step, timed_validation
        try:
            yield
        finally:
            kind.epoch, kind._step, kind._validate = epoch, step, validate

    def describe(self, training: Any) -> dict[str, Any]:
        """Return what is known of a training before its first epoch."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        return {
            "name": list(training.name),
            "parameters": sum(each.numel() for each in training.model.parameters()),
            "n_images": training.n_images,
            "batch": training.settings["batch"],
            "replayed": training.replayed,
            "data_gb": sum(each.nbytes for each in training.batches.values()) / 1e9,
            **{key: [] for key in ("ends", "step_s", "overhead_s", "validation_s", "seconds")},
        }
