"""What the bridge on averaging reads: splits, responses, features, planted truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from brainworth.bridges.averaging import planted_cost, region_responses
from brainworth.bridges.averaging.average_encoder import Inputs
from brainworth.bridges.averaging.region_responses import Columns, Split
from brainworth.encoder import targets
from brainworth.erosion import responses as shared
from brainworth.errors import BrainworthError
from brainworth.nsd.simulate import truth
from brainworth.sections.data import Simulation

#: Fewest training images a subject has a share of, in an encoder of as many as one subject.
FEWEST_IMAGES = 10
TRUE = "true_features"


@dataclass(frozen=True)
class Truth:
    """What is planted in simulated NSD.

    Attributes
    ----------
    images : ImageTruth
    subjects : dict from subject to SubjectTruth
    simulation : Simulation
    """

    images: truth.ImageTruth
    subjects: dict[str, truth.SubjectTruth]
    simulation: Simulation


def read_split(path: Path, tested: np.ndarray) -> Split:
    """Read the split of one subject's images from what `targets.write` wrote.

    Parameters
    ----------
    path : path
    tested : array of int
        0-based 73K ids that every subject saw at least twice.

    Raises
    ------
    BrainworthError
        If the file is missing or damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("schema") != targets.SCHEMA:
                raise BrainworthError(
                    f"{path} is no file of targets of schema {targets.SCHEMA}; delete it and run "
                    "again"
                )
            ids, split = file["nsd_id"][:], file["split"][:]
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; run the rule that writes it") from None
    except (OSError, RuntimeError, KeyError) as error:
        raise BrainworthError(f"{path} cannot be read ({error}); delete it and run again") from None
    train, validation, held_out = (
        np.unique(ids[split == part]) for part in (targets.TRAIN, targets.VALIDATION, targets.TEST)
    )
    return Split(train, validation, held_out, np.intersect1d(held_out, tested))


def check(parts: Mapping[str, Split]) -> None:
    """Refuse splits that do not belong together, or hold too few images.

    Parameters
    ----------
    parts : mapping from subject to Split

    Raises
    ------
    BrainworthError
        If test images differ between subjects, or there are too few of any.
    """
    first = next(iter(parts.values()))
    for subject, part in parts.items():
        if not np.array_equal(part.test, first.test):
            raise BrainworthError(
                f"the test images of {subject} are not those of the other subjects; its targets "
                "come from another design: delete them and run again"
            )
        if len(part.train) // len(parts) < FEWEST_IMAGES:
            raise BrainworthError(
                f"{subject} has {len(part.train)} training images, and bridges.averaging needs at "
                f"least {FEWEST_IMAGES * len(parts)} for {len(parts)} subjects; use more sessions "
                "(data.sessions) or fewer bridges.subjects"
            )
    if len(first.test) < shared.MIN_STIMULI:
        raise BrainworthError(
            f"{len(first.test)} test images were seen twice by every subject, and "
            f"bridges.averaging needs at least {shared.MIN_STIMULI}; use more sessions "
            "(data.sessions)"
        )


def read(
    extracts: Mapping[str, Path],
    parts: Mapping[str, Split],
    regions: Sequence[str],
    settings: Mapping[str, Any],
    known: Truth | None,
) -> tuple[
    list[list[Columns | None]],
    list[list[np.ndarray | None]] | None,
    np.ndarray,
    list[dict],
]:
    """Read all regions of all subjects.

    Parameters
    ----------
    extracts : mapping from subject to path
    parts : mapping from subject to Split
    regions : sequence of str
    settings : mapping
        Section ``bridges.averaging``: ``n_dimensions``.
    known : Truth or None

    Returns
    -------
    found : S lists of R Columns
        None where a subject has too few voxels.
    maps : S lists of R arrays of shape (F, C), or None
        Planted weights of these columns.
    fractions : array of shape (S, R)
        Planted shared fractions of the voxels' responses; NaN where not known.
    missing : list of dict
        ``subject``, ``region``, ``min_voxels`` of what is missing.
    """
    found: list[list[Columns | None]] = []
    maps: list[list[np.ndarray | None]] = []
    missing = []
    fractions = np.full((len(extracts), len(regions)), np.nan)
    fewest = max(shared.MIN_VOXELS, settings["n_dimensions"])
    for s, (subject, path) in enumerate(tqdm(extracts.items(), desc="regions", disable=None)):
        row, own = [], []
        for r, region in enumerate(regions):
            item = region_responses.read(
                path, region, parts[subject], settings["n_dimensions"], fewest
            )
            row.append(item)
            own.append(None)
            if item is None:
                missing.append({"subject": subject, "region": region, "min_voxels": fewest})
            elif known is not None:
                weights = planted_cost.weights_of_region(
                    path, region, known.subjects[subject], known.simulation, subject
                )
                own[-1] = weights.T @ item.axes
                fractions[s, r] = planted_cost.shared_fraction(
                    weights, known.simulation.shared_features
                )
        found.append(row)
        maps.append(own)
    return found, None if known is None else maps, fractions, missing


def true_inputs(known: Truth, parts: Mapping[str, Split]) -> Inputs:
    """Return all features that some subject's responses are made of, the same for all subjects."""
    phi = known.images.features

    def of(ids: np.ndarray) -> np.ndarray:
        return phi[ids].astype(np.float64)

    return Inputs(
        TRUE,
        [of(part.train) for part in parts.values()],
        [of(part.validation) for part in parts.values()],
        of(next(iter(parts.values())).test),
    )


def shared_fractions(
    alignment: Mapping[str, Any] | None, subjects: Sequence[str], regions: Sequence[str]
) -> np.ndarray:
    """Return the shared fraction of each subject and region that the erosion test found, (S, R)."""
    answer = np.full((len(subjects), len(regions)), np.nan)
    for row in [] if alignment is None else alignment["regions"]:
        for each in row["subjects"]:
            if row["region"] in regions and each["subject"] in subjects and each["share"]:
                place = subjects.index(each["subject"]), regions.index(row["region"])
                answer[place] = each["share"]["corrected"]["estimate"]
    return answer
