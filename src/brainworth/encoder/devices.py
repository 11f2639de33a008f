"""Where networks run, and how: deterministic on a GPU too."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from brainworth.errors import BrainworthError


def pick(name: str) -> torch.device:
    """Return the device that ``encoder.device`` names: cpu, cuda or auto.

    Raises
    ------
    BrainworthError
        For cuda where PyTorch finds no GPU.
    """
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise BrainworthError(
            "encoder.device is cuda, and PyTorch finds no GPU here (torch.cuda.is_available() is "
            "false); install a CUDA build of PyTorch, or set encoder.device to cpu or auto"
        )
    return torch.device("cuda" if found and name != "cpu" else "cpu")


@contextlib.contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Let a GPU compute the same numbers every time; a CPU with one thread does so anyway.

    Notes
    -----
    cuBLAS reads ``CUBLAS_WORKSPACE_CONFIG`` when it is first used in a process.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def half_precision(device: torch.device) -> torch.autocast:
    """Let maps compute in bfloat16 on a GPU; on a CPU that is slower, and is not done."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")
