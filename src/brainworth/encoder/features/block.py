"""Features of a few images, as a backend returns them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Block:
    """Features of B images.

    Attributes
    ----------
    global_ : array of shape (B, G), float
    tokens : array of shape (B, P, C), float
        Row by row (y, x).
    layers : dict from name to (global, mean token), arrays of shape (B, G_l) and (B, C_l)
        From the lowest layer.
    """

    global_: np.ndarray
    tokens: np.ndarray
    layers: dict[str, tuple[np.ndarray, np.ndarray]]
