"""Clusters of voxels, and their targets: the mean of the most active voxels of each image."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from scipy.cluster.vq import kmeans2

from brainworth.errors import BrainworthError
from brainworth.nsd import rois
from brainworth.stats import stream

#: `top * n` is rounded up, but for what is rounding itself (0.55 * 100 is 55.00000000000001).
_SLACK = 1e-9


def make(
    kind: str, size: int, ijk: np.ndarray, *, seed: int, atlas: np.ndarray | None = None
) -> np.ndarray:
    """Divide voxels into clusters.

    Parameters
    ----------
    kind : {"sequential", "compact", "atlas"}
        Runs along the voxel axis, as published; k-means of coordinates; labels of a volume.
    size : int
        Voxels of a cluster; not used by `atlas`.
    ijk : array of shape (V, 3), int
        0-based x, y, z of the voxels.
    seed : int
        Root seed, for `compact`.
    atlas : array of shape (x, y, z), int, optional
        Labels from 1; anything below is no label.

    Returns
    -------
    array of shape (V,), int32
        Cluster of every voxel, 0..K-1; each cluster has a voxel. Of `sequential`, what is left over
        at the end joins the last cluster; of `atlas`, voxels without a label are the last.

    Raises
    ------
    BrainworthError
        If there is no atlas, or a voxel lies outside its volume.
    """
    n = len(ijk)
    n_clusters = max(1, n // size)
    if kind == "sequential":
        return np.minimum(np.arange(n) // size, n_clusters - 1).astype(np.int32)
    if kind == "compact":
        return _compact(ijk, n_clusters, seed)
    if kind == "atlas":
        return _from_atlas(ijk, atlas)
    raise ValueError(f"kind must be sequential, compact or atlas, not {kind!r}")


def read_atlas(path: str, subject: str, volume_shape: tuple[int, ...]) -> np.ndarray:
    """Read the volume of `encoder.clusters.atlas` for one subject.

    Parameters
    ----------
    path : str
        With ``{subject}`` where the subject's name belongs.

    Returns
    -------
    array of shape (x, y, z), int16

    Raises
    ------
    BrainworthError
        If it is missing or damaged, or not in the subject's space.
    """
    place = Path(path.replace("{subject}", subject))
    labels = rois.read_labels(place)
    if labels.shape != tuple(volume_shape):
        raise BrainworthError(
            f"encoder.clusters.atlas: {place} has shape {labels.shape}, and the volumes of "
            f"{subject} have {tuple(volume_shape)}; use an atlas in the subject's own space"
        )
    return labels


def aggregate(values: np.ndarray, labels: np.ndarray, top: float) -> np.ndarray:
    """Average the most active voxels of each cluster, image by image.

    Parameters
    ----------
    values : array of shape (N, V)
        Responses.
    labels : array of shape (V,), int
        What `make` returned.
    top : float
        Share of a cluster's voxels; ceil(top * n) of n voxels are averaged.

    Returns
    -------
    array of shape (N, K), of the kind of `values`

    Notes
    -----
    Which voxels are the most active is decided by the responses themselves, noise included, so for
    `top` < 1 the result is larger than the mean of the cluster's signal.
    """
    n_clusters = int(labels.max()) + 1
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=n_clusters)
    starts = np.concatenate([[0], np.cumsum(counts)])
    result = np.empty((len(values), n_clusters), dtype=np.asarray(values).dtype)
    # Clusters of one size are one block: all their rows are partitioned together.
    for size in np.unique(counts):
        here = np.flatnonzero(counts == size)
        columns = order[starts[here][:, None] + np.arange(size)]
        kept = math.ceil(top * size - _SLACK)
        block = np.asarray(values)[:, columns]
        if kept < size:
            block = np.partition(block, size - kept, axis=2)[:, :, size - kept :]
        result[:, here] = block.mean(axis=2)
    return result


def _compact(ijk: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Cluster coordinates by k-means, and number the clusters by their first voxel."""
    points = np.asarray(ijk, dtype=float)
    rng = stream(seed, "encoder", "clusters", "compact", n_clusters)
    _, found = kmeans2(points, n_clusters, iter=50, minit="++", rng=rng, missing="warn")
    _, first, labels = np.unique(found, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[labels].astype(np.int32)


def _from_atlas(ijk: np.ndarray, atlas: np.ndarray | None) -> np.ndarray:
    if atlas is None:
        raise BrainworthError(
            "clusters of kind atlas need encoder.clusters.atlas, the path of a NIfTI volume"
        )
    if np.any(ijk >= atlas.shape) or np.any(ijk < 0):
        raise BrainworthError(
            f"encoder.clusters.atlas: a volume of shape {atlas.shape} does not hold voxel "
            f"{tuple(ijk.max(axis=0).tolist())} (x, y, z from 0); use one in the subject's space"
        )
    label = atlas[tuple(np.asarray(ijk).T)].astype(np.int64)
    label[label < 1] = np.iinfo(np.int64).max  # the last
    return np.unique(label, return_inverse=True)[1].astype(np.int32)
