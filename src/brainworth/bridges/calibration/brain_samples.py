"""Brain samples: the first trial of each image, voxel by voxel.

Repetitions of an image are no further draws of the inputs, so that only the first counts as a
sample; the others tell how much of a trial's variance is noise. Images that all subjects saw are
left out: they are for testing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainworth.errors import BrainworthError
from brainworth.nsd import betas

#: Stands for all voxels of the extract.
ALL = "all"
#: Groups of images whose noise is kept apart, for the error of their mean.
GROUPS = 10


@dataclass(frozen=True)
class BrainSamples:
    """Brain samples of one subject.

    Attributes
    ----------
    subject : str
    nsd_id : array of shape (N,), int
        0-based 73K ids of the images, ascending, each once.
    values : array of shape (N, V), float32
        z-scored betas of the first trial of each.
    trial_noise : array of shape (GROUPS, V)
        Variance of a trial about the mean of its image, from repetitions of every tenth image.
    n_repeated : array of shape (GROUPS,)
        Trials beyond the first that it is from.
    shared : array of int
        0-based 73K ids of the images that all subjects were to see, of which trials are left out.
    regions : dict from str to array of int
        Voxels of each region.
    ijk : array of shape (V, 3)
        0-based.
    """

    subject: str
    nsd_id: np.ndarray
    values: np.ndarray
    trial_noise: np.ndarray
    n_repeated: np.ndarray
    shared: np.ndarray
    regions: dict[str, np.ndarray]
    ijk: np.ndarray


def read(path: Path, regions: list[str]) -> BrainSamples:
    """Read the brain samples of one subject, session by session.

    Parameters
    ----------
    path : path
        ``betas_subjXX.h5``.
    regions : list of str
        Regions of the extract, or `ALL`.

    Raises
    ------
    BrainworthError
        If the file is missing or damaged, lacks a region or repetitions.
    """
    with betas.open_extract(path) as file:
        subject = str(file.attrs["subject"])
        session, image = file["trials/session"][:], file["trials/nsd_id"][:].astype(np.int64)
        shared = file["trials/shared"][:].astype(bool)
        names = list(file["voxels/region"])
        chosen = {}
        for region in regions:
            if region != ALL and region not in names:
                raise BrainworthError(
                    f"bridges.calibration.rois names {region}, which {path} does not have "
                    f"({', '.join(names)}); add it to rois, or take it out there"
                )
        for region in regions:
            chosen[region] = (
                np.arange(file["betas"].shape[1])
                if region == ALL
                else np.flatnonzero(file[f"voxels/region/{region}"][:])
            )
        ijk = file["voxels/ijk"][:]
        ids, first, row = np.unique(image, return_index=True, return_inverse=True)
        own = ~np.isin(ids, image[shared])
        place = np.full(len(ids), -1)
        place[own] = np.arange(own.sum())
        values = np.empty((int(own.sum()), len(ijk)), dtype=np.float32)
        squares, n_repeated = np.zeros((GROUPS, len(ijk))), np.zeros(GROUPS, dtype=int)
        is_first = np.zeros(len(image), dtype=bool)
        is_first[first] = True
        for number in np.unique(session):
            rows = np.flatnonzero(session == number)
            block = file["betas"][rows[0] : rows[-1] + 1][rows - rows[0]]
            target = place[row[rows]]
            here = is_first[rows] & (target >= 0)
            values[target[here]] = block[here]
            again = ~is_first[rows] & (target >= 0)
            for group in range(GROUPS):
                some = again & (target % GROUPS == group)
                # a first trial comes before its repetitions, so that it has been read
                differences = block[some] - values[target[some]]
                squares[group] += np.einsum("ij,ij->j", differences, differences, dtype=np.float64)
                n_repeated[group] += int(some.sum())
    if not n_repeated.all():
        raise BrainworthError(
            f"{subject}: {n_repeated.sum()} trials repeat an image, too few to know the noise of a "
            "trial; use more sessions (data.sessions)"
        )
    return BrainSamples(
        subject=subject,
        nsd_id=ids[own],
        values=values,
        trial_noise=squares / (2 * n_repeated[:, None]),
        n_repeated=n_repeated,
        shared=ids[~own],
        regions=chosen,
        ijk=ijk,
    )
