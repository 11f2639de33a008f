"""How feature spaces are compared: what all parts of the comparison are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """How spaces are compared.

    Attributes
    ----------
    ridge : mapping
        ``n_folds``, ``n_alphas`` and ``alpha_range`` of section ``encoder.ridge``.
    dimensions, sizes : sequences of int
        Numbers of components, and of candidates, at which retrieval is told beside all.
    max_voxels : int
        That decoding uses.
    min_ceiling : float
        Voxels below this noise ceiling have no share of it.
    n_permutations, n_bootstrap : int
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.
    pair : (str, str) or None
        Two spaces of which the first is the aligned one.
    """

    ridge: Mapping[str, Any]
    dimensions: Sequence[int]
    sizes: Sequence[int]
    max_voxels: int
    min_ceiling: float
    n_permutations: int
    n_bootstrap: int
    interval: float
    seed: int
    pair: tuple[str, str] | None


def plan(asked: Mapping[str, Any], **others: Any) -> Plan:
    """Return the plan that a study asks for.

    Parameters
    ----------
    asked : mapping
        Section ``bridges.feature_spaces``.
    **others
        What `Plan` has beside it: ridge, min_ceiling, interval, seed.
    """
    pair = asked["pair"]
    names = ("dimensions", "sizes", "max_voxels", "n_permutations", "n_bootstrap")
    return Plan(
        **{name: asked[name] for name in names},
        pair=None if pair is None else (pair["aligned"], pair["unaligned"]),
        **others,
    )
