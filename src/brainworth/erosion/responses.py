"""Responses of one region to the stimuli that all subjects share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from brainworth.errors import BrainworthError
from brainworth.nsd import betas
from brainworth.nsd import columns as column_kinds

#: A region with fewer voxels in a subject is missing there, and counted: correlation distances
#: over a handful of voxels are noise.
MIN_VOXELS = 5

#: What a test reads of a region: its pattern over columns, or profiles over stimuli that one column
#: has as well.
PATTERNS, PROFILES = "patterns", "profiles"

#: With fewer stimuli no test is run.
MIN_STIMULI = 10


@dataclass(frozen=True)
class SharedResponses:
    """One subject's single-trial responses of one region to the matched stimuli.

    Attributes
    ----------
    values : array of shape (T, V), float64
        z-scored betas.
    stimulus : array of shape (T,)
        Index into the study's matched stimuli (ascending nsd_id), 0..I-1.
    repetition : array of shape (T,)
        0-based presentation of that stimulus to that subject.
    session : array of shape (T,)
        NSD's session number, from 1.
    n_stimuli : int
        I.
    columns : str
        What the V columns are: `column_kinds.VOXELS` or `column_kinds.ROI_MEANS`.
    """

    subject: str
    region: str
    values: np.ndarray
    stimulus: np.ndarray
    repetition: np.ndarray
    session: np.ndarray
    n_stimuli: int
    columns: str = column_kinds.VOXELS

    @property
    def n_voxels(self) -> int:
        """Number of voxels V."""
        return self.values.shape[1]

    def counts(self) -> np.ndarray:
        """Return the number of trials of each stimulus, shape (I,)."""
        return np.bincount(self.stimulus, minlength=self.n_stimuli)


def matched_stimuli(extracts: dict[str, Path]) -> np.ndarray:
    """Return the matched stimuli of a study, ascending 0-based 73K ids.

    Parameters
    ----------
    extracts : dict from subject to path
        Files that `betas.extract` wrote.

    Raises
    ------
    BrainworthError
        If the subjects' files do not agree on them.
    """
    found = {subject: _matched_ids(path) for subject, path in extracts.items()}
    first = next(iter(found))
    for subject, ids in found.items():
        if not np.array_equal(ids, found[first]):
            raise BrainworthError(
                f"{extracts[subject]} and {extracts[first]} differ in their matched stimuli; "
                "they come from different designs: delete both and run again"
            )
    return found[first]


def repeated_stimuli(extracts: dict[str, Path], fewest: int, purpose: str) -> np.ndarray:
    """Return the matched stimuli that every subject saw at least `fewest` times.

    Parameters
    ----------
    extracts : dict from subject to path
        Files that `betas.extract` wrote.
    fewest : int
        Presentations to each subject.
    purpose : str
        The test that asks, for the message.

    Returns
    -------
    array of int
        Ascending 0-based 73K ids.

    Raises
    ------
    BrainworthError
        If there are fewer than `MIN_STIMULI`, or the subjects' files do not agree.
    """
    ids = matched_stimuli(extracts)
    enough = np.ones(ids.size, dtype=bool)
    for path in extracts.values():
        with h5py.File(path, "r") as file:
            shown = file["trials/nsd_id"][:][file["trials/matched"][:]]
        enough &= np.unique(shown, return_counts=True)[1] >= fewest
    if enough.sum() < MIN_STIMULI:
        times = f" at least {fewest} times" if fewest > 1 else ""
        raise BrainworthError(
            f"{purpose} needs at least {MIN_STIMULI} stimuli that every subject saw{times}, there "
            f"are {enough.sum()}; use more sessions (data.sessions) or fewer subjects"
        )
    return ids[enough]


def regions_for(extracts: dict[str, Path], regions: list[str], needs: str) -> list[str]:
    """Return the regions that a test can use.

    Parameters
    ----------
    extracts : dict from subject to path
        Files that `betas.extract` or `roi_means_import.write_extract` wrote.
    regions : list of str
        Regions of the study.
    needs : {"patterns", "profiles"}

    Returns
    -------
    list of str
        The same regions; of ROI means, whose regions have one column each, a test of patterns
        gets the one region that has all of them.
    """
    kinds = {column_kinds.columns_of(path) for path in extracts.values()}
    if needs == PATTERNS and column_kinds.ROI_MEANS in kinds:
        return [column_kinds.POOLED]
    return list(regions)


def fewest_columns(columns: str, needs: str) -> int:
    """Return how many columns a region must have in a subject to be there for a test.

    Parameters
    ----------
    columns : {"voxels", "roi_means"}
    needs : {"patterns", "profiles"}
        A profile needs one mean response, but of voxels as many as a pattern: a region of which a
        handful is left is not that region.
    """
    return 1 if columns == column_kinds.ROI_MEANS and needs == PROFILES else MIN_VOXELS


def read_region(
    path: Path, region: str, needs: str, stimuli: np.ndarray | None = None
) -> SharedResponses | None:
    """Read the responses of one region as `read` does; None if the subject lacks it for this test.

    Parameters
    ----------
    needs : {"patterns", "profiles"}
    """
    found = read(path, region, stimuli)
    return found if found.n_voxels >= fewest_columns(found.columns, needs) else None


def read(path: Path, region: str, stimuli: np.ndarray | None = None) -> SharedResponses:
    """Read the responses of one region to the matched stimuli.

    Parameters
    ----------
    stimuli : array of int, optional
        Only these, ascending 0-based 73K ids; all matched stimuli by default.
    """
    with h5py.File(path, "r") as file:
        used = file["trials/matched"][:]
        if stimuli is not None:
            used &= np.isin(file["trials/nsd_id"][:], stimuli)
    found = betas.read_responses(path, region, np.flatnonzero(used))
    ids, stimulus = np.unique(found.nsd_id, return_inverse=True)
    return SharedResponses(
        subject=found.subject,
        region=region,
        values=found.values.astype(np.float64),
        stimulus=stimulus,
        repetition=found.repetition,
        session=found.session,
        n_stimuli=ids.size,
        columns=column_kinds.columns_of(path),
    )


def of_stimuli(item: SharedResponses, chosen: np.ndarray) -> SharedResponses:
    """Keep the trials of some stimuli, numbered anew 0..len(chosen)-1.

    Parameters
    ----------
    chosen : array of int
        Ascending indices 0..I-1.
    """
    kept = np.isin(item.stimulus, chosen)
    return dataclasses.replace(
        item,
        values=item.values[kept],
        stimulus=np.searchsorted(chosen, item.stimulus[kept]),
        repetition=item.repetition[kept],
        session=item.session[kept],
        n_stimuli=len(chosen),
    )


def mean_patterns(responses: SharedResponses, trials: np.ndarray | None = None) -> np.ndarray:
    """Average trials of each stimulus.

    Parameters
    ----------
    trials : array of shape (T,), bool, optional
        Trials to use; all by default.

    Returns
    -------
    array of shape (I, V)

    Raises
    ------
    ValueError
        If a stimulus has no such trial.
    """
    used = np.ones(len(responses.stimulus), dtype=bool) if trials is None else trials
    stimulus = responses.stimulus[used]
    counts = np.bincount(stimulus, minlength=responses.n_stimuli)
    if not counts.all():
        raise ValueError("every stimulus needs at least one of the chosen trials")
    order = np.flatnonzero(used)[np.argsort(stimulus, kind="stable")]
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.add.reduceat(responses.values[order], first, axis=0) / counts[:, None]


def repetition_patterns(responses: SharedResponses, n: int) -> np.ndarray:
    """Return the first n presentations of every stimulus, shape (n, I, V)."""
    return np.stack(
        [mean_patterns(responses, responses.repetition == number) for number in range(n)]
    )


def _matched_ids(path: Path) -> np.ndarray:
    try:
        with h5py.File(path, "r") as file:
            matched = file["trials/matched"][:]
            return np.unique(file["trials/nsd_id"][:][matched])
    except (OSError, KeyError) as error:
        raise BrainworthError(f"{path} cannot be read ({error}); delete it and run again") from None
