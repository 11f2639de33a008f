"""The features of the images of several subjects as few components, the same for all.

Scales and components are fitted to a sample of training images of all subjects; features are then
read and reduced one subject at a time, as the tokens of one are gigabytes at NSD's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from brainworth.bridges.averaging.average_encoder import Inputs
from brainworth.encoder.features import store
from brainworth.encoder.features.store import Features
from brainworth.errors import BrainworthError
from brainworth.stats import stream

#: From 0-based 73K ids to features, row by row.
Read = Callable[[np.ndarray], Features]
#: Training images of all subjects that scales and components are fitted to, at most.
SAMPLE = 3000
#: Images read at a time: their tokens are 0.4 GB at NSD's size.
_BLOCK = 1000
_NO_VARIANCE = 1e-10  # of the largest eigenvalue: below it a component is rounding


@dataclass(frozen=True)
class Reducer:
    """Global vector, mean token and tokens of an image as components, the leading one first.

    Attributes
    ----------
    basis : array of shape (C, c)
        Leading components of the channels of tokens.
    offset, gain : arrays of shape (F,)
        Of the three blocks side by side.
    axes : array of shape (F, P)
    """

    basis: np.ndarray
    offset: np.ndarray
    gain: np.ndarray
    axes: np.ndarray

    def __call__(self, features: Features) -> np.ndarray:
        """Return components (N, P), float64."""
        return ((np.hstack(_blocks(features, self.basis)) - self.offset) * self.gain) @ self.axes


def fit(features: Features, token_features: int, n_components: int) -> Reducer:
    """Fit scales and components to the features of training images.

    Parameters
    ----------
    features : Features
    token_features : int
        Features that all tokens of an image may become: places x channels, of which the leading
        principal components are taken if there are more; but one a place in any case.
    n_components : int
        Components of all features together, at most. Global vector and mean token are standardised
        column by column, and tokens, which keep their places, brought to the same mean variance.

    Raises
    ------
    BrainworthError
        If all images have the same features.
    """
    _, n_places, n_channels = features.tokens.shape
    _, gain = store.scale_of(features.tokens, np.arange(len(features.tokens)))
    kept = max(1, min(n_channels, token_features // n_places))
    basis = np.diag(np.broadcast_to(gain, (n_channels,))).astype(np.float32)
    if kept < n_channels:
        # channels have a mean of their own, so that what is centred are sums of products
        n, total, products = 0, np.zeros(n_channels), np.zeros((n_channels, n_channels))
        for start in range(0, len(features.tokens), store.BLOCK):
            part = features.tokens[start : start + store.BLOCK].reshape(-1, n_channels) * gain
            n, total = n + len(part), total + part.sum(axis=0)
            products += part.T @ part
        covariance = products / n - np.outer(total, total) / n**2
        basis = basis @ np.linalg.eigh(covariance)[1][:, ::-1][:, :kept].astype(np.float32)
    blocks = _blocks(features, basis)
    gains = []
    for block, alone in zip(blocks, (True, True, False), strict=True):
        spread = block.std(axis=0)
        moving = spread > 1e-6 * np.maximum(1, np.abs(block.mean(axis=0)))
        if not alone:
            spread = np.full(len(spread), np.sqrt(np.mean(np.square(spread))))
        gains.append(np.where(moving, 1 / np.where(moving, spread, 1), 0))
    raw, scale = np.hstack(blocks), np.concatenate(gains)
    offset = raw.mean(axis=0)
    centred = (raw - offset) * scale
    values, vectors = np.linalg.eigh(centred.T @ centred / len(raw))
    if not values[-1] > 0:
        raise BrainworthError(
            "all training images have the same features, so nothing can be predicted from them; "
            "look at the settings of encoder.features"
        )
    n_kept = min(n_components, int(np.sum(values > _NO_VARIANCE * values[-1])))
    return Reducer(basis, offset, scale, vectors[:, ::-1][:, :n_kept])


def _blocks(features: Features, basis: np.ndarray) -> list[np.ndarray]:
    """Return global vector, mean token and reduced tokens, (N, F_b) each, float64."""
    n, n_places, n_channels = features.tokens.shape
    mean_token = np.empty((n, n_channels))
    reduced = np.empty((n, n_places * basis.shape[1]))
    for start in range(0, n, store.BLOCK):
        rows = slice(start, start + store.BLOCK)
        part = features.tokens[rows].astype(np.float32)
        mean_token[rows] = part.mean(axis=1)
        reduced[rows] = (part.reshape(-1, n_channels) @ basis).reshape(len(part), -1)
    return [features.global_.astype(np.float64), mean_token, reduced]


def gather(
    read: Read,
    train: Sequence[np.ndarray],
    validation: Sequence[np.ndarray],
    test: np.ndarray,
    *,
    token_features: int,
    n_components: int,
    seed: int,
) -> Inputs:
    """Read the features of all subjects' images and reduce them.

    Parameters
    ----------
    read : callable
    train, validation : sequences of arrays of int
        0-based 73K ids of each subject.
    test : array of int
    """
    pool = np.unique(np.concatenate(list(train)))
    rng = stream(seed, "averaging", "features")
    sample = np.sort(rng.permutation(pool)[:SAMPLE])
    reducer = fit(read(sample), token_features, n_components)

    def reduced(ids: np.ndarray) -> np.ndarray:
        parts = [ids[start : start + _BLOCK] for start in range(0, len(ids), _BLOCK)]
        return np.concatenate([reducer(read(part)) for part in parts])

    return Inputs(
        "images",
        [reduced(ids) for ids in train],
        [reduced(ids) for ids in validation],
        reduced(test),
    )
