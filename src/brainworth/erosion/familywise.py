"""Estimates held against relabelled data, one by one and as a family of regions."""

from __future__ import annotations

import numpy as np

from brainworth.stats import max_statistic_p, percentile_interval, permutation_p


def against(observed: float, null: np.ndarray, level: float) -> dict:
    """Return the p-value, and mean and interval of the null of shape (m,)."""
    return {
        "p": permutation_p(observed, null),
        "p_familywise": None,
        "null_mean": float(null.mean()),
        "null_interval": list(percentile_interval(null, level)),
    }


def add_familywise(rows: list[dict], nulls: list[dict], names: tuple[str, ...]) -> None:
    """Add p-values against the largest standardised statistic over regions.

    Parameters
    ----------
    rows : list of dict
        For each region, ``rows[k][name]`` as `against` made it; None where it was not computed.
        Its statistic is ``statistic`` if there is one, else ``estimate``.
    nulls : list of dict
        For each region the draws of each name, relabelled alike in all regions; or None.
    names : tuple of str
    """
    for name in names:
        family = [k for k, row in enumerate(rows) if row[name] is not None]
        if not family:
            continue
        null = np.column_stack([nulls[k][name] for k in family])
        found = [rows[k][name] for k in family]
        observed = np.array([each.get("statistic", each["estimate"]) for each in found])
        centre, scale = null.mean(axis=0), null.std(axis=0)
        scale[scale == 0] = 1
        p = max_statistic_p((observed - centre) / scale, (null - centre) / scale)
        for each, value in zip(found, p, strict=True):
            each["p_familywise"] = float(value)
