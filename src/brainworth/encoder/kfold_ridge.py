"""Ridge regression of many voxels, each with its own penalty, chosen by cross-validation.

With P features, a fold's squared error of weights w is y'y - 2 w'b + w'Gw, where G = X'X and
b = X'y are of that fold: no prediction of a trial is ever made, and all work beyond two passes over
the data is of size P x P and P x V. A penalty costs one product of a P x P matrix with the voxels,
in the eigenbasis of the fold's training Gram matrix. With more features than rows, the rows are
first written in the basis of their own Gram matrix, in which all inner products, hence all ridge
predictions, are the same (Golub, Heath & Wahba 1979, Technometrics 21, 215-223, for the algebra).

Gram matrices and eigenvectors are in double precision, products with voxels in that of `dtype`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from brainworth.errors import BrainworthError
from brainworth.folds import folds as draw_folds

#: Voxels at a time, which bounds the memory and keeps products in the cache.
_BLOCK = 2048
_NO_VARIANCE = 1e-12  # of the largest eigenvalue: below it a direction is rounding


@dataclass(frozen=True)
class KFoldRidge:
    """A fitted regression.

    Attributes
    ----------
    weights : array of shape (P, V), float32
    intercept : array of shape (V,), float32
        Not penalised.
    penalty : array of shape (V,)
        Of each voxel, in units of X squared.
    error : array of shape (A, V)
        Mean squared error over the rows of all folds, of each penalty asked for.
    """

    weights: np.ndarray
    intercept: np.ndarray
    penalty: np.ndarray
    error: np.ndarray

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict voxels (N, V), float32, from features (N, P)."""
        return np.asarray(x, dtype=np.float32) @ self.weights + self.intercept


def penalties(x: np.ndarray, n_alphas: int, alpha_range: tuple[float, float]) -> np.ndarray:
    """Return penalties that do not depend on the units of the features.

    Parameters
    ----------
    x : array of shape (N, P)
    n_alphas : int
    alpha_range : (float, float)
        Smallest and largest, relative to the mean squared length of the centred rows of `x`; the
        others are evenly spaced between them on a logarithmic scale.

    Raises
    ------
    BrainworthError
        If all rows are the same.
    """
    scale = float(np.sum(np.var(np.asarray(x, dtype=np.float64), axis=0)))
    if not (np.isfinite(scale) and scale > 0):
        raise BrainworthError(
            "all images have the same features (or some are not finite), so nothing can be "
            "predicted from them; look at the settings of encoder.features"
        )
    return scale * np.geomspace(*alpha_range, n_alphas)


