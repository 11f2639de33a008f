"""Random streams of PyTorch, named as those of `brainworth.stats`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from brainworth.stats import stream


def torch_seed(seed: int, *names: str | int) -> int:
    """Return a seed for PyTorch from the root seed and the name of a unit of work."""
    return int(stream(seed, *names).integers(2**63))


def generator(seed: int, *names: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return PyTorch's random generator of a named unit of work."""
    return torch.Generator(device=device).manual_seed(torch_seed(seed, *names))


@contextlib.contextmanager
def seeded(seed: int, *names: str | int, device: str | torch.device = "cpu") -> Iterator[None]:
    """Let PyTorch's global generators, as initialisation and drop-out use them, start here.

    Their states are put back at the end.
    """
    device = torch.device(device)
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(torch_seed(seed, *names))
        yield
