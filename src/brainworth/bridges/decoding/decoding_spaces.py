"""The features that are decoded, standardised over training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainworth.bridges.decoding import decoding_scores, pooled_decoder
from brainworth.bridges.decoding.decoding_scores import Resamples
from brainworth.encoder.features import store
from brainworth.errors import BrainworthError
from brainworth.nsd.simulate.truth import ImageTruth
from brainworth.sections.data import Simulation


@dataclass(frozen=True)
class Space:
    """Features that are decoded.

    Attributes
    ----------
    name, label : str
    read : callable
        From 0-based 73K ids (N,) to features (N, T).
    planted : bool
        Whether they are what simulated responses were made of.
    """

    name: str
    label: str
    read: Callable[[np.ndarray], np.ndarray]
    planted: bool = False


@dataclass(frozen=True)
class Standardised:
    """A space, standardised over the training images of all subjects.

    Attributes
    ----------
    space : Space
    mean, gain : arrays of shape (T,)
    kept : array of shape (T0,), bool
        Which features vary over training images and over test images.
    components : array of shape (T, C)
        See `pooled_decoder.components_of`.
    tested : array of shape (I,), int
        Test images, 0-based 73K ids, ascending.
    samples : Resamples
        Of the test images.
    """

    space: Space
    mean: np.ndarray
    gain: np.ndarray
    kept: np.ndarray
    components: np.ndarray
    tested: np.ndarray
    samples: Resamples

    def read(self, nsd_id: np.ndarray) -> np.ndarray:
        """Return the standardised features (N, T) of images."""
        ids, place = np.unique(nsd_id, return_inverse=True)
        return ((_read(self.space, ids)[:, self.kept] - self.mean) * self.gain)[place]


def true_features(images: ImageTruth, simulation: Simulation) -> Space:
    """Return the features that all simulated subjects encode."""
    return Space(
        "true",
        "true features",
        lambda nsd_id: images.features[nsd_id][:, : simulation.shared_features],
        planted=True,
    )


def encoder_features(path: Path) -> Space:
    """Return the global vectors of the encoder's features."""
    backend = store.read(path, np.array([], dtype=int), tokens=False).backend
    return Space(
        "encoder",
        f"global vectors ({backend})",
        lambda nsd_id: store.read(path, nsd_id, tokens=False).global_,
    )


def standardise(
    space: Space, train: np.ndarray, tested: np.ndarray, counts: np.ndarray, n_components: int
) -> Standardised:
    """Standardise a space over training images.

    Parameters
    ----------
    train, tested : arrays of int
        0-based 73K ids, each once.
    counts : array of shape (1 + B, I)
        Resamples of the test images.

    Raises
    ------
    BrainworthError
        If no feature varies.
    """
    values, truth = _read(space, train), _read(space, tested)
    mean, spread = values.mean(axis=0), values.std(axis=0)
    kept = spread > 1e-6 * np.maximum(1.0, np.abs(mean))
    kept &= decoding_scores.truth_that_varies(truth)
    if not kept.any():
        raise BrainworthError(
            f"none of the {values.shape[1]} features of {space.label} varies over training images "
            "and over test images, and there is nothing to decode; use other encoder.features"
        )
    mean, gain = mean[kept], 1 / spread[kept]
    return Standardised(
        space,
        mean,
        gain,
        kept,
        pooled_decoder.components_of((values[:, kept] - mean) * gain, n_components),
        tested,
        Resamples((truth[:, kept] - mean) * gain, counts),
    )


def _read(space: Space, nsd_id: np.ndarray) -> np.ndarray:
    values = np.asarray(space.read(nsd_id), dtype=np.float64)
    if not np.isfinite(values).all():
        raise BrainworthError(
            f"{np.count_nonzero(~np.isfinite(values).all(axis=1))} images have a feature of "
            f"{space.label} that is not a number; delete the file of features and run again"
        )
    return values
