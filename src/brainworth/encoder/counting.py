"""Parameters and multiply-accumulates of a network, counted while it runs.

Libraries count differently: some miss attention, which runs as one fused call, most count two
operations for a multiply-accumulate, none knows the scan of a Mamba block. Published numbers of
such blocks leave the scan out (CHASMBrain's 2.31 G can be had no other way); here both are given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from brainworth.encoder.mamba import Mamba2, scan_macs


@dataclass(frozen=True)
class Counts:
    """What a network takes for one image.

    Attributes
    ----------
    parameters : int
        All of them, trained or not.
    macs : int
        Multiply-accumulates of maps, convolutions and attention, for one image.
    macs_with_scan : int
        With the matrix products of the scans.
    kinds : dict
        Multiply-accumulates by kind: linear, convolution, attention, recurrent, other, scan.
    """

    parameters: int
    macs: int
    macs_with_scan: int
    kinds: dict[str, int]


def count(model: nn.Module, *inputs: Any, **named: Any) -> Counts:
    """Count a network by running it once, in evaluation mode.

    Parameters
    ----------
    model : Module
        Counted are Linear, Conv1d, Conv2d, MultiheadAttention, GRU and LSTM, `Mamba2`, and any
        module with a method ``macs``, which gets what its forward gets. Norms, activations and
        element-wise products are not.
    *inputs, **named
        What it is called with; the first axis of the first input is images.

    Returns
    -------
    Counts
    """
    kinds: Counter[str] = Counter()
    handles = [
        module.register_forward_hook(_hook(counter, kinds), with_kwargs=True)
        for module in model.modules()
        if (counter := _counter_of(module)) is not None
    ]
    was_training = model.training
    fused = torch.backends.mha.get_fastpath_enabled()
    # The fused path of transformer layers calls none of their parts.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            model.eval()(*inputs, **named)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        model.train(was_training)
        for handle in handles:
            handle.remove()
    n_images = len(inputs[0])
    each = {kind: round(number / n_images) for kind, number in sorted(kinds.items())}
    everything = sum(each.values())
    return Counts(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        macs=everything - each.get("scan", 0),
        macs_with_scan=everything,
        kinds=each,
    )


class Call(NamedTuple):
    """A module that was called."""

    module: Any
    args: tuple
    kwargs: dict[str, Any]
    output: Any


_Counter = Callable[[Call], dict[str, int]]


def _hook(counter: _Counter, kinds: Counter[str]) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        kinds.update(counter(Call(module, args, kwargs, output)))

    return hook


def _counter_of(module: nn.Module) -> _Counter | None:
    if hasattr(module, "macs"):
        return _own
    for kind, counter in COUNTERS.items():
        if isinstance(module, kind):
            return counter
    return None


def _own(call: Call) -> dict[str, int]:
    return {"other": call.module.macs(*call.args, **call.kwargs)}


def _linear(call: Call) -> dict[str, int]:
    return {"linear": call.output.numel() * call.module.in_features}


def _convolution(call: Call) -> dict[str, int]:
    return {"convolution": call.output.numel() * call.module.weight[0].numel()}


def _attention(call: Call) -> dict[str, int]:
    """Count projections, which this module does not do through Linear modules, and attention."""
    given = dict(zip(("query", "key", "value"), call.args, strict=False)) | call.kwargs
    query, key = given["query"], given["key"]
    rows_q, rows_k = (each.numel() // each.shape[-1] for each in (query, key))
    width = call.module.embed_dim
    keys_of_one = key.shape[1 if call.module.batch_first and key.ndim == 3 else 0]
    return {
        "linear": 2 * rows_q * width**2 + rows_k * width * (call.module.kdim + call.module.vdim),
        "attention": 2 * rows_q * keys_of_one * width,
    }


def _recurrent(call: Call) -> dict[str, int]:
    places = call.args[0].numel() // call.args[0].shape[-1]
    weights = [each for name, each in call.module.named_parameters() if name.startswith("weight")]
    return {"recurrent": places * sum(each.numel() for each in weights)}


def _mamba(call: Call) -> dict[str, int]:
    """Count convolution and scan; the projections are Linear modules, and count themselves."""
    n, length, _ = call.output.shape
    return {
        "convolution": n * length * call.module.conv1d.weight.numel(),
        "scan": n
        * scan_macs(length, call.module.chunk, call.module.n_heads, *call.module.state_shape),
    }


COUNTERS: dict[type, _Counter] = {
    Mamba2: _mamba,
    nn.Linear: _linear,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.MultiheadAttention: _attention,
    nn.RNNBase: _recurrent,
}
