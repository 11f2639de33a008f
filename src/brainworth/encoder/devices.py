"""Where networks run, and how: deterministic on a GPU too."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from brainworth.errors import BrainworthError

#: Share of a card's free memory that training data may fill: the rest is for the network, and for
#: other jobs on the card.
SHARE_OF_CARD = 0.5
#: How CUDA and its libraries say that there is no memory left.
_FULL = ("out of memory", "ALLOC_FAILED")


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
    filled = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    # Else every new tensor is filled with NaN first, a third of all kernels.
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        with single_precision():
            yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = filled


@contextlib.contextmanager
def single_precision() -> Iterator[None]:
    """Let convolutions and recurrent networks that are given float32 on a GPU compute in it.

    PyTorch's default there is TF32, with 10 bits of mantissa; maps are float32 by default.
    """
    kinds = (torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
    before = [kind.fp32_precision for kind in kinds]
    for kind in kinds:
        kind.fp32_precision = "ieee"
    try:
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


def half_precision(device: torch.device) -> torch.autocast:
    """Let maps compute in bfloat16 on a GPU; on a CPU that is slower, and is not done."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def resident(batch: Mapping[str, Tensor], device: torch.device | str) -> dict[str, Tensor]:
    """Move data to a GPU if there is room; else, and for a CPU, return it as it is.

    Batches that are taken from data on the card cost no copy. NSD's tokens of a subject are 6 GB.
    """
    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if sum(each.nbytes for each in batch.values()) <= SHARE_OF_CARD * free:
            return {name: each.to(device) for name, each in batch.items()}
    return dict(batch)


@contextlib.contextmanager
def enough_memory(what: str, way_out: str) -> Iterator[None]:
    """Say what to do when a GPU has no memory left.

    Parameters
    ----------
    what : str
        What is being done.
    way_out : str
        What to lower.

    Raises
    ------
    BrainworthError
        In the place of PyTorch's error.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(words in str(error) for words in _FULL):
            raise
        room = ""
        if torch.cuda.is_available():
            free, total = (each / 1e9 for each in torch.cuda.mem_get_info())
            room = f" ({free:.1f} of {total:.1f} GB are free)"
        raise BrainworthError(
            f"{what}: the GPU has not enough memory{room}; {way_out}, end other jobs on this GPU, "
            "or set encoder.device to cpu"
        ) from None
