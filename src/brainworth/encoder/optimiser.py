"""The optimiser, and how its learning rate goes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

#: Parameters of a Mamba-2 block that weight decay would pull to another model, not a smaller one.
NOT_DECAYED = ("A_log", "D", "dt_bias")


def adamw(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov & Hutter 2019) for the parameters of a model that learn.

    Weights of maps decay. Biases, weights of norms and other vectors, single numbers, and `A_log`,
    `D` and `dt_bias` of Mamba blocks do not. On a GPU one kernel steps all of them.
    """
    decayed, others = [], []
    for name, parameter in _learning(model):
        vector = parameter.ndim < 2 or name.rsplit(".", 1)[-1] in NOT_DECAYED
        (others if vector else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    on_card = all(each.is_cuda for each in (*decayed, *others))
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=lr, fused=on_card or None
    )


def rate(step: int, n_steps: int, warmup: float) -> float:
    """Return the learning rate at a step, as a share of the largest.

    Parameters
    ----------
    step : int
        0-based.
    n_steps : int
        Of the whole training, were it not stopped early.
    warmup : float
        Share of the steps in which the rate rises linearly; then it falls along half a cosine.
    """
    rising = math.ceil(warmup * n_steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, n_steps - rising)))


def set_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimiser.param_groups:
        group["lr"] = lr


def _learning(model: nn.Module) -> Iterator[tuple[str, Any]]:
    return ((name, each) for name, each in model.named_parameters() if each.requires_grad)