def image_folds(nsd_id: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Assign rows to folds so that all rows of an image are in the same one.

    Parameters
    ----------
    nsd_id : array of shape (N,), int
        Image of each row.
    n_folds : int

    Returns
    -------
    array of shape (N,), int

    Raises
    ------
    BrainworthError
        If there are fewer images than folds.
    """
    images, row = np.unique(nsd_id, return_inverse=True)
    if images.size < n_folds:
        raise BrainworthError(
            f"{images.size} training images cannot be split into {n_folds} folds; lower "
            "encoder.ridge.n_folds or take more images"
        )
    return draw_folds(images.size, n_folds, rng)[row]


def fit(
    x: np.ndarray,
    y: np.ndarray,
    folds: np.ndarray,
    penalty: np.ndarray,
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> KFoldRidge:
    """Fit a ridge regression to each voxel.

    Parameters
    ----------
    x : array of shape (N, P)
        Features; P may be larger than N.
    y : array of shape (N, V)
        Responses.
    folds : array of shape (N,), int
        Fold of each row: validated on once, trained on otherwise. Features and responses are
        centred by the means of the training rows. Afterwards all rows are fitted.
    penalty : array of shape (A,)
        Candidates, positive, in units of X squared. A voxel takes the one of least squared error
        over the rows of all folds, the first of several.
    dtype : torch.dtype
        Of products with voxels.
    device : str

    Raises
    ------
    BrainworthError
        If shapes disagree, there are fewer than two folds, or a value is not finite.
    """
    x, y, folds, penalty = _checked(x, y, folds, penalty)
    order = np.argsort(folds, kind="stable")
    stops = np.cumsum(np.unique(folds, return_counts=True)[1]).tolist()
    rows = [slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False)]
    x_mean = x.mean(axis=0, dtype=np.float64)
    # float64 copies are of the features only, one at a time
    centred = torch.from_numpy((x - x_mean)[order]).to(device)
    lift = None
    if x.shape[1] >= x.shape[0]:
        centred, lift = _own_basis(centred)
    splits = [_split(centred, part, dtype) for part in rows]
    whole = _eigen(centred, dtype)
    features = centred.to(dtype)
    del centred
    candidates = torch.from_numpy(penalty).to(device)
    answer = KFoldRidge(
        np.empty((x.shape[1], y.shape[1]), dtype=np.float32),
        np.empty(y.shape[1], dtype=np.float32),
        np.empty(y.shape[1]),
        np.empty((penalty.size, y.shape[1])),
    )
    for start in range(0, y.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        mean = y[:, block].mean(axis=0, dtype=np.float64)
        responses = torch.from_numpy(y[order, block] - mean).to(device, dtype)
        products = [features[part].T @ responses[part] for part in rows]
        total = sum(products)
        error = torch.zeros(penalty.size, responses.shape[1], dtype=torch.float64, device=device)
        for part, product, split in zip(rows, products, splits, strict=True):
            error += split.errors(total, product, responses, part, candidates)
        best = candidates[error.argmin(dim=0)]
        rotated = whole.vectors.T @ total
        weights = whole.vectors @ (rotated / (whole.values[:, None] + best.to(dtype)))
        if lift is not None:
            weights = lift.to(dtype) @ weights
        weights = weights.to(torch.float64).cpu().numpy()
        answer.weights[:, block] = weights
        answer.intercept[block] = mean - x_mean @ weights
        answer.penalty[block] = best.cpu().numpy()
        answer.error[:, block] = error.cpu().numpy() / len(y)
    return answer


@dataclass(frozen=True)
class _Eigen:
    """Eigenvectors (P, P) and eigenvalues (P,) of a Gram matrix, for products with voxels."""

    vectors: torch.Tensor
    values: torch.Tensor


@dataclass(frozen=True)
class _Split:
    """One fold: what its errors need of the features.

    Attributes
    ----------
    eigen : _Eigen
        Of the training rows, centred.
    gram : tensor of shape (P, P)
        Of the validation rows, centred by the training means, in that eigenbasis.
    n, n_train : int
    x_sum, x_mean : tensors of shape (P,)
        Sum over validation rows, mean over training rows.
    """

    eigen: _Eigen
    gram: torch.Tensor
    n: int
    n_train: int
    x_sum: torch.Tensor
    x_mean: torch.Tensor

    def errors(
        self,
        total: torch.Tensor,
        product: torch.Tensor,
        responses: torch.Tensor,
        rows: slice,
        candidates: torch.Tensor,
    ) -> torch.Tensor:
        """Return the summed squared errors (A, T) of the fold's rows.

        Parameters
        ----------
        total, product : tensors of shape (P, T)
            X'Y over all rows and over the fold's rows, of centred features and responses.
        responses : tensor of shape (N, T)
        rows : slice
            Of the fold.
        candidates : tensor of shape (A,), float64
        """
        y_sum = responses[rows].sum(dim=0)
        y_mean = (responses.sum(dim=0) - y_sum) / self.n_train
        train = total - product - self.n_train * torch.outer(self.x_mean, y_mean)
        held_out = (
            product
            - torch.outer(self.x_sum - self.n * self.x_mean, y_mean)
            - torch.outer(self.x_mean, y_sum)
        )
        squares = ((responses[rows] - y_mean) ** 2).sum(dim=0, dtype=torch.float64)
        rotated = self.eigen.vectors.T @ train
        cross = self.eigen.vectors.T @ held_out
        answer = torch.empty(
            candidates.numel(), rotated.shape[1], dtype=torch.float64, device=rotated.device
        )
        for a, candidate in enumerate(candidates.tolist()):
            weights = rotated / (self.eigen.values + candidate)[:, None]
            # w'Gw - 2 w'b in one product
            inner = torch.addmm(cross, self.gram, weights, beta=-2)
            answer[a] = inner.mul_(weights).sum(dim=0)
        return answer + squares


def _split(x: torch.Tensor, rows: slice, dtype: torch.dtype) -> _Split:
    """Prepare a fold from centred features (N, P), float64."""
    part = x[rows]
    n, n_train = len(part), len(x) - len(part)
    part_sum = part.sum(dim=0)
    mean = (x.sum(dim=0) - part_sum) / n_train
    train = torch.cat([x[: rows.start], x[rows.stop :]]) - mean
    eigen = _eigen(train, torch.float64)
    held_out = (part - mean) @ eigen.vectors
    return _Split(
        _Eigen(eigen.vectors.to(dtype), eigen.values.to(dtype)),
        (held_out.T @ held_out).to(dtype),
        n,
        n_train,
        part_sum.to(dtype),
        mean.to(dtype),
    )


def _eigen(x: torch.Tensor, dtype: torch.dtype) -> _Eigen:
    values, vectors = torch.linalg.eigh(x.T @ x)
    return _Eigen(vectors.to(dtype), values.clamp(min=0).to(dtype))


def _own_basis(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Write rows (N, P) in the basis (N, R) of their Gram matrix, R < N.

    Returns
    -------
    rows : tensor of shape (N, R)
    lift : tensor of shape (P, R)
        Turns weights in that basis into weights of features.
    """
    values, vectors = torch.linalg.eigh(x @ x.T)
    kept = values > _NO_VARIANCE * values[-1]
    root = values[kept].sqrt()
    return vectors[:, kept] * root, x.T @ (vectors[:, kept] / root)


def _checked(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, penalty: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    x, y, folds = np.asarray(x), np.asarray(y), np.asarray(folds)
    penalty = np.asarray(penalty, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or folds.shape != (len(x),):
        raise BrainworthError(
            f"ridge regression needs features {x.shape}, responses {y.shape} and folds "
            f"{folds.shape} of the same rows"
        )
    if np.unique(folds).size < 2:
        raise BrainworthError("cross-validation needs at least two folds")
    if penalty.ndim != 1 or penalty.size == 0 or not np.all(penalty > 0):
        raise BrainworthError("penalties of a ridge regression must be positive numbers")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BrainworthError("a feature or a response is not finite, so nothing can be fitted")
    return x, y, folds, penalty
