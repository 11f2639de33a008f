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
    held_out : array of shape (N, T)
        What is decoded of each training trial if all trials of its image are left out, with the
        penalty taken.
    """

    weights: np.ndarray
    intercept: np.ndarray
    penalty: np.ndarray
    error: np.ndarray
    held_out: np.ndarray

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
    penalties = np.asarray(penalties, dtype=float)
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
    x -= x_mean  # x is a copy, and at NSD's size another one would be half a gigabyte
    y_centred = y - y_mean
    scale = float(np.einsum("ij,ij->", x, x, dtype=np.float64) / len(x))
    if scale == 0:
        raise BrainworthError("the responses a decoder was given are the same in all trials")
    left, values = _left_singular(x)
    rotated = left.T @ y_centred
    shrink = (values / (values + scale * penalties[:, None])).T.astype(x.dtype)  # (R, A)
    images = _Images(left, shrink, counts)
    error = np.stack(
        [
            np.mean(images.residuals(place, y_centred, rotated) ** 2, axis=0)
            for place in range(len(penalties))
        ]
    )
    total = error
    if together is not None:
        total = np.empty_like(error)
        for group in np.unique(together):
            total[:, together == group] = error[:, together == group].sum(axis=1, keepdims=True)
    best = np.argmin(total, axis=0)
    held_out = np.empty_like(y)
    for place in np.unique(best):
        mine = best == place
        residual = images.residuals(place, y_centred[:, mine], rotated[:, mine])
        held_out[np.ix_(order, mine)] = y[:, mine] - residual
    chosen = penalties[best]
    shrunk = rotated / (values[:, None] + scale * chosen).astype(x.dtype)
    weights = x.T @ (left @ shrunk)
    return Decoder(weights, y_mean - x_mean @ weights, chosen, error, held_out)


def _left_singular(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return left singular vectors (N, R) of x and squared singular values (R,), float64."""
    floor = _NO_SIGNAL if x.dtype == np.float32 else _NO_SIGNAL_DOUBLE
    wide = x.shape[0] <= x.shape[1]
    gram = x @ x.T if wide else x.T @ x
    # in the order of columns LAPACK needs no copy of its own; gigabytes at NSD's size
    gram = gram.astype(np.float64, order="F")
    values, vectors = linalg.eigh(gram, overwrite_a=True, check_finite=False, driver="evd")
    first = np.argmax(values > floor * values[-1])  # they ascend
    values, vectors = values[first:], vectors[:, first:]
    if wide:
        return vectors.astype(x.dtype), values
    scaled = np.empty_like(vectors, dtype=x.dtype)
    np.divide(vectors, np.sqrt(values), out=scaled, casting="same_kind")
    return x @ scaled, values


class _Images:
    """What leaving out all trials of an image needs, for rows sorted by image.

    Parameters
    ----------
    left : array of shape (N, R)
        Left singular vectors.
    shrink : array of shape (R, A)
        What each penalty leaves of them.
    counts : array of int
        Rows of each image.
    """

    def __init__(self, left: np.ndarray, shrink: np.ndarray, counts: np.ndarray) -> None:
        self._left, self._shrink = left, shrink
        starts = np.cumsum(counts) - counts
        self._rows = [
            starts[counts == size][:, None] + np.arange(size) for size in np.unique(counts)
        ]
        # the mean, which is fitted too, is 1/N everywhere in the hat matrix
        self._undo = [
            np.linalg.inv(np.eye(rows.shape[1]) - _hat_blocks(left, shrink, rows) - 1 / len(left))
            for rows in self._rows
        ]

    def residuals(self, place: int, y: np.ndarray, rotated: np.ndarray) -> np.ndarray:
        """Return residuals (N, T), float64, of rows that were not fitted, at one penalty."""
        residual = (y - self._left @ (self._shrink[:, place, None] * rotated)).astype(np.float64)
        for rows, undo in zip(self._rows, self._undo, strict=True):
            residual[rows] = undo[place] @ residual[rows]
        return residual


def _hat_blocks(left: np.ndarray, shrink: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the hat matrix among the trials of each image, shape (A, G, m, m), for rows (G, m)."""
    n_images, size = rows.shape
    answer = np.empty((shrink.shape[1], n_images, size, size))
    for i in range(size):
        for j in range(i, size):
            product = (left[rows[:, i]] * left[rows[:, j]]) @ shrink
            answer[:, :, i, j] = answer[:, :, j, i] = product.T
    return answer
