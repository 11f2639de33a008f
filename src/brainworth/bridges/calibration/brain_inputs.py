"""The inputs of the theory: white principal components of image features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainworth.encoder import linear_features
from brainworth.encoder.features import store
from brainworth.errors import BrainworthError

#: Principal components with less than this share of the variance of the first are rounding.
_RANK = 1e-8


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
    values = features.values[fitted].astype(np.float64)
    n = len(values)
    mean, spread = values.mean(axis=0), values.std(axis=0)
    gain = np.where(spread > 1e-6 * np.maximum(1, np.abs(mean)), 1, 0) / np.where(
        spread > 0, spread, 1
    )
    values -= mean
    covariance = values.T @ values / n
    variances, axes = np.linalg.eigh(covariance * np.outer(gain, gain))
    variances, axes = variances[::-1], axes[:, ::-1]
    rank = int(np.count_nonzero(variances > _RANK * max(variances[0], 1e-300)))
    d = min(dimensions, rank)
    if d < 4 or n < 2 * d:
        raise BrainworthError(
            f"{n} images and {rank} features that vary ({features.origin}) make no inputs of "
            f"{dimensions} dimensions; lower bridges.calibration.dimensions (4 at least) or use "
            "more images"
        )
    transform = gain[:, None] * axes[:, :d] / np.sqrt(variances[:d])
    white = features.values @ transform - mean @ transform
    chosen = white[fitted]
    squares = chosen**2
    return Inputs(
        x=white,
        transform=transform,
        covariance=covariance @ transform,
        share=float(variances[:d].sum() / variances.sum()),
        n_fitted=n,
        kurtosis=np.mean(squares**2, axis=0) / np.mean(squares, axis=0) ** 2 - 3,
    )
