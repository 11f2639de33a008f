"""Targets that mean the same in every subject, so that one encoder can predict all of them.

Subjects share no voxels and, but for the test images, no images. Two spaces are common to them:

roi_mean
    The mean response of a region. Nothing is fitted.
components
    The leading components of a region's voxels, rotated to agree with those of the other subjects
    (generalized Procrustes). The rotation needs common images, and only test images are common:
    it is fitted on half of them and everything is scored on the other half, then the halves are
    swapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainworth.bridges.averaging.region_responses import Columns
from brainworth.erosion import procrustes
from brainworth.folds import folds

ROI_MEAN, COMPONENTS = "roi_mean", "components"


@dataclass(frozen=True)
class Space:
    """What is predicted of S subjects and R regions, in K columns a region.

    Attributes
    ----------
    name : str
        `ROI_MEAN` or `COMPONENTS`.
    images : array of int
        Which of the test images are scored.
    train, validation : lists of S arrays of shape (n_s, R, K)
        0 where a subject lacks a region.
    test, first, second : arrays of shape (S, len(images), R, K)
        About their means over these images.
    noise : array of shape (S, R)
        Variance of `test` that trial noise makes, summed over columns.
    present : array of shape (S, R), bool
        Whether a subject has a region.
    maps : array of shape (S, F, R, K) or None
        Planted weights of these columns on the features that responses are made of.
    """

    name: str
    images: np.ndarray
    train: list[np.ndarray]
    validation: list[np.ndarray]
    test: np.ndarray
    first: np.ndarray
    second: np.ndarray
    noise: np.ndarray
    present: np.ndarray
    maps: np.ndarray | None


def spaces(
    found: Sequence[Sequence[Columns | None]],
    maps: Sequence[Sequence[np.ndarray | None]] | None,
    rng: np.random.Generator,
) -> list[Space]:
    """Return the mean of regions, then components aligned on each half of the test images.

    Parameters
    ----------
    found : S sequences of R Columns
        None where a subject lacks a region; at least one is there of each subject.
    maps : the same of arrays of shape (F, C), or None
        Planted weights.
    rng : numpy.random.Generator
        Splits the test images into halves.
    """
    n_images = next(item for row in found for item in row if item is not None).test.shape[0]
    half = folds(n_images, 2, rng)
    answer = [_space(ROI_MEAN, found, maps, None, np.arange(n_images))]
    for number in range(2):
        fitted = np.flatnonzero(half == number)
        turns = [_rotations([row[r] for row in found], fitted) for r in range(len(found[0]))]
        rotations = [[turns[r][s] for r in range(len(found[0]))] for s in range(len(found))]
        images = np.flatnonzero(half != number)
        answer.append(_space(COMPONENTS, found, maps, rotations, images))
    return answer


def _rotations(members: list[Columns | None], images: np.ndarray) -> list[np.ndarray | None]:
    """Rotate each subject's scores on these images to those of the others, (K, K) a subject."""
    there = [s for s, item in enumerate(members) if item is not None]
    scores = []
    for s in there:
        own = members[s].test[images, 1:]
        own = own - own.mean(axis=0)
        scores.append(own / np.linalg.norm(own))
    answer: list[np.ndarray | None] = [None] * len(members)
    if there:
        found = procrustes.generalized(procrustes.cross_products(np.stack(scores)))
        for s, rotation in zip(there, found, strict=True):
            answer[s] = rotation
    return answer


def _space(
    name: str,
    found: Sequence[Sequence[Columns | None]],
    maps: Sequence[Sequence[np.ndarray | None]] | None,
    rotations: list[list[np.ndarray | None]] | None,
    images: np.ndarray,
) -> Space:
    item = next(item for row in found for item in row if item is not None)
    n_subjects, n_regions = len(found), len(found[0])
    width = 1 if rotations is None else item.train.shape[1] - 1

    def columns(values: np.ndarray, s: int, r: int) -> np.ndarray:
        return values[:, :1] if rotations is None else values[:, 1:] @ rotations[s][r]

    shape = (n_subjects, len(images), n_regions, width)
    test, first, second = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    noise = np.zeros((n_subjects, n_regions))
    present = np.array([[each is not None for each in row] for row in found])
    train, validation = [], []
    planted = None
    if maps is not None:
        n_features = next(each for row in maps for each in row if each is not None).shape[0]
        planted = np.zeros((n_subjects, n_features, n_regions, width))
    for s, row in enumerate(found):
        some = next(each for each in row if each is not None)
        train.append(np.zeros((len(some.train), n_regions, width)))
        validation.append(np.zeros((len(some.validation), n_regions, width)))
        for r, each in enumerate(row):
            if each is None:
                continue
            train[s][:, r] = columns(each.train, s, r)
            validation[s][:, r] = columns(each.validation, s, r)
            for into, values in ((test, each.test), (first, each.first), (second, each.second)):
                chosen = columns(values[images], s, r)
                into[s, :, r] = chosen - chosen.mean(axis=0)
            # A rotation leaves the sum over all scores as it is.
            noise[s, r] = each.noise[0] if rotations is None else each.noise[1:].sum()
            if planted is not None:
                planted[s, :, r] = columns(maps[s][r], s, r)
    return Space(name, images, train, validation, test, first, second, noise, present, planted)
