"""The networks that can stand in the place of stage 1, by the names of the configuration."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import nn

from brainworth.encoder.networks.one_sequence import SingleMamba, Transformer, n_heads
from brainworth.encoder.networks.plain import Mlp, Recurrent
from brainworth.encoder.stage1 import Stage1
from brainworth.sections.encoder import Stage1Row

#: What a row is called in tables.
LABELS: dict[str, str] = {
    "dual_mamba": "Mamba, two streams",
    "single_mamba": "Mamba, one stream",
    "transformer": "Transformer, as deep",
    "transformer_small": "Transformer, as large",
    "mlp": "MLP",
    "gru": "GRU over layers",
    "lstm": "LSTM over layers",
}
#: Rows whose tokens are the global vectors of layers.
OVER_LAYERS = ("gru", "lstm")


@dataclass(frozen=True)
class Sizes:
    """What the size of a network of stage 1 depends on, beside the settings.

    Attributes
    ----------
    n_global, n_channels, n_tokens : int
        Length of the global vector, channels of a token, tokens of an image.
    n_rois : int
        Clusters.
    """

    n_global: int
    n_channels: int
    n_tokens: int
    n_rois: int


def build(name: str, sizes: Sizes, settings: Mapping[str, Any]) -> nn.Module:
    """Return a new network of stage 1, initialised from PyTorch's global generator.

    Parameters
    ----------
    name : str
        One of `Stage1Row`.
    sizes : Sizes
        For the rows of `OVER_LAYERS`, tokens are layers.
    settings : mapping
        Section ``stage1`` of the configuration.
    """
    given = (sizes.n_global, sizes.n_channels, sizes.n_tokens, sizes.n_rois, settings)
    match name:
        case "dual_mamba":
            return Stage1(*given)
        case "single_mamba":
            return SingleMamba(*given)
        case "transformer":
            return Transformer(*given)
        case "transformer_small":
            return Transformer(*given, *matched_size(sizes, settings))
        case "mlp":
            return Mlp(*given)
        case "gru" | "lstm":
            return Recurrent(name, *given)
    raise ValueError(f"stage 1 must be one of {get_args(Stage1Row)}, not {name!r}")


def matched_size(sizes: Sizes, settings: Mapping[str, Any]) -> tuple[int, int]:
    """Return width and feed-forward width of a Transformer as large as the two-stream network.

    The rule: the depth and the number of heads stay. The width is the largest multiple of the
    number of heads with which a Transformer whose feed-forward maps are four times as wide has no
    more parameters than the two-stream network; then these maps are widened until the parameters
    are as near as can be.
    """
    given = (sizes.n_global, sizes.n_channels, sizes.n_tokens, sizes.n_rois, settings)
    with torch.device("meta"):
        wanted = n_parameters(Stage1(*given))
        step = n_heads(settings)
        # Twice as wide is larger in any case, since parameters grow with the width squared.
        widths = range(step, 2 * settings["d_model"] + step, step)
        larger = bisect.bisect_right(
            widths, wanted, key=lambda width: n_parameters(Transformer(*given, width))
        )
        width = widths[max(0, larger - 1)]
        hidden = 4 * width
        missing = wanted - n_parameters(Transformer(*given, width, hidden))
    # A hidden unit has a row, a column and a bias in each layer.
    return width, hidden + max(0, round(missing / (settings["local_blocks"] * (2 * width + 1))))


def n_parameters(model: nn.Module) -> int:
    """Return the number of parameters of a network."""
    return sum(parameter.numel() for parameter in model.parameters())
