"""A decoder that learns from the trials of several subjects who saw other images.

Voxels of two brains do not correspond, and training images are not shared, so that subjects can
only be joined through what voxels are tuned to. Each subject's responses are brought to a common
space with one axis for each region and each of a few components of the image features: the
response of the region along its own estimated tuning to the component, a unit vector. That map is
estimated from the subject's own trials, by regression of voxels on components, and is
cross-fitted: the coordinates of an image's trials come from a map that was fitted without the
image. From the common space, features are decoded by one ridge regression for all subjects, of
which the trials of others are as good as one's own where regions are tuned alike.

Only sums over folds are kept of each subject, so that any set of subjects is pooled by adding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainworth.errors import BrainworthError
from brainworth.folds import folds as draw_folds


@dataclass(frozen=True)
class Moments:
    """Sums over the trials of each of K folds: p coordinates, T features.

    Attributes
    ----------
    n : array of shape (K,)
    z, y : arrays of shape (K, p), (K, T)
    zz, zy : arrays of shape (K, p, p), (K, p, T)
    yy : array of shape (K, T)
    """

    n: np.ndarray
    z: np.ndarray
    y: np.ndarray
    zz: np.ndarray
    zy: np.ndarray
    yy: np.ndarray


@dataclass(frozen=True)
class Member:
    """One subject in the common space.

    Attributes
    ----------
    moments : Moments
        Of its training trials.
    test : array of shape (t, p)
        Coordinates of its test trials, by the map of all training trials.
    """

    moments: Moments
    test: np.ndarray


def join(
    x: np.ndarray,
    components: np.ndarray,
    features: np.ndarray,
    image: np.ndarray,
    test_x: np.ndarray,
    regions: Sequence[np.ndarray | None],
    n_folds: int,
    rng: np.random.Generator,
) -> Member:
    """Bring one subject to the common space.

    Parameters
    ----------
    x : array of shape (N, V)
        Responses of training trials.
    components : array of shape (N, C)
        Components of the features of each trial's image, C < N.
    features : array of shape (N, T)
    image : array of shape (N,), int
    test_x : array of shape (t, V)
    regions : sequence of arrays of int, or None
        Columns of `x` in each region, the same regions for all subjects; None where a subject has
        no voxel, and then its coordinates are 0.
    n_folds : int
        Over images.
    rng : generator

    Raises
    ------
    BrainworthError
        If there are fewer images than folds, or not more trials than components.
    """
    ids, of_trial = np.unique(image, return_inverse=True)
    if len(ids) < max(n_folds, 2) or len(x) * (n_folds - 1) <= n_folds * components.shape[1]:
        raise BrainworthError(
            f"{len(x)} trials of {len(ids)} images are too few to estimate the tuning of voxels to "
            f"{components.shape[1]} components in {n_folds} folds; raise "
            "bridges.decoding.smallest or lower bridges.decoding.n_components"
        )
    fold = draw_folds(len(ids), n_folds, rng)[of_trial]
    n_axes, n_features = len(regions) * components.shape[1], features.shape[1]
    sums = Moments(
        np.zeros(n_folds),
        np.zeros((n_folds, n_axes)),
        np.zeros((n_folds, n_features)),
        np.zeros((n_folds, n_axes, n_axes)),
        np.zeros((n_folds, n_axes, n_features)),
        np.zeros((n_folds, n_features)),
    )
    for number in range(n_folds):
        inside = fold == number
        z = _coordinates(x[inside], _tuning(x[~inside], components[~inside]), regions)
        y = features[inside].astype(np.float64)
        sums.n[number] = len(z)
        sums.z[number], sums.y[number] = z.sum(axis=0), y.sum(axis=0)
        sums.zz[number], sums.zy[number] = z.T @ z, z.T @ y
        sums.yy[number] = np.sum(y**2, axis=0)
    return Member(sums, _coordinates(test_x, _tuning(x, components), regions))


def decode(own: Member, others: Sequence[Member], penalties: np.ndarray) -> np.ndarray:
    """Decode the test trials of a subject by what it and others have taught.

    Parameters
    ----------
    own : Member
    others : sequence of Member
        May be empty.
    penalties : array
        Candidates, relative to the mean squared length of the centred coordinates. One is taken
        for all features: that of least squared error over the folds of `own`, each decoded without
        its own trials (those of others are never left out; they are of other images).

    Returns
    -------
    array of shape (t, T)
    """
    borrowed = [_total(other.moments) for other in others]
    whole = _total(own.moments)
    error = np.zeros(len(penalties))
    for number in range(len(own.moments.n)):
        held_out = _part(own.moments, number)
        rest = [a - b for a, b in zip(whole, held_out, strict=True)]
        error += _errors(_solved(_added([rest, *borrowed])), held_out, penalties)
    solved = _solved(_added([whole, *borrowed]))
    weights, intercept = _weights(solved, penalties[int(np.argmin(error))])
    return own.test @ weights + intercept


def components_of(features: np.ndarray, most: int) -> np.ndarray:
    """Return a basis (T, C) onto which features have C uncorrelated components of variance 1.

    Parameters
    ----------
    features : array of shape (N, T)
        Of training images, centred.
    most : int
        The leading C <= most principal components are kept.
    """
    values, vectors = np.linalg.eigh(features.T @ features / len(features))
    kept = min(most, int(np.sum(values > 1e-6 * values[-1])))
    return vectors[:, ::-1][:, :kept] / np.sqrt(values[::-1][:kept])


def _tuning(x: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Return the tuning (V, C) of voxels to components, by least squares with an intercept."""
    centred = components - components.mean(axis=0)
    # as much as one more trial, so that few trials do not make it singular
    gram = centred.T @ centred + np.eye(centred.shape[1])
    return np.linalg.solve(gram, centred.T @ x).T


