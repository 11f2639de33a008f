"""What the tests of the variance keep of one subject and region: statistics and surrogates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from brainworth.erosion import responses as shared
from brainworth.erosion import schedule, shared_variance, variance_halves
from brainworth.errors import BrainworthError
from brainworth.stats import stream


@dataclass(frozen=True)
class Subject:
    """What is kept of one subject and region.

    Attributes
    ----------
    name, region : str
    n_voxels, n_three : int
        Voxels, and stimuli with exactly three trials.
    degrees : array of shape (I,)
        Trials of each stimulus less one.
    measured : Measured
    null : dict from str to array of shape (m,)
        Statistics of the surrogates: split_half, disjoint.
    logs, adjusted : array of shape (I,), or None
        Centred log profile, and without what the schedule explains.
    sampling : array of shape (I,)
        What sampling adds to the variance of `logs`.
    """

    name: str
    region: str
    n_voxels: int
    n_three: int
    degrees: np.ndarray
    measured: variance_halves.Measured
    null: dict[str, np.ndarray]
    logs: np.ndarray
    adjusted: np.ndarray | None
    sampling: np.ndarray


def measure_subject(
    items: Iterable[shared.SharedResponses],
    known: schedule.Schedule | None,
    n_splits: int,
    n_surrogates: int,
    seed: int,
) -> list[Subject]:
    """Measure all regions of one subject, and their surrogates under common rotations.

    Of the items, taken one after the other, only contrasts are kept.
    """
    regions = [
        variance_halves.region_of(
            item, n_splits, stream(seed, "variance", "halves", item.subject, item.region)
        )
        for item in items
    ]
    if not regions:
        return []
    name, degrees = regions[0].subject, regions[0].layout.degrees
    three = np.count_nonzero(degrees == 2)

    def keep(_number: int, found: variance_halves.Measured) -> tuple[np.ndarray, ...]:
        nothing = np.full(len(found.profile), np.nan)
        return (
            variance_halves.split_half(found) if found.halves.shape[-2] else nothing,
            variance_halves.disjoint(found)[0] if three >= shared.MIN_STIMULI else nothing,
            shared_variance.log_profile(found.profile, degrees),
        )

    rng = stream(seed, "variance", "surrogates", name)
    drawn = variance_halves.surrogates(regions, n_surrogates, rng, keep)
    covariates = None if known is None else schedule.covariates(known)
    answer = []
    for region, (split, disjoint, null_logs) in zip(regions, drawn, strict=True):
        measured = variance_halves.measure(region)
        if not (measured.profile > 0).all():
            raise BrainworthError(
                f"{name}, {region.region}: a stimulus has the same response in all repetitions; "
                "expected trials that differ: check the betas"
            )
        logs = shared_variance.log_profile(measured.profile, degrees)
        answer.append(
            Subject(
                name=name,
                region=region.region,
                n_voxels=region.n_voxels,
                n_three=int(three),
                degrees=degrees,
                measured=measured,
                null={"split_half": split, "disjoint": disjoint},
                logs=logs,
                adjusted=None if covariates is None else schedule.residuals(logs, covariates),
                sampling=shared_variance.sampling_variance(null_logs, degrees),
            )
        )
    return answer
