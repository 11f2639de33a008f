"""Responses of a region as few numbers: its mean, and scores on the leading axes of its voxels.

What the encoders of the bridge predict, and what its head for the variance is held to. All that is
fitted (z-scores, axes) is fitted on training images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import eigh

from brainworth.erosion import variance
from brainworth.errors import BrainworthError
from brainworth.nsd import betas

#: Trials at a time, which bounds the memory.
_BLOCK = 4096
#: Voxels at a time, the same.
_COLUMNS = 512


@dataclass(frozen=True)
class Split:
    """Images of one subject, ascending 0-based 73K ids.

    Attributes
    ----------
    train, validation : array of int
    held_out : array of int
        All that no fit may see; it holds `test`.
    test : array of int
        What is scored: the same for all subjects.
    """

    train: np.ndarray
    validation: np.ndarray
    held_out: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Columns:
    """One region of one subject, reduced to C columns: its mean, then C - 1 scores.

    Attributes
    ----------
    subject, region : str
    n_voxels : int
    train, validation : arrays of shape (n, C), (m, C)
        Mean responses to training and validation images.
    test, first, second : arrays of shape (I, C)
        Mean responses to test images: over all trials, over every other one, over the rest.
    noise : array of shape (C,)
        Variance of `test` over images that trial noise makes.
    train_repeated : array of shape (n,), bool
        Training images that were shown more than once.
    train_squares : array of shape (n_repeated, C)
        Their variances over trials.
    train_degrees : array of shape (n_repeated,)
        Trials less one.
    contrasts : array of shape (D, C)
        Orthonormal contrasts between the trials of each test image (`variance.contrasts_of`).
    contrast_image : array of shape (D,)
        Index of the test image, 0..I-1.
    degrees : array of shape (I,)
        Rows of `contrasts` of each test image.
    axes : array of shape (V, C)
        What voxels are multiplied with.
    """

    subject: str
    region: str
    n_voxels: int
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    first: np.ndarray
    second: np.ndarray
    noise: np.ndarray
    train_repeated: np.ndarray
    train_squares: np.ndarray
    train_degrees: np.ndarray
    contrasts: np.ndarray
    contrast_image: np.ndarray
    degrees: np.ndarray
    axes: np.ndarray


def read(
    path: Path, region: str, split: Split, n_dimensions: int, fewest_voxels: int
) -> Columns | None:
    """Read one region of one subject; None if it has fewer voxels than it needs.

    Parameters
    ----------
    path : path
        What `betas.extract` wrote.
    region : str
    split : Split
        Every test image was shown at least twice.
    n_dimensions : int
        Axes.
    fewest_voxels : int
        At least `n_dimensions`.

    Raises
    ------
    BrainworthError
        If the file is damaged, a test image was shown once, or a session has no two trials of
        images that may be fitted.
    """
    if betas.region_voxels(path, region).size < max(fewest_voxels, n_dimensions):
        return None
    found = betas.read_responses(path, region)
    fitted = ~np.isin(found.nsd_id, split.held_out)
    values = rescale(found.values, found.session, fitted, found.subject)
    nsd_id, subject = found.nsd_id, found.subject
    del found  # half a gigabyte at NSD's size
    return reduce(values, nsd_id, split, n_dimensions, subject, region)


def rescale(
    values: np.ndarray, session: np.ndarray, fitted: np.ndarray, subject: str
) -> np.ndarray:
    """Z-score voxels (T, V) within each session by the trials that may be fitted, float32.

    The extract is z-scored by all trials; this is an affine map of it, so that nothing is left of
    how test trials were scaled.
    """
    answer = np.empty_like(values, dtype=np.float32)
    for number in np.unique(session):
        rows = np.flatnonzero(session == number)
        chosen = values[rows[fitted[rows]]]
        if len(chosen) < 2:
            raise BrainworthError(
                f"{subject}, session {number}: {len(chosen)} trials are of images that are not "
                "test images, and a z-score needs at least 2; use other sessions (data.sessions)"
            )
        mean = chosen.mean(axis=0, dtype=np.float64)
        spread = chosen.std(axis=0, ddof=1, dtype=np.float64)
        if not np.all(spread > 0):
            raise BrainworthError(
                f"{subject}, session {number}: a voxel does not vary over the trials of training "
                "images; delete the extract of this subject and run again"
            )
        answer[rows] = (values[rows] - mean) / spread
    return answer


def reduce(
    values: np.ndarray,
    nsd_id: np.ndarray,
    split: Split,
    n_dimensions: int,
    subject: str,
    region: str,
) -> Columns:
    """Reduce trials (T, V) of one region to its mean and scores on `n_dimensions` axes.

    The axes are the leading principal ones of the mean responses to training images.
    """
    patterns = _means(values, nsd_id, split.train, subject)
    axes = np.column_stack(
        [np.full(values.shape[1], 1 / values.shape[1]), principal_axes(patterns, n_dimensions)]
    )
    columns = np.concatenate(
        [
            values[start : start + _BLOCK].astype(np.float64) @ axes
            for start in range(0, len(values), _BLOCK)
        ]
    )
    train = np.isin(nsd_id, split.train)
    image = np.searchsorted(split.train, nsd_id[train])
    n_trials = np.bincount(image, minlength=len(split.train))
    repeated = n_trials > 1
    kept = repeated[image]
    number = np.cumsum(repeated) - 1
    of_train = variance.contrasts_of(columns[train][kept], number[image[kept]], int(repeated.sum()))
    tested = np.isin(nsd_id, split.test)
    image = np.searchsorted(split.test, nsd_id[tested])
    trials = columns[tested]
    n_test = len(split.test)
    counts = np.bincount(image, minlength=n_test)
    if np.any(counts < 2):
        raise BrainworthError(
            f"{subject}: test image {split.test[counts.argmin()]} (nsd_id, from 0) was shown "
            f"{counts.min()} times and needs at least 2; use more sessions (data.sessions)"
        )
    of_test = variance.contrasts_of(trials, image, n_test)
    odd = _rank(image) % 2 == 1
    within = variance.by_stimulus(of_test.values.T**2, of_test)
    return Columns(
        subject=subject,
        region=region,
        n_voxels=values.shape[1],
        train=_means(columns, nsd_id, split.train, subject),
        validation=_means(columns, nsd_id, split.validation, subject),
        test=_means(trials, image, np.arange(n_test), subject),
        first=_means(trials[~odd], image[~odd], np.arange(n_test), subject),
        second=_means(trials[odd], image[odd], np.arange(n_test), subject),
        noise=(within / counts).mean(axis=1),
        train_repeated=repeated,
        train_squares=variance.by_stimulus(of_train.values.T**2, of_train).T,
        train_degrees=of_train.degrees,
        contrasts=of_test.values,
        contrast_image=of_test.stimulus,
        degrees=of_test.degrees,
        axes=axes,
    )


def principal_axes(patterns: np.ndarray, n: int) -> np.ndarray:
    """Return the n leading principal axes (V, n) of patterns (I, V), from the smaller Gram matrix.

    The sign of an axis is such that its weights sum to more than 0.
    """
    centred = patterns - patterns.mean(axis=0, dtype=np.float64)
    wide = centred.shape[0] < centred.shape[1]
    gram = centred @ centred.T if wide else centred.T @ centred
    vectors = eigh(gram, subset_by_index=[len(gram) - n, len(gram) - 1])[1][:, ::-1]
    axes = centred.T @ vectors if wide else vectors
    axes = axes / np.linalg.norm(axes, axis=0)
    return axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0)


def _means(values: np.ndarray, ids: np.ndarray, wanted: np.ndarray, subject: str) -> np.ndarray:
    """Average the rows of each wanted id (ascending), float64."""
    here = np.isin(ids, wanted)
    place = np.searchsorted(wanted, ids[here])
    counts = np.bincount(place, minlength=len(wanted))
    if counts.min(initial=1) == 0:
        raise BrainworthError(
            f"{subject} has no trial of image {wanted[counts.argmin()]} (nsd_id, from 0), which "
            "its split names: delete its targets in results/ and run again"
        )
    order = np.flatnonzero(here)[np.argsort(place, kind="stable")]
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    means = np.empty((len(wanted), values.shape[1]))
    for start in range(0, values.shape[1], _COLUMNS):
        columns = slice(start, start + _COLUMNS)
        trials = values[order, columns].astype(np.float64)
        means[:, columns] = np.add.reduceat(trials, first, axis=0) / counts[:, None]
    return means


def _rank(image: np.ndarray) -> np.ndarray:
    """Return the number of each trial among those of its image, from 0."""
    order = np.argsort(image, kind="stable")
    counts = np.bincount(image)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rank = np.empty(len(image), dtype=int)
    rank[order] = np.arange(len(image)) - np.repeat(first, counts)
    return rank