def _coordinates(
    x: np.ndarray, tuning: np.ndarray, regions: Sequence[np.ndarray | None]
) -> np.ndarray:
    n_components = tuning.shape[1]
    z = np.zeros((len(x), len(regions) * n_components))
    for number, columns in enumerate(regions):
        if columns is not None:
            axes = tuning[columns]
            length = np.linalg.norm(axes, axis=0)
            axes = axes / np.where(length > 0, length, 1.0)
            z[:, number * n_components : (number + 1) * n_components] = x[:, columns] @ axes
    return z


def _part(moments: Moments, number: int) -> list[np.ndarray]:
    return [values[number] for values in vars(moments).values()]


def _total(moments: Moments) -> list[np.ndarray]:
    return [values.sum(axis=0) for values in vars(moments).values()]


def _added(parts: Sequence[list[np.ndarray]]) -> list[np.ndarray]:
    return [sum(values) for values in zip(*parts, strict=True)]


def _solved(sums: list[np.ndarray]) -> tuple:
    """Return what all penalties need: eigenvalues, eigenvectors, rotated products, means, scale."""
    n, z, y, zz, zy, _ = sums
    z_mean, y_mean = z / n, y / n
    gram = zz - n * np.outer(z_mean, z_mean)
    values, vectors = np.linalg.eigh(gram)
    product = zy - n * np.outer(z_mean, y_mean)
    return np.maximum(values, 0), vectors, vectors.T @ product, z_mean, y_mean, np.trace(gram) / n


def _weights(solved: tuple, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    values, vectors, rotated, z_mean, y_mean, scale = solved
    weights = vectors @ (rotated / (values[:, None] + penalty * scale))
    return weights, y_mean - z_mean @ weights


def _errors(solved: tuple, held_out: list[np.ndarray], penalties: np.ndarray) -> np.ndarray:
    """Return the summed squared error of held-out trials, of each penalty, from their sums."""
    values, vectors, rotated, z_mean, y_mean, scale = solved
    n, z, y, zz, zy, yy = held_out
    gram = zz - np.outer(z_mean, z) - np.outer(z, z_mean) + n * np.outer(z_mean, z_mean)
    product = zy - np.outer(z_mean, y) - np.outer(z, y_mean) + n * np.outer(z_mean, y_mean)
    squares = np.sum(yy - 2 * y_mean * y + n * y_mean**2)
    gram, product = vectors.T @ gram @ vectors, vectors.T @ product
    answer = np.empty(len(penalties))
    for place, penalty in enumerate(penalties):
        weights = rotated / (values[:, None] + penalty * scale)
        answer[place] = squares + np.sum(weights * (gram @ weights - 2 * product))
    return answer
