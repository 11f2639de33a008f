"""What linear models predict from: the features of an image as one vector.

Ridge regression weighs features by their variance, so every block (global vector, mean token,
tokens) is brought to a mean variance of 1 over training images. Tokens keep their places, as early
regions need them; where places x channels are too many, the channels are replaced by their leading
principal components over the training images and all places.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainworth.encoder.features import store
from brainworth.encoder.features.store import Features


def everything(features: Features, train_rows: np.ndarray, token_features: int) -> np.ndarray:
    """Return global vector, mean token and tokens, shape (N, F), float32.

    Parameters
    ----------
    features : Features
        Standardised, but for the tokens, which are too many for a copy.
    train_rows : array of int
        Rows of training images: all that is fitted, is fitted on them.
    token_features : int
        Features that the tokens may become, at most; but one a place in any case.
    """
    tokens = features.tokens
    centre, gain = store.scale_of(tokens, train_rows)
    mean_token = (tokens.mean(axis=1, dtype=np.float32) - centre) * gain
    reduced = reduced_tokens(tokens, train_rows, token_features, centre, gain)
    return join([features.global_, mean_token, reduced], train_rows)


def overview(features: Features, train_rows: np.ndarray, layer: str) -> np.ndarray:
    """Return the global vector and mean token of a layer, shape (N, G + C), float32."""
    return join(features.layers[layer], train_rows)


def join(blocks: Sequence[np.ndarray], train_rows: np.ndarray) -> np.ndarray:
    """Join blocks (N, F_b), each scaled to a mean variance of 1 over the training rows."""
    answer = np.empty((len(blocks[0]), sum(block.shape[1] for block in blocks)), dtype=np.float32)
    start = 0
    for block in blocks:
        variance = block[train_rows].var(axis=0, dtype=np.float64).mean()
        gain = 1 / np.sqrt(variance) if variance > 0 else 0.0
        answer[:, start : start + block.shape[1]] = block * np.float32(gain)
        start += block.shape[1]
    return answer


def reduced_tokens(
    tokens: np.ndarray,
    train_rows: np.ndarray,
    token_features: int,
    centre: np.ndarray | float = 0.0,
    gain: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Standardise tokens (N, P, C) and flatten them to (N, P * c), float32.

    Of the channels, c <= C principal components are kept, over training images and all places.

    Parameters
    ----------
    centre, gain : arrays of shape (C,), optional
        See `store.scale_of`.
    """
    n, n_places, n_channels = tokens.shape
    kept = max(1, min(n_channels, token_features // n_places))

    def standardised(rows: np.ndarray | slice) -> np.ndarray:
        return (tokens[rows].reshape(-1, n_channels) - centre) * gain

    basis = None
    if kept < n_channels:
        total, products, count = np.zeros(n_channels), np.zeros((n_channels,) * 2), 0
        for start in range(0, len(train_rows), store.BLOCK):
            part = standardised(train_rows[start : start + store.BLOCK])
            total += part.sum(axis=0)
            products += part.T @ part
            count += len(part)
        mean = total / count
        _, vectors = np.linalg.eigh(products / count - np.outer(mean, mean))
        basis = np.ascontiguousarray(vectors[:, ::-1][:, :kept])
    answer = np.empty((n, n_places * kept), dtype=np.float32)
    for start in range(0, n, store.BLOCK):
        rows = slice(start, start + store.BLOCK)
        part = standardised(rows)
        part = part if basis is None else part @ basis
        answer[rows] = part.reshape(-1, n_places * kept)
    return answer
