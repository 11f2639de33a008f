"""The inputs of the theory: white principal components of image features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import eigh

from brainworth.encoder import linear_features
from brainworth.encoder.features import store
from brainworth.errors import BrainworthError

#: Principal components with less than this share of the variance of the first are rounding.
_RANK = 1e-8
#: Numbers in double precision at a time (64 MB): those of all images are gigabytes at NSD's size.
_BLOCK = 2**23
#: Covariance matrices up to this size are decomposed in full.
_SMALL = 1000


@dataclass(frozen=True)
class ImageFeatures:
    """Features of images.

    Attributes
    ----------
    nsd_id : array of shape (N,), int
        0-based 73K ids, ascending, each once.
    values : array of shape (N, F), float32
    origin : str
        ``truth``, or the backend of the encoder's features.
    """

    nsd_id: np.ndarray
    values: np.ndarray
    origin: str

    def rows(self, nsd_id: np.ndarray) -> np.ndarray:
        """Return the rows of images, all of which must be there."""
        return np.searchsorted(self.nsd_id, nsd_id)

    def has(self, nsd_id: np.ndarray) -> np.ndarray:
        """Say of each image whether it is described."""
        return np.isin(nsd_id, self.nsd_id)


@dataclass(frozen=True)
class Inputs:
    """Inputs: features less their mean, times a matrix that makes them white.

    Attributes
    ----------
    x : array of shape (N, d), float64
        One row an image of `ImageFeatures`; covariance 1 over the images it was fitted on.
    transform : array of shape (F, d)
    covariance : array of shape (F, d)
        Of features and inputs, over the images it was fitted on.
    share : float
        Of the variance of the standardised features that the inputs keep.
    n_fitted : int
    kurtosis : array of shape (d,)
        Excess kurtosis of each input over the images it was fitted on; 0 if Gaussian.
    """

    x: np.ndarray
    transform: np.ndarray
    covariance: np.ndarray
    share: float
    n_fitted: int
    kurtosis: np.ndarray


def of_truth(features: np.ndarray) -> ImageFeatures:
    """Take the features that simulated responses and tasks are made of; row i is image i."""
    return ImageFeatures(np.arange(len(features)), np.asarray(features, np.float32), "truth")


def of_store(path: Path) -> ImageFeatures:
    """Take what the encoder's features say about an image as a whole.

    That is the global vector, and global vector and mean token of each layer, each block scaled to
    the same variance.
    """
    found = store.read(path, tokens=False)
    blocks = [found.global_, *(block for pair in found.layers.values() for block in pair)]
    blocks = [block for block in blocks if block.shape[1]]
    values = linear_features.join(blocks, np.arange(len(found.nsd_id)))
    return ImageFeatures(found.nsd_id, values, found.backend)


def whiten(features: ImageFeatures, fitted: np.ndarray, dimensions: int) -> Inputs:
    """Standardise features and take their leading principal components, each of variance 1.

    Parameters
    ----------
    features : ImageFeatures
    fitted : array of bool or int
        Rows that everything is fitted on: no test images.
    dimensions : int
        Components; all, if there are no more features than that.

    Raises
    ------
    BrainworthError
        If too few images or features vary.
    """
    rows = np.arange(len(features.values))[fitted]
    n, n_features = len(rows), features.values.shape[1]
    step = max(1, _BLOCK // n_features)
    blocks = [rows[start : start + step] for start in range(0, n, step)]
    mean = sum(features.values[each].astype(np.float64).sum(axis=0) for each in blocks) / n
    squares, products = np.zeros(n_features), np.zeros((n_features, n_features))
    for each in blocks:
        centred = features.values[each].astype(np.float64)
        centred -= mean
        squares += np.sum(np.square(centred), axis=0)
        products += centred.T @ centred
    spread = np.sqrt(squares / n)
    covariance = np.divide(products, n, out=products)
    gain = np.where(spread > 1e-6 * np.maximum(1, np.abs(mean)), 1, 0) / np.where(
        spread > 0, spread, 1
    )
    scaled = np.outer(gain, gain)
    scaled *= covariance
    variances, axes, total = _leading(scaled, dimensions)
    rank = int(np.count_nonzero(variances > _RANK * max(variances[0], 1e-300)))
    d = min(dimensions, rank)
    if d < 4 or n < 2 * d:
        raise BrainworthError(
            f"{n} images and {rank} components that vary ({features.origin}) make no inputs of "
            f"{dimensions} dimensions; lower bridges.calibration.dimensions (4 at least) or use "
            "more images"
        )
    transform = gain[:, None] * axes[:, :d] / np.sqrt(variances[:d])
    white = np.empty((len(features.values), d))
    for start in range(0, len(white), step):
        white[start : start + step] = features.values[start : start + step] @ transform
    white -= mean @ transform
    chosen = white[fitted]
    squares = chosen**2
    return Inputs(
        x=white,
        transform=transform,
        covariance=covariance @ transform,
        share=float(variances[:d].sum() / total),
        n_fitted=n,
        kurtosis=np.mean(squares**2, axis=0) / np.mean(squares, axis=0) ** 2 - 3,
    )


def _leading(matrix: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the leading eigenvalues, descending, their eigenvectors, and the sum of all.

    Of a large matrix no more are computed, and it is overwritten: all those of the 6,912 features
    that four layers of DINOv2 make would be gigabytes.
    """
    size = len(matrix)
    if size <= max(_SMALL, most):
        values, axes = np.linalg.eigh(matrix)
        return values[::-1], axes[:, ::-1], float(values[::-1].sum())
    total = float(np.trace(matrix))
    # the transpose of a symmetric matrix is the same one, in the order that is not copied
    values, axes = eigh(
        matrix.T, subset_by_index=(size - most, size - 1), overwrite_a=True, check_finite=False
    )
    return values[::-1], axes[:, ::-1], total
