"""Feature spaces of the images of a subject, brought to a common size.

A space is what a configuration names: features of the encoder (all of them, the global vector, or a
layer), a file of somebody's own, or, on simulated data, a planted one. As retrieval and encoding
both depend on how many dimensions a space has, every space is brought to the same number of
principal components at most. Everything is fitted on training images: means and scales of channels,
components, and the variances by which retrieval scales them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brainworth.encoder import linear_features
from brainworth.encoder.features import from_file, store
from brainworth.encoder.features.store import Features
from brainworth.errors import BrainworthError

ALL, GLOBAL = "all", "global"
_NO_VARIANCE = 1e-10  # of the largest variance: below it a component is rounding


@dataclass(frozen=True)
class Reduced:
    """A space of N images, by its leading principal components over the training images.

    Attributes
    ----------
    scores : array of shape (N, K), float32
        Centred by the training images; their mean variance there is 1, the first is the largest.
    whitened : array of shape (N, K), float32
        The same, each of variance 1 over the training images.
    n_dimensions : int
        Channels of the space.
    effective_dimension : float
        (sum of variances)^2 / sum of their squares, over all principal components: the number of
        components, were they of the same variance.
    kept : float
        Share of the variance that the components have.
    """

    scores: np.ndarray
    whitened: np.ndarray
    n_dimensions: int
    effective_dimension: float
    kept: float

    @property
    def n_components(self) -> int:
        """How many components there are."""
        return self.scores.shape[1]


def key_of(name: str) -> str:
    """Return where the configuration says what a space is."""
    return f"bridges.feature_spaces.spaces, {name}"


def part_of(
    features: Features, part: str, train_rows: np.ndarray, *, token_features: int, name: str
) -> np.ndarray:
    """Return the features of a space as one vector an image, as the encoder's ridge has them.

    Parameters
    ----------
    features : Features
        Of N images, not standardised; with tokens if `part` is all.
    part : str
        ``all`` (global vector, mean token and tokens), ``global`` (the vector alone), or the name
        of a layer (its vector and mean token).
    train_rows : array of int
        Rows of training images, of which everything is fitted.
    token_features : int
        See `linear_features.everything`.
    name : str
        Of the space, for messages.

    Returns
    -------
    array of shape (N, P), float32

    Raises
    ------
    BrainworthError
        If there is no such layer.
    """
    scaled = store.standardise(replace(features, tokens=features.tokens[:, :0]), train_rows)
    if part == GLOBAL:
        return scaled.global_
    if part == ALL:
        whole = replace(scaled, tokens=features.tokens)
        return linear_features.everything(whole, train_rows, token_features)
    if part not in scaled.layers:
        known = ", ".join([ALL, GLOBAL, *scaled.layers])
        raise BrainworthError(
            f"{key_of(name)}: the features have no part {part!r}; choose one of {known}"
        )
    return linear_features.overview(scaled, train_rows, part)


def read_file(path: Path, nsd_id: np.ndarray, *, part: str, grid: int, name: str) -> Features:
    """Read a file of features of somebody's own (docs/features.md).

    Parameters
    ----------
    nsd_id : array of shape (N,), int
        0-based 73K ids; may repeat.
    part : str
        See `part_of`; only for ``all`` the file needs tokens.
    grid : int
        Tokens along a side, to which those of the file are averaged.
    name : str
        Of the space, for messages.

    Raises
    ------
    BrainworthError
        If the file is missing or damaged, lacks an image, or a dataset is missing, of another
        shape or kind, or not finite.
    """
    key = key_of(name)
    images, rows = np.unique(nsd_id, return_inverse=True)
    layers = from_file.check(path, images, tokens=part == ALL, key=key)
    if part not in (ALL, GLOBAL, *layers):
        known = ", ".join([ALL, GLOBAL, *layers])
        raise BrainworthError(f"{key}: {path} has no part {part!r}; choose one of {known}")
    blocks = []
    for start in range(0, len(images), store.BLOCK):
        ids = images[start : start + store.BLOCK]
        block = from_file.describe(path, ids, grid=grid if part == ALL else None, key=key)
        chosen = {part: block.layers[part]} if part in layers else {}
        tokens = block.tokens.astype(np.float32)
        for values in (block.global_, tokens, *chosen.get(part, ())):
            wrong = ~np.isfinite(values.reshape(len(ids), -1)).all(axis=1)
            if wrong.any():
                raise BrainworthError(
                    f"{key}: {path} has a feature of the image of nsd_id {ids[wrong][0]} (from 0) "
                    f"that is not a number; {from_file.MANUAL}"
                )
        blocks.append((block.global_, tokens, chosen))
    joined = {
        layer: tuple(np.concatenate([each[2][layer][k] for each in blocks])[rows] for k in (0, 1))
        for layer in blocks[0][2]
    }
    return Features(
        nsd_id=np.asarray(nsd_id, dtype=np.int64),
        global_=np.concatenate([each[0] for each in blocks])[rows],
        tokens=np.concatenate([each[1] for each in blocks])[rows],
        layers=joined,
        backend="file",
        weights_sha256="",
    )


def reduce(values: np.ndarray, train_rows: np.ndarray, n_components: int, name: str) -> Reduced:
    """Bring a space to its leading principal components over the training images.

    Parameters
    ----------
    values : array of shape (N, P)
    train_rows : array of int
        All that is fitted is fitted on these rows.
    n_components : int
        Components at most; a space of fewer dimensions keeps all it has.
    name : str
        Of the space, for messages.

    Raises
    ------
    BrainworthError
        If a value is not finite, or all training images are the same in the space.
    """
    values = np.asarray(values)
    if not np.isfinite(values).all():
        raise BrainworthError(f"{key_of(name)}: a feature is not finite; check where it comes from")
    train = values[train_rows].astype(np.float64)
    mean = train.mean(axis=0)
    train -= mean
    n, p = train.shape
    if p <= n:
        variances, axes = np.linalg.eigh(train.T @ train / n)
    else:
        variances, left = np.linalg.eigh(train @ train.T / n)
        positive = variances > _NO_VARIANCE * max(variances[-1], 0)
        variances, left = variances[positive], left[:, positive]
        axes = train.T @ (left / np.sqrt(n * variances))
    variances, axes = np.maximum(variances[::-1], 0), axes[:, ::-1]
    if not variances.size or variances[0] <= _NO_VARIANCE * max(1.0, float(np.mean(mean**2))):
        raise BrainworthError(
            f"{key_of(name)}: all training images have the same features in this space, so nothing "
            "can be predicted from it; take it out, or check where it comes from"
        )
    kept = min(n_components, int(np.sum(variances > _NO_VARIANCE * variances[0])))
    axes, leading = axes[:, :kept], variances[:kept]
    scores = np.empty((len(values), kept))
    for start in range(0, len(values), 1024):
        rows = slice(start, start + 1024)
        scores[rows] = (values[rows] - mean) @ axes
    return Reduced(
        scores=(scores / np.sqrt(leading.mean())).astype(np.float32),
        whitened=(scores / np.sqrt(leading)).astype(np.float32),
        n_dimensions=p,
        effective_dimension=float(variances.sum() ** 2 / np.sum(variances**2)),
        kept=float(leading.sum() / variances.sum()),
    )
