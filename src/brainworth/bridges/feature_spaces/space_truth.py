"""What simulated data allow beside estimates: how much planted spaces explain, and find at best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainworth.bridges.feature_spaces import ideal_observer, space_retrieval
from brainworth.bridges.feature_spaces.ideal_observer import Generator
from brainworth.bridges.feature_spaces.planted_spaces import Knowledge
from brainworth.bridges.feature_spaces.space_retrieval import Draws
from brainworth.encoder import ceilings
from brainworth.encoder.targets import TEST, Targets

#: Why there is no best retrieval.
NOT_PLANTED = "what this space says of the encoded features is not known"
NOT_SIMULATED = "the data are not simulated, or in other units"


@dataclass(frozen=True)
class Truth:
    """What is known of a simulated subject.

    Attributes
    ----------
    generator : Generator
        Of all its voxels.
    features : array of shape (n_test, F)
        That it encodes, of the test images.
    spaces : dict from space to Knowledge
        Of the planted ones, about the test images.
    """

    generator: Generator
    features: np.ndarray
    spaces: dict[str, Knowledge]


def best_retrieval(
    targets: Targets,
    voxels: np.ndarray,
    names: Sequence[str],
    truth: Truth | None,
    draws: Draws,
    *,
    sizes: Sequence[int],
    level: float,
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the best retrieval from what responses were made of, and that from each space.

    Parameters
    ----------
    voxels : array of int
        That decoding uses.
    names : sequence of str
        Of the spaces; of those that are not planted there is a ``reason`` instead.
    draws, sizes, level
        See `space_retrieval.measure`.
    """
    if truth is None:
        missing = {"top1": None, "reason": NOT_SIMULATED}
        return missing, dict.fromkeys(names, missing)
    test = targets.rows(TEST)
    how = Generator(
        truth.generator.weights[voxels],
        truth.generator.common[voxels],
        truth.generator.own_variance[voxels],
    )

    def best(candidates: Knowledge) -> dict[str, Any]:
        densities = ideal_observer.log_densities(
            targets.values[test][:, voxels], targets.n_repeats[test], candidates, how
        )
        once = np.arange(len(test))
        return space_retrieval.measure(densities, once, draws, sizes=sizes, level=level).summary

    n_features = truth.features.shape[1]
    of_all = best(Knowledge(truth.features, np.zeros((n_features, n_features))))
    missing = {"top1": None, "reason": NOT_PLANTED}
    return of_all, {
        name: best(truth.spaces[name]) if name in truth.spaces else missing for name in names
    }


def explained(
    targets: Targets,
    regions: Mapping[str, np.ndarray],
    truth: Truth | None,
    min_ceiling: float,
) -> dict[str, dict[str | None, float | None]]:
    """Return what planted spaces explain of the noise ceiling, by space and region.

    Returns
    -------
    dict from space to dict from region to float
        Means over the voxels that have a share of the ceiling; of all voxels under None.
    """
    if truth is None:
        return {}
    test = targets.rows(TEST)
    ceiling = ceilings.noise_ceiling(targets.ncsnr, targets.n_repeats[test])
    counted = (ceiling >= min_ceiling) & (ceiling > 0)
    answer: dict[str, dict[str | None, float | None]] = {}
    for name, known in truth.spaces.items():
        shares = known.explained(truth.generator.weights)
        answer[name] = {}
        for region, voxels in {None: np.arange(len(shares)), **regions}.items():
            chosen = voxels[counted[voxels]]
            answer[name][region] = float(shares[chosen].mean()) if chosen.size else None
    return answer
