"""Single trials for decoding: which images are tested on, and which trials are learned from.

Shared images are never learned from. Those that every subject saw often enough are the test images,
the same for all subjects, so that decoded features of several brains can be averaged. The extracts
are z-scored per voxel and session over all trials; to z-score anew by the trials of other images
undoes that exactly, since it is an affine map, and keeps test images out of what is learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainworth.errors import BrainworthError
from brainworth.nsd import betas

#: Fewest test images, and trials of training images in a session.
FEWEST_TEST_IMAGES, FEWEST_IN_SESSION = 10, 2


@dataclass(frozen=True)
class Trials:
    """The trials of one subject.

    Attributes
    ----------
    subject : str
    train, test : arrays of shape (n,), (t,), float32 rows in `train_x` and `test_x` of shape (n, V)
        Image of each trial, 0-based 73K ids.
    regions : dict from region to array of int
        Columns of the responses; a region without voxels is left out.
    voxel : array of shape (V,), int
        Place of each column in the extract.
    n_left_out : int
        Trials of shared images that are no test images.
    """

    subject: str
    train: np.ndarray
    train_x: np.ndarray
    test: np.ndarray
    test_x: np.ndarray
    regions: dict[str, np.ndarray]
    voxel: np.ndarray
    n_left_out: int


def test_images(extracts: dict[str, Path], min_repetitions: int) -> np.ndarray:
    """Return the shared images that every subject saw at least so often, 0-based 73K ids.

    Raises
    ------
    BrainworthError
        If there are fewer than `FEWEST_TEST_IMAGES`.
    """
    common: np.ndarray | None = None
    for path in extracts.values():
        with betas.open_extract(path) as file:
            shared = file["trials/shared"][:].astype(bool)
            ids, counts = np.unique(file["trials/nsd_id"][:][shared], return_counts=True)
        ids = ids[counts >= min_repetitions]
        common = ids if common is None else np.intersect1d(common, ids)
    if common is None or len(common) < FEWEST_TEST_IMAGES:
        found = 0 if common is None else len(common)
        raise BrainworthError(
            f"{found} shared images were seen at least {min_repetitions} times by each of "
            f"{', '.join(extracts)}, and decoding needs at least {FEWEST_TEST_IMAGES} to be tested "
            "on; use more sessions (data.sessions), lower design.min_repetitions, or leave out of "
            "bridges.subjects who saw few"
        )
    return common


def read(path: Path, regions: list[str], tested: np.ndarray) -> Trials:
    """Read the trials of one subject.

    Parameters
    ----------
    path : path
        An extract (``betas_subjXX.h5``).
    regions : list of str
        Voxels of any of them are decoded from; all regions of the extract if empty.
    tested : array of int
        Test images.

    Raises
    ------
    BrainworthError
        If the file is missing or damaged, lacks a region, has a response that is not a number, or
        too few trials of training images in a session.
    """
    columns = {
        name: betas.region_voxels(path, name) for name in (regions or betas.regions_in(path))
    }
    voxel = np.unique(np.concatenate(list(columns.values())))
    with betas.open_extract(path) as file:
        subject = str(file.attrs["subject"])
        if not voxel.size:
            raise BrainworthError(
                f"{path} has no voxel in {', '.join(columns)}; name other bridges.decoding.regions"
            )
        session, nsd_id = file["trials/session"][:], file["trials/nsd_id"][:]
        shared = file["trials/shared"][:].astype(bool)
        is_test = shared & np.isin(nsd_id, tested)
        # filled as they are read, since a copy of them is a gigabyte at NSD's size
        train_x, test_x = (
            np.empty((chosen.sum(), voxel.size), dtype=np.float32) for chosen in (~shared, is_test)
        )
        for number in np.unique(session):
            rows = np.flatnonzero(session == number)
            values = file["betas"][rows[0] : rows[-1] + 1][rows - rows[0]][:, voxel]
            scores = _zscored(values, ~shared[rows], path, int(number))
            for chosen, x in ((~shared, train_x), (is_test, test_x)):
                here = chosen[rows]
                x[np.cumsum(chosen)[rows[here]] - 1] = scores[here]
    return Trials(
        subject=subject,
        train=nsd_id[~shared],
        train_x=train_x,
        test=nsd_id[is_test],
        test_x=test_x,
        regions={
            name: np.searchsorted(voxel, found) for name, found in columns.items() if found.size
        },
        voxel=voxel,
        n_left_out=int(np.sum(shared & ~is_test)),
    )


def nested_subsets(
    image: np.ndarray, sizes: list[int], n_subsets: int, rng: np.random.Generator
) -> dict[int, list[np.ndarray]]:
    """Draw subsets of trials to learn from.

    Images are put in random order, and a subset takes all trials of one image after the other,
    so that the number of trials an image has does not change with the size; the last image is cut
    to reach the size exactly. Smaller subsets are parts of larger ones. Each further series starts
    at another place of the order, evenly spaced, so that small subsets of different series have no
    image in common.

    Parameters
    ----------
    image : array of shape (n,), int
        Image of each trial.
    sizes : list of int
        Numbers of trials, at most n.
    n_subsets : int
        Subsets of each size; fewer where all trials are taken, which is one subset only.

    Returns
    -------
    dict from size to list of arrays of int
        Places of trials, ascending.
    """
    ids, of_trial = np.unique(image, return_inverse=True)
    place = rng.permutation(ids.size)
    answer: dict[int, list[np.ndarray]] = {size: [] for size in sizes}
    for number in range(n_subsets):
        turned = (place - number * ids.size // n_subsets) % ids.size
        order = np.argsort(turned[of_trial], kind="stable")
        for size in sizes:
            if number == 0 or size < len(image):
                answer[size].append(np.sort(order[:size]))
    return answer


def doublings(smallest: int, n_trials: dict[str, int], fewest: int) -> list[int]:
    """Return the sizes smallest, 2 x smallest, 4 x smallest ... that every subject has.

    Parameters
    ----------
    n_trials : dict from subject to int
        Trials to learn from.
    fewest : int
        Sizes that are needed.

    Raises
    ------
    BrainworthError
        If there are fewer sizes.
    """
    least = min(n_trials, key=n_trials.__getitem__)
    sizes, size = [], smallest
    while size <= n_trials[least]:
        sizes.append(size)
        size *= 2
    if len(sizes) < fewest:
        raise BrainworthError(
            f"{least} has {n_trials[least]} trials to learn from, which make {len(sizes)} sizes "
            f"from {smallest} on, each twice the last, and {fewest} are needed; lower "
            "bridges.decoding.smallest or use more sessions (data.sessions)"
        )
    return sizes


def _zscored(values: np.ndarray, fitted: np.ndarray, path: Path, session: int) -> np.ndarray:
    """Z-score the trials of a session, (T, V), by those that may be learned from."""
    if not np.isfinite(values).all():
        raise BrainworthError(
            f"{path}, session {session}: {np.count_nonzero(~np.isfinite(values))} responses are "
            "not numbers; delete the file and run again"
        )
    if fitted.sum() < FEWEST_IN_SESSION:
        raise BrainworthError(
            f"{path}, session {session}: {fitted.sum()} trials are of images that are not shared, "
            f"and a z-score needs at least {FEWEST_IN_SESSION}; use other sessions (data.sessions)"
        )
    mean = values[fitted].mean(axis=0, dtype=np.float64)
    spread = values[fitted].std(axis=0, ddof=1, dtype=np.float64)
    if not np.all(spread > 0):
        raise BrainworthError(
            f"{path}, session {session}: {np.count_nonzero(spread == 0)} voxels do not vary over "
            "the trials that may be learned from; use other sessions (data.sessions)"
        )
    return ((values - mean) / spread).astype(np.float32)
