"""A decoder that learns from the trials of several subjects who saw other images.

Voxels of two brains do not correspond, and training images are not shared, so that subjects can
only be joined through what voxels say of image features. Each subject's responses are brought to a
common space by maps that are estimated from the subject's own trials. For each of a few components
of the features it has an axis

* of what the subject's own decoder makes of the trial;
* and one for each region: the response of the region along its own tuning to the component, from a
  regression of voxels on components.

Every axis is a guess of a component, in its units. All maps are cross-fitted: the coordinates of an
image's trials come from maps that were fitted without the image. What the own decoder leaves of the
features is then predicted from the common space by one ridge regression for all subjects, so that
the more it is penalised, the more the subject's own decoder is left as it is. Trials of others help
where axes deserve the same trust in all subjects, and do harm where not, so that how much they
count is chosen, by how well the subject's own held-out trials are decoded; it can be nothing.

Only sums over folds are kept of each subject, so that any set of subjects is pooled by adding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainworth.errors import BrainworthError
from brainworth.folds import folds as draw_folds

#: What a trial of another subject may count, relative to one of one's own.
WEIGHTS = (0.0, 0.1, 1.0)


@dataclass(frozen=True)
class Moments:
    """Sums over the trials of each of K folds: p coordinates z, and what is left of T features, y.

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
        Coordinates of its test trials, by the maps of all training trials.
    decoded : array of shape (t, T)
        What the own decoder makes of them.
    """

    moments: Moments
    test: np.ndarray
    decoded: np.ndarray


@dataclass(frozen=True)
class Decoded:
    """What is decoded of test trials.

    Attributes
    ----------
    values : array of shape (t, T)
    weight : float
        What a trial of others counts.
    """

    values: np.ndarray
    weight: float


def join(
    x: np.ndarray,
    features: np.ndarray,
    basis: np.ndarray,
    image: np.ndarray,
    test_x: np.ndarray,
    decoded: tuple[np.ndarray, np.ndarray],
    regions: Sequence[np.ndarray | None],
    n_folds: int,
    rng: np.random.Generator,
) -> Member:
    """Bring one subject to the common space.

    Parameters
    ----------
    x : array of shape (N, V)
        Responses of training trials.
    features : array of shape (N, T)
        Of each trial's image.
    basis : array of shape (T, C)
        See `components_of`.
    image : array of shape (N,), int
    test_x : array of shape (t, V)
    decoded : arrays of shape (N, T) and (t, T)
        What the own decoder makes of training trials, each without its image, and of test trials.
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
    components = features @ basis
    if len(ids) < max(n_folds, 2) or len(x) * (n_folds - 1) <= n_folds * components.shape[1]:
        raise BrainworthError(
            f"{len(x)} trials of {len(ids)} images are too few to estimate the tuning of voxels to "
            f"{components.shape[1]} components in {n_folds} folds; raise "
            "bridges.decoding.smallest or lower bridges.decoding.n_components"
        )
    fold = draw_folds(len(ids), n_folds, rng)[of_trial]
    axes = np.empty((len(x), len(regions) * components.shape[1]))
    for number in range(n_folds):
        inside = fold == number
        axes[inside] = _along(x[inside], _tuning(x[~inside], components[~inside]), regions)
    scale = _slopes(axes, np.tile(components, len(regions)))
    z = np.hstack([decoded[0] @ basis, scale * axes])
    along = _along(test_x, _tuning(x, components), regions)
    test = np.hstack([decoded[1] @ basis, scale * along])
    y = (features - decoded[0]).astype(np.float64)
    parts = [(z[fold == number], y[fold == number]) for number in range(n_folds)]
    return Member(
        Moments(
            n=np.array([len(a) for a, _ in parts], dtype=float),
            z=np.stack([a.sum(axis=0) for a, _ in parts]),
            y=np.stack([b.sum(axis=0) for _, b in parts]),
            zz=np.stack([a.T @ a for a, _ in parts]),
            zy=np.stack([a.T @ b for a, b in parts]),
            yy=np.stack([np.sum(b**2, axis=0) for _, b in parts]),
        ),
        test,
        decoded[1],
    )


def decode(own: Member, others: Sequence[Member], penalties: np.ndarray) -> Decoded:
    """Decode the test trials of a subject by what it and others have taught.

    Parameters
    ----------
    own : Member
    others : sequence of Member
        May be empty.
    penalties : array
        Candidates, relative to the mean squared length of the centred coordinates. One is taken
        for all features, with one of `WEIGHTS` for the trials of others: those of least squared
        error over the folds of `own`, each decoded without its own trials (those of others are of
        other images).
    """
    borrowed = _added([_total(other.moments) for other in others]) if others else None
    whole = _total(own.moments)
    error = np.zeros((len(WEIGHTS) if others else 1, len(penalties)))
    for number in range(len(own.moments.n)):
        held_out = _part(own.moments, number)
        rest = [a - b for a, b in zip(whole, held_out, strict=True)]
        for row, weight in zip(error, WEIGHTS, strict=False):
            row += _errors(_solved(_with(rest, borrowed, weight)), held_out, penalties)
    best, place = np.unravel_index(int(np.argmin(error)), error.shape)
    solved = _solved(_with(whole, borrowed, WEIGHTS[best]))
    weights, intercept = _weights(solved, penalties[place])
    return Decoded(own.decoded + own.test @ weights + intercept, WEIGHTS[best])


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


def _along(x: np.ndarray, tuning: np.ndarray, regions: Sequence[np.ndarray | None]) -> np.ndarray:
    """Return responses (N, R * C) of regions along their tuning (V, C), axes of unit length."""
    n_components = tuning.shape[1]
    z = np.zeros((len(x), len(regions) * n_components))
    for number, columns in enumerate(regions):
        if columns is not None:
            axes = tuning[columns]
            length = np.linalg.norm(axes, axis=0)
            axes = axes / np.where(length > 0, length, 1.0)
            z[:, number * n_components : (number + 1) * n_components] = x[:, columns] @ axes
    return z


def _slopes(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the slope of each column of y on that of z; 0 where z does not vary."""
    centred = z - z.mean(axis=0)
    squares = np.sum(centred**2, axis=0)
    return np.sum(centred * y, axis=0) / np.where(squares > 0, squares, np.inf)


def _with(
    own: list[np.ndarray], borrowed: list[np.ndarray] | None, weight: float
) -> list[np.ndarray]:
    if borrowed is None:
        return own
    return [a + weight * b for a, b in zip(own, borrowed, strict=True)]


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
