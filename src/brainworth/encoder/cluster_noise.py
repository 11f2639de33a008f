"""The noise of clusters, from the trials of test images."""

from __future__ import annotations

import math

import numpy as np

from brainworth.encoder import clusters
from brainworth.encoder.targets import Targets

_SLACK = 1e-9  # of a number of voxels, which is rounded up, but not for what is rounding itself


def noise_of_clusters(
    targets: Targets, labels: np.ndarray, top: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return what limits any prediction of clusters, as it is known for voxels.

    Each trial is aggregated as its image's mean response is, and the variance of trials about the
    mean of their image is the noise.

    Parameters
    ----------
    targets : Targets
    labels : array of shape (V,), int
        Cluster of each voxel.
    top : float
        Share of a cluster's voxels that is averaged.

    Returns
    -------
    noise_variance : array of shape (K,)
        Of a single trial.
    ncsnr : array of shape (K,)
        Signal SD over noise SD of single trials; 0 where the test images show no signal.

    Notes
    -----
    Exact for `top` = 1. Below, the most active voxels are other ones in each trial, and the noise
    of a mean over n trials is only nearly 1/n of a trial's.
    """
    trials = clusters.aggregate(targets.trials.astype(np.float64), labels, top)
    images, image, counts = np.unique(targets.trial_row, return_inverse=True, return_counts=True)
    means = np.zeros((len(images), trials.shape[1]))
    np.add.at(means, image, trials)
    means /= counts[:, None]
    noise = np.sum((trials - means[image]) ** 2, axis=0) / (len(trials) - len(images))
    observed = clusters.aggregate(targets.values[images].astype(np.float64), labels, top)
    signal = observed.var(axis=0, ddof=1) - noise * np.mean(1 / targets.n_repeats[images])
    safe = np.where(noise > 0, noise, 1.0)
    return noise, np.where(noise > 0, np.sqrt(np.maximum(signal, 0) / safe), 0.0)


def selection_bias(targets: Targets, labels: np.ndarray, top: float) -> list[dict]:
    """Measure what the choice of the most active voxels by their own noise adds to a target.

    The most active voxels of one half of an image's trials are averaged in that half, and in a
    trial that is not in it. Both have the same signal; the difference is noise that was selected.

    Parameters
    ----------
    targets : Targets
    labels : array of shape (V,), int
    top : float

    Returns
    -------
    list of dict
        One for each number of trials ``n_trials`` (from 1) that voxels can be chosen by while one
        trial is left: ``estimate``, mean over images and clusters, in units of the targets, and
        ``n_images``. The bias of targets of all trials is smaller: they are less noisy.
    """
    order = np.argsort(targets.trial_row, kind="stable")
    _, starts, counts = np.unique(targets.trial_row[order], return_index=True, return_counts=True)
    trials = targets.trials[order].astype(np.float64)
    answer = []
    for n_trials in range(1, int(counts.max())):
        first = starts[counts > n_trials]
        chosen = np.mean([trials[first + k] for k in range(n_trials)], axis=0)
        left = trials[first + n_trials]
        apart = clusters.aggregate(chosen, labels, top) - average_where(chosen, left, labels, top)
        answer.append(
            {"n_trials": n_trials, "n_images": len(first), "estimate": float(apart.mean())}
        )
    return answer


def average_where(
    chosen: np.ndarray, values: np.ndarray, labels: np.ndarray, top: float
) -> np.ndarray:
    """Average those voxels of `values` that are the most active in `chosen`.

    Parameters
    ----------
    chosen, values : arrays of shape (N, V)
    labels : array of shape (V,), int
    top : float

    Returns
    -------
    array of shape (N, K)
    """
    result = np.empty((len(values), int(labels.max()) + 1))
    for cluster in range(result.shape[1]):
        members = np.flatnonzero(labels == cluster)
        kept = math.ceil(top * len(members) - _SLACK)
        order = np.argsort(-chosen[:, members], axis=1, kind="stable")[:, :kept]
        result[:, cluster] = np.take_along_axis(values[:, members], order, axis=1).mean(axis=1)
    return result
