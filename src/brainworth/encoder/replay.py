"""Gradients of batches; a GPU replays those of a batch it has seen, as one launch.

A step of a Mamba network is thousands of small kernels, and most of its time goes into launching
them one by one. Kernels that were recorded once (a CUDA graph) run again without that. What is
recorded is exactly what is run otherwise, with places in memory in the place of tensors.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from brainworth.errors import BrainworthError

#: Batches of one size, in an epoch, from which on recording pays: it takes as long as a few steps.
FEWEST = 16


class Gradients:
    """Computes the gradients of the batches of one epoch.

    Of the batches of the commonest size the first is computed as it is, which also loads what is
    loaded at first use; the second is recorded, and that is replayed for the others. An epoch
    records anew, since its number may be part of a loss.

    Parameters
    ----------
    compute : callable
        Of a batch: sets the gradients of the parameters and returns numbers about them, a tensor.
    parameters : list of Parameter
    sizes : list of int
        Images of the batches that will come.
    draws : torch.Generator
        Random numbers that `compute` draws, beside those of the device's own generator.
    replayed : bool
        Whether to record at all; only for a GPU.
    """

    def __init__(
        self,
        compute: Callable[[dict[str, Tensor]], Tensor],
        parameters: list[nn.Parameter],
        sizes: list[int],
        draws: torch.Generator,
        replayed: bool,
    ) -> None:
        self.compute, self.parameters, self.draws = compute, parameters, draws
        size, count = Counter(sizes).most_common(1)[0]
        self.size = size if replayed and count >= FEWEST else None
        self.recorded: _Recorded | None = None
        self.begun = False

    def __call__(self, batch: dict[str, Tensor]) -> Tensor:
        """Set the gradients of a batch, and return the numbers about them."""
        common = len(next(iter(batch.values()))) == self.size
        if not (common and self.begun):
            self.begun |= common
            return self.compute(batch)
        if self.recorded is None:
            self.recorded = _Recorded(self, batch)
        return self.recorded.replay(batch)


class _Recorded:
    """The kernels of a batch, and where their inputs and results are."""

    def __init__(self, of: Gradients, batch: dict[str, Tensor]) -> None:
        self.parameters = of.parameters
        self.batch = {name: each.clone() for name, each in batch.items()}
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(of.draws)
        stream = torch.cuda.current_stream()
        with _one_sentence(), torch.cuda.graph(self.graph, stream=stream):
            self.numbers = of.compute(self.batch)
        self.gradients = [each.grad for each in self.parameters]

    def replay(self, batch: dict[str, Tensor]) -> Tensor:
        """Run the kernels on another batch of the same size."""
        for name, each in batch.items():
            self.batch[name].copy_(each)
        self.graph.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient
        return self.numbers


@contextlib.contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Let kernels queue apart from all others, as recording demands; for a GPU."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.synchronize(device)
    with torch.cuda.stream(torch.cuda.Stream(device)):
        yield
    torch.cuda.synchronize(device)


@contextlib.contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if "captur" not in str(error):
            raise
        reason = (str(error).strip().splitlines() or [""])[0]
        raise BrainworthError(
            f"the steps of this network cannot be replayed on a GPU ({reason}): its forward pass "
            "or its loss asks for a number, indexes by a mask, or makes a tensor from a list; give "
            "the network the attribute `replayed = False`"
        ) from error
