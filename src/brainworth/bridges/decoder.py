"""Linear decoding: ridge regression of image features on voxels, penalty by leave-one-image-out.

All trials of an image are left out together. For a linear smoother with hat matrix H and residuals
e, the residuals of image g, had its trials not been fitted, are (I - H_gg)^-1 e_g exactly
(the grouped form of Allen's PRESS; Golub, Heath & Wahba 1979, Technometrics 21, 215-223), so that
one eigendecomposition, of the Gram matrix of trials or of voxels, whichever is smaller, serves all
penalties and all features. Intercepts are not penalised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from brainworth.errors import BrainworthError

_NO_SIGNAL = 1e-7  # of the largest eigenvalue, in single precision: below it is rounding
_NO_SIGNAL_DOUBLE = 1e-12
#: Fewest images to learn from.
FEWEST_IMAGES = 5


@dataclass(frozen=True)
class Decoder:
    """A fitted decoder of T features from V voxels.

    Attributes
    ----------
    weights : array of shape (V, T)
    intercept : array of shape (T,)
    penalty : array of shape (T,)
        Relative to the mean squared length of the centred responses.
    error : array of shape (A, T)
        Mean squared leave-one-image-out error of each candidate and feature.
    """

    weights: np.ndarray
    intercept: np.ndarray
    penalty: np.ndarray
    error: np.ndarray

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Decode features (N, T) from responses (N, V)."""
        return x @ self.weights + self.intercept


def fit(
    x: np.ndarray,
    y: np.ndarray,
    image: np.ndarray,
    penalties: np.ndarray,
    together: np.ndarray | None = None,
) -> Decoder:
    """Fit a decoder.

    Parameters
    ----------
    x : array of shape (N, V)
        Responses, a row a trial. Products are in its precision.
    y : array of shape (N, T)
        Features of each trial's image.
    image : array of shape (N,), int
        Image of each trial.
    penalties : array of shape (A,)
        Candidates, relative to the mean squared length of the centred rows of `x`.
    together : array of shape (T,), int, optional
        Features with the same number share one penalty, of least summed error; by default each
        has its own.

    Raises
    ------
    BrainworthError
        If there are fewer than `FEWEST_IMAGES` images, responses do not vary, or a number is not
        finite.
    """
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BrainworthError(
            "a decoder was given a response or a feature that is not a number; look at the "
            "extracts (results/<study>/data) and at the features of the images"
        )
    order = np.argsort(image, kind="stable")
    counts = np.unique(image, return_counts=True)[1]
    if counts.size < FEWEST_IMAGES:
        raise BrainworthError(
            f"a decoder was given {counts.size} training images, and needs at least "
            f"{FEWEST_IMAGES}; raise bridges.decoding.smallest or use more sessions"
        )
    x, y = x[order], np.asarray(y, dtype=x.dtype)[order]
    x_mean = x.mean(axis=0, dtype=np.float64).astype(x.dtype)
    y_mean = y.mean(axis=0, dtype=np.float64).astype(x.dtype)
    x_centred, y_centred = x - x_mean, y - y_mean
    scale = float(np.einsum("ij,ij->", x_centred, x_centred, dtype=np.float64) / len(x))
    if scale == 0:
        raise BrainworthError("the responses a decoder was given are the same in all trials")
    left, values = _left_singular(x_centred)
    rotated = left.T @ y_centred
    error = _held_out_error(left, values, rotated, y_centred, counts, scale * penalties)
    total = error
    if together is not None:
        total = np.empty_like(error)
        for group in np.unique(together):
            total[:, together == group] = error[:, together == group].sum(axis=1, keepdims=True)
    chosen = np.asarray(penalties)[np.argmin(total, axis=0)]
    shrunk = rotated / (values[:, None] + scale * chosen).astype(x.dtype)
    weights = x_centred.T @ (left @ shrunk)
    return Decoder(weights, y_mean - x_mean @ weights, chosen, error)


def _left_singular(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return left singular vectors (N, R) of x and squared singular values (R,), float64."""
    floor = _NO_SIGNAL if x.dtype == np.float32 else _NO_SIGNAL_DOUBLE
    wide = x.shape[0] <= x.shape[1]
    gram = x @ x.T if wide else x.T @ x
    values, vectors = linalg.eigh(gram.astype(np.float64), overwrite_a=True, check_finite=False)
    kept = values > floor * values[-1]
    values = values[kept]
    if wide:
        return vectors[:, kept].astype(x.dtype), values
    return x @ (vectors[:, kept] / np.sqrt(values)).astype(x.dtype), values


def _held_out_error(
    left: np.ndarray,
    values: np.ndarray,
    rotated: np.ndarray,
    y: np.ndarray,
    counts: np.ndarray,
    penalties: np.ndarray,
) -> np.ndarray:
    """Return the mean squared leave-one-image-out errors (A, T); rows are sorted by image."""
    shrink = (values / (values + penalties[:, None])).T.astype(left.dtype)  # (R, A)
    starts = np.cumsum(counts) - counts
    groups = [
        (int(size), starts[counts == size][:, None] + np.arange(size)) for size in np.unique(counts)
    ]
    blocks = [_hat_blocks(left, shrink, rows) for _, rows in groups]
    error = np.empty((len(penalties), y.shape[1]))
    for a in range(len(penalties)):
        residual = (y - left @ (shrink[:, a, None] * rotated)).astype(np.float64)
        squares = np.zeros(y.shape[1])
        for (size, rows), block in zip(groups, blocks, strict=True):
            # the mean, which is fitted too, is 1/N everywhere in the hat matrix
            inner = np.eye(size) - block[a] - 1 / len(y)
            squares += np.sum(np.linalg.solve(inner, residual[rows]) ** 2, axis=(0, 1))
        error[a] = squares / len(y)
    return error


def _hat_blocks(left: np.ndarray, shrink: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the hat matrix among the trials of each image, shape (A, G, m, m), for rows (G, m)."""
    n_images, size = rows.shape
    answer = np.empty((shrink.shape[1], n_images, size, size))
    for i in range(size):
        for j in range(i, size):
            product = (left[rows[:, i]] * left[rows[:, j]]) @ shrink
            answer[:, :, i, j] = answer[:, :, j, i] = product.T
    return answer
