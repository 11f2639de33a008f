"""Checks that networks share."""

from __future__ import annotations

from torch import nn


def only_both(model: nn.Module, streams: str) -> None:
    """Refuse to cut or swap streams in a network that has none.

    Raises
    ------
    ValueError
    """
    if streams != "both":
        raise ValueError(f"{type(model).__name__} has no streams to cut or swap ({streams!r})")
