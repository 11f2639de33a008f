"""The null of the gap of RDMs under which all subjects have one RDM: subjects relabelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from brainworth import stats
from brainworth.erosion import identification, population

UNDEFINED = "not estimable: here, or in too many bootstrap samples, a reliability is not positive"
OTHER_SUBJECTS = "other subjects are reliable here than in most regions, so the nulls are not joint"


@dataclass(frozen=True)
class Labels:
    """The null of one region under relabelled subjects."""

    subjects: tuple[str, ...]
    observed: float
    null: np.ndarray
    exhaustive: bool


def relabel(
    parts: np.ndarray, subjects: tuple[str, ...], n_labellings: int, seed: int
) -> Labels | None:
    """Draw the null of one region; None where the statistic is undefined.

    Parameters
    ----------
    parts : array of shape (R, S, P)
        RDMs from `compare.standardise`, of R >= 2 disjoint parts of each subject's data.
    subjects : tuple of str
    n_labellings : int
        All S! if there are no more.
    seed : int
        Root seed of the study.
    """
    n = len(subjects)
    rng = stats.stream(seed, "rdm_gap", "labels", n)
    orders, exhaustive = identification.labellings(n, n_labellings, rng)
    similarity = population.two_sides(parts)
    observed = population.own_advantage(similarity, np.arange(n)[None])[0]
    null = population.own_advantage(similarity, orders)
    if not (np.isfinite(observed) and np.isfinite(null).all()):
        return None
    return Labels(subjects, float(observed), null, exhaustive)


def entry(labels: Labels | None, level: float) -> dict[str, Any]:
    """Return what goes into the result of a region."""
    if labels is None:
        return {"own_advantage": None, "own_advantage_reason": UNDEFINED}
    p = identification.label_p(labels.observed, labels.null, exhaustive=labels.exhaustive)
    return {
        "own_advantage": {
            "estimate": labels.observed,
            "p": p,
            "p_familywise": None,
            "p_familywise_reason": OTHER_SUBJECTS,
            "null_mean": float(labels.null.mean()),
            "null_interval": list(stats.percentile_interval(labels.null, level)),
            "n_labellings": len(labels.null),
            "exhaustive": labels.exhaustive,
        },
        "own_advantage_reason": None,
    }


def add_familywise(regions: list[dict[str, Any]], labels: list[Labels | None]) -> None:
    """Hold the subjects' own advantage against the largest over regions.

    Labellings are joint only between regions with the same subjects: the family is the largest
    such group, and the others get no family-wise p.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, own in enumerate(labels):
        if own is not None:
            groups.setdefault(own.subjects, []).append(place)
    if not groups:
        return
    family = max(groups.values(), key=lambda places: (len(places), -places[0]))
    members = [own for place in family if (own := labels[place]) is not None]
    null = np.column_stack([own.null for own in members])
    centre, scale = null.mean(axis=0), null.std(axis=0)
    scale[scale == 0] = 1
    largest = ((null - centre) / scale).max(axis=1)
    observed = (np.array([own.observed for own in members]) - centre) / scale
    for place, value, own in zip(family, observed.tolist(), members, strict=True):
        entry = regions[place]["noise_free"]["own_advantage"]
        entry["p_familywise"] = identification.label_p(value, largest, exhaustive=own.exhaustive)
        entry["p_familywise_reason"] = None
